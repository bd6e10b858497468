"""How a grant was used day by day, since it began: what U05 adds up, before it is added up."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from wattline_collector.kpi.access_time import accounted_hours, tagged
from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.ledger.accounts import ASSIGNED

DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_WEEK_MS = 7 * DAY_MS
_JOB = ["system", "job"]


def used_by_day(view: View, grant: dict[str, object]) -> list[tuple[int, float]]:
    """GPU-hours of a grant's jobs, added up since it began.

    Args:
        view: A period; its end is now.
        grant: A row of `kpi.grants.grants`: `project`, `system` (null: all), `start_ms`.

    Returns:
        At the end of each UTC day with use (the last one at the end of the period): Unix ms and
        GPU-hours so far. The last is the numerator of U05 of that grant.
    """
    since, (_, high) = int(str(grant["start_ms"])), view.bounds_ms
    jobs = _jobs_of(view, grant, since)
    if jobs.is_empty() or high <= since:
        return []
    held = pl.concat([entries.join(jobs, on=_JOB, how="semi") for entries in _entries(view, since)])
    told = accounted_hours(
        view.accounted.join(jobs, on=_JOB, how="semi"), held, [],
        min(since, view.bounds_ms[0]), high, "UTC",
    )  # fmt: skip
    # Of what a scheduler alone accounts for, the days are not known; it counts when it was over.
    days = pl.concat(
        [
            held.select("day", "gpu_hours"),
            told.select((pl.col("end") // DAY_MS * DAY_MS).alias("day"), "gpu_hours"),
        ]
    )
    sums = days.group_by("day").agg(pl.col("gpu_hours").sum()).sort("day")
    return [
        (min(day + DAY_MS, high), hours)
        for day, hours in sums.select("day", pl.col("gpu_hours").cum_sum()).iter_rows()
    ]


def _jobs_of(view: View, grant: dict[str, object], since: int) -> pl.DataFrame:
    """`system`, `job` of those that ran under the grant."""
    began = pl.coalesce("start_ms", pl.lit(since)) >= since
    tags = tagged(
        view.jobs.filter(began),
        view.accounted.filter(pl.coalesce("start_ms", "submit_ms", pl.lit(since)) >= since),
        view.projects,
    )
    mine = tags.filter(pl.col("project_id") == grant["project"], pl.col("granted_from_ms") == since)
    if grant["system"] is not None:
        mine = mine.filter(pl.col("system") == grant["system"])
    return mine.select(_JOB)


def _entries(view: View, since: int) -> Iterator[pl.DataFrame]:
    """`system`, `job`, `day`, `gpu_hours`, a week of the time before the period at a time."""
    low, _ = view.bounds_ms
    yield view.collected(_by_day)
    if since < low and view.inputs is not None:
        books = view.inputs.books
        for at in range(since // _MINUTE_MS * _MINUTE_MS, low, _WEEK_MS):
            yield _by_day(books.read("device", at, min(at + _WEEK_MS, low)).lazy()).collect()


def _by_day(device: pl.LazyFrame) -> pl.LazyFrame:
    day = pl.col("minute").dt.truncate("1d").dt.epoch("ms").alias("day")
    return (
        device.filter(
            pl.col("account").is_in([one.value for one in ASSIGNED]), pl.col("job").is_not_null()
        )
        .group_by(*_JOB, day)
        .agg((pl.col("duration_ms").sum() / MS_PER_HOUR).alias("gpu_hours"))
    )
