"""A figure over time: a line that breaks where nothing is known, or bars stacked by what they are.

What is drawn is steps: each value stands for its whole hour, day or week.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.palette import TOKENS, Mode, format_percent
from wattline_dashboards import plot, theme
from wattline_dashboards import times as times_of
from wattline_dashboards.columns import number
from wattline_dashboards.figures import moments
from wattline_dashboards.figures.days import ticks_to
from wattline_dashboards.figures.ticks import between, plain, ticks
from wattline_dashboards.language import _
from wattline_dashboards.trust import COMFORT

HEIGHT = 240
_DAY_MS = 86_400_000
_MONTH_MS = 20 * _DAY_MS
"""Bars at least so long are called by their month."""
_MOST_TICKS = 12
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its name, its points (`at_unix_ms`, `value`, `coverage`), its colour and dash."""

    name: str
    rows: Rows
    colour: str
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Level:
    """A level to hold values against, such as a target."""

    value: float
    name: str


def none(mode: Mode) -> plot.Figure:
    """Where there is nothing to draw."""
    return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))


def lines(
    drawn: Sequence[Line],
    mode: Mode,
    zone: ZoneInfo,
    written: Any,
    *,
    span: tuple[float, float] | None = None,
    level: Level | None = None,
    from_zero: bool = True,
) -> plot.Figure:
    """Lines over time; the last known value of each is written beside it.

    Args:
        drawn: What.
        mode: Light or dark.
        zone: The site's.
        written: How a value is written.
        span: The period, Unix ms; from the first to the last row if not given.
        level: What values are held against.
        from_zero: Whether the axis begins at zero; a ratio that begins at one need not.
    """
    values = [
        v for line in drawn for row in line.rows if (v := number(row.get("value"))) is not None
    ]
    if not values:
        return none(mode)
    tokens = TOKENS[mode]
    lows = values + ([] if level is None else [level.value])
    low, high = _range(lows, from_zero=from_zero)
    traces = [_line(line, zone, written) for line in drawn]
    notes = _ends(drawn, zone, written, (low, high))
    shapes = []
    if level is not None:
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level.value,
             "y1": level.value, "line": {"color": tokens.muted, "width": 1, "dash": "dot"}}
        )  # fmt: skip
        notes.append(
            {"xref": "paper", "x": 0, "xanchor": "left", "y": level.value, "yanchor": "bottom",
             "text": f"{escape(level.name)} {written(level.value)}", "showarrow": False,
             "font": {"size": theme.SMALL, "color": tokens.muted}}
        )  # fmt: skip
    return plot.figure(
        traces,
        theme.layout(
            mode,
            margin={"l": 0, "r": 112, "t": 16, "b": 0},
            xaxis=times(drawn[0].rows, mode, zone, span=span),
            yaxis=_amounts(low, high, mode, written),
            shapes=shapes,
            annotations=notes,
        ),
    )


