"""What ran outside every project of the register: counted and said, never dropped."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.jobs import MS_PER_HOUR, gpu_hours, run_ms
from wattline_collector.kpi.view import View
from wattline_collector.registers.tagging import Untagged, tag_jobs, untagged

_KEY = ["system", "job"]
_NAMED = 3
"""Accounts that are named: enough to know where to ask."""


def jobs_of(view: View) -> pl.DataFrame:
    """The jobs that ran in a period, with what tells their project.

    Returns:
        `system`, `job`, `start_ms`, `submit_ms`, `project`, `account` (where no scheduler names
        one, the project that the job named) and `gpu_hours` in the period: as booked, or, of jobs
        of which no device was seen, as accounted; null where neither says.
    """
    start_ms, end_ms = (int(at.timestamp() * 1000) for at in (view.period.start, view.period.end))
    accounted = view.accounted.filter(run_ms(start_ms, end_ms) > 0).select(
        *_KEY, "account", "submit_ms", gpu_hours(start_ms, end_ms).alias("_accounted")
    )
    booked = (
        view.totals.filter(pl.col("job").is_not_null())
        .select(pl.col(_KEY).cast(pl.String), "duration_ms")
        .group_by(_KEY)
        .agg((pl.col("duration_ms").sum() / MS_PER_HOUR).alias("_booked"))
    )
    seen = (view.running, accounted, booked)
    ran = pl.concat([frame.select(_KEY) for frame in seen]).unique()
    return (
        ran.join(view.jobs.select(*_KEY, "start_ms", "project"), on=_KEY, how="left")
        .join(accounted, on=_KEY, how="left")
        .join(booked, on=_KEY, how="left")
        .select(
            *_KEY, "start_ms", "submit_ms", "project",
            pl.coalesce("account", "project").alias("account"),
            pl.coalesce("_booked", "_accounted").alias("gpu_hours"),
        )
    )  # fmt: skip


def note_of(view: View) -> str | None:
    """One line on the jobs of a period that no project of the register is known of.

    Returns:
        None where there is none, or where it cannot be told; and where there is no register and no
        job names a project, as on a machine of one's own.
    """
    if view.projects is None:
        return None
    jobs = jobs_of(view)
    outside = untagged(tag_jobs(jobs, view.projects))
    if not outside.jobs or (view.projects.is_empty() and not outside.accounts):
        return None
    if view.projects.is_empty():
        return (
            f"there is no register of projects: {outside}; `wattline import --template projects` "
            "prints one to fill in"
        )
    return (
        f"{outside}: the register of projects does not know {_accounts(outside)}; "
        "`wattline import projects-csv` adds projects"
    )


def _accounts(outside: Untagged) -> str:
    names = [name for name, _ in outside.accounts[:_NAMED]]
    if not names:
        return "them, as they name no account"
    more = ", ..." if len(outside.accounts) > _NAMED else ""
    return f"account{'s' if len(names) > 1 else ''} {', '.join(names)}{more}"
