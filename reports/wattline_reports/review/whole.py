"""The EuroHPC coordination review: from the collector's overview to a finished document.

`build` is a pure function: the same overview and the same registry give the same document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wattline_agents.errors import InputError
from wattline_collector.kpi import query, registry
from wattline_reports import __version__, findings, source
from wattline_reports.asked import Asked
from wattline_reports.document import Report, Statement
from wattline_reports.finish import finished
from wattline_reports.missing import first
from wattline_reports.quoted import quoted
from wattline_reports.review import (
    KIND,
    answer,
    definitions,
    energy,
    production,
    quality,
    utilisation,
)
from wattline_reports.review.figures import ANSWER, DEFINED, Book, Entry
from wattline_reports.source import Source, read
from wattline_reports.words import count_of, listed, period_bounds, period_code, period_name, shown

Explain = Callable[[str], Mapping[str, object]]
"""From a KPI's id to what the registry says of it."""

_SECTIONS = (answer, production, utilisation, energy, quality, definitions)


def of(asked: Asked) -> Report:
    """The review that somebody asked for."""
    from wattline_collector.ledger.audit import audit

    with asked.said("computing the figures"):
        overview = query.overview_of(asked.view)
    found = findings.within(audit(asked.store, asked.counted("auditing hours")), overview.period)
    figures = source.settled({**overview.to_json(), source.FINDINGS: found})
    return build(figures, registry.explain, as_of=asked.as_of_text)


def build(overview: Mapping[str, object], explain: Explain, as_of: str = "") -> Report:
    """Make the review of an overview.

    Args:
        overview: The collector's overview as JSON values.
        explain: Gives a KPI's registry entry.
        as_of: The moment whose books it is of, ISO 8601; empty: as they stand.

    Raises:
        InputError: The overview lacks a field or holds what cannot be; the message names it.
    """
    source = read(overview)
    book = Book(source, {id: _entry(id, explain(id)) for id in DEFINED})
    sections = tuple(one.section(book) for one in _SECTIONS)
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=_subject(source),
            period=period_name(source.period),
            bounds=period_bounds(source.period),
            span=source.period,
            facts=_facts(source),
            statement=_statement(source),
            missing=first(
                answer.missing(book, [book.figure(id) for id in ANSWER]), sections[0].title
            ),
            generator=f"Wattline {__version__}",
            name=f"{KIND.name}_{period_code(source.period)}",
            end_unix=int(source.period.end.timestamp()),
            sections=sections,
            figures=tuple(quoted(book.figure(id)) for id in DEFINED),
            data={"overview": dict(overview)},
            as_of=as_of,
        )
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
