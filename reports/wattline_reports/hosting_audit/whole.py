"""The access-time report, from the books to a finished document."""

from __future__ import annotations

from wattline_reports import definitions
from wattline_reports.asked import Asked
from wattline_reports.document import Report
from wattline_reports.finish import finished
from wattline_reports.hosting_audit import KIND, access, answer, guard, proof
from wattline_reports.hosting_audit.book import gathered
from wattline_reports.missing import first
from wattline_reports.words import grouped, long_day, period_bounds, period_name


def of(asked: Asked) -> Report:
    """The access-time report that somebody asked for."""
    book = gathered(asked)
    due = asked.period.end.date().replace(month=1, day=31)
    sections = [
        answer.section(book),
        access.section(book),
        guard.section(book),
        proof.section(book),
        access.annex(book),
        definitions.section(book.figures),
    ]
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=asked.factory(),
            period=period_name(asked.period),
            bounds=period_bounds(asked.period),
            span=asked.period,
            facts=(
                ("Systems", asked.subject().removeprefix("Systems ").removeprefix("System ")),
                ("Due", f"{long_day(due)}, Regulation (EU) 2021/1173, Article 10(2)(k)"),
                ("Projects", "not known" if book.projects is None else grouped(book.projects)),
                ("For", "the Governing Board; cells of few projects are not hidden"),
            ),
            statement=asked.audited.statement(),
            missing=first(book.missing, answer.TITLE),
            generator=asked.generator,
            name=asked.file_name,
            end_unix=int(asked.period.end.timestamp()),
            sections=tuple(sections),
            figures=tuple(book.figures),
            data={
                "audit": asked.audited.to_json(),
                "access": [
                    {
                        "participating_state": one.figure.dims["participating_state"],
                        "user_category": one.figure.dims["user_category"],
                        "access_mode": one.figure.dims["access_mode"],
                        "granted_gpu_hours": one.figure.denominator,
                        "used_gpu_hours": one.figure.numerator,
                    }
                    for one in book.cube
                ],
            },
            as_of=asked.as_of_text,
        )
    )
