"""The operations report, from the books to a finished document."""

from __future__ import annotations

from wattline_reports import definitions
from wattline_reports.asked import Asked
from wattline_reports.document import Report
from wattline_reports.finish import finished
from wattline_reports.missing import first
from wattline_reports.missing import missing as lacking
from wattline_reports.operations import KIND, chapters
from wattline_reports.operations.book import Book, gathered
from wattline_reports.operations.strain import NodeHours
from wattline_reports.words import count_of, period_bounds, period_name


def of(asked: Asked) -> Report:
    """The operations report that somebody asked for."""
    book = gathered(asked)
    notes = list(asked.notes)
    if book.warnings is None:
        notes.append(f"early warning could not look: {book.warnings_note}")
    missing = lacking(book.figures, notes)
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=asked.factory(),
            period=period_name(asked.period),
            bounds=period_bounds(asked.period),
            span=asked.period,
            facts=(
                ("Size", f"{count_of(book.source.devices, 'accelerator')} in "
                         f"{count_of(book.source.nodes, 'node')}"),
                ("For", "the operators: it names nodes"),
            ),
            statement=asked.audited.statement(),
            missing=first(missing, chapters.TITLE),
            generator=asked.generator,
            name=asked.file_name,
            end_unix=int(asked.period.end.timestamp()),
            sections=(
                chapters.answer(book, missing),
                chapters.availability(book),
                chapters.lemons(book),
                chapters.held(book),
                chapters.heat(book),
                chapters.data(book),
                definitions.section(book.figures),
            ),
            figures=tuple(book.figures),
            data=_data(book),
            as_of=asked.as_of_text,
        )
    )  # fmt: skip


def _data(book: Book) -> dict[str, object]:
    return {
        "incidents": dict(book.incidents),
        "warnings": None if book.warnings is None else book.warnings.to_json(),
        "held": [_hours(one) for one in book.strain.holding],
        "slowed": [_hours(one) for one in book.strain.throttled],
    }


def _hours(one: NodeHours) -> dict[str, object]:
    return {
        "system": one.system,
        "node": one.node,
        "hours": round(one.hours, 9),
        "of_hours": round(one.of, 9),
        "warmest_celsius": one.warmest,
    }
