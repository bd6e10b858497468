"""The EuroHPC coordination review: from the collector's overview to a finished document.

`build` is a pure function: the same overview and the same registry give the same document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from wattline_agents.errors import InputError
from wattline_reports import __version__
from wattline_reports.document import Block, Chart, Review, Section, Statement, Table
from wattline_reports.review import answer, definitions, energy, production, quality, utilisation
from wattline_reports.review.figures import DEFINED, Book, Entry
from wattline_reports.source import Source, read
from wattline_reports.words import count_of, listed, period_bounds, period_code, period_name, shown

TITLE = "EuroHPC coordination review"

Explain = Callable[[str], Mapping[str, object]]
"""From a KPI's id to what the registry says of it."""

_SECTIONS = (answer, production, utilisation, energy, quality, definitions)


def build(overview: Mapping[str, object], explain: Explain) -> Review:
    """Make the review of an overview.

    Args:
        overview: The collector's overview as JSON values.
        explain: Gives a KPI's registry entry.

    Raises:
        InputError: The overview lacks a field or holds what cannot be; the message names it.
    """
    source = read(overview)
    book = Book(source, {id: _entry(id, explain(id)) for id in DEFINED})
    return Review(
        title=TITLE,
        subject=_subject(source),
        period=period_name(source.period),
        bounds=period_bounds(source.period),
        facts=_facts(source),
        statement=_statement(source),
        code=code(source.digest),
        generator=f"Wattline {__version__}",
        name=f"review_{period_code(source.period)}",
        end_unix=int(source.period.end.timestamp()),
        sections=numbered(tuple(one.section(book) for one in _SECTIONS)),
    )


def code(digest: str) -> str:
    """The start of a digest in groups of four, short enough to read aloud."""
    return " ".join(digest[place : place + 4] for place in range(0, 20, 4))


def numbered(sections: tuple[Section, ...]) -> tuple[Section, ...]:
    """The same sections with figures and tables numbered through the document."""
    counts = {"Figure": 0, "Table": 0}

    def label(word: str) -> str:
        counts[word] += 1
        return f"{word}\u00a0{counts[word]}"

    def with_number(block: Block) -> Block:
        if isinstance(block, Chart):
            return replace(block, label=label("Figure"))
        if isinstance(block, Table):
            return replace(block, label=label("Table"))
        return block

    return tuple(
        replace(section, blocks=tuple(with_number(block) for block in section.blocks))
        for section in sections
    )


def _subject(source: Source) -> str:
    names = [shown(name) for name in source.systems]
    if not names:
        return "No system"
    if len(names) > 6:
        names = [*names[:6], f"{len(names) - 6} more"]
    return f"{'System' if len(source.systems) == 1 else 'Systems'} {listed(names)}"


def _facts(source: Source) -> tuple[tuple[str, str], ...]:
    return (
        ("Size", f"{count_of(source.devices, 'accelerator')} in {count_of(source.nodes, 'node')}"),
        ("Targets", "no target set"),
    )


def _statement(source: Source) -> Statement:
    if not source.balanced:
        return Statement(False, "The books do NOT balance", quality.audit(source))
    if not source.audit.checked_hours:
        return Statement(False, "The books have not been audited", quality.audit(source))
    return Statement(True, "The books balance", quality.audit(source))


def _entry(id: str, values: Mapping[str, object]) -> Entry:
    def text(key: str, required: bool = True) -> str:
        value = values.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            raise InputError("not a text", path=f"registry entry of {id}", field=key)
        # The registry writes for terminals; a page has the signs themselves.
        for plain, sign in ((" x ", " \u00d7 "), (" / ", " ÷ "), ("'", "\u2019")):
            value = value.replace(plain, sign)
        return value

    return Entry(
        id=id,
        name=text("name"),
        formula=text("formula"),
        unit=text("unit"),
        numerator=text("numerator", required=False),
        denominator=text("denominator", required=False),
        direction=text("direction", required=False),
        authority=text("authority", required=False),
        note=text("note", required=False),
    )
