"""What is left of an answer for somebody who may not see all of it: pure functions.

Answers are JSON; those of thousands of rows hold frames.

What is left out leaves no trace: no row, no count, no sum that would tell of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from wattline_collector.access import Sight, Viewer, may_see_job, sees

Json = Mapping[str, Any]
_JOB = ["system", "job"]


def needs_of(by: Sequence[str]) -> tuple[Sight, ...]:
    """What somebody must see to have figures split by these dimensions."""
    needs = [Sight.FIGURES]
    if "project" in by:
        needs.append(Sight.PROJECTS)
    if {"job", "service", "user"} & set(by):
        needs.append(Sight.JOBS)
    return tuple(needs)


def latest(answer: Json, viewer: Viewer, owners: pl.DataFrame) -> Json:
    """What somebody may see of `GET /v1/latest`.

    Who sees everybody's jobs sees it whole. Who sees the fleet sees every device, and which job
    holds it only where the job is theirs. Everybody else sees their own jobs and the devices that
    these hold.

    Args:
        answer: All of it, `devices`, `nodes` and `jobs` as frames.
        viewer: Who looks.
        owners: `system`, `job`, `user`, `project`: whose each job is; one that is not here is
            nobody's.
    """
    if sees(viewer, Sight.FLEET, Sight.JOBS):
        return answer
    mine = _jobs_of(viewer, owners)
    devices = answer["devices"]
    shown = answer["jobs"].join(mine, on=_JOB, how="semi", maintain_order="left")
    if sees(viewer, Sight.FLEET):
        named = devices.select(_JOB).join(
            mine.with_columns(pl.lit(True).alias("mine")),
            on=_JOB,
            how="left",
            maintain_order="left",
        )
        job = named.select(pl.when("mine").then("job").alias("job"))
        return {**answer, "jobs": shown, "devices": devices.with_columns(job["job"])}
    held = devices.join(mine, on=_JOB, how="semi", maintain_order="left")
    return {
        "time_unix_ms": answer["time_unix_ms"],
        "devices": held,
        "nodes": answer["nodes"].clear(),
        "jobs": shown,
        "totals": dict.fromkeys(answer["totals"]) | {"devices": held.height},
    }


def _jobs_of(viewer: Viewer, owners: pl.DataFrame) -> pl.DataFrame:
    """`system` and `job` of those that somebody may see; owners are far fewer than jobs."""
    whose = ["user", "project"]
    asked = owners.select(whose).unique()
    theirs = asked.filter([may_see_job(viewer, *one) for one in asked.iter_rows()])
    mine = owners.join(theirs, on=whose, how="semi", nulls_equal=True)
    return mine.select(_JOB).unique()


def overview(answer: Json, viewer: Viewer) -> Json:
    """What somebody who sees figures may see of `GET /v1/overview`: the whole, or all but jobs."""
    if sees(viewer, Sight.JOBS):
        return answer
    return {**answer, "jobs": [], "notes": [*answer["notes"], "jobs are shown to those who may"]}


def may_see_alert(viewer: Viewer, labels: Mapping[str, str]) -> bool:
    """Whether somebody who sees alerts may see this one, by what it is about.

    An alert about a grant tells projects apart, one about a job tells jobs apart; both have the
    sights of any other figure that does.
    """
    needs = [Sight.ALERTS]
    if "project" in labels:
        needs.append(Sight.PROJECTS)
    if "job" in labels:
        needs.append(Sight.JOBS)
    return sees(viewer, *needs)


def alerts(answer: Json, viewer: Viewer) -> Json:
    """What somebody who sees alerts may see of `GET /v1/alerts`."""
    shown = {
        name: [one for one in answer[name] if may_see_alert(viewer, one["labels"])]
        for name in ("alerts", "ended")
    }
    return {**answer, **shown}
