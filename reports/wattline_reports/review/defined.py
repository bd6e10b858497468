"""What each KPI means: in full for those a board reads, in a line for the others."""

from __future__ import annotations

from wattline_collector.kpi import registry
from wattline_reports.definitions import definition, signs
from wattline_reports.document import (
    Cell,
    Column,
    Definitions,
    Paragraph,
    Row,
    Section,
    Table,
)
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
    full = [id for id in book.board if id in ids]
    rest = [id for id in ids if id not in full]
    blocks: list[Definitions | Table | Paragraph] = [
        Definitions(
            tuple(
                definition(id, [one for one in figures.of(id) if not one.id.endswith("/before")])
                for id in full
            )
        )
    ]
    if rest:
        blocks.append(_others(rest))
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


def _others(ids: list[str]) -> Table:
    rows = []
    for id in ids:
        kpi = registry.find(id)
        rows.append(
            Row(
                (
                    Cell(id),
                    Cell(kpi.name[:1].upper() + kpi.name[1:]),
                    Cell(sentence(signs(kpi.formula))),
                    Cell("ratio" if kpi.unit == "1" else kpi.unit),
                )
            )
        )
    return Table(
        label="",
        title="The other KPIs of this review.",
        columns=(Column("KPI"), Column("Name", width=1), Column("Formula", width=3),
                 Column("Unit")),
        rows=tuple(rows),
        source="KPI dictionary.",
    )  # fmt: skip
