"""Annexes: what was left out, how the methods changed, measurement points, words."""

from __future__ import annotations

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
from wattline_reports.review.figures import Book
from wattline_reports.words import count_of, grouped, listed, long_day, sentence, shown

_GLOSSARY = (
    ("Account.", "what a device was doing; at each moment it is in exactly one of nine."),
    (
        "Coverage.",
        "observed over expected time, or samples; under 95 % it is said beside a number.",
    ),
    ("n.", "how many things a figure is made of: jobs, projects, nodes, or readings of a meter."),
    ("Offered.", "time in which a device ran a job or could have."),
    ("Withheld.", "there, and not shown: too little was observed, or too few stand behind it."),
)


def section(book: Book) -> Section:
    """The annexes in one chapter."""
    blocks: list[Block] = [Heading("What is not shown"), *_hidden(book)]
    blocks += [Heading("Methods"), Paragraph(_methods(book))]
    blocks += [Heading("Measurement points and devices"), *_points(book)]
    blocks += [Heading("Words"), Bullets(_GLOSSARY)]
    whole = sum(book.beside.hidden.values())
    return Section(
        id="annexes",
        title="Annexes",
        question="What was left out, and what were the figures measured with?",
        answer=sentence(
            f"{count_of(whole, 'figure')} beside access time are not shown in the public variant"
            if book.beside.is_public
            else "nothing was suppressed: this is the variant for the Joint Undertaking alone"
        ),
        blocks=tuple(blocks),
    )


def _hidden(book: Book) -> list[Block]:
    beside = book.beside
    if not beside.is_public:
        return [Paragraph(
            "No cell is hidden. No job, user, account or node is named in either variant. The "
            "public variant hides what too few projects stand behind; do not hand this one on."
        )]  # fmt: skip
    items = []
    if beside.cells is not None:
        whole, hidden = beside.cells.count
        rules = beside.cells.rules
        items.append(
            ("Access time.",
             f"{grouped(hidden)} of {count_of(whole, 'cell')} hidden. A cell is shown if at least "
             f"{rules.contributors} projects and {rules.contributors} organisations stand behind "
             f"it, none has over {rules.dominance_one:.0%} and no two over "
             f"{rules.dominance_two:.0%} of it, and the others do not tell it within "
             f"{rules.width:.0%}.")
        )  # fmt: skip
    if beside.hidden:
        counts = listed([f"{count} of {id}" for id, count in sorted(beside.hidden.items())])
        items.append(("Figures not shown:", sentence(counts)))
    items.append(("Never shown.", "Names of jobs, users, accounts, models and nodes."))
    return [Bullets(tuple(items))]


def _methods(book: Book) -> str:
    when = "" if book.beside.as_of is None else (
        f" The books are those of {long_day(book.beside.as_of.date())}."
    )  # fmt: skip
    return (
        "Each figure names its method. The formulas are those of the KPI dictionary; the "
        "definitions of this review give them, and its JSON the version of the program. Hours that "
        f"were booked again are told with the data quality.{when}"
    )


def _points(book: Book) -> list[Block]:
    profile = book.beside.profile
    if profile is None or not profile.points:
        return [Paragraph("The profile names no measurement point: `[point.NAME]` does.", "note")]
    devices: dict[str, list[str]] = {}
    for one in profile.measuring_devices.values():
        parts = [one.make, one.serial, one.accuracy]
        devices.setdefault(one.point, []).append(
            ", ".join(shown(part) for part in parts if part) or shown(one.id)
        )
    return [
        Table(
            label="",
            title="Measurement points, whose record is kept for ten years.",
            columns=(
                Column("Point"),
                Column("Boundary"),
                Column("Devices", width=1),
                Column("Since"),
            ),
            rows=tuple(
                Row(
                    (
                        Cell(shown(point.id)),
                        Cell(point.boundary.replace("_", " ")),
                        Cell("; ".join(devices.get(point.id, ["none named"]))),
                        Cell("" if point.since is None else long_day(point.since)),
                    )
                )
                for point in profile.points.values()
            ),
            source="Profile.",
        )
    ]
