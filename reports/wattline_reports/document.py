"""A report as a document: what stands in it, in order, whatever it is rendered to.

Everything is text and pictures that are finished; a renderer lays out and decides nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wattline_reports.picture import Picture


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text.

    Attributes:
        text: The text.
        kind: `plain`, `lead` (the answer, set larger) or `note` (set smaller).
    """

    text: str
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of short statements, each with an optional bold start."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading under a section's own."""

    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head.
        unit: Its unit, under the head.
        numeric: Right-aligned, in figures of one width.
        width: Its share of the page's width beside what numeric columns need; 0: as narrow as
            its text.
    """

    title: str
    unit: str = ""
    numeric: bool = False
    width: float = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says.
        note: Small text under it: the reason of a blank, a coverage to mind.
        fill: Name of the colour of a swatch before the text.
        strong: Set in the heavier weight.
    """

    text: str
    note: str = ""
    fill: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row; a total is set off by a rule and the heavier weight."""

    cells: tuple[Cell, ...]
    total: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A numbered table.

    Attributes:
        label: `Table 1`.
        title: What it shows, as a sentence.
        columns: Its columns.
        rows: Its rows; each has as many cells as there are columns.
        source: KPI ids, n, coverage and method.
    """

    label: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A numbered figure.

    Attributes:
        label: `Figure 1`.
        title: What it finds, as a sentence.
        picture: The drawing.
        alt: The same in words, for who cannot see it.
        source: KPI ids, n, coverage and method.
    """

    label: str
    title: str
    picture: Picture
    alt: str
    source: str


@dataclass(frozen=True, slots=True)
class Definition:
    """One KPI's definition, with the sums of this period.

    Attributes:
        id: Its id.
        name: Its name.
        lines: What and how, as pairs of a word and its text.
    """

    id: str
    name: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Definitions:
    """KPIs' definitions, one after the other."""

    items: tuple[Definition, ...]


Block = Paragraph | Bullets | Heading | Table | Chart | Definitions


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter: the question it answers, the answer in a sentence, the evidence.

    Attributes:
        id: Its anchor.
        title: Its heading, without its number.
        question: What its reader came to ask.
        answer: The answer, from the figures.
        blocks: The evidence.
    """

    id: str
    title: str
    question: str
    answer: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What the audit says about everything that follows; `good` is false where it does not hold."""

    good: bool
    headline: str
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """A finished report.

    Attributes:
        title: What kind of report it is.
        subject: Of which systems.
        period: Its period as a person says it.
        bounds: Its exact start and end.
        facts: More lines of the cover, as pairs of a word and its text.
        statement: Whether the books balance.
        code: The verification code, in groups.
        generator: The program and its version.
        name: Stem of its files' names.
        end_unix: End of the period, the one time a file may carry: seconds since 1970 UTC.
        sections: Its chapters.
    """

    title: str
    subject: str
    period: str
    bounds: str
    facts: tuple[tuple[str, str], ...]
    statement: Statement
    code: str
    generator: str
    name: str
    end_unix: int
    sections: tuple[Section, ...] = field(default=())
