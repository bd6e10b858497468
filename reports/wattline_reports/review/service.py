"""Were users served: support, satisfaction, waits within a category, courses, outcomes."""

from __future__ import annotations

from wattline_reports.document import Block, Chart, Paragraph, Section
from wattline_reports.quoted import Quoted, source_line, written
from wattline_reports.review.disclosed import spoken
from wattline_reports.review.evidence import figure_table, pick, told
from wattline_reports.review.figures import Book
from wattline_reports.review.pictures import Bullet, Mark, bullets
from wattline_reports.words import sentence

_IDS = ("Q01", "Q05", "Q02", "I09", "I10")


def section(book: Book) -> Section:
    """The chapter on service and training."""
    figures = [one for id in _IDS for one in book.quote(id)]
    blocks: list[Block] = []
    chart = _parity(book.quote("Q05"))
    if chart:
        blocks.append(chart)
    if figures:
        blocks.append(figure_table("Service, training and outcomes.", figures))
    else:
        blocks.append(Paragraph("No figure of this chapter was computed.", "note"))
    return Section(
        id="service",
        title="Service and training",
        question="Were users served in time and alike, and what did they learn and make?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _answer(book: Book) -> str:
    support, outcomes = book.quote("Q01"), book.quote("I10")
    text = told(
        (
            (pick(support, figure="in_time"), "support solved {} of requests in time"),
            (pick(support, figure="rating"), "users rate the service {}"),
            (pick(book.quote("I09"), figure="person_days"), "courses came to {}"),
        )
    )
    if all(one.value is None for one in (*support, *book.quote("I09"), *outcomes)):
        return "Nothing was declared on support, surveys, courses or outcomes of this period."
    count = sum(one.value or 0 for one in outcomes)
    more = sentence(f"projects declared {count:.0f} outcomes") if count else ""
    return f"{text} {more}".strip()


def _parity(figures: tuple[Quoted, ...]) -> Chart | None:
    known = [one for one in figures if one.value is not None]
    if not known:
        return None
    rows = [
        Bullet(spoken(one.figure.dims.get("user_category", "all")), one.value, written(one),
               (Mark(1.0, "alike"),))
        for one in known
    ]  # fmt: skip
    most = max(known, key=lambda one: one.value or 0)
    return Chart(
        label="",
        title=sentence(
            f"waits differ most within {spoken(most.figure.dims.get('user_category', 'all'))}: one "
            f"organisation\u2019s median is {written(most)} times another\u2019s"
        ),
        picture=bullets("parity", rows, "longest over shortest median wait of an organisation"),
        alt=sentence("Bars of the parity of waits: "
                     + "; ".join(f"{row.label} {row.text}" for row in rows)),
        source=source_line(known),
        figures=tuple(one.id for one in known),
    )  # fmt: skip
