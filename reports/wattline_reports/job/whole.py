"""A job's report, from the books to a finished document."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from wattline_collector.efficiency.answer import answer as answered
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import utc
from wattline_reports.asked import Asked
from wattline_reports.document import Report, Statement
from wattline_reports.finish import finished
from wattline_reports.job import KIND, over_time, sections
from wattline_reports.job.book import Book, gathered
from wattline_reports.missing import first
from wattline_reports.quoted import clean, still
from wattline_reports.words import (
    count_of,
    listed,
    moment,
    period_bounds,
    period_name,
    sentence,
    shown,
)


def of(asked: Asked) -> Report:
    """The report of the job that somebody asked for."""
    book = gathered(asked)
    identity = book.found.identity
    period = _whole_seconds(book.found.period)
    asked = replace(asked, period=period)
    title = f"Job {shown(identity.job_id)}"
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=f"{title}, {shown(identity.name)}" if identity.name else title,
            period=period_name(period),
            bounds=period_bounds(period),
            span=book.found.period,
            facts=_facts(book),
            statement=_statement(book),
            missing=first(book.missing, sections.TITLE),
            generator=asked.generator,
            name=asked.file_name,
            end_unix=int(period.end.timestamp()),
            sections=(
                sections.answer(book), sections.time(book), over_time.section(book),
                sections.made(book), sections.energy(book), sections.advice(book),
                sections.definitions(book),
            ),
            figures=tuple(book.figures),
            data={"job": _steady(_plain(book))},
        )
    )  # fmt: skip


def _whole_seconds(period: Period) -> Period:
    start = period.start.replace(microsecond=0)
    end = period.end.replace(microsecond=0)
    return Period(start, max(end, start + timedelta(seconds=1)))


def _plain(book: Book) -> dict[str, object]:
    """The answer of `wattline job --json`, without the moment it was asked at."""
    told = answered(book.found, book.advice)
    # The figures stand in the report's own list.
    return {name: value for name, value in told.items()
            if name not in ("asked", "age_seconds", "figures")}  # fmt: skip


def _steady(value: object) -> object:
    if isinstance(value, float):
        return still(value)
    if isinstance(value, dict):
        return {str(name): _steady(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_steady(item) for item in value]
    return value


def _facts(book: Book) -> tuple[tuple[str, str], ...]:
    identity = book.found.identity
    state = shown(identity.state or "not known").replace("_", " ")
    if identity.exit and identity.exit != "exit code 0":
        state += f", {shown(identity.exit)}"
    project = shown(identity.project) if identity.project else ""
    if project and identity.project_title:
        project += f" ({shown(identity.project_title)})"
    devices = [f"{count} × {shown(model)}" for model, count in identity.models.items()]  # noqa: RUF001
    nodes = count_of(len(identity.nodes), "node")
    facts = [
        ("Owner", shown(identity.user) if identity.user else "not known"),
        ("Project", project),
        ("State", state),
        ("Reason", clean(identity.reason) if identity.reason not in (None, "None") else ""),
        ("System", shown(identity.system)),
        ("Kind", shown(identity.kind) if identity.kind else ""),
        ("Model", shown(identity.model) if identity.model else ""),
        ("Devices", f"{listed(devices[:4])} on {nodes}" if devices else ""),
        ("Submitted", _moment(identity.submit_ms)),
        ("Starts", listed([shown(state or "unknown") for _, state in identity.attempts][-6:])
         if len(identity.attempts) > 1 else ""),
    ]  # fmt: skip
    return tuple((word, text) for word, text in facts if text)


def _moment(ms: int | None) -> str:
    return "" if ms is None else f"{moment(utc(ms))}\u00a0UTC"


def _statement(book: Book) -> Statement:
    text = "the figures are those that “wattline job” gives"
    if book.found.identity.runs:
        text += "; the job still runs, and they end where the books end"
    text += (
        ". For the audit of the books they come from, see “wattline audit”; a certificate of this "
        "job has it with a signature"
    )
    return Statement(True, "From the books as they stand", sentence(text))
