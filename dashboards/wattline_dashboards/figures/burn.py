"""A grant being used up: hours used so far, the even pace, and where it leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.palette import TOKENS, Mode, format_number
from wattline_dashboards import plot, theme
from wattline_dashboards.columns import number
from wattline_dashboards.figures import moments
from wattline_dashboards.figures.days import ticks_to
from wattline_dashboards.figures.ticks import ticks
from wattline_dashboards.language import _

HEIGHT = 320
_DAY_MS = 86_400_000


def figure(grant: Mapping[str, Any], mode: Mode, zone: ZoneInfo) -> plot.Figure:
    """The line of one grant; its forecast is dotted, from now to the grant's end."""
    tokens = TOKENS[mode]
    granted = number(grant.get("granted_gpu_hours"))
    start, end, now = (number(grant.get(name)) for name in ("start_ms", "end_ms", "now_ms"))
    if granted is None or start is None or end is None or now is None:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    points = [(start, 0.0)] + [(at, hours) for at, hours in grant.get("days") or ()]
    if points[-1][0] < now:
        points.append((now, points[-1][1]))
    forecast = number(grant.get("forecast_gpu_hours"))
    used = points[-1][1]
    highest = max(granted, used, forecast or 0.0) * 1.08
    traces = [
        _line([(start, 0.0), (end, granted)], tokens.muted, "dash", _("even pace"), zone),
        _line(points, tokens.accent, "solid", _("used"), zone, fill=True),
    ]
    if forecast is not None and end - now > _DAY_MS:
        traces.append(
            _line([(now, used), (end, forecast)], tokens.accent, "dot", _("forecast"), zone)
        )
    amounts, named = ticks_to(highest), ticks(start, end, zone)
    notes = [_note(end, granted, _("granted {hours}"), granted, tokens.muted, zone, "bottom")]
    last = (end, forecast) if forecast is not None and end - now > _DAY_MS else (now, used)
    words = _("forecast {hours}") if last[0] == end and last[1] != used else _("used {hours}")
    notes.append(_note(last[0], last[1] or 0.0, words, last[1] or 0.0, tokens.accent, zone, "top"))
    return plot.figure(
        traces,
        theme.layout(
            mode,
            margin={"l": 0, "r": 8, "t": 16, "b": 0},
            xaxis=theme.axis(
                mode, type="date", showgrid=False,
                range=[moments.local(start, zone), moments.local(end, zone)],
                tickvals=[moments.local(at, zone) for at, _label in named],
                ticktext=[label for _at, label in named],
            ),
            yaxis=theme.axis(
                mode, range=[0, highest], tickvals=amounts,
                ticktext=[format_number(round(one), "GPU-h") for one in amounts],
            ),
            shapes=[
                {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": granted, "y1": granted,
                 "line": {"color": tokens.line, "width": 1}},
            ],
            # The line that a note names rises to it, and would strike it through.
            annotations=[note | {"bgcolor": tokens.background} for note in notes],
        ),
    )  # fmt: skip


def _line(
    points: list[tuple[float, float]], colour: str, dash: str, name: str, zone: ZoneInfo,
    *, fill: bool = False,
) -> plot.Trace:  # fmt: skip
    return plot.scatter(
        x=[moments.local(at, zone) for at, _hours in points],
        y=[hours for _at, hours in points],
        mode="lines",
        line={"color": colour, "width": 2 if dash == "solid" else 1.5, "dash": dash},
        fill="tozeroy" if fill else None,
        customdata=[
            f"{format_number(hours, 'GPU-h')}<br>{moments.utc(at)}" for at, hours in points
        ],
        hovertemplate=f"{name}, %{{x|%-d %b %Y}}: %{{customdata}}<extra></extra>",
    )


def _note(
    at: float, height: float, words: str, hours: float, colour: str, zone: ZoneInfo, anchor: str
) -> dict[str, Any]:
    return {
        "x": moments.local(at, zone), "y": height, "xanchor": "right", "yanchor": anchor,
        "yshift": 2 if anchor == "bottom" else -4, "showarrow": False,
        "text": words.format(hours=format_number(hours, "GPU-h")),
        "font": {"size": theme.SMALL, "color": colour},
    }  # fmt: skip
