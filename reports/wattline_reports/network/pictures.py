"""A dot plot: a row for each factory, a column for each measure, the coverage as a whisker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wattline_reports.charts import WIDTH
from wattline_reports.picture import UNKNOWN as UNKNOWN_FILL
from wattline_reports.picture import Canvas, Picture, text_width
from wattline_reports.words import column, decimals_for, tied

_ROW = 20.0
_GAP = 22.0
_DOT = 3.5


@dataclass(frozen=True, slots=True)
class Dot:
    """One factory by one measure.

    Attributes:
        value: How much; None where it is not known.
        coverage: Observed over expected, 0-1; None where nobody knows it.
        is_hidden: There is a value, and it is not shown.
    """

    value: float | None
    coverage: float | None = None
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure.

    Attributes:
        title: What it is.
        unit: Of its values.
        least: Where its axis begins.
        dots: One for each row.
        low: The lower quartile; None where there is none.
        median: The median.
        high: The upper quartile.
        network: All rows as one.
    """

    title: str
    unit: str
    least: float
    dots: tuple[Dot, ...]
    low: float | None
    median: float | None
    high: float | None
    network: Dot


def dots(name: str, rows: Sequence[str], panels: Sequence[Panel]) -> Picture:
    """Dots of every row, panel beside panel; the band is the middle half, its line the median.

    A whisker is as long to either side, as a share of the value, as the share of the time that was
    not observed. Nothing is drawn in the place of a value that is hidden but a hatch.
    """
    canvas = Canvas(name, WIDTH)
    labels = [label[:24] for label in rows]
    left = 10 + max(text_width(label) for label in [*labels, "all together"])
    wide = (WIDTH - left - _GAP * (len(panels) - 1)) / max(len(panels), 1)
    top = 40.0
    base = top + _ROW * len(rows)
    for place, label in enumerate(labels):
        canvas.text(left - 10, top + _ROW * place + 14, label, "t", "end")
    canvas.text(left - 10, base + 22, "all together", "b", "end")
    for number, panel in enumerate(panels):
        _panel(canvas, panel, left + (wide + _GAP) * number, wide, top)
    y = _key(canvas, base + 48, panels)
    return canvas.finish(y + 4)


def _panel(canvas: Canvas, panel: Panel, left: float, wide: float, top: float) -> None:
    everything = [*panel.dots, panel.network]
    known = [dot.value for dot in everything if dot.value is not None]
    decimals = max(decimals_for(max((abs(value) for value in known), default=0.0)) - 1, 0)
    texts = [column([dot.value], decimals)[0] for dot in everything]
    room = wide - 8 - max(text_width(text) for text in texts)
    ends = [_ends(dot) for dot in everything if dot.value is not None]
    least = min([panel.least, *known])
    most = max([high for _, high in ends] + [least])
    scale = (room - 2 * _DOT) / (most - least) if most > least else 0.0
    base = top + _ROW * len(panel.dots)

    def x(value: float) -> float:
        return left + _DOT + (value - least) * scale

    canvas.text(left, 10, panel.title, "b")
    canvas.text(left, 25, tied(_from(panel.unit, least)), "m")
    if panel.low is not None and panel.high is not None:
        canvas.rect(x(panel.low), top, max(x(panel.high) - x(panel.low), 1.0), base - top, "grid")
    if panel.median is not None:
        canvas.line(x(panel.median), top - 3, x(panel.median), base, "mark", 1.5)
    canvas.line(left, top - 6, left, base + 30, "line")
    canvas.line(left, base + 5, left + wide, base + 5, "line")
    for place, (dot, text) in enumerate(zip(everything, texts, strict=True)):
        is_whole = place == len(panel.dots)
        middle = top + _ROW * place + (18 if is_whole else 10)
        if dot.is_hidden:
            canvas.rect(left + 1, middle - 6, room - 2, 12, UNKNOWN_FILL)
            continue
        kind = "b" if is_whole else "m" if dot.value is None else "t"
        canvas.text(left + wide, middle + 4, text, kind, "end")
        if dot.value is None:
            continue
        low, high = _ends(dot)
        if high > low:
            canvas.line(x(max(low, least)), middle, x(high), middle, "busy", 1.2)
        size = _DOT if dot.coverage is not None or is_whole else _DOT - 1
        canvas.dot(x(dot.value), middle, size, "busy")


def _ends(dot: Dot) -> tuple[float, float]:
    """Of the whisker."""
    value = dot.value or 0.0
    off = 0.0 if dot.coverage is None else (1 - dot.coverage) * abs(value)
    return value - off, value + off


def _from(unit: str, least: float) -> str:
    start = "from 0" if not least else f"from {least:g}"
    return start if unit == "1" else f"{unit}, {start}"


def _key(canvas: Canvas, y: float, panels: Sequence[Panel]) -> float:
    """What the marks mean, as far as they are in the picture."""
    items = [("dot", "a factory by its own bundle")]
    cells = [dot for panel in panels for dot in (*panel.dots, panel.network)]
    if any(dot.coverage is not None and dot.coverage < 1 for dot in cells):
        items.append(("whisker", "share not observed"))
    if any(panel.median is not None for panel in panels):
        items.append(("median", "median"))
    if any(panel.low is not None for panel in panels):
        items.append(("band", "middle half"))
    if any(dot.is_hidden for dot in cells):
        items.append(("hidden", "hidden by its factory"))
    at = 0.0
    for mark, words in items:
        if at and at + 22 + text_width(words) > WIDTH:
            at, y = 0.0, y + 17
        middle = y - 4
        if mark in ("dot", "whisker"):
            canvas.dot(at + 10, middle, _DOT, "busy")
        if mark == "whisker":
            canvas.line(at, middle, at + 20, middle, "busy", 1.2)
        if mark == "median":
            canvas.line(at + 10, middle - 7, at + 10, middle + 7, "mark", 1.5)
        if mark in ("band", "hidden"):
            fill = "grid" if mark == "band" else UNKNOWN_FILL
            canvas.rect(at, middle - 6, 20, 12, fill)
        canvas.text(at + 26, y, words, "m")
        at += 44 + text_width(words)
    return y
