"""The jobs of a period: what each made, and what it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.palette import (
    format_energy,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards import words
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.job_list import state
from wattline_dashboards.components.parts import (
    Column,
    Row,
    coverage_note,
    marks,
    meter,
    nothing,
    table,
)
from wattline_dashboards.components.short import short
from wattline_dashboards.language import _
from wattline_dashboards.times import short_time


def jobs(rows: Sequence[Mapping[str, Any]]) -> list[html.Div | html.P]:
    """Jobs, newest first."""
    if not rows:
        return [nothing(_("No job ran in this period."))]
    return [table(_("Jobs of the period"), _columns(), [_row(row) for row in rows], "jobs")]


def _columns() -> tuple[Column, ...]:
    return (
        Column("job", _("Job")),
        Column("state", _("State")),
        Column("start", _("Started"), title=_("UTC")),
        Column("devices", _("Devices"), numeric=True),
        Column("tokens", _("Tokens"), numeric=True, title=_("Trained, prompt and generated")),
        Column("device_hours", _("GPU-hours"), numeric=True),
        Column(
            "energy_joules", _("Energy"), numeric=True, title=_("Of its devices, or of its nodes")
        ),
        Column("tokens_per_joule", _("Efficiency"), numeric=True, title=_("Tokens per joule")),
        Column(
            "sm_active_ratio", _("Compute active"), title=_("Mean over the time it held devices")
        ),
        Column("held_hours", _("Idle GPU-hours"), numeric=True, title=_("Held without work")),
    )  # fmt: skip


def _row(job: Mapping[str, Any]) -> Row:
    key = text(job.get("job")) or ""
    label = [short(key, "strong", most=40)]
    label += [
        short(part, "muted")
        for part in (text(job.get("name")), text(job.get("kind")))
        if part and part != key
    ]
    caution = coverage_note(number(job.get("coverage")))
    boundary = text(job.get("boundary"))
    per_joule = format_number(number(job.get("tokens_per_joule")), "tok/J")
    active, held = number(job.get("sm_active_ratio")), number(job.get("held_hours"))
    if active is None and not held:
        held = None  # whether it was idle, nobody measured
    return Row(
        {
            "job": html.Span(label, className="job"),
            "state": state(text(job.get("state"))),
            "start": short_time(text(job.get("start"))),
            "devices": format_number(number(job.get("devices"))),
            "tokens": format_si(number(job.get("tokens")), "tok"),
            "device_hours": format_number(number(job.get("device_hours"))),
            "energy_joules": html.Span(
                format_energy(number(job.get("energy_joules"))),
                title=None if boundary is None else words.boundary(boundary),
            ),
            "tokens_per_joule": [per_joule, html.Div(caution, className="beneath")]
            if caution
            else per_joule,
            "sm_active_ratio": meter(active, format_percent(active)),
            "held_hours": format_number(held),
        },
        marks(data_job=key),
    )
