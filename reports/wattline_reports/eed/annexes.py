"""The annexes of the regulation, field by field."""

from __future__ import annotations

import math

from wattline_collector.palette import UNKNOWN
from wattline_reports.cells import bare, cell, coverage_cell, number_of, unit_cell
from wattline_reports.document import Cell, Column, Row, Section, Table
from wattline_reports.eed import schema
from wattline_reports.eed.book import ANNEX_III, Book
from wattline_reports.quoted import Quoted, is_plain, source_line, why, written
from wattline_reports.words import count_of, grouped, sentence, shown

_SIGNS = str.maketrans({"2": "²", "3": "³"})

_NAMES = {
    "E_DC": "Total energy of the data centre",
    "E_DC-BG": "Of it from back-up generators",
    "E_IT": "Energy of IT equipment",
}
"""What the regulation calls what KPIs count."""


def texts_of(book: Book) -> list[tuple[str, str, str | None]]:
    """The fields that are words, of the return's year."""
    return schema.texts(book.profile, str(book.year))


def named_indicators(book: Book) -> dict[str, Quoted]:
    """PUE, WUE, ERF and REF as a whole."""
    return {
        ANNEX_III[one.kpi]: one
        for one in book.annex_iii
        if one.figure.dims.get("kind", "all") == "all"
    }


def site(book: Book) -> Section:
    """Annex I, and what else of the site is words."""
    fields = texts_of(book)
    known = sum(value is not None for _, _, value in fields)
    return Section(
        id="annex-i",
        title="The data centre",
        question="Which data centre is it, and how is it built? (Annex I)",
        answer=f"{known} of {count_of(len(fields), 'field')} are stated.",
        blocks=(
            Table(
                label="",
                title="What the operator states of the data centre.",
                columns=(Column("Field", width=2), Column("Value", width=3)),
                rows=tuple(
                    Row(
                        (
                            Cell(name),
                            Cell(UNKNOWN if value is None else _said(key, value)),
                        )
                    )
                    for key, name, value in fields
                ),
                source=f"Factory profile, as it held at the end of {book.year}.",
            ),
        ),
    )  # fmt: skip


def year(book: Book) -> Section:
    """Annex II: numbers under their codes."""
    known = sum(one.value is not None for _, one, _ in book.annex_ii)
    return Section(
        id="annex-ii",
        title="Energy, water, heat and capacity",
        question=f"What did the data centre use, reuse and offer in {book.year}? (Annex II)",
        answer=f"{known} of {count_of(len(book.annex_ii), 'indicator')} have a value.",
        blocks=(
            Table(
                label="",
                title="Indicators under the codes of the regulation, in its units.",
                columns=(
                    Column("Code"),
                    Column("What", width=3),
                    Column("Value", numeric=True),
                    Column("Unit"),
                    Column("Where and how", width=2),
                    Column("Coverage", numeric=True),
                ),
                rows=tuple(_row(key, one, rule) for key, one, rule in book.annex_ii),
                source=source_line([one for _, one, _ in book.annex_ii if one.kpi],
                                   "Others: register of meters, and profile."),
            ),
        ),
    )  # fmt: skip


def indicators(book: Book) -> Section:
    """Annex III: PUE, WUE, ERF, REF."""
    found = named_indicators(book)
    parts = [one for one in book.annex_iii if one not in found.values()]
    words = [f"{name} {written(one)}" for name, one in found.items() if one.value is not None]
    return Section(
        id="annex-iii",
        title="Indicators",
        question="How much of the energy reached the IT, and what came of it? (Annex III)",
        answer=sentence(", ".join(words) if words else "none of them is known"),
        blocks=(
            Table(
                label="",
                title="Each is a sum over a sum, over the time in which all of its meters have "
                "readings.",
                columns=(
                    Column("Indicator", width=1),
                    Column("Above", numeric=True),
                    Column("Below", numeric=True),
                    Column("Value", numeric=True),
                    Column("Meters", numeric=True),
                    Column("Coverage", numeric=True),
                ),
                rows=tuple(
                    Row(
                        (
                            Cell(_indicator(one), note=sentence(why(one))),
                            cell(one, "numerator", 4),
                            cell(one, "denominator", 4),
                            (bare if is_plain(one) else cell)(one, "value", 4, strong=True),
                            bare(one, "n"),
                            coverage_cell(one),
                        )
                    )
                    for one in (*found.values(), *parts)
                ),
                source=source_line([*found.values()]),
            ),
        ),
    )


def _row(key: str, one: Quoted, rule: str) -> Row:
    name = _NAMES.get(key, one.figure.name[:1].upper() + one.figure.name[1:])
    return Row(
        (
            Cell(key),
            Cell(name, note="" if one.figure.level == "declared" else sentence(why(one))),
            Cell(exact(one.value), number=number_of(one)),
            unit_cell(one, one.figure.unit.translate(_SIGNS).replace("Cel", "°C")),
            Cell(rule),
            coverage_cell(one) if one.figure.coverage is not None else Cell(UNKNOWN),
        )
    )


def exact(value: float | None) -> str:
    """A number as a return has it: not rounded to be read, to six digits, without a prefix."""
    if value is None:
        return UNKNOWN
    digits = 5 - math.floor(math.log10(abs(value))) if value else 0
    text = grouped(value, max(0, digits))
    return text.rstrip("0").rstrip(".") if digits > 0 else text


def _indicator(one: Quoted) -> str:
    kind = one.figure.dims.get("kind", "all")
    name = ANNEX_III[one.kpi]
    return name if kind == "all" else f"{name}, {kind.replace('_', ' ')}"


def _said(key: str, value: str) -> str:
    plain = key in ("ownership", "structure")
    return shown(value.replace("_", "-") if plain else value)
