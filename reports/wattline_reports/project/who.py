"""Who used what of the project."""

from __future__ import annotations

from wattline_reports.cells import bare, cell, column_cells
from wattline_reports.document import Block, Cell, Column, Row, Section, Table
from wattline_reports.project.book import Book
from wattline_reports.project.people import Part
from wattline_reports.quoted import said
from wattline_reports.words import count_of, sentence


def section(book: Book) -> Section:
    """The chapter on people."""
    used = book.people
    blocks: tuple[Block, ...] = (_table(book),) if used.parts else ()
    return Section(
        id="people",
        title="Who used what",
        question="Whose jobs used the grant?",
        answer=_answer(book),
        blocks=blocks,
    )


def _answer(book: Book) -> str:
    used = book.people
    if not used.count:
        return "Nobody ran a job of the project in this period."
    count = count_of(used.count, "person", "people")
    if not used.is_all:
        return sentence(
            f"{count} ran jobs; who used what is shown to the project\u2019s lead, and below is "
            "your own part"
        )
    first = used.parts[0]
    if used.count == 1:
        return sentence(f"{first.name} alone ran jobs of the project, {said(first.hours)}")
    return sentence(f"{count} ran jobs; {first.name} used most, {said(first.hours)}")


def _table(book: Book) -> Table:
    used = book.people
    rows = [*used.parts, used.whole]
    hours = column_cells([part.hours for part in rows])
    wasted = column_cells([part.wasted for part in rows])

    def row(part: Part, place: int) -> Row:
        return Row(
            (
                Cell(part.name), bare(part.hours, "n"), hours[place], bare(part.working),
                wasted[place], cell(part.energy), cell(part.tokens),
            ),
            total=part is used.whole,
        )  # fmt: skip

    return Table(
        label="",
        title="Jobs of the project by their owner, most GPU-hours first.",
        columns=(
            Column("Owner", width=1), Column("Jobs", numeric=True),
            Column("GPU time", "GPU-h", numeric=True), Column("Worked", "%", numeric=True),
            Column("Wasted", "GPU-h", numeric=True), Column("Energy", numeric=True),
            Column("Tokens", numeric=True),
        ),
        rows=tuple(row(part, place) for place, part in enumerate(rows)),
        source="Sums of the KPIs I01, E06, S12, P01 and P03 of each job; worked: busy and slowed "
        "of the time that devices were assigned.",
    )  # fmt: skip
