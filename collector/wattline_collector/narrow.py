"""What is left of an answer for somebody who may not see all of it: pure functions over JSON.

What is left out leaves no trace: no row, no count, no sum that would tell of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wattline_collector.access import Sight, Viewer, may_see_job, sees

Json = Mapping[str, Any]
Owners = Mapping[tuple[str, str], tuple[str | None, str | None]]
"""User and project of a job, by system and job."""


def needs_of(by: Sequence[str]) -> tuple[Sight, ...]:
    """What somebody must see to have figures split by these dimensions."""
    needs = [Sight.FIGURES]
    if "project" in by:
        needs.append(Sight.PROJECTS)
    if {"job", "service", "user"} & set(by):
        needs.append(Sight.JOBS)
    return tuple(needs)


def latest(answer: Json, viewer: Viewer, owners: Owners) -> Json:
    """What somebody may see of `GET /v1/latest`.

    Who sees everybody's jobs sees it whole. Who sees the fleet sees every device, and which job
    holds it only where the job is theirs. Everybody else sees their own jobs and the devices that
    these hold.

    Args:
        answer: All of it, by columns.
        viewer: Who looks.
        owners: Whose each job is; one that is not here is nobody's.
    """
    if sees(viewer, Sight.FLEET, Sight.JOBS):
        return answer
    mine = {key for key, (user, project) in owners.items() if may_see_job(viewer, user, project)}
    jobs, devices = answer["jobs"], answer["devices"]
    shown = _kept(jobs, [key in mine for key in _keys(jobs)])
    theirs = [key in mine for key in _keys(devices)]
    if sees(viewer, Sight.FLEET):
        named = [job if own else None for job, own in zip(devices["job"], theirs, strict=True)]
        return {**answer, "jobs": shown, "devices": {**devices, "job": named}}
    held = _kept(devices, theirs)
    return {
        "time_unix_ms": answer["time_unix_ms"],
        "devices": held,
        "nodes": {name: [] for name in answer["nodes"]},
        "jobs": shown,
        "totals": dict.fromkeys(answer["totals"]) | {"devices": len(held["device"])},
    }


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


def _keys(rows: Mapping[str, Sequence[Any]]) -> list[tuple[Any, Any]]:
    return list(zip(rows["system"], rows["job"], strict=True))


def _kept(rows: Mapping[str, Sequence[Any]], keep: Sequence[bool]) -> dict[str, list[Any]]:
    places = [place for place, wanted in enumerate(keep) if wanted]
    return {name: [column[place] for place in places] for name, column in rows.items()}
