"""The certificate, from the books to a finished page, signed where a key is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_reports.asked import Asked
from wattline_reports.certificate import KIND, annex, page, signed
from wattline_reports.certificate.chosen import Chosen, chosen
from wattline_reports.document import Report
from wattline_reports.exchange import canonical, keys
from wattline_reports.finish import finished
from wattline_reports.missing import missing
from wattline_reports.quoted import Figures
from wattline_reports.render import machine
from wattline_reports.words import grouped, period_bounds, period_name, shown

KPIS = ("E04", "E01", "E03", "E06", "A07", "P01", "P03", "S10", "S12", "S13")
_NOT_FOR_ALL = frozenset({"E01", "E03", "P01", "P03", "S10"})
"""What only jobs that train or serve have; to lack it is no gap of the others."""


def of(asked: Asked) -> Report:
    """The certificate that somebody asked for."""
    picked = chosen(asked)
    figures = Figures()
    kpis = {id: figures.add(*picked.figures(id)) for id in KPIS}
    statement = annex.of(picked)
    figures.add(*statement.figures)
    if picked.share is not None:
        figures.add(picked.share)
    wanted = [
        one for id, found in kpis.items() for one in found
        if one.value is not None or id not in _NOT_FOR_ALL
    ]  # fmt: skip
    if any(one.value is not None for one in kpis["S13"]):
        wanted = [one for one in wanted if one not in kpis["S13"] or one.value is not None]
    if statement.jobs:
        wanted.append(statement.compute)
    profile = asked.view.profile
    factory = None if profile is None else profile.id
    report = Report(
        kind=KIND.name,
        title=KIND.title,
        subject=picked.title,
        period=period_name(asked.period),
        bounds=period_bounds(asked.period),
        span=asked.period,
        facts=_facts(asked, picked, factory),
        statement=asked.audited.statement(),
        missing=missing(wanted, asked.notes),
        generator=asked.generator,
        name=_name(asked, picked),
        end_unix=int(asked.period.end.timestamp()),
        figures=tuple(figures),
        data={
            "audit": asked.audited.to_json(),
            "certificate": {
                "schema": signed.SCHEMA,
                "factory": factory,
                "project": picked.project,
                "jobs": [] if picked.project is not None else [*picked.jobs["job_id"]],
                "job_count": picked.jobs.height,
                "annex_xi": statement.to_json(),
                "spdx": statement.spdx(),
                "does_not_prove": list(page.NOT_PROVED),
            },
            "signature": None,
        },
        as_of=asked.as_of_text,
    )
    by = None
    if asked.options.get("key"):
        report, by = _signed(asked, report)
    return finished(replace(report, sections=page.sections(picked, kpis, statement, figures, by)))


def _signed(asked: Asked, report: Report) -> tuple[Report, tuple[str, date]]:
    """The report with the site's signature, and which key made it on which day."""
    certificate = report.data["certificate"]
    assert isinstance(certificate, dict)
    if certificate["factory"] is None:
        raise UsageError(
            "to sign needs the factory\u2019s `id` in the profile: `wattline profile use`"
        )
    if not report.statement.good:
        raise UsageError(
            f"{report.statement.headline}: that is not signed; `wattline audit` says what is wrong"
        )
    private = keys.read_private(Path(asked.options["key"]))
    on = _day(asked.options.get("signed_on", ""))
    if asked.period.end.date() > on:
        raise UsageError(
            f"the period ends on {asked.period.end.date()} and the signature would be of {on}: "
            "what is not over is not signed"
        )
    value = canonical.loads(machine.render(report)[:-1], "certificate")
    told = signed.signature(value, private, on)
    return replace(report, data={**report.data, "signature": told}), (str(told["key"]), on)


def _day(text: str) -> date:
    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--signed-on {text[:20]!r} is no day; write 2026-11-21") from error


def _name(asked: Asked, picked: Chosen) -> str:
    if picked.project is not None:
        return replace(asked, of=(picked.project,)).file_name
    return replace(asked, of=(str(picked.jobs["job_id"][0]),)).file_name


def _facts(asked: Asked, picked: Chosen, factory: str | None) -> tuple[tuple[str, str], ...]:
    facts = [("Factory", asked.factory() + (f" ({factory})" if factory else ""))]
    if picked.project is not None:
        return (*facts, ("Project", shown(picked.project)), ("Jobs", grouped(picked.jobs.height)))
    named = [shown(one) for one in picked.jobs["job_id"][:8]]
    more = picked.jobs.height - len(named)
    return (*facts, ("Jobs", ", ".join(named) + (f" and {more} more" if more > 0 else "")))
