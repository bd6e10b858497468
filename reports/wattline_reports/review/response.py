"""What the last review asked for, and what was done about it."""

from __future__ import annotations

from wattline_reports.document import Bullets, Cell, Column, Paragraph, Row, Section, Table
from wattline_reports.review.figures import Book
from wattline_reports.review.recommended import FILE, STATES, Recommendation
from wattline_reports.words import count_of, listed, long_day, sentence, shown


def section(book: Book) -> Section:
    """The chapter on recommendations."""
    found = book.beside.recommended
    blocks: tuple[Paragraph | Table | Bullets, ...]
    if not found:
        blocks = (
            Paragraph(
                f"Recommendations and responses come from {FILE} in the store\u2019s directory: "
                "a line each with recommendation, status "
                f"({', '.join(STATES)}), response and due.",
                "note",
            ),
        )
    else:
        blocks = (_table(found),)
    return Section(
        id="response",
        title="Response to the last review",
        question="What did the last review recommend, and what has been done about it?",
        answer=_answer(found),
        blocks=blocks,
    )


def _answer(found: tuple[Recommendation, ...] | None) -> str:
    if found is None:
        return "Not known: nobody has told this review what the last one recommended."
    if not found:
        return "The last review made no recommendation."
    counts = {state: sum(one.status == state for one in found) for state in STATES}
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    return sentence(f"of {count_of(len(found), 'recommendation')}: {listed(parts)}")


def _table(found: tuple[Recommendation, ...]) -> Table:
    ordered = sorted(found, key=lambda one: STATES.index(one.status))
    return Table(
        label="",
        title="Recommendations of the last review, and the responses.",
        columns=(
            Column("Recommendation", width=3),
            Column("Status"),
            Column("Response", width=3),
            Column("Due"),
        ),
        rows=tuple(
            Row(
                (
                    Cell(_text(one.text)),
                    Cell(one.status, strong=one.status == "open"),
                    Cell(_text(one.response) if one.response else "none yet"),
                    Cell("" if one.due is None else long_day(one.due)),
                )
            )
            for one in ordered
        ),
        source=f"{FILE}, as the factory tells it.",
    )


def _text(text: str) -> str:
    """Text from outside, word by word, so that a long one keeps its middle."""
    return " ".join(shown(word) for word in text.split())
