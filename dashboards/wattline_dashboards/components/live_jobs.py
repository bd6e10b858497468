"""The jobs that run now."""

from __future__ import annotations

from wattline_collector.palette import format_age, format_number, format_si
from wattline_dashboards.columns import Columns, number, text
from wattline_dashboards.components.inside import link
from wattline_dashboards.components.parts import Column, Row, marks, nothing, table
from wattline_dashboards.components.short import short
from wattline_dashboards.elements import A, Div, P, Span
from wattline_dashboards.language import _, ngettext

MOST = 20
"""Rows on the page; more is a list nobody reads, and the rest is counted under it."""

QUIET_MS = 60_000
"""A job that says nothing for longer is marked: agents repeat what it holds every 30 seconds."""


def live_jobs(jobs: Columns) -> list[Div | P]:
    """Running jobs, the largest first."""
    named = zip(jobs.texts("state"), jobs.numbers("devices"), jobs.texts("job"), strict=True)
    order = sorted(
        (-(devices or 0), job or "", place)
        for place, (state, devices, job) in enumerate(named)
        if state in (None, "running")
    )
    rows = [jobs.row(place) for _devices, _job, place in order[:MOST]]
    if not rows:
        return [nothing(_("No job runs, or none has been seen yet."))]
    parts: list[Div | P] = [
        table(_("Running jobs"), _columns(), [_row(row) for row in rows], "live-jobs")
    ]
    if (left := len(order) - MOST) > 0:
        more = ngettext("and {n} smaller job", "and {n} smaller jobs", left)
        parts.append(nothing(more.format(n=left)))
    return parts


def _columns() -> tuple[Column, ...]:
    return (
        Column("job", _("Job")),
        Column("devices", _("Devices"), numeric=True),
        Column("tokens_per_second", _("Tokens"), numeric=True, title=_("Tokens made each second")),
        Column("power_watts", _("Power"), numeric=True, title=_("Power of the devices it holds")),
        Column("tokens_per_joule", _("Efficiency"), numeric=True, title=_("Tokens per joule")),
    )


def _row(job: dict[str, object]) -> Row:
    key = text(job.get("job")) or ""
    name = text(job.get("name"))
    kind = text(job.get("kind"))
    label: list[A | Span] = [
        link("/job", short(key, "strong", most=40), job=key, system=text(job.get("system")))
    ]
    label += [short(part, "muted") for part in (name, kind) if part and part != key]
    age = number(job.get("age_ms"))
    if age is not None and age > QUIET_MS:
        label.append(
            Span(_("last seen {age} ago").format(age=format_age(age)), className="caution")
        )
    return Row(
        {
            "job": Span(label, className="job"),
            "devices": format_number(number(job.get("devices"))),
            "tokens_per_second": format_si(number(job.get("tokens_per_second")), "tok/s"),
            "power_watts": format_si(number(job.get("power_watts")), "W"),
            "tokens_per_joule": format_number(number(job.get("tokens_per_joule")), "tok/J"),
        },
        marks(data_job=key),
    )
