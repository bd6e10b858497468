"""What each KPI means: in full for those a board reads, in a line for the others."""

from __future__ import annotations

from wattline_collector.kpi import registry
from wattline_reports.definitions import definition, signs
from wattline_reports.document import Definition, Definitions, Paragraph, Section
from wattline_reports.quoted import Figures
from wattline_reports.review.figures import Book
from wattline_reports.words import sentence


def section(book: Book, figures: Figures) -> Section:
    """The last chapter.

    Args:
        book: The review.
        figures: Every figure that it quotes.
    """
    ids = list(dict.fromkeys(one.kpi for one in figures if one.kpi))
    items = [
        definition(id, [one for one in figures.of(id) if not one.id.endswith("/before")])
        if id in book.board
        else _short(id)
        for id in sorted(ids, key=lambda id: id not in book.board)
    ]
    blocks: list[Definitions | Paragraph] = [Definitions(tuple(items))]
    blocks.append(
        Paragraph(
            "Ids and formulas are those of the KPI dictionary: “wattline kpi ID --explain” says "
            "more, and the JSON has both sums of every figure. 1\u202fktok is 10³ tokens, "
            "1\u202fMtok 10⁶, 1\u202fGtok 10⁹, 1\u202fTtok 10¹².",
            "note",
        )
    )
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


def _short(id: str) -> Definition:
    kpi = registry.find(id)
    return Definition(
        id,
        kpi.name[:1].upper() + kpi.name[1:],
        (
            ("Formula", sentence(signs(kpi.formula))),
            ("Unit", "ratio" if kpi.unit == "1" else kpi.unit),
        ),
    )
