"""Power of the last two hours against what may be drawn; a minute nobody metered is hatched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.palette import TOKENS, Mode, format_si
from wattline_dashboards import plot, theme
from wattline_dashboards.columns import number
from wattline_dashboards.figures import ticks
from wattline_dashboards.language import _

HEIGHT = 168
_HEADROOM = 1.08
_SHADES = (0.9, 0.62, 0.4, 0.25)
"""Of the one accent, for systems stacked on each other."""


def caps(power: Mapping[str, Any]) -> dict[str, float | None]:
    """What each system may draw whose power is metered; null where the profile does not say."""
    told = power.get("caps")
    known: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    return {system: number(known.get(system)) for system in series(power)[1]}


def cap_of(power: Mapping[str, Any]) -> float | None:
    """What all systems that are metered may draw together; null where one has no cap."""
    told = list(caps(power).values())
    return _sum(told) if told else None


def series(power: Mapping[str, Any]) -> tuple[list[int], dict[str, list[float | None]]]:
    """Moments (ms) and the watts of each system at them; both empty where nothing is known.

    A system of which no minute is known has no meter, and is not among them.
    """
    course = power.get("course")
    if not isinstance(course, Mapping):
        return [], {}
    watts = {
        str(system): [number(value) for value in values]
        for system, values in (course.get("watts") or {}).items()
    }
    count = max((len(values) for values in watts.values()), default=0)
    start, step = number(course.get("start_ms")), number(course.get("step_ms"))
    if not count or start is None or not step:
        return [], {}
    moments = [int(start + place * step) for place in range(count)]
    known = {
        system: values
        for system, values in watts.items()
        if len(values) == count and any(value is not None for value in values)
    }
    return (moments, known) if known else ([], {})


def figure(power: Mapping[str, Any], zone: ZoneInfo, mode: Mode) -> plot.Figure:
    """Minutes as bars without gaps, systems stacked, and the cap as a line with its name."""
    tokens, cap = TOKENS[mode], cap_of(power)
    moments, watts = series(power)
    if not moments:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    utc = [datetime.fromtimestamp(ms / 1000, UTC) for ms in moments]
    local = [f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in utc]
    sums = [_sum([values[place] for values in watts.values()]) for place in range(len(moments))]
    top = max([value for value in sums if value is not None] + ([cap] if cap else []), default=1.0)
    top *= _HEADROOM
    traces: list[Any] = [
        plot.bar(
            x=local,
            y=[None if whole is None else v for v, whole in zip(values, sums, strict=True)],
            name=escape(system[:80]),
            marker={
                "color": tokens.accent,
                "opacity": _SHADES[min(place, len(_SHADES) - 1)],
                "line": {"width": 0},
            },
            customdata=[
                (format_si(value, "W"), f"{at:%H:%M}")
                for value, at in zip(values, utc, strict=True)
            ],
            hovertemplate="%{x|%H:%M} (%{customdata[1]} UTC), %{fullData.name}: "
            "%{customdata[0]}<extra></extra>",
        )
        for place, (system, values) in enumerate(watts.items())
    ]
    unknown = [place for place, value in enumerate(sums) if value is None]
    if unknown:
        traces.append(
            plot.bar(
                x=[local[place] for place in unknown],
                y=[top] * len(unknown),
                marker={"color": "rgba(0,0,0,0)", "pattern": theme.hatch(mode, "/"),
                        "line": {"width": 0}},
                hovertemplate="%{x|%H:%M}: " + escape(_("not known")) + "<extra></extra>",
            )
        )  # fmt: skip
    notes: list[dict[str, Any]] = []
    if cap:
        traces.append(
            plot.scatter(
                x=[local[0], local[-1]], y=[cap, cap], mode="lines", hoverinfo="skip",
                line={"color": tokens.text, "width": 1.5, "dash": "dash"},
            )
        )  # fmt: skip
        notes.append(
            {
                "x": 0, "xref": "paper", "y": cap, "yref": "y", "xanchor": "left",
                "yanchor": "bottom", "showarrow": False, "font": {"size": theme.SMALL},
                "text": escape(_("cap {power}").format(power=format_si(cap, "W"))),
            }
        )  # fmt: skip
    round_ones = ticks.between(0.0, top)
    return plot.figure(
        traces,
        theme.layout(
            mode,
            barmode="stack",
            bargap=0,
            annotations=notes,
            xaxis=theme.axis(mode, showgrid=False, nticks=6, tickformat="%H:%M", type="date"),
            yaxis=theme.axis(
                mode, range=[0, top], tickvals=round_ones,
                ticktext=[ticks.plain(format_si(value, "W")) for value in round_ones],
            ),
        ),
    )  # fmt: skip


def _sum(values: Sequence[float | None]) -> float | None:
    """A whole that lacks a part is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
