"""The charts of a review: pure functions from numbers to pictures.

Amounts start at zero, every axis has its unit, a value that is not known is hatched or an en dash,
and labels stand beside what they name. The text of a chart is 11 units high on a width of 680, so
that it is legible both across a page of A4 and across a browser's column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from wattline_collector.palette import format_percent
from wattline_reports.picture import UNKNOWN as UNKNOWN_FILL
from wattline_reports.picture import Canvas, Picture, text_width
from wattline_reports.words import (
    column,
    day_month,
    decimals_for,
    grouped,
    month_year,
    scale_for,
    tied,
)

WIDTH = 680.0
COMFORT = 0.95
"""Coverage under this is marked wherever it is drawn (and said wherever it is written)."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing in a stack: its label with its amount, and its colour's name."""

    label: str
    fill: str


@dataclass(frozen=True, slots=True)
class DayColumn:
    """One day of a stacked chart.

    Attributes:
        day: Which.
        values: One per series; null: nothing is known of this day.
        coverage: Observed over expected time of it, 0-1.
    """

    day: date
    values: tuple[float, ...] | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a drop: what it went to, how much (null: not known), its colour's name."""

    label: str
    value: float | None
    fill: str


@dataclass(frozen=True, slots=True)
class Level:
    """A step of a waterfall, and what is taken away before the next one.

    Attributes:
        label: Its name.
        value: How much is left; null where that is not known.
        drops: What it loses.
        at_least: The value is what is known of it, and there may be more.
    """

    label: str
    value: float | None
    drops: tuple[Part, ...] = ()
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of horizontal bars.

    Attributes:
        label: What it is of.
        fill: Its colour's name.
        values: One per measure; null where it is not known.
        only: The one measure it has at all; null if it has every one.
    """

    label: str
    fill: str
    values: tuple[float | None, ...]
    only: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a strip: a label for its place, and its coverage."""

    label: str
    coverage: float | None


def stacked_days(
    name: str,
    columns: Sequence[DayColumn],
    series: Sequence[Series],
    unit: str,
    *,
    prefixed: bool = True,
) -> Picture:
    """Stacked bars per day; a day of which nothing is known is hatched over the whole height.

    Under the axis a strip shows each day's coverage, where any is under 95 % or not known.

    Args:
        name: Of the picture.
        columns: One per day, without holes.
        series: What is stacked, from the bottom up.
        unit: Of the values.
        prefixed: Whether the unit takes SI prefixes (`Gtok`) or not (`GPU-hours`).
    """
    canvas = Canvas(name, WIDTH)
    unknown = [day for day in columns if day.values is None]
    key = list(series)
    if unknown:
        key.append(
            Series(f"nothing known: {len(unknown)} {_plural(len(unknown), 'day')}", UNKNOWN_FILL)
        )
    bottom_of_key = _key(canvas, key)
    most = max((sum(day.values) for day in columns if day.values), default=0.0)
    prefix, factor = scale_for(most) if prefixed else ("", 1.0)
    top, ticks = _scale(most / factor)
    left = 12 + max(text_width(_tick(tick, ticks)) for tick in ticks)
    plot_top, height = bottom_of_key + 32, 150.0
    base = plot_top + height
    canvas.text(0, plot_top - 14, tied(f"{prefix}{unit} per day"), "m")
    for tick in ticks:
        y = base - height * tick / top
        canvas.line(left, y, WIDTH, y, "grid" if tick else "mark")
        canvas.text(left - 6, y + 4, _tick(tick, ticks), "m", "end")
    slot = min((WIDTH - left) / max(len(columns), 1), _WIDEST_DAY)
    gap = min(slot * 0.2, 6) if slot > 3 else 0.0
    places = [left + slot * index + gap / 2 for index in range(len(columns))]
    for row, one in enumerate(series):
        boxes = []
        for x, day in zip(places, columns, strict=True):
            if day.values is not None:
                below = sum(day.values[:row]) / factor * height / top
                tall = day.values[row] / factor * height / top
                boxes.append((x, base - below - tall, slot - gap, tall))
        canvas.rects(boxes, one.fill)
    canvas.rects(
        [
            (x, plot_top, slot - gap, height)
            for x, day in zip(places, columns, strict=True)
            if day.values is None
        ],
        UNKNOWN_FILL,
    )
    floor = base
    if any(day.coverage is None or day.coverage < COMFORT for day in columns):
        floor = base + 10
        _strip(canvas, [(x, floor - 6, slot - gap, 6.0) for x in places],
               [day.coverage for day in columns])  # fmt: skip
    _days_axis(canvas, [one.day for one in columns], left, slot, floor)
    if floor > base:
        return canvas.finish(_coverage_key(canvas, floor + 38))
    return canvas.finish(floor + 22)


