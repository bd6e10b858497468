"""What each KPI means, in words, with the two sums it was made of in this period."""

from __future__ import annotations

from wattline_collector.kpi.figure import Figure
from wattline_collector.palette import THIN_SPACE, UNKNOWN, format_si
from wattline_reports.document import Definition, Definitions, Paragraph, Section
from wattline_reports.review.figures import (
    DEFINED,
    Book,
    percent,
    reason,
    shown_note,
    value_and_unit,
)
from wattline_reports.words import NARROW, decimals_for, grouped, sentence, tied

_PREFIXED = ("tok", "J", "Wh", "W", "FLOP", "B")

_UNIT_WORDS = {"1": "ratio, shown in %", "": "none"}


def section(book: Book) -> Section:
    """The last chapter."""
    return Section(
        id="definitions",
        title="Definitions",
        question="What exactly does each figure mean?",
        answer=(
            "Every ratio is divided once, at the end, from sums over the whole period; "
            "a sum that is not known leaves the ratio unknown."
        ),
        blocks=(
            Definitions(tuple(_definition(book, id) for id in DEFINED)),
            Paragraph(
                "Ids and formulas follow the Wattline KPI dictionary. Prefixes are of the SI: "
                "1\u202fktok is a thousand tokens, 1\u202fMtok a million, 1\u202fGtok 10⁹, "
                "1\u202fTtok 10¹².",
                "note",
            ),
        ),
    )


def _definition(book: Book, id: str) -> Definition:
    entry, figure = book.entries[id], book.figure(id)
    unit = _UNIT_WORDS.get(entry.unit, entry.unit)
    lines = [("Formula", sentence(entry.formula))]
    if entry.denominator:
        lines.append(("Sums", f"{entry.numerator} ÷ {entry.denominator}"))
    lines.append(("This period", _here(figure)))
    if better := {"up": "more", "down": "less"}.get(entry.direction):
        unit += f"; {better} is better"
    lines += [("Unit", unit), ("Source", entry.authority or UNKNOWN)]
    if entry.note:
        lines.append(("Note", sentence(entry.note)))
    return Definition(id, book.name(id), tuple(lines))


def _here(figure: Figure) -> str:
    if figure.value is None:
        return f"{UNKNOWN} ({reason(figure)})"
    number, unit = value_and_unit(figure)
    parts = f"{number}{NARROW}{unit}"
    if figure.denominator is not None:
        over = _sum(figure.numerator, figure.numerator_unit)
        under = _sum(figure.denominator, figure.denominator_unit)
        parts = f"{over} ÷ {under} = {parts}"
    more = [f"n\u00a0{grouped(figure.n)}", f"coverage {percent(figure.coverage)}"]
    if figure.method:
        more.append(shown_note(figure.method))
    return f"{parts}; {', '.join(more)}"


def _sum(amount: float | int | None, unit: str) -> str:
    if unit in _PREFIXED:
        return tied(format_si(amount, unit, 6))
    if amount is None:
        return UNKNOWN
    decimals = 0 if isinstance(amount, int) or amount == int(amount) else decimals_for(amount, 1)
    return tied(f"{grouped(amount, decimals)}{THIN_SPACE}{unit}")
