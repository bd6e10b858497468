"""How a job's figures stand in tables: number, unit, and a time in words people use."""

from __future__ import annotations

from collections.abc import Iterable

from wattline_collector.efficiency.figures import FIGURES
from wattline_collector.efficiency.writing import duration, scale
from wattline_collector.palette import THIN_SPACE, UNKNOWN, format_si
from wattline_reports.cells import coverage_cell, number_of, unit_cell
from wattline_reports.document import Cell, Column, Row, Table
from wattline_reports.quoted import Quoted, apart, source_line, why
from wattline_reports.words import sentence, tied

COLUMNS = (
    Column("What", width=1),
    Column("Value", numeric=True),
    Column("Unit"),
    Column("Coverage", numeric=True),
    Column("Status"),
)
_UNITS = {"Cel": "°C", "J/tok": "J/token", "{core}/{gpu}": "for each GPU"}
_TIMES = ("step_spread", "checkpoint_interval_over_best", "cpus_over_fair", "memory_over_fair")


def split(one: Quoted) -> tuple[str, str]:
    """A figure's number and its unit, as `wattline job` has them."""
    value, unit = one.value, one.figure.unit
    if value is None:
        return UNKNOWN, ""
    if unit in ("{parameter}", "gCO2e"):
        text = scale(value) if unit == "{parameter}" else format_si(float(value), "g CO₂e")
        number, _, rest = text.partition(THIN_SPACE)
        return tied(number), tied(rest)
    number, written = apart(one)
    if one.id in _TIMES:
        number, written = apart(one)[0], "%"
    if written.startswith("{") and written not in _UNITS:
        written = ""
    return number, _UNITS.get(written, written)


def spoken(one: Quoted) -> str:
    """A figure in running text."""
    if one.figure.unit == "s" and one.value is not None:
        return tied(duration(one.value))
    number, unit = split(one)
    return f"{number}\u202f{unit}" if unit and number != UNKNOWN else number


def row(one: Quoted) -> Row:
    """A figure as a row under `COLUMNS`."""
    number, unit = split(one)
    name = FIGURES[one.id].name if one.id in FIGURES else one.figure.name
    notes = [why(one)]
    if one.figure.unit == "s" and one.value is not None and one.value >= 60:
        notes.insert(0, duration(one.value))
    return Row(
        (
            Cell(name[:1].upper() + name[1:],
                 note=" ".join(sentence(note) for note in notes if note)),
            Cell(number, strong=number != UNKNOWN, number=number_of(one)),
            unit_cell(one, unit),
            coverage_cell(one),
            Cell(one.figure.status.value, strong=one.figure.status.value != "ok"),
        )
    )  # fmt: skip


def table(title: str, figures: Iterable[Quoted], source: str = "") -> Table:
    """A table of figures."""
    shown = list(figures)
    return Table("", title, COLUMNS, tuple(row(one) for one in shown), source_line(shown, source))
