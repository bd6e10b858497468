"""Granted and used side by side, grants against their time, and the commercial guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wattline_collector.palette import TOKENS, Mode, format_number, format_percent
from wattline_dashboards import plot, theme
from wattline_dashboards.columns import number
from wattline_dashboards.figures.ticks import plain
from wattline_dashboards.language import _

ROW = 34
"""Pixels of a row."""
_LEAST_ROWS = 3
_NAME = 34
"""Characters of a name beside a bar."""
Rows = Sequence[Mapping[str, Any]]


def height(rows: int, extra: int = 24) -> int:
    """Pixels that so many rows need."""
    return max(rows, _LEAST_ROWS) * ROW + extra


def granted_and_used(rows: Rows, mode: Mode) -> plot.Figure:
    """A bar of what was used before an outlined one of what was granted.

    Args:
        rows: `name`, `used`, `granted` (GPU-hours; null: nothing was, or nobody knows).
        mode: Light or dark.
    """
    tokens = TOKENS[mode]
    if not rows:
        return _none(mode)
    places = list(range(len(rows)))
    used = [number(row.get("used")) for row in rows]
    granted = [number(row.get("granted")) for row in rows]
    longest = max((v for v in (*used, *granted) if v is not None), default=0.0)
    hints = [_hint(row) for row in rows]
    return plot.figure(
        [
            plot.bar(
                y=places, x=granted, orientation="h", width=0.72, customdata=hints,
                marker={"color": tokens.grid, "line": {"color": tokens.mark, "width": 1}},
                hovertemplate="%{customdata}<extra></extra>",
            ),
            plot.bar(
                y=places, x=used, orientation="h", width=0.4, customdata=hints,
                marker={"color": tokens.accent}, hovertemplate="%{customdata}<extra></extra>",
            ),
        ],
        theme.layout(
            mode,
            barmode="overlay",
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            annotations=[
                _beside(place, max(used[place] or 0.0, granted[place] or 0.0), longest, _said(row))
                for place, row in enumerate(rows)
            ],
            xaxis=theme.bare_axis(range=[0, max(longest, 1e-9) * 1.75]),
            yaxis=_names([str(row.get("name")) for row in rows], mode),
        ),
    )  # fmt: skip


def burn_down(rows: Rows, mode: Mode) -> plot.Figure:
    """Each grant: how much of it is used, where it would be by now, and where its pace leads.

    Args:
        rows: `name`, and of the grant `used`, `due`, `forecast`, `granted` (GPU-hours), `told`.
        mode: Light or dark.
    """
    tokens = TOKENS[mode]
    if not rows:
        return _none(mode)
    places = list(range(len(rows)))
    shares = [{key: _over(row, key) for key in ("used", "due", "forecast")} for row in rows]
    most = max([1.0, *(v for one in shares for v in one.values() if v is not None)])
    most = min(most, 2.0)
    hints = [_burn_hint(row) for row in rows]
    return plot.figure(
        [
            plot.bar(
                y=places, x=[1.0] * len(rows), orientation="h", width=0.72, customdata=hints,
                marker={"color": tokens.grid}, hovertemplate="%{customdata}<extra></extra>",
            ),
            plot.bar(
                y=places, x=[one["forecast"] for one in shares], orientation="h", width=0.4,
                marker={"color": "rgba(0,0,0,0)", "line": {"color": tokens.accent, "width": 1},
                        "pattern": theme.hatch(mode, "/")},
                customdata=hints, hovertemplate="%{customdata}<extra></extra>",
            ),
            plot.bar(
                y=places, x=[one["used"] for one in shares], orientation="h", width=0.4,
                marker={"color": tokens.accent}, customdata=hints,
                hovertemplate="%{customdata}<extra></extra>",
            ),
            plot.scatter(
                y=places, x=[one["due"] for one in shares], mode="markers",
                marker={"symbol": "line-ns-open", "size": 22, "color": tokens.text,
                        "line": {"width": 2}},
                customdata=hints, hovertemplate="%{customdata}<extra></extra>",
            ),
        ],
        theme.layout(
            mode,
            barmode="overlay",
            margin={"l": 0, "r": 0, "t": 0, "b": 24},
            annotations=[
                _beside(place, max(1.0, min(most, one["forecast"] or 0.0)), most, _burn_said(row))
                for place, (row, one) in enumerate(zip(rows, shares, strict=True))
            ],
            xaxis=theme.axis(
                mode, range=[0, most * 1.45], tickvals=[0, 0.25, 0.5, 0.75, 1.0],
                ticktext=[plain(format_percent(v)) for v in (0, 0.25, 0.5, 0.75, 1.0)],
            ),
            yaxis=_names([str(row.get("name")) for row in rows], mode),
        ),
    )  # fmt: skip


def guard(rows: Rows, mode: Mode) -> plot.Figure:
    """The commercial part of the Union's time of each system, on a scale with its levels.

    Args:
        rows: `system`, `share` (0-1, null: not known), `levels` (0-1, rising), `limit`, `alarm`.
        mode: Light or dark.
    """
    tokens = TOKENS[mode]
    if not rows:
        return _none(mode)
    shares = [number(row.get("share")) for row in rows]
    levels = [
        [v for level in row.get("levels") or () if (v := number(level)) is not None] for row in rows
    ]
    most = max([0.25, *(v * 1.15 for v in (*shares, *(x for one in levels for x in one)) if v)])
    marks, notes = [], []
    for place, of in enumerate(levels):
        for level in of:
            marks.append(
                {"type": "line", "x0": level, "x1": level, "y0": place - 0.4, "y1": place + 0.4,
                 "line": {"color": tokens.text, "width": 2 if level == of[-1] else 1,
                          "dash": "solid" if level == of[-1] else "dot"}}
            )  # fmt: skip
            notes.append(
                {"x": level, "y": place - 0.4, "yanchor": "bottom", "showarrow": False,
                 "text": format_percent(level, 2), "font": {"size": theme.SMALL,
                                                            "color": tokens.muted}}
            )  # fmt: skip
    return plot.figure(
        plot.bar(
            y=list(range(len(rows))),
            x=[share if share is not None else most * 0.02 for share in shares],
            orientation="h",
            width=0.4,
            marker={
                "color": [_alarm_colour(row, mode) for row in rows],
                "pattern": theme.hatch(mode, ["/" if s is None else "" for s in shares]),
            },
            customdata=[format_percent(share) for share in shares],
            hovertemplate="%{customdata}<extra></extra>",
        ),
        theme.layout(
            mode,
            margin={"l": 0, "r": 0, "t": 24, "b": 0},
            shapes=marks,
            annotations=notes,
            xaxis=theme.bare_axis(range=[0, most]),
            yaxis=_names([str(row.get("system")) for row in rows], mode),
        ),
    )


def _alarm_colour(row: Mapping[str, Any], mode: Mode) -> str:
    alarmed = row.get("alarm") in ("early", "urgent", "limit", "over")
    return TOKENS[mode].warning if alarmed else TOKENS[mode].accent


def _over(row: Mapping[str, Any], key: str) -> float | None:
    value, granted = number(row.get(key)), number(row.get("granted"))
    return None if value is None or not granted else value / granted


def _said(row: Mapping[str, Any]) -> str:
    used, granted = number(row.get("used")), number(row.get("granted"))
    share = "" if used is None or not granted else f"<b>{format_percent(used / granted)}</b>  "
    return share + _("{some} of {all}").format(
        some=format_number(used), all=format_number(granted, "GPU-h")
    )


def _hint(row: Mapping[str, Any]) -> str:
    projects = number(row.get("projects"))
    more = ""
    if projects is not None:
        more = "<br>" + _("projects: {n}").format(n=format_number(int(projects)))
    return f"{escape(str(row.get('name'))[:80])}: {_said(row)}{more}"


def _burn_said(row: Mapping[str, Any]) -> str:
    used, forecast = _over(row, "used"), _over(row, "forecast")
    then = "" if forecast is None else f"  → {format_percent(forecast)}"
    return f"<b>{format_percent(used)}</b>{then}"


def _burn_hint(row: Mapping[str, Any]) -> str:
    def hours(name: str) -> str:
        return format_number(number(row.get(name)), "GPU-h")

    lines = [
        f"{escape(str(row.get('name'))[:80])}",
        _("used {some} of {all}").format(
            some=format_number(number(row.get("used"))), all=hours("granted")
        ),
        _("due by now {hours}").format(hours=hours("due")),
        _("at this pace {hours}").format(hours=hours("forecast")),
    ]
    return "<br>".join(lines)


def _beside(place: int, end: float, longest: float, said: str) -> dict[str, Any]:
    return {
        "x": end + longest * 0.015,
        "y": place,
        "text": said,
        "showarrow": False,
        "xanchor": "left",
        "font": {"size": theme.SMALL},
    }


def _names(names: Sequence[str], mode: Mode) -> dict[str, Any]:
    shown = [escape(n if len(n) <= _NAME else f"{n[: _NAME - 1]}…") for n in names]
    return theme.axis(
        mode, range=[max(len(names), _LEAST_ROWS) - 0.5, -0.5], tickvals=list(range(len(names))),
        ticktext=shown, showgrid=False, ticklabelstandoff=8,
        tickfont={"size": theme.SMALL, "color": TOKENS[mode].text},
    )  # fmt: skip


def _none(mode: Mode) -> plot.Figure:
    return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
