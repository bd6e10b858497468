"""The EuroHPC coordination review: from the collector's overview to a finished document.

`build` is a pure function: the same overview and the same registry give the same document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from wattline_agents.errors import InputError
from wattline_collector.kpi import overview as overviews
from wattline_collector.kpi import registry
from wattline_reports import __version__, source
from wattline_reports.asked import Asked
from wattline_reports.document import Report, Statement
from wattline_reports.exchange import scan
from wattline_reports.finish import finished
from wattline_reports.missing import first
from wattline_reports.review import (
    KIND,
    access,
    annexes,
    answer,
    availability,
    coordination,
    defined,
    energy,
    finance,
    forecast,
    production,
    quality,
    response,
    service,
    utilisation,
)
from wattline_reports.review.figures import DEFINED, Book, Entry
from wattline_reports.review.gathered import PUBLIC, RESTRICTED, Beside, gathered
from wattline_reports.source import Source, read
from wattline_reports.words import count_of, listed, period_bounds, period_code, period_name, shown

Explain = Callable[[str], Mapping[str, object]]
"""From a KPI's id to what the registry says of it."""

_SECTIONS = (
    answer, response, access, production, utilisation, availability, energy, service, coordination,
    quality, finance, forecast,
)  # fmt: skip
"""The twelve chapters, in the order of every review."""

_LINES = 7
"""What is missing on the cover: with more, the contents no longer fit beside it."""
_NAMED = ("jobs", "coverage")
"""Tables of the overview that name jobs and nodes: neither variant has them."""


def of(asked: Asked) -> Report:
    """The review that somebody asked for."""
    proof = asked.audited.summary()
    with asked.said("computing the figures"):
        overview = overviews.of_view(asked.view, proof)
    figures = source.settled({**overview.to_json(), source.FINDINGS: list(asked.audited.findings)})
    whole = Book(read(figures), _entries(registry.explain))
    beside = gathered(asked, [one for id in DEFINED for one in whole.quote(id)])
    if beside.cells is not None:
        figures = source.settled(
            {
                **figures,
                "notes": [beside.cells.fit(note) for note in overview.notes],
                source.FINDINGS: [beside.cells.fit(line) for line in asked.audited.findings],
            }
        )
    made = build(figures, registry.explain, asked.as_of_text, beside)
    if beside.cells is not None:
        _check(made, beside.cells.names)
    return made


def _check(made: Report, names: frozenset[str]) -> None:
    """That nothing the store knows by name stands in the public review.

    Raises:
        Refused: Something does; there is no review.
    """
    told = [[one.figure.note, one.figure.method, *one.figure.dims.values()] for one in made.figures]
    lacks = [[one.what, one.why] for one in made.missing]
    scan.check({"review.json": json.dumps([told, lacks]).encode()}, names, "the public review")


def build(
    overview: Mapping[str, object],
    explain: Explain,
    as_of: str = "",
    beside: Beside | None = None,
) -> Report:
    """Make the review of an overview.

    Args:
        overview: The collector's overview as JSON values.
        explain: Gives a KPI's registry entry.
        as_of: The moment whose books it is of, ISO 8601; empty: as they stand.
        beside: What the overview does not hold; without it, chapters say that it is not known.

    Raises:
        InputError: The overview lacks a field or holds what cannot be; the message names it.
    """
    source = read(overview)
    book = Book(source, _entries(explain), beside or Beside())
    sections = tuple(one.section(book) for one in _SECTIONS)
    figures = book.beside.figures()
    if beside is None:
        figures.add(*(one for id in DEFINED for one in book.quote(id)))
    variant = PUBLIC if book.beside.is_public else RESTRICTED
    name = f"{KIND.name}_{period_code(source.period)}"
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=_subject(book),
            period=period_name(source.period),
            bounds=period_bounds(source.period),
            span=source.period,
            facts=_facts(book),
            statement=_statement(source),
            missing=first(answer.missing(book), sections[0].title, _LINES),
            generator=f"Wattline {__version__}",
            name=name if book.beside.is_public else f"{name}_{RESTRICTED}",
            end_unix=int(source.period.end.timestamp()),
            sections=(
                *sections, annexes.section(book), defined.section(book, figures),
            ),
            figures=tuple(figures),
            data={
                "variant": variant,
                "overview": _overview(book, overview),
            },
            as_of=as_of,
        )
    )  # fmt: skip


def _overview(book: Book, overview: Mapping[str, object]) -> dict[str, object]:
    """The overview without what names jobs and nodes; of the public one only what is of them all.

    Its figures are the report's own, so they stand there alone, and days may be one project's.
    """
    left_out = {*_NAMED, "figures", "notes"}
    if book.beside.is_public:
        left_out |= {"days", source.FINDINGS}
    return {name: value for name, value in overview.items() if name not in left_out}


def _subject(book: Book) -> str:
    source, profile = book.source, book.beside.profile
    if profile is not None and profile.name:
        return shown(profile.name)
    names = [shown(name) for name in source.systems]
    if not names:
        return "No system"
    if len(names) > 6:
        names = [*names[:6], f"{len(names) - 6} more"]
    return f"{'System' if len(source.systems) == 1 else 'Systems'} {listed(names)}"


def _facts(book: Book) -> tuple[tuple[str, str], ...]:
    source, profile = book.source, book.beside.profile
    facts = [
        ("Size", f"{count_of(source.devices, 'accelerator')} in {count_of(source.nodes, 'node')}"),
        ("Variant", "public" if book.beside.is_public
         else "restricted: for the Joint Undertaking, not to be handed on"),
        ("Targets", count_of(len(book.beside.aims), "target") if book.beside.aims
         else "no target set"),
    ]  # fmt: skip
    if profile is not None and profile.track is not None:
        facts.insert(0, ("Track", f"{profile.track}, {shown(profile.country)}"))
    return tuple(facts)


def _statement(source: Source) -> Statement:
    if not source.balanced:
        return Statement(False, "The books do NOT balance", quality.audit(source))
    if not source.audit.checked_hours:
        return Statement(False, "The books have not been audited", quality.audit(source))
    return Statement(True, "The books balance", quality.audit(source))


def _entries(explain: Explain) -> dict[str, Entry]:
    return {id: _entry(id, explain(id)) for id in DEFINED}


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
