"""Which samples came: a row per node, a column per stretch of time; what is silent is hatched.

What is whole is as faint as the grid, and ink stands for what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.palette import TOKENS, Mode, format_percent
from wattline_dashboards import plot, theme, times
from wattline_dashboards.columns import number
from wattline_dashboards.components.short import cut
from wattline_dashboards.language import _

_ROW = 16
_FRAME = 40
LEAST_HEIGHT = 96
_MOST_TICKS = 10


def height(told: Mapping[str, Any]) -> int:
    """Of the graph, pixels: it grows with its rows, so that each can be told from the next."""
    return max(LEAST_HEIGHT, _FRAME + _ROW * len(rows_of(told)))


def rows_of(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows that can be drawn: those that have a cell for each column."""
    columns = number(told.get("columns")) or 0
    return [
        row for row in told.get("rows") or ()
        if isinstance(row, Mapping) and len(row.get("cells") or ()) == columns
    ]  # fmt: skip


def names_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What rows are called: the node, and its system where two have a node of that name."""
    nodes = Counter(row.get("node") for row in rows)
    names: list[str] = []
    for row in rows:
        name = cut(row.get("node"), 28)
        if nodes[row.get("node")] > 1:
            name = f"{cut(row.get('system'), 16)} {name}"
        while name in names:  # cut to the same
            name += "\u2060"
        names.append(name)
    return names


def figure(told: Mapping[str, Any], zone: ZoneInfo, mode: Mode) -> plot.Figure:
    """The map: the axis is in UTC, and its labels in the site's zone."""
    tokens, rows = TOKENS[mode], rows_of(told)
    start, step = number(told.get("start_ms")), number(told.get("step_ms"))
    if not rows or start is None or not step:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    first = datetime.fromtimestamp(start / 1000, UTC)
    length = timedelta(milliseconds=step)
    columns = len(rows[0]["cells"])
    edges = [first + place * length for place in range(columns + 1)]
    names = [escape(name) for name in names_of(rows)]
    values = [[number(value) for value in row["cells"]] for row in rows]
    silent = [(place, run) for place, row in enumerate(values) for run in _silent(row)]
    ticks = list(_ticks(edges[0], edges[-1], zone))
    ends = [
        names[place] + "  " + format_percent(number(row.get("ratio")))
        for place, row in enumerate(rows)
    ]
    return plot.figure(
        [
            plot.heatmap(
                x=[_axis(at) for at in edges],
                y=ends,
                z=[[value or None for value in row] for row in values],
                zmin=0, zmax=100, showscale=False, xgap=0, ygap=2, hoverongaps=False,
                colorscale=[[0, tokens.text], [0.9, tokens.mark], [0.95, tokens.line],
                            [1, tokens.grid]],
                hovertemplate="%{y}<br>" + escape(_("%{x|%-d %b %H:%M} UTC: %{z} % of samples"))
                + "<extra></extra>",
            ),
            plot.bar(
                orientation="h",
                y=[ends[place] for place, _run in silent],
                base=[_axis(edges[begin]) for _place, (begin, _end) in silent],
                x=[(end - begin) * step for _place, (begin, end) in silent],
                width=0.86,
                marker={"color": tokens.background, "pattern": theme.hatch(mode, "/"),
                        "line": {"width": 0}},
                customdata=[
                    tuple(f"{times.day(edges[at])} {edges[at]:%H:%M}" for at in (begin, end))
                    for _place, (begin, end) in silent
                ],
                hovertemplate="%{y}<br>"
                + escape(_("silent from %{customdata[0]} to %{customdata[1]} UTC"))
                + "<extra></extra>",
            ),
        ],
        theme.layout(
            mode,
            barmode="overlay",
            xaxis=theme.axis(
                mode, type="date", range=[_axis(edges[0]), _axis(edges[-1])], showgrid=False,
                tickvals=[_axis(at) for at, _label in ticks],
                ticktext=[label for _at, label in ticks],
            ),
            yaxis=theme.axis(mode, autorange="reversed", showgrid=False, type="category"),
        ),
    )  # fmt: skip


def _silent(cells: Sequence[float | None]) -> Iterator[tuple[int, int]]:
    """Runs of columns in which samples were expected and none came."""
    begin: int | None = None
    for place, value in enumerate([*cells, None]):
        if value == 0 and begin is None:
            begin = place
        elif value != 0 and begin is not None:
            yield begin, place
            begin = None


def _axis(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _ticks(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, str]]:
    """Midnights of the site, or some hours of them where the period is short."""
    hours = (end - start).total_seconds() / 3600
    if hours <= 48:
        each = 3 if hours <= 24 else 6
        at = start
        while at <= end:
            local = at.astimezone(zone)
            if local.minute == 0 and local.hour % each == 0:
                yield at, f"{local:%H:%M}"
            at += timedelta(hours=1)
        return
    each = -(-int(hours // 24) // _MOST_TICKS)
    day = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    place = 0
    while (at := day.astimezone(UTC)) <= end:
        if at >= start and place % each == 0:
            yield at, times.day(day)
        day = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        place += 1
