"""What each KPI of a report means, in words, with the sums it was made of."""

from __future__ import annotations

from collections.abc import Iterable

from wattline_collector.kpi import registry
from wattline_collector.palette import THIN_SPACE, UNKNOWN, format_si
from wattline_reports.document import Definition, Definitions, Paragraph, Section
from wattline_reports.quoted import Quoted, clean, percent, why, written
from wattline_reports.words import decimals_for, grouped, sentence, tied

_PREFIXED = ("tok", "J", "Wh", "W", "FLOP", "B")
_UNIT_WORDS = {"1": "ratio", "": "none"}
_SIGNS = ((" x ", " \u00d7 "), (" / ", " ÷ "), ("'", "\u2019"))


def section(figures: Iterable[Quoted], note: str = "") -> Section:
    """The chapter on definitions, of every KPI among the figures.

    Args:
        figures: The report's figures; those that are no KPI are explained where they stand.
        note: Running text after them.
    """
    by_kpi: dict[str, list[Quoted]] = {}
    for one in figures:
        if one.kpi:
            by_kpi.setdefault(one.kpi, []).append(one)
    blocks: list[Definitions | Paragraph] = [
        Definitions(tuple(definition(id, found) for id, found in by_kpi.items()))
    ]
    if note:
        blocks.append(Paragraph(note, "note"))
    return Section(
        id="definitions",
        title="Definitions",
        question="What exactly does each figure mean?",
        answer=(
            "Every ratio is divided once, at the end, from sums over the whole period; "
            "a sum that is not known leaves the ratio unknown."
        ),
        blocks=tuple(blocks),
    )


def definition(id: str, figures: list[Quoted]) -> Definition:
    """One KPI's definition, with what it came to."""
    kpi = registry.find(id)
    unit = _UNIT_WORDS.get(kpi.unit, kpi.unit)
    if better := {"up": "more", "down": "less"}.get(kpi.direction):
        unit += f"; {better} is better"
    lines = [("Formula", sentence(signs(kpi.formula)))]
    if kpi.denominator:
        lines.append(("Sums", f"{signs(kpi.numerator)} ÷ {signs(kpi.denominator)}"))
    if len(figures) == 1:
        lines.append(("This period", _here(figures[0])))
    else:
        known = sum(one.value is not None for one in figures)
        lines.append(("This period", f"{len(figures)} figures, {known} of them with a value"))
    lines += [("Unit", unit), ("Source", signs(kpi.authority) or UNKNOWN)]
    if kpi.note:
        lines.append(("Note", sentence(signs(kpi.note))))
    return Definition(id, kpi.name[:1].upper() + kpi.name[1:], tuple(lines))


def signs(text: str) -> str:
    """The registry writes for terminals; a page has the signs themselves."""
    for plain, sign in _SIGNS:
        text = text.replace(plain, sign)
    return text


def _here(one: Quoted) -> str:
    figure = one.figure
    if figure.value is None:
        return f"{UNKNOWN} ({why(one)})"
    parts = written(one)
    if figure.denominator is not None:
        over = _sum(figure.numerator, figure.numerator_unit)
        under = _sum(figure.denominator, figure.denominator_unit)
        parts = f"{over} ÷ {under} = {parts}"
    more = [f"n\u00a0{grouped(figure.n)}", f"coverage {percent(figure.coverage)}"]
    if figure.method:
        more.append(clean(figure.method))
    return f"{parts}; {', '.join(more)}"


def _sum(amount: float | int | None, unit: str) -> str:
    if unit in _PREFIXED:
        return tied(format_si(amount, unit, 6))
    if amount is None:
        return UNKNOWN
    decimals = 0 if isinstance(amount, int) or amount == int(amount) else decimals_for(amount, 1)
    return tied(f"{grouped(amount, decimals)}{THIN_SPACE}{unit}")