def stacked(
    names: Mapping[str, tuple[str, str]],
    rows: Rows,
    key: str,
    mode: Mode,
    zone: ZoneInfo,
    written: Any,
    *,
    step_ms: float,
    span: tuple[float, float] | None = None,
) -> plot.Figure:
    """Bars over time, stacked by `key`.

    Args:
        names: Label and colour by the key's word, from bottom to top.
        rows: `at_unix_ms`, `value`, and `key`.
        key: What they are told apart by.
        mode: Light or dark.
        zone: The site's.
        written: How a value is written.
        step_ms: How long a bar's time is at most; the next bar ends it sooner.
        span: The period, Unix ms; from the first to the last row if not given.
    """
    sums: dict[float, float] = {}
    for row in rows:
        at, value = number(row.get("at_unix_ms")), number(row.get("value"))
        if at is not None and value is not None:
            sums[at] = sums.get(at, 0.0) + value
    if not sums:
        return none(mode)
    lasts = _lasts(sums, step_ms)
    traces = []
    for word, (label, colour) in names.items():
        mine = [
            (at, value)
            for row in rows
            if str(row.get(key)) == word
            and (at := number(row.get("at_unix_ms"))) is not None
            and (value := number(row.get("value"))) is not None
        ]
        traces.append(
            plot.bar(
                x=[moments.local(at + lasts[at] / 2, zone) for at, _value in mine],
                y=[value for _at, value in mine],
                width=[lasts[at] * 0.8 for at, _value in mine],
                name=label,
                marker={"color": colour},
                customdata=[
                    f"{escape(label)}: {written(value)}<br>{_since(at)}" for at, value in mine
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    high = max(sums.values()) * 1.08
    return plot.figure(
        traces,
        theme.layout(
            mode,
            barmode="stack",
            margin={"l": 0, "r": 0, "t": 8, "b": 0},
            xaxis=times(rows, mode, zone, step_ms, span),
            yaxis=_amounts(0.0, high, mode, written),
        ),
    )


def _lasts(starts: Iterable[float], step_ms: float) -> dict[float, float]:
    """How long each bar's time is: a period that begins at noon has half of its first day."""
    ordered = sorted(starts)
    nexts = [*ordered[1:], float("inf")]
    return {at: min(step_ms, next - at) for at, next in zip(ordered, nexts, strict=True)}


def times(
    rows: Rows,
    mode: Mode,
    zone: ZoneInfo,
    step_ms: float = 0.0,
    span: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """The axis of time over a period, or all rows, those without a value included."""
    known = [at for row in rows if (at := number(row.get("at_unix_ms"))) is not None]
    if not known:
        return theme.axis(mode, showgrid=False, type="date")
    first, last = span or (min(known), max(known) + step_ms)
    last = max(last, first + 3_600_000)
    labelled = _named(known, step_ms, zone) if step_ms >= _DAY_MS else []
    labelled = labelled or [(float(at), label) for at, label in ticks(first, last, zone)]
    return theme.axis(
        mode, showgrid=False, type="date",
        range=[moments.local(at, zone) for at in (first, last)],
        tickvals=[moments.local(at, zone) for at, _label in labelled],
        ticktext=[label for _at, label in labelled],
    )  # fmt: skip


def _named(starts: Iterable[float], step_ms: float, zone: ZoneInfo) -> list[tuple[float, str]]:
    """The middle of bars that have room for a name, and their day or month."""
    lasts = _lasts(set(starts), step_ms)
    wide = [at for at in sorted(lasts) if lasts[at] >= step_ms / 2]
    shown = times_of.month if step_ms >= _MONTH_MS else times_of.day
    return [
        (at + lasts[at] / 2, shown(datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)))
        for at in wide[:: max(1, -(-len(wide) // _MOST_TICKS))]
    ]


def _range(values: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    if from_zero:
        return 0.0, max(values) * 1.15 or 1.0
    middle = (max(values) + min(values)) / 2
    # Of what hardly changes the picture is a level line, not a mountain range of last digits.
    span = max(max(values) - min(values), abs(middle) * 0.04) * 1.3
    return middle - span / 2, middle + span / 2


def _line(line: Line, zone: ZoneInfo, written: Any) -> plot.Trace:
    known = [row for row in line.rows if number(row.get("at_unix_ms")) is not None]
    values = [number(row.get("value")) for row in known]
    hints = []
    for row, value in zip(known, values, strict=True):
        coverage = number(row.get("coverage"))
        thin = coverage is not None and coverage < COMFORT
        said = ", " + _("coverage {share}").format(share=format_percent(coverage)) if thin else ""
        at = _since(number(row.get("at_unix_ms")) or 0)
        hints.append(f"{escape(line.name)}: {written(value)}{said}<br>{at}")
    return plot.scatter(
        x=[moments.local(number(row.get("at_unix_ms")) or 0, zone) for row in known],
        y=values,
        name=line.name,
        mode="lines+markers" if len(known) < 40 else "lines",
        connectgaps=False,
        line={"color": line.colour, "width": 2, "dash": line.dash},
        marker={"size": 4, "color": line.colour},
        customdata=hints,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _ends(
    drawn: Sequence[Line], zone: ZoneInfo, written: Any, span: tuple[float, float]
) -> list[dict[str, Any]]:
    """The name and the last value of each line, right of it and not on another's."""
    ends = []
    for line in drawn:
        last = next((r for r in reversed(line.rows) if number(r.get("value")) is not None), None)
        if last is not None:
            ends.append((number(last.get("value")) or 0.0, line))
    ends.sort(key=lambda end: end[0])
    least = (span[1] - span[0]) * 32 / HEIGHT
    found, at = [], span[0] - least
    for value, line in ends:
        at = max(value, at + least)
        found.append(
            {"xref": "paper", "x": 1.0, "xanchor": "left", "xshift": 8, "y": at, "align": "left",
             "text": f"{escape(line.name)}<br><b>{written(value)}</b>", "showarrow": False,
             "font": {"size": theme.SMALL}}
        )  # fmt: skip
    return found


def _amounts(low: float, high: float, mode: Mode, written: Any) -> dict[str, Any]:
    values = ticks_to(high) if low == 0 else between(low, high)
    return theme.axis(
        mode, range=[low, high], tickvals=values,
        ticktext=[plain(written(value)) for value in values],
    )  # fmt: skip


def _since(unix_ms: float) -> str:
    """From when a value is, for a hover."""
    return _("from {time}").format(time=moments.utc(unix_ms))
