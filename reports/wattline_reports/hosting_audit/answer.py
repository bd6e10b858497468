"""The year on one page."""

from __future__ import annotations

from wattline_collector.palette import UNKNOWN
from wattline_reports.cells import FIGURE_COLUMNS, figure_row
from wattline_reports.document import Block, Bullets, Heading, Section, Table
from wattline_reports.hosting_audit.book import Book
from wattline_reports.hosting_audit.guard import verdict
from wattline_reports.quoted import said, source_line, why
from wattline_reports.words import sentence, shown

TITLE = "The year on one page"


def section(book: Book) -> Section:
    """The chapter a reader with one minute reads."""
    used, granted = book.figures["access.used"], book.figures["access.granted"]
    rows = [
        figure_row(granted), figure_row(used),
        *(figure_row(one, _of(one.figure.name, one.figure.dims.get("system"))) for one in
          (*book.union, *book.commercial)),
    ]  # fmt: skip
    blocks: list[Block] = [
        Table(
            label="",
            title="Access time of the year, and whose it was.",
            columns=FIGURE_COLUMNS,
            rows=tuple(rows),
            source=source_line([used, *book.union, *book.commercial]),
        )
    ]
    if book.missing:
        blocks += [
            Heading("What is missing"),
            Bullets(tuple((one.what, one.why) for one in book.missing)),
        ]
    return Section(
        id="answer",
        title=TITLE,
        question="How much access time was granted and used, and did commercial use stay within "
        "its limit?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _answer(book: Book) -> str:
    used, granted = book.figures["access.used"], book.figures["access.granted"]
    if used.value is None:
        first = f"How much access time was used is not known: {_reason(book)}"
    elif granted.value is None:
        first = f"{said(used)} were used; what was granted is not known"
    else:
        first = f"Of {said(granted)} granted, {said(used)} were used"
    return " ".join([sentence(first), *(sentence(verdict(book, one)) for one in book.commercial)])


def _reason(book: Book) -> str:
    return next((reason for one in book.modes if (reason := why(one))), "there is no figure")


def _of(name: str, system: str | None) -> str:
    name = name[:1].upper() + name[1:]
    return name if system in (None, UNKNOWN, "unknown") else f"{name}, {shown(system or '')}"
