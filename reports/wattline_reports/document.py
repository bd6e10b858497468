"""A report as a document: what stands in it, in order, whatever it is rendered to.

Everything is text and pictures that are finished; a renderer lays out and decides nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline_collector.kpi.figure import Period
from wattline_reports.picture import Picture
from wattline_reports.quoted import Quoted


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
    """A list of short statements, each with an optional bold start.

    Attributes:
        items: Bold start and text of each.
        kind: `plain` or `note` (set smaller: a list to look things up in).
    """

    items: tuple[tuple[str, str], ...]
    kind: str = "plain"


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
class Number:
    """The number behind a cell, so that every form of the report has the same one.

    Attributes:
        value: As it is, in `unit`; null where it is not known.
        unit: Its unit.
        figure: The id of the `Quoted` figure it is of; empty where it is of none.
        part: Which number of the figure: `value`, `numerator`, `denominator`, `n`, `coverage`.
    """

    value: float | int | None
    unit: str = ""
    figure: str = ""
    part: str = "value"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says.
        note: Small text under it: the reason of a blank, a coverage to mind.
        fill: Name of the colour of a swatch before the text.
        strong: Set in the heavier weight.
        number: The number that the text shows; None for words.
        sheet: What a spreadsheet says in the text's place; the text if empty. Numbers stand there
            without a prefix, so a unit beside one has none either.
    """

    text: str
    note: str = ""
    fill: str = ""
    strong: bool = False
    number: Number | None = None
    sheet: str = ""


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
        figures: Ids of the `Quoted` figures it draws; a spreadsheet lists them in its place.
    """

    label: str
    title: str
    picture: Picture
    alt: str
    source: str
    figures: tuple[str, ...] = ()


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
class Missing:
    """Something a reader could take for granted and that is not there.

    Attributes:
        what: Which figures or fields, as their ids.
        why: Why not, and the next step, as a sentence.
    """

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report.

    Attributes:
        kind: The name of its kind.
        title: What kind of report it is.
        subject: Of what.
        period: Its period as a person says it.
        bounds: Its exact start and end.
        span: The same as times.
        facts: More lines of the cover, as pairs of a word and its text.
        statement: Whether what it is made of holds.
        missing: What it lacks; its first page says so.
        generator: The program and its version.
        name: Stem of its files' names.
        end_unix: End of the period, the one time a file may carry: seconds since 1970 UTC.
        sections: Its chapters.
        figures: Every number it quotes, each once.
        data: What its machine form has beside the figures; JSON values.
        as_of: The moment whose books it is made of, ISO 8601; empty: as they stand.
        code: The verification code, in groups; `finish.finished` sets it.
    """

    kind: str
    title: str
    subject: str
    period: str
    bounds: str
    span: Period
    facts: tuple[tuple[str, str], ...]
    statement: Statement
    missing: tuple[Missing, ...]
    generator: str
    name: str
    end_unix: int
    sections: tuple[Section, ...] = field(default=())
    figures: tuple[Quoted, ...] = field(default=())
    data: Mapping[str, object] = field(default_factory=dict)
    as_of: str = ""
    code: str = ""

    def figure(self, id: str) -> Quoted:
        """The figure of that id.

        Raises:
            KeyError: It quotes none.
        """
        for one in self.figures:
            if one.id == id:
                return one
        raise KeyError(id)