def waterfall(name: str, levels: Sequence[Level], unit: str) -> Picture:
    """Steps from the first level down to the last; each drop says what it went to.

    Rows run from top to bottom, so that the labels have room; every bar shares one axis from zero.
    """
    canvas = Canvas(name, WIDTH)
    whole = (levels[0].value if levels else None) or 0.0
    decimals = decimals_for(whole)

    def label(value: float | None, at_least: bool = False) -> str:
        if value is None or not whole:
            return column([value], decimals)[0]
        text = f"{column([value], decimals)[0]} · {format_percent(value / whole)}"
        return tied(f"≥ {text}" if at_least else text)

    rows = [level.label for level in levels]
    drops = [part for level in levels for part in level.drops]
    left = 12 + max(
        [text_width(row) for row in rows] + [text_width(f"− {part.label}") + 10 for part in drops]  # noqa: RUF001 (a minus is meant)
    )
    right = 8 + max([text_width(label(level.value, True)) for level in levels] + [0.0])
    scale = (WIDTH - left - right) / whole if whole else 0.0
    y = 16.0
    canvas.text(left, 9, tied(f"{unit} · share of {levels[0].label}" if levels else unit), "m")
    for place, level in enumerate(levels):
        last = place == len(levels) - 1
        end = left + (level.value or 0.0) * scale
        canvas.text(left - 8, y + 13, level.label, "b", "end")
        canvas.rect(left, y, end - left, 18, "busy" if last else "node-overhead")
        text = label(level.value, level.at_least)
        canvas.text(end + 6, y + 13, text, "b" if last or not place else "t")
        y += 22
        for part in level.drops:
            wide = (part.value or 0.0) * scale
            canvas.text(left - 8, y + 9, f"− {part.label}", "m", "end")  # noqa: RUF001 (a minus is meant)
            canvas.rect(end - wide, y + 1, wide, 10, part.fill)
            canvas.text(end + 6, y + 10, label(part.value), "m")
            end -= wide
            y += 15
        y += 4 if level.drops else 0
    canvas.line(left, 14, left, y, "mark")
    return canvas.finish(y + 4)


def account_bars(name: str, bars: Sequence[Bar], measures: Sequence[str], unit: str) -> Picture:
    """Horizontal bars, one row per account; a row has one bar per measure that has any value.

    Args:
        name: Of the picture.
        bars: Rows, in the ledger's order.
        measures: What each of a bar's values is, e.g. `GPU boundary`.
        unit: Of every value.
    """
    canvas = Canvas(name, WIDTH)
    used = [m for m in range(len(measures)) if any(bar.values[m] is not None for bar in bars)]
    known = [value for bar in bars for value in bar.values if value is not None]
    most = max(known, default=0.0)
    decimals = decimals_for(most)

    texts = {value: column([value], decimals)[0] for bar in bars for value in bar.values}
    left = 12 + max((text_width(bar.label) for bar in bars), default=0.0)
    right = 8 + len(used) * (max((text_width(text) for text in texts.values()), default=0.0) + 10)
    scale = (WIDTH - left - right) / most if most else 0.0
    y = 10.0
    if len(used) > 1:
        _measures_key(canvas, [measures[m] for m in used])
        y += 20
    canvas.text(left, y, unit, "m")
    top = y = y + 8
    height = sum(_THICK[: len(used)]) + len(used) - 1
    for bar in bars:
        mine = [m for m in used if bar.only in (None, m)]
        longest = max((bar.values[m] or 0.0 for m in mine), default=0.0) * scale
        down = y
        for place, measure in enumerate(used):
            if measure in mine:
                canvas.rect(
                    left, down, (bar.values[measure] or 0.0) * scale, _THICK[place], bar.fill
                )
            down += _THICK[place] + 1
        middle = y + height / 2 + 4
        canvas.text(left - 8, middle, bar.label, "t", "end")
        canvas.text(left + longest + 6, middle, " · ".join(texts[bar.values[m]] for m in mine))
        y += height + 5
    canvas.line(left, top - 2, left, y - 4, "mark")
    return canvas.finish(y)


def coverage_days(name: str, cells: Sequence[DayColumn]) -> Picture:
    """A strip with one cell per day."""
    canvas = Canvas(name, WIDTH)
    slot = min(WIDTH / max(len(cells), 1), _WIDEST_DAY)
    gap = 1.0 if slot > 4 else 0.0
    boxes = [(slot * place, 4.0, slot - gap, 26.0) for place in range(len(cells))]
    _strip(canvas, boxes, [cell.coverage for cell in cells])
    _days_axis(canvas, [cell.day for cell in cells], 0, slot, 30)
    return canvas.finish(_coverage_key(canvas, 70))


