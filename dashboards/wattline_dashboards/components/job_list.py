"""Jobs in a table that can be sorted: what each was, what it used, and how well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import (
    UNKNOWN,
    format_energy,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import coverage_note, marks, meter
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.exports import Sheet
from wattline_dashboards.figures import moments
from wattline_dashboards.language import _

Rows = Sequence[Mapping[str, Any]]

MOST_KEY = 256
"""Characters of a job's key: as many as an agent may send."""

_PLAIN = ("job", "user", "state", "start")
"""Columns of texts and times; the others are numbers, on the right."""


def heads(*, with_user: bool) -> list[tuple[str, str, str]]:
    """What can be sorted by: its word in the address, its label, its explanation."""
    found = [
        ("job", _("Job"), _("Its id and name")),
        ("user", _("User"), _("The account it ran under")),
        ("state", _("State"), _("As its scheduler says")),
        ("start", _("Started"), _("In the site's time")),
        ("devices", _("Devices"), _("It got")),
        ("tokens", _("Tokens"), _("Trained, prompt and generated, in the period")),
        ("gpu_hours", _("GPU-hours"), _("It had devices in the period")),
        ("working", _("Working"), _("Busy or slowed, of the time it held its devices")),
        ("wasted", _("Wasted GPU-h"), _("Held idle, or whose work was lost")),
        ("energy", _("Energy"), _("At the widest boundary that is metered")),
        ("efficiency", _("Tokens/J"), _("Tokens over the energy of the job")),
    ]
    return found if with_user else [head for head in found if head[0] != "user"]


def job_list(rows: Rows, sort: str, order: str, zone: ZoneInfo, *, with_user: bool) -> html.Div:
    """The table, its heads buttons.

    Args:
        rows: Of `/v1/my-jobs`.
        sort: The column it is sorted by.
        order: `up` or `down`.
        zone: The site's.
        with_user: Whether jobs of several people are in it.
    """
    columns = heads(with_user=with_user)
    head = html.Tr([_head(*column, sort, order) for column in columns])
    body = [
        html.Tr(
            [
                html.Td(
                    UNKNOWN if (shown := cells.get(name)) is None else shown,
                    className=None if name in _PLAIN else "numeric",
                    **marks(data_field=name, data_job=cut(job.get("job"))),
                )
                for name, _label, _title in columns
            ],
            **marks(data_job=cut(job.get("job"))),
        )
        for job in rows
        for cells in (_cells(job, zone),)
    ]
    return html.Div(
        html.Table(
            [html.Caption(_("Jobs"), className="hidden"), html.Thead(head), html.Tbody(body)],
            className="table job-list",
        ),
        className="table-frame",
    )


def address(job: Mapping[str, Any]) -> str:
    """Where a job is looked at closely."""
    which = [(name, said[:MOST_KEY]) for name in ("job", "system") if (said := text(job.get(name)))]
    return f"/job?{urlencode(which)}"


def link(job: Mapping[str, Any], label: Any = None) -> html.A:
    """A link to it."""
    shown = short(job.get("job_id") or job.get("job"), most=40) if label is None else label
    return html.A(shown, href=address(job), **marks(data_within="job"))


def sheet(rows: Rows) -> Sheet:
    """The same as a file, in base units but for what its heads name."""
    names = (
        "system", "job", "job_id", "name", "user", "project", "kind", "state", "devices",
        "gpu_hours", "working", "coverage", "wasted_gpu_hours", "energy_joules", "tokens",
        "tokens_per_joule",
    )  # fmt: skip
    units = {"gpu_hours": "GPU-h", "wasted_gpu_hours": "GPU-h", "energy_joules": "J",
             "tokens": "tok", "tokens_per_joule": "tok/J", "working": "0-1",
             "coverage": "0-1"}  # fmt: skip
    times = ("submit_ms", "start_ms", "end_ms")
    heads = [f"{name} ({units[name]})" if name in units else name for name in names]
    return Sheet(
        "jobs",
        [*heads, *(f"{name.removesuffix('_ms')} (UTC)" for name in times)],
        [
            (*(row.get(n) for n in names), *(moments.iso(number(row.get(t))) for t in times))
            for row in rows
        ],
    )


def _head(name: str, label: str, title: str, sort: str, order: str) -> html.Th:
    is_it = name == sort
    # Amounts are looked at from the largest, names from the first; a second click turns it round.
    first = "up" if name in ("job", "user", "state") else "down"
    other = "up" if order == "down" else "down"
    arrow = (" ↓" if order == "down" else " ↑") if is_it else ""
    said = {"aria_sort": "descending" if order == "down" else "ascending"} if is_it else {}
    return html.Th(
        html.Button(
            label + arrow,
            className="sorter",
            type="button",
            title=title,
            **marks(data_job_sort=f"{name}-{other if is_it else first}"),
        ),
        scope="col",
        className=None if name in _PLAIN else "numeric",
        **marks(**said),
    )


def _cells(job: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    parts: list[Any] = [link(job)]
    for name in ("name", "kind"):
        if said := text(job.get(name)):
            parts.append(short(said, "muted"))
    if (project := text(job.get("project"))) is not None:
        parts.append(short(project, "muted", most=40))
    working = number(job.get("working"))
    caution = coverage_note(number(job.get("coverage")))
    share: Any = meter(working, format_percent(working))
    if caution is not None and working is not None:
        share = [share, html.Div(caution, className="beneath")]
    user = text(job.get("user"))
    start = number(job.get("start_ms"))
    return {
        "job": html.Span(parts, className="job"),
        "user": None if user is None else short(user, most=32),
        "state": state(text(job.get("state"))),
        "start": _("not yet") if start is None and job.get("state") == "pending"
        else moment(start, zone),
        "devices": format_number(number(job.get("devices"))),
        "tokens": format_si(number(job.get("tokens")), "tok"),
        "gpu_hours": format_number(number(job.get("gpu_hours"))),
        "working": share,
        "wasted": format_number(number(job.get("wasted_gpu_hours"))),
        "energy": format_energy(number(job.get("energy_joules"))),
        "efficiency": format_number(number(job.get("tokens_per_joule"))),
    }  # fmt: skip


def state(said: str | None) -> html.Span:
    """A state in words; one that cost work asks for attention."""
    words = {
        "pending": _("waiting"), "running": _("running"), "suspended": _("suspended"),
        "completed": _("completed"), "failed": _("failed"), "cancelled": _("cancelled"),
        "timeout": _("out of time"), "out_of_memory": _("out of memory"),
        "node_fail": _("node failed"), "preempted": _("preempted"),
        "deadline": _("past its deadline"), "boot_fail": _("node did not start"),
        "requeued": _("requeued"),
    }  # fmt: skip
    bad = said not in (None, "pending", "running", "suspended", "completed", "cancelled")
    shown = UNKNOWN if said is None else words.get(said, cut(said, 32))
    return html.Span(shown, className="state caution" if bad else "state")
