"""The pictures that a review has beside those of every report: bullets, heat maps, hours.

Pure functions from numbers to pictures, by the rules of `charts`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS
from wattline_reports.charts import WIDTH
from wattline_reports.picture import UNKNOWN as UNKNOWN_FILL
from wattline_reports.picture import Canvas, Picture, text_width
from wattline_reports.words import column, day_month, decimals_for, tied

_ROW = 24.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A level a bar is held against, and what it is."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Bullet:
    """A row of a bullet chart.

    Attributes:
        label: What it is of.
        value: How much; None where it is not known.
        text: The same as people write it.
        marks: Levels of this row.
        fill: Its colour's name; `slowed` where a level is passed that must not be.
    """

    label: str
    value: float | None
    text: str
    marks: tuple[Mark, ...] = ()
    fill: str = "busy"


@dataclass(frozen=True, slots=True)
class Square:
    """A cell of a heat map: how much, or that it is hidden; what is not there has none."""

    value: float | None
    is_hidden: bool = False


def bullets(name: str, rows: Sequence[Bullet], unit: str) -> Picture:
    """A bar per row from zero, with the levels it is held against as marks with their words."""
    canvas = Canvas(name, WIDTH)
    amounts = [row.value for row in rows if row.value is not None]
    levels = [mark.value for row in rows for mark in row.marks]
    top = max([*amounts, *levels, 0.0]) * 1.04
    left = 12 + max((text_width(row.label) for row in rows), default=0.0)
    right = 8 + max((text_width(row.text) for row in rows), default=0.0)
    scale = (WIDTH - left - right) / top if top else 0.0
    canvas.text(left, 9, unit, "m")
    y = 16.0
    for row in rows:
        above = 13.0 if row.marks else 0.0
        taken = -1e9
        for mark in sorted(row.marks, key=lambda one: one.value):
            x = left + mark.value * scale
            half = text_width(mark.label) / 2
            middle = min(max(x, left + half), WIDTH - half)
            if middle - half > taken + 6:
                canvas.text(middle, y + 9, tied(mark.label), "m", "middle")
                taken = middle + half
        y += above
        canvas.text(left - 8, y + 13, row.label, "t", "end")
        if row.value is None:
            canvas.rect(left, y + 3, 40, 12, UNKNOWN_FILL)
            canvas.text(left + 46, y + 13, row.text, "m")
        else:
            end = left + row.value * scale
            canvas.rect(left, y + 3, end - left, 12, row.fill)
            canvas.text(max(end, left) + 6, y + 13, row.text, "b")
        for mark in row.marks:
            x = left + mark.value * scale
            canvas.line(x, y, x, y + 18, "text", 1.5)
        y += _ROW
    canvas.line(left, 14, left, y - 4, "mark")
    return canvas.finish(y)


def heat_map(
    name: str,
    rows: Sequence[str],
    columns: Sequence[str],
    squares: Mapping[tuple[int, int], Square],
    unit: str,
) -> Picture:
    """A cell per row and column: filled from below as far as its amount goes, with the number.

    The height says the amount without a colour; a hidden cell is hatched, an empty one is blank.
    """
    canvas = Canvas(name, WIDTH)
    left = 12 + max((text_width(row) for row in rows), default=0.0)
    wide = min((WIDTH - left) / max(len(columns), 1), 120.0)
    known = [one.value for one in squares.values() if one.value is not None]
    most = max(known, default=0.0)
    decimals = max(decimals_for(most) - 1, 0) if most else 0
    lines = max((len(_wrapped(head, wide)) for head in columns), default=1)
    canvas.text(0, 10, unit, "m")
    for place, head in enumerate(columns):
        for line, text in enumerate(_wrapped(head, wide)):
            canvas.text(left + wide * (place + 0.5), 26 + 12 * line, text, "m", "middle")
    y = 12.0 * lines + 20
    tall = 21.0
    for down, label in enumerate(rows):
        canvas.text(left - 8, y + 14, label, "t", "end")
        for across in range(len(columns)):
            x = left + wide * across
            square = squares.get((down, across))
            canvas.rect(x + 1, y + 1, wide - 2, tall - 2, "neutral")
            if square is None:
                continue
            if square.is_hidden:
                canvas.rect(x + 1, y + 1, wide - 2, tall - 2, UNKNOWN_FILL)
                continue
            part = (square.value or 0.0) / most if most else 0.0
            # A bar beside the number, so that the number keeps its contrast.
            canvas.rect(x + 1, y + 1 + (tall - 2) * (1 - part), 8, (tall - 2) * part, "busy")
            text = column([square.value], decimals)[0]
            canvas.text(x + wide - 6, y + 15, text, "t", "end")
        y += tall
    if any(one.is_hidden for one in squares.values()):
        canvas.rect(left, y + 6, 10, 10, UNKNOWN_FILL)
        canvas.text(left + 15, y + 15, "there, and not shown", "m")
        y += 22
    return canvas.finish(y + 2)


def hours_strip(name: str, cells: str, letters: str, start_ms: int, hours: int) -> Picture:
    """A month strip: a column per day, a cell per hour from top to bottom, coloured by account.

    Where a cell spans a day or more there is one row; where hours do not divide a day, too.

    Args:
        name: Of the picture.
        cells: A letter per span of hours, in order of time.
        letters: The letter of each account, in the ledger's order.
        start_ms: When the first cell begins.
        hours: How many hours a cell spans.
    """
    canvas = Canvas(name, WIDTH)
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    a_day = 24 // hours if hours <= 24 else 1
    skipped = start.hour // hours if hours <= 24 else 0
    step = timedelta(hours=max(24, hours))
    days = max(1, math.ceil((len(cells) + skipped) / a_day))
    left = 40.0 if a_day > 1 else 0.0
    slot = min((WIDTH - left) / days, 60.0)
    tall = 120.0 / a_day if a_day > 1 else 26.0
    gap = min(slot * 0.12, 2.0)
    used: dict[str, list[tuple[float, float, float, float]]] = {}
    for place, letter in enumerate(cells):
        day, row = divmod(place + skipped, a_day)
        if letter in letters:
            box = (left + slot * day, 4 + tall * row, slot - gap, tall - (0.5 if tall > 3 else 0))
            used.setdefault(letter, []).append(box)
    order = list(Account)
    present = [(order[place], letter) for place, letter in enumerate(letters) if letter in used]
    for account, letter in present:
        canvas.rects(used[letter], account.value)
    base = 4 + tall * a_day
    if a_day > 1:
        for hour in (0, 6, 12, 18, 24):
            y = 4 + 120 * hour / 24
            canvas.text(left - 6, min(y + 8, base), f"{hour:02d}\u202fh", "m", "end")
    first = start - timedelta(hours=start.hour)
    every = max(1, math.ceil(46 / slot))
    for day in range(0, days, every):
        x = left + slot * day
        if x < WIDTH - 40:
            canvas.text(x, base + 14, day_month((first + step * day).date()), "m")
    x, y = 0.0, base + 34
    for account, _ in present:
        label = ACCOUNTS[account].label
        if x + 15 + text_width(label) > WIDTH:
            x, y = 0.0, y + 17
        canvas.rects([(x, y - 9, 10.0, 10.0)], account.value)
        canvas.text(x + 15, y, label)
        x += 29 + text_width(label)
    return canvas.finish(y + 4)


def _wrapped(text: str, wide: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}") <= wide - 4:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]
