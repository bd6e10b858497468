"""Cells of tables that show quoted figures, so that text and number cannot differ."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.palette import UNKNOWN
from wattline_reports.document import Cell, Column, Number, Row
from wattline_reports.quoted import COMFORT, Quoted, apart, percent, why, written
from wattline_reports.words import column, decimals_for, grouped, sentence

FIGURE_COLUMNS = (
    Column("KPI"),
    Column("What", width=1),
    Column("Value", numeric=True),
    Column("Unit"),
    Column("n", numeric=True),
    Column("Coverage", numeric=True),
    Column("Status"),
)
"""The head of a table of `figure_row`."""


def number_of(one: Quoted, part: str = "value") -> Number:
    """The number behind a cell that shows a part of a figure."""
    return Number(one.part(part), one.unit(part), one.id, part)


def cell(one: Quoted, part: str = "value", digits: int = 3, *, strong: bool = False) -> Cell:
    """A figure's number with its unit."""
    return Cell(written(one, part, digits), strong=strong, number=number_of(one, part))


def bare(one: Quoted, part: str = "value", digits: int = 3, *, strong: bool = False) -> Cell:
    """The same without its unit, for a column whose head has it."""
    return Cell(apart(one, part, digits)[0], strong=strong, number=number_of(one, part))


def column_cells(figures: Sequence[Quoted], part: str = "value") -> list[Cell]:
    """Numbers of one column in one unit, with the same decimals; the column's head has the unit."""
    amounts = [one.part(part) for one in figures]
    decimals = decimals_for(max((abs(amount) for amount in amounts if amount), default=0))
    texts = column(amounts, decimals)
    return [
        Cell(text, number=number_of(one, part)) for text, one in zip(texts, figures, strict=True)
    ]


def coverage_cell(one: Quoted) -> Cell:
    """A figure's coverage, heavier where it is under 95 %."""
    coverage = one.figure.coverage
    return Cell(
        percent(coverage),
        strong=coverage is not None and coverage < COMFORT,
        number=number_of(one, "coverage"),
    )


def unit_cell(one: Quoted, unit: str) -> Cell:
    """The unit beside a figure's value, as it is written there."""
    plain = one.unit()
    return Cell(unit, sheet="ratio" if plain == "1" else plain)


def figure_row(one: Quoted, name: str = "", digits: int = 3, note: str | None = None) -> Row:
    """A figure as a row under `FIGURE_COLUMNS`.

    Args:
        one: The figure.
        name: What it is called; by its own name if empty.
        digits: Significant digits of its value.
        note: What stands under its name; its own note if None.
    """
    number, unit = apart(one, "value", digits)
    what = name or one.figure.name[:1].upper() + one.figure.name[1:]
    return Row(
        (
            Cell(one.kpi or UNKNOWN),
            Cell(what, note=sentence(why(one) if note is None else note)),
            Cell(number, strong=number != UNKNOWN, number=number_of(one)),
            unit_cell(one, unit),
            Cell(grouped(one.figure.n), number=number_of(one, "n")),
            coverage_cell(one),
            Cell(one.figure.status.value, strong=one.figure.status.value != "ok"),
        )
    )
