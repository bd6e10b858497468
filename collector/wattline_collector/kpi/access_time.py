"""Access time: the GPU-hours that jobs had, and whose they were.

The ledger is believed before the scheduler: a device's time is a job's for as long as it held the
device, whatever it did with it, less what an outage took from it. Gaps of the telemetry inside a
job are the job's too. A job that held no device that any agent told of counts as its scheduler
accounts for it, devices times time; `book` says which of the two it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi import times
from wattline_collector.kpi.declare import PLACE, TIME
from wattline_collector.kpi.dimensions import labelled
from wattline_collector.kpi.sums import grouped
from wattline_collector.kpi.utilisation import observed_share
from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.registers.schema import PROJECTS
from wattline_collector.registers.tagging import TAGS, tag_jobs

LEDGER = "ledger"
ACCOUNTING = "accounting"
BOTH = "ledger; accounting of jobs on devices without an agent"

_JOB = ["system", "job"]
_TOLD = ("told_from", "told_until")
_OF_JOBS = ("access_mode", "participating_state", "project", "sector", "service", "user_category")


def access_time(view: View, by: Sequence[str]) -> pl.DataFrame:
    """GPU-hours of every job in the period, as far as they differ by what is asked for.

    Args:
        view: The period, with the dimensions of time and place beside its entries that are in `by`.
        by: Any of `declare.DIMENSIONS`.

    Returns:
        `system`, `job`, the columns of `by`, `gpu_hours` and `book` (`LEDGER` or `ACCOUNTING`).
    """
    beside = sorted({*by} - {*_JOB, *_OF_JOBS})
    # Seven KPIs ask for the same hours.
    both = view.labels(f"access time by {beside}", lambda: _access_time(view, beside))
    wanted = [name for name in by if name in _OF_JOBS]
    return labelled(view, both, wanted) if wanted else both


def _access_time(view: View, beside: Sequence[str]) -> pl.DataFrame:
    held = (
        view.assigned.lazy()
        .filter(pl.col("job").is_not_null())
        .group_by(*_JOB, *beside)
        .agg((pl.col("duration_ms").sum() / MS_PER_HOUR).alias("gpu_hours"))
        .with_columns(pl.lit(LEDGER).alias("book"))
        .collect()
    )
    told = of_accounting(view, held, beside)
    return pl.concat([held, told.select(set(told.columns) & {*held.columns})], how="diagonal")


def of_accounting(
    view: View, seen: pl.DataFrame, by: Sequence[str], since_ms: int | None = None
) -> pl.DataFrame:
    """The jobs of which no agent saw a device, as their scheduler accounts for them.

    A job that was not over when its scheduler last spoke of it counts up to then.

    Args:
        view: The period.
        seen: `system`, `job`: those that an agent did see hold a device.
        by: Dimensions of time to cut it by; of all others, `partition`.
        since_ms: From when on; the start of the period if not told.

    Returns:
        `system`, `job`, the dimensions, `gpu_hours` and `book`.
    """
    low, high = view.bounds_ms
    low = low if since_ms is None else min(low, since_ms)
    return accounted_hours(view.accounted, seen, by, low, high, view.zone)


def accounted_hours(
    accounted: pl.DataFrame, seen: pl.DataFrame, by: Sequence[str], low: int, high: int, zone: str
) -> pl.DataFrame:
    """The same of any jobs, `condense.ACCOUNTED`, from `low` to `high` (ms)."""
    start = pl.col("start_ms")
    end = pl.coalesce("end_ms", pl.max_horizontal("stated_ms", "start_ms"))
    suspended = pl.col("suspended_seconds").fill_null(0) * 1000
    ran = (
        accounted.lazy()
        .filter(pl.col("gpus") > 0, start < high, end > low)
        .join(seen.lazy().select(_JOB).unique(), on=_JOB, how="anti")
        .select(
            *_JOB, *(name for name in by if name == "partition"), "gpus",
            (1 - suspended / (end - start)).clip(lower_bound=0).alias("_ran"),
            pl.max_horizontal(start, pl.lit(low)).alias("start"),
            pl.min_horizontal(end, pl.lit(high)).alias("end"),
        )
        .filter(pl.col("end") > pl.col("start"))
        .collect()
    )  # fmt: skip
    pieces = times.cut(ran, by, zone)
    hours = (pl.col("end") - pl.col("start")) * pl.col("gpus") / MS_PER_HOUR * pl.col("_ran")
    return pieces.with_columns(hours.alias("gpu_hours"), pl.lit(ACCOUNTING).alias("book"))


def book() -> pl.Expr:
    """Which books a sum over `access_time` is from, as an aggregation."""
    first = pl.col("book").drop_nulls().first()
    return pl.when(pl.col("book").drop_nulls().n_unique() > 1).then(pl.lit(BOTH)).otherwise(first)


def coverage(view: View, by: Sequence[str]) -> pl.DataFrame:
    """Observed over installed device-time, by those of the dimensions that are of time and place.

    Whose time it was that nobody observed is not known: it lowers the coverage of everybody's.

    Returns:
        Those dimensions, and `coverage`.
    """
    keys = [name for name in by if name in (*PLACE, *TIME)]
    return grouped(view.totals, keys, coverage=observed_share()).select(*keys, "coverage")


def told_times(view: View) -> pl.DataFrame:
    """From when until when anybody told of each system's jobs, within the period.

    That is from when the first of its things was there until its books end, and the time of the
    jobs that its scheduler accounts for. What was used outside of it is not known; it is not 0.

    Returns:
        `system` (null: any of them), `told_from`, `told_until` (ms); no row for a system of which
        nobody told anything in the period.
    """

    def make() -> pl.DataFrame:
        low, high = view.bounds_ms
        first = view.inventory.group_by("system").agg(pl.col("from_ms").min().alias("from"))
        booked = first.join(view.control.booked_until, on="system")
        stated = pl.coalesce("end_ms", "stated_ms", "start_ms")
        accounted = (
            view.accounted.filter(pl.col("start_ms").is_not_null())
            .group_by("system")
            .agg(pl.col("start_ms").min().alias("from"), stated.max().alias("until"))
        )
        both = pl.concat([booked, accounted])
        times = pl.col("from").min().clip(low), pl.col("until").max().clip(upper_bound=high)
        named = [time.alias(name) for time, name in zip(times, _TOLD, strict=True)]
        every = pl.concat(
            [
                both.group_by("system").agg(named),
                both.select(pl.lit(None, pl.String).alias("system"), *named),
            ]
        )
        return every.filter(pl.col("told_until") > pl.col("told_from"))

    return view.labels("told times", make)


def told_part(view: View, start_ms: int, end_ms: int, system: str | None = None) -> float:
    """Which part of a time is one that anybody told of: of a system, or of any; see `told_times`.

    What is owed for a time (a share of it, a grant, its costs) is covered by it at most.
    """
    of = told_times(view).filter(pl.col("system").eq_missing(pl.lit(system, pl.String)))
    if of.is_empty() or end_ms <= start_ms:
        return 0.0
    low, high = (int(of[name].item()) for name in _TOLD)
    return max(0, min(end_ms, high) - max(start_ms, low)) / (end_ms - start_ms)


def covered(frame: pl.DataFrame, view: View, by: Sequence[str]) -> pl.DataFrame:
    """A KPI's rows with the column `coverage`, as above.

    A column `told` of theirs is the part of what is below the line that is of a time of which
    anybody told (null: all of it): it lowers the coverage, and is all of it without a device.
    """
    found = _covered(frame, view, by)
    if "told" not in frame.columns:
        return found
    return found.with_columns(
        pl.when(pl.col("told").is_null())
        .then("coverage")
        .otherwise(pl.col("coverage").fill_null(1.0) * pl.col("told"))
        .alias("coverage")
    )


def _covered(frame: pl.DataFrame, view: View, by: Sequence[str]) -> pl.DataFrame:
    found = coverage(view, by)
    keys = [name for name in found.columns if name != "coverage"]
    if not keys:
        return frame.with_columns(pl.lit(found["coverage"].first(), pl.Float64).alias("coverage"))
    return frame.join(found, on=keys, how="left", maintain_order="left")


def tags(view: View) -> pl.DataFrame:
    """The project of every job of the period: `system`, `job` and `tagging.TAGS`, once per view.

    All of them are null, but for `tag`, where the register of projects may not be read.
    """

    def make() -> pl.DataFrame:
        low, high = view.bounds_ms
        jobs = view.jobs.filter(
            pl.coalesce("start_ms", pl.lit(low)) < high,
            pl.coalesce("end_ms", pl.lit(high)) >= low,
        )
        begun = pl.coalesce("submit_ms", "start_ms", pl.lit(low))
        accounted = view.accounted.filter(begun < high, pl.coalesce("end_ms", pl.lit(high)) >= low)
        return tagged(jobs, accounted, view.projects)

    return view.labels("tags", make)


def tagged(
    jobs: pl.DataFrame, accounted: pl.DataFrame, projects: pl.DataFrame | None
) -> pl.DataFrame:
    """The same of any jobs.

    Args:
        jobs: `books.JOBS`.
        accounted: `condense.ACCOUNTED`.
        projects: The register of projects; None where it may not be read.
    """
    known = (
        jobs.select(*_JOB, "start_ms", "project")
        .join(
            accounted.select(*_JOB, "account", "submit_ms", pl.col("start_ms").alias("_began")),
            on=_JOB, how="full", coalesce=True,
        )
        .with_columns(
            pl.coalesce("account", "project").alias("account"),
            pl.coalesce("start_ms", "_began").alias("start_ms"),
        )
    )  # fmt: skip
    if projects is None:
        projects = PROJECTS.schema.to_frame()
    return tag_jobs(known, projects).select(*_JOB, *TAGS)
