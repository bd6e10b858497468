"""The return on one page, and what it lacks."""

from __future__ import annotations

import re

from wattline_reports.cells import FIGURE_COLUMNS, figure_row
from wattline_reports.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.eed import annexes, schema
from wattline_reports.eed.book import LEAST_KILOWATTS, Book
from wattline_reports.quoted import said, source_line, why, written
from wattline_reports.words import NARROW, count_of, sentence, shown

TITLE = "The return on one page"

_UNITS = re.compile("_(watts|square_metres|bytes_per_second|bytes|celsius)$")
"""What a key has in its name where it is kept in base units; people write the unit themselves."""


def section(book: Book) -> Section:
    """The chapter a reader with one minute reads."""
    indicators = annexes.named_indicators(book)
    rows = [
        figure_row(one, _name(book, one.figure.name, one.id))
        for one in (book.power, *indicators.values())
    ]
    listed = "the chapter \u201cGaps\u201d lists what is not there" if book.gaps else ""
    rows.append(figure_row(book.completeness, note=listed))
    blocks: list[Block] = [
        Table(
            label="",
            title="Installed power, the indicators of Annex III, and how complete the return is.",
            columns=FIGURE_COLUMNS,
            rows=tuple(rows),
            source=source_line([*indicators.values(), book.completeness]),
        )
    ]  # fmt: skip
    if book.schema == schema.DRAFT:
        blocks.append(
            Paragraph(
                "The draft amending act of March 2026 is not in force. As far as it is known, it "
                "takes out the data traffic and puts in a label from classes of PUE and WUE; the "
                "limits of the classes are not known, so no label is given. S07 counts the fields "
                "in force.",
                "note",
            )
        )
    if book.missing:
        blocks += [
            Heading("What is missing"),
            Bullets(tuple((one.what, one.why) for one in book.missing)),
        ]
    return Section(
        id="answer",
        title=TITLE,
        question="Is a return owed, what does it say, and is it complete?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def gaps(book: Book) -> Section:
    """The chapter that lists every field that is not good for a return."""
    rows = tuple(
        Row((Cell(field.code), Cell(shown_gap(field.missing))))
        for field in book.gaps
    )  # fmt: skip
    if book.profile is None:
        answer = "There is no profile, so the fields cannot be checked."
        blocks: tuple[Block, ...] = (
            Paragraph("`wattline profile template` prints a profile to fill in.".replace("`", "")),
        )
    elif not rows:
        answer = f"None: all {count_of(len(book.fields), 'field')} are there."
        blocks = ()
    else:
        answer = (
            f"{len(rows)} of {count_of(len(book.fields), 'field')} are missing or not good for a "
            "return."
        )
        blocks = (
            Table(
                label="",
                title="Each field that is missing, and where it comes from.",
                columns=(Column("Field", width=1), Column("What to provide", width=3)),
                rows=rows,
                source="KPI S07. A metered field is good if its readings cover 99 % of the year; "
                "where a site has none of a kind, a reading of 0 says so.",
            ),
        )
    return Section(
        id="gaps",
        title="Gaps",
        question="What has to be provided before the return can be handed in?",
        answer=answer,
        blocks=blocks,
    )


def shown_gap(text: str) -> str:
    """What is missing, as a sentence that names the profile's key or the meter."""
    inside = text.partition("(")[2].rstrip(")")
    if inside.startswith("data_centre"):
        return sentence(f"the profile has no {_UNITS.sub('', inside)}")
    return sentence(" ".join(shown(word) for word in (inside or text).split()))


def _answer(book: Book) -> str:
    pue = annexes.named_indicators(book).get("PUE")
    least = f"{LEAST_KILOWATTS:.0f}{NARROW}kW"
    if book.is_obliged is None:
        first = "whether a return is owed is not known: the profile has no rated IT power"
    elif book.is_obliged:
        first = f"with {written(book.power)} of IT power a return is owed"
    else:
        first = f"with {written(book.power)} of IT power, below {least}, no return is owed"
    if pue is None or pue.value is None:
        second = f"the PUE is not known{'' if pue is None else f': {why(pue)}'}"
    else:
        second = f"the PUE is {said(pue)}"
    third = (
        f"{written(book.completeness)} of the required fields are there"
        if book.completeness.value is not None
        else f"how complete it is is not known: {why(book.completeness)}"
    )
    return " ".join(sentence(text) for text in (first, second, third))


def _name(book: Book, name: str, id: str) -> str:
    text = f"{name[:1].upper()}{name[1:]}"
    return f"{text} (PD_IT)" if id == book.power.id else text
