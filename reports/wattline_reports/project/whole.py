"""The project report, from the books to a finished document."""

from __future__ import annotations

from wattline_reports import definitions
from wattline_reports.asked import Asked
from wattline_reports.document import Report
from wattline_reports.finish import finished
from wattline_reports.missing import first
from wattline_reports.project import KIND, answer, burn, use, who
from wattline_reports.project.book import Book, gathered
from wattline_reports.quoted import still, written
from wattline_reports.words import grouped, period_bounds, period_name, shown


def of(asked: Asked) -> Report:
    """The project report that somebody asked for."""
    book = gathered(asked)
    project = book.project
    sections = (
        answer.section(book), burn.section(book), use.time(book), use.outcomes(book),
        use.energy(book), who.section(book), definitions.section(book.figures),
    )  # fmt: skip
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=shown(project.title or project.name),
            period=period_name(asked.period),
            bounds=period_bounds(asked.period),
            span=asked.period,
            facts=_facts(asked, book),
            statement=book.audited.statement(),
            missing=first(book.missing, answer.TITLE),
            generator=asked.generator,
            name=asked.file_name,
            end_unix=int(asked.period.end.timestamp()),
            sections=sections,
            figures=tuple(book.figures),
            data={
                "project": project.name,
                "title": project.title,
                "people": project.people,
                "grants": [
                    {
                        "system": grant.system,
                        "start_unix_ms": grant.start_ms,
                        "end_unix_ms": grant.end_ms,
                        "exhausted_unix_ms": grant.burned.exhausted_ms,
                        "used_gpu_hours_by_day": [[at, still(hours)] for at, hours in grant.points],
                    }
                    for grant in book.grants
                ],
            },
            as_of=asked.as_of_text,
        )
    )


def _facts(asked: Asked, book: Book) -> tuple[tuple[str, str], ...]:
    whose = "the project\u2019s lead" if book.project.people else "a member of the project"
    facts = [
        ("Project", shown(book.project.name)),
        ("Factory", asked.factory()),
        ("Jobs", grouped(book.project.jobs.height)),
        ("For", f"{whose}; {'names people' if book.project.people else 'names nobody else'}"),
    ]
    if book.grants:
        facts.insert(1, ("Grant", ", ".join(written(grant.granted) for grant in book.grants)))
    return tuple(facts)
