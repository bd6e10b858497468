"""The rows that tell of a job, each when it is due."""

from __future__ import annotations

from wattline_agents.assignment.members import HEARD_ALL_MS, KnownJob, gauges, totals
from wattline_agents.wire import Row, Value

REPEAT_ASSIGNMENT_MS = 30_000
"""A collector counts an open interval as known for 90 s after it was last told."""
REPEAT_INFO_MS = 600_000
REPEAT_ROW_MS = 5_000

_Told = tuple[dict[str, Value], int] | None


def tell_totals(job: KnownJob, now_ms: int, rows: list[Row]) -> None:
    """The row of table `job`: on news, and every few seconds while it runs."""
    if 0 < job.withheld_until_ms - now_ms <= HEARD_ALL_MS:
        return
    is_due = job.row_ms is None or not 0 <= now_ms - job.row_ms < REPEAT_ROW_MS
    if not (job.has_news or (job.members and is_due)):
        return
    job.has_news, job.row_ms = False, now_ms
    job.told = totals(job)
    if found := job.told | gauges(job):
        rows.append({"time_unix_ms": now_ms, "job": job.key, **found})


def tell_info(job: KnownJob, now_ms: int, rows: list[Row]) -> None:
    """The row of table `job_info`: at start, on change, at the end, and every ten minutes."""
    info: dict[str, Value] = {
        "job": job.key,
        "name": job.name,
        "kind": job.kind,
        "project": job.project,
        "run": job.run,
        "user": job.user,
        "state": job.state,
        "start_unix_ms": job.start_ms,
        "end_unix_ms": job.end_ms,
    }
    if _is_due(job, info, job.info, now_ms):
        job.info = (info, now_ms)
        rows.append({"time_unix_ms": now_ms, **info})


def tell_model(job: KnownJob, now_ms: int, rows: list[Row]) -> None:
    """The row of table `job_model`, where the model was declared."""
    if job.model is None:
        return
    model: dict[str, Value] = {"job": job.key, **job.model}
    if _is_due(job, model, job.told_model, now_ms):
        job.told_model = (model, now_ms)
        rows.append({"time_unix_ms": now_ms, **model})


def tell_holds(job: KnownJob, now_ms: int, rows: list[Row]) -> None:
    """Rows of table `assignment`: when an interval begins and ends, and every half minute."""
    for device, hold in job.holds.items():
        if hold.told_ms is not None:
            is_over = hold.end_ms is not None
            if is_over or 0 <= now_ms - hold.told_ms < REPEAT_ASSIGNMENT_MS:
                continue
        hold.told_ms = now_ms
        rows.append(
            {
                "time_unix_ms": now_ms,
                "device": device,
                "job": job.key,
                "start_unix_ms": hold.start_ms,
                "end_unix_ms": hold.end_ms,
                "method": "job",
            }
        )


def _is_due(job: KnownJob, row: dict[str, Value], told: _Told, now_ms: int) -> bool:
    if told is None or told[0] != row:
        return True
    return bool(job.members) and not 0 <= now_ms - told[1] < REPEAT_INFO_MS
