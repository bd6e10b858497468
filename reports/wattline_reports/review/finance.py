"""What it cost, and whether the Union paid within its part."""

from __future__ import annotations

from wattline_collector.profile import law
from wattline_reports.document import Block, Chart, Paragraph, Section
from wattline_reports.quoted import Quoted, source_line, why, written
from wattline_reports.review.disclosed import spoken
from wattline_reports.review.evidence import figure_table, pick, told
from wattline_reports.review.figures import Book
from wattline_reports.review.pictures import Bullet, Mark, bullets
from wattline_reports.words import sentence

_PARTS = {
    "union_part_of_acquisition": "acquisition_share",
    "union_part_of_upgrade": "upgrade_share",
    "union_part_of_operating": "operating_share",
    "union_part_of_additional_operating": "additional_operating_share",
}
"""Figures of I12 that have a ceiling, and the ceiling's name in the profile."""


def section(book: Book) -> Section:
    """The chapter on money."""
    figures = list(book.quote("I12"))
    blocks: list[Block] = []
    chart = _parts(book, figures)
    if chart:
        blocks.append(chart)
    if any(one.value is not None for one in figures):
        blocks.append(figure_table("Cost, and the Union\u2019s part of it.", figures))
    else:
        reason = next((r for one in figures if (r := why(one))), "the profile has no finance")
        blocks.append(Paragraph(sentence(reason), "note"))
    return Section(
        id="finance",
        title="Finance",
        question="What did it cost, and did the Union pay within its part?",
        answer=_answer(book, figures),
        blocks=tuple(blocks),
    )


def ceiling_of(book: Book, one: Quoted) -> float | None:
    """The largest part of a cost that the Union may pay, 0-1; None where nobody says."""
    profile = book.beside.profile
    name = _PARTS.get(one.figure.dims.get("figure", ""))
    if profile is None or name is None:
        return None
    told_ = None if profile.ceilings is None else getattr(profile.ceilings, name)
    if told_ is not None:
        return float(told_)
    of_law = None if profile.track is None else law.CEILINGS.get(profile.track)
    share = None if of_law is None else getattr(of_law, name)
    return None if share is None else float(share)


def over(book: Book, one: Quoted) -> bool:
    """Whether the Union paid more than its part of a cost."""
    most = ceiling_of(book, one)
    return most is not None and one.value is not None and one.value > most * 100 * (1 + 1e-9)


def _answer(book: Book, figures: list[Quoted]) -> str:
    if not any(one.value is not None for one in figures):
        return "Not known: the profile has no costs of this period."
    text = told(
        (
            (pick(figures, figure="euro_per_gpu_hour"), "a GPU-hour cost {}"),
            (pick(figures, figure="energy_euro_per_gpu_hour"), "{} of that for energy"),
        )
    )
    parts = [one for one in figures if one.value is not None and ceiling_of(book, one) is not None]
    if not parts:
        return f"{text} No ceiling of the Union\u2019s part is known."
    if any(over(book, one) for one in parts):
        return f"{text} The Union paid MORE than its part."
    return f"{text} The Union paid within its part."


def _parts(book: Book, figures: list[Quoted]) -> Chart | None:
    known = [one for one in figures if one.figure.dims.get("figure") in _PARTS
             and one.value is not None]  # fmt: skip
    if not known:
        return None
    rows = []
    for one in known:
        most = ceiling_of(book, one)
        marks = () if most is None else (Mark(most * 100, f"at most {most * 100:g}\u202f%"),)
        label = spoken(one.figure.dims["figure"]).removeprefix("union part of ")
        rows.append(Bullet(label, one.value, written(one), marks,
                           "slowed" if over(book, one) else "busy"))  # fmt: skip
    words = "; ".join(f"{row.label} {row.text}" for row in rows)
    return Chart(
        label="",
        title=sentence(f"the Union\u2019s part of each cost: {words}"),
        picture=bullets("parts", rows, "% of eligible costs"),
        alt=sentence(f"Bullet chart of the Union\u2019s part: {words}"),
        source=source_line(known, "Marks: the track\u2019s ceilings, or the profile\u2019s own."),
        figures=tuple(one.id for one in known),
    )
