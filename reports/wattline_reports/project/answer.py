"""The project on one page."""

from __future__ import annotations

from wattline_reports.cells import FIGURE_COLUMNS, figure_row
from wattline_reports.document import Block, Bullets, Heading, Section, Table
from wattline_reports.project.book import Book
from wattline_reports.project.use import named
from wattline_reports.quoted import percent, said, source_line, why
from wattline_reports.words import sentence

TITLE = "The project on one page"
_SINGLE = ("I01", "U05", "E04", "E01", "E03", "E06", "P01", "P03", "P04", "S10", "S12")


def section(book: Book) -> Section:
    """The chapter a reader with one minute reads."""
    shown = [book.one(id) for id in _SINGLE]
    # What no job of the project could have is said to be missing, and takes no line here.
    known = [one for one in shown if one.kpi]
    blocks: list[Block] = [
        Table(
            label="",
            title="The period in figures.",
            columns=FIGURE_COLUMNS,
            rows=(*(figure_row(one, named(one)) for one in known), figure_row(book.cost)),
            source=source_line([*known, book.cost]),
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
        question="What was the grant used for, how well, and is it used at the pace it was given "
        "for?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _answer(book: Book) -> str:
    used, pace, active, wasted = (book.one(id) for id in ("I01", "U05", "E04", "E06"))
    if used.figure.numerator is None:
        parts = [f"how much was used is not known: {why(used)}"]
    elif used.figure.denominator is None:
        parts = [f"{said(used, 'numerator')} were used; what was granted is not known"]
    else:
        parts = [
            f"{said(used, 'numerator')} of the {said(used, 'denominator')} due in this period "
            "were used"
        ]
    if pace.value is not None:
        word = "the pace" if 0.9 <= pace.value <= 1.1 else "less" if pace.value < 1 else "more"
        share = percent(float(pace.value))
        told = (
            f"the grant is used at {word} it was given for ({share} of what is due by now)"
            if word == "the pace"
            else f"{share} of what is due by now is used, {word} than the grant's time asks for"
        )
        parts.append(told)
    if active.value is not None:
        parts.append(f"the GPUs were active for {said(active)} of the time they were held")
    if wasted.value:
        parts.append(f"{said(wasted)} were wasted")
    return " ".join(sentence(part) for part in parts)