def coverage_cells(name: str, cells: Sequence[Cell]) -> Picture:
    """A cell per node in the order given, wrapped into rows; the first and last of a row named."""
    canvas = Canvas(name, WIDTH)
    size = max(4.0, min(18.0, math.sqrt(WIDTH * 160 / max(len(cells), 1))))
    named = size >= 10
    labels = [cell.label[:24] for cell in cells] if named else [""] * len(cells)
    ends = max((text_width(label) + 8 for label in labels), default=0.0) if named else 0.0
    if 0 < len(cells) <= (WIDTH - ends) // size:
        size = min(28.0, (WIDTH - ends) / len(cells))
    per_row = max(1, int((WIDTH - ends) / size + 1e-9))
    tall = min(size, 18.0)
    y = 2.0
    for start in range(0, len(cells), per_row):
        row = cells[start : start + per_row]
        if named:
            canvas.text(ends - 8, y + tall / 2 + 3, labels[start], "m", "end")
        _strip(
            canvas,
            [(ends + size * place, y, size - 1.5, tall - 1.5) for place in range(len(row))],
            [cell.coverage for cell in row],
        )
        y += tall
    return canvas.finish(_coverage_key(canvas, y + 18))


_WIDEST_DAY = 60.0
"""A few days do not become walls of colour."""

_THICK = (12.0, 4.0)
"""Heights of the bars of a row's first and second measure."""


def _measures_key(canvas: Canvas, names: Sequence[str]) -> None:
    x = 0.0
    for thick, name in zip(_THICK, names, strict=False):
        canvas.rect(x, 5.5 - thick / 2, 22, thick, "node-overhead")
        canvas.text(x + 28, 9.5, name)
        x += 28 + text_width(name) + 16


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + "s"


def _strip(
    canvas: Canvas,
    boxes: Sequence[tuple[float, float, float, float]],
    coverages: Sequence[float | None],
) -> None:
    pairs = list(zip(boxes, coverages, strict=True))
    full = [box for box, c in pairs if c is not None and c >= COMFORT]
    part = [box for box, c in pairs if c is not None and 0 < c < COMFORT]
    canvas.rects(full, "free")
    canvas.rects(part, "neutral")
    # How much of a cell is filled says how much was observed, so it reads without colour.
    canvas.rects(
        [
            (x, y + h * (1 - c), w, h * c)
            for (x, y, w, h), c in pairs
            if c is not None and 0 < c < COMFORT
        ],
        "slowed",
    )
    canvas.rects([box for box, c in pairs if not c], UNKNOWN_FILL)


def _coverage_key(canvas: Canvas, y: float) -> float:
    x = text_width("coverage:") + 8
    canvas.text(0, y, "coverage:", "m")
    for label, coverage in (
        ("95 % and over", 1.0),
        ("under 95 %, filled as far as observed", 0.5),
        ("nothing observed", None),
    ):
        _strip(canvas, [(x, y - 9, 10.0, 10.0)], [coverage])
        canvas.text(x + 15, y, tied(label), "m")
        x += 15 + text_width(label) + 12
    return y + 6


def _key(canvas: Canvas, series: Sequence[Series]) -> float:
    x, y = 0.0, 10.0
    for one in series:
        wide = 15 + text_width(one.label)
        if x and x + wide > WIDTH:
            x, y = 0.0, y + 17
        canvas.rects([(x, y - 9, 10.0, 10.0)], one.fill)
        canvas.text(x + 15, y, tied(one.label))
        x += wide + 14
    return y + 2


def _days_axis(canvas: Canvas, days: Sequence[date], left: float, slot: float, top: float) -> None:
    """Dates under the slots, as many as fit without touching."""
    if not days:
        return
    first, last = days[0], days[-1]
    if slot * 7 >= 46:
        step = next((s for s in (1, 2, 7) if slot * s >= 46), 7)
        marked = range(0, len(days), step)
        labels = [(place, day_month(days[place])) for place in marked]
    else:
        months = [day for day in days if day.day == 1] or [first]
        every = max(1, math.ceil(62 / max(slot * 30.4, 1e-9)))
        labels = [((day - first).days, month_year(day)) for day in months[::every] if day <= last]
    for place, label in labels:
        x = left + slot * place + (slot / 2 if slot > 3 else 0)
        canvas.line(x, top + 1, x, top + 5, "mark")
        half = text_width(label) / 2
        x = min(max(x, half), WIDTH - half)
        canvas.text(x, top + 18, tied(label), "m", "middle")


def _scale(most: float) -> tuple[float, list[float]]:
    """The top of an axis, a little over `most`, and its round ticks from zero."""
    if most <= 0:
        return 1.0, [0.0]
    rough = most / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough)
    count = math.floor(most / step + 1e-9)
    return most * 1.02, [step * index for index in range(count + 1)]


def _tick(value: float, ticks: Sequence[float]) -> str:
    step = ticks[1] if len(ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step, decimals) != round(step, 9):
        decimals += 1
    return tied(grouped(value, decimals))


def days_of(first: date, last: date) -> list[date]:
    """Every day from the first to the last, both included."""
    return [first + timedelta(days=place) for place in range((last - first).days + 1)]
