"""What jobs used, by day: the figures that centres report from their accounting.

The definitions are those of Open XDMoD's job realm, so that figures can be laid beside those it
publishes: days are UTC, hours are split at midnight, jobs that never started are left out, jobs
that started and ended within a second count.
"""

from __future__ import annotations

import polars as pl

DAY_MS = 86_400_000
_HOUR_MS = 3_600_000.0

DAILY = pl.Schema(
    {
        "day": pl.Date(),
        "jobs_ended": pl.Int64(),
        "jobs_started": pl.Int64(),
        "jobs_running": pl.Int64(),  # at any time of the day
        "users": pl.Int64(),  # whose jobs those were
        "wall_hours": pl.Float64(),
        "node_hours": pl.Float64(),
        "cpu_hours": pl.Float64(),
        "gpu_hours": pl.Float64(),
        "wait_hours": pl.Float64(),  # of the jobs that started that day, before they did
        "cpus_mean": pl.Float64(),  # of the jobs running that day
        "cpus_weighted": pl.Float64(),  # the same, weighted by their CPU hours
    }
)
"""One day. Means over jobs are sums over sums of these columns: `cpu_hours / jobs_running`."""

NEEDED = (
    "job", "user", "submit_unix_ms", "start_unix_ms", "end_unix_ms", "nodes", "cpus", "gpus",
)  # fmt: skip
"""Columns of `accounting` that the figures are made of."""


def daily(jobs: pl.DataFrame) -> pl.DataFrame:
    """Add jobs up by day.

    Args:
        jobs: `condense.ACCOUNTED`, or those of its columns that are needed. A job that has not
            ended counts up to when it was last stated that it ran.

    Returns:
        `DAILY`: every day from the first on which one ran to the last, without holes.
    """
    days = _days(_ran(jobs))
    if days.is_empty():
        return DAILY.to_frame()
    used = days.group_by("day").agg(*_sums(), users=pl.col("user").drop_nulls().n_unique())
    first, last = used.select(pl.col("day").min(), pl.col("day").max().alias("last")).row(0)
    every = pl.DataFrame({"day": pl.int_range(first, last + 1, eager=True)})
    nothing = pl.col("jobs_running").is_null()
    added = [name for name in DAILY if name.endswith("_hours") or DAILY[name] == pl.Int64()]
    return (
        every.join(used, on="day", how="left")
        .sort("day")
        .with_columns(
            pl.when(nothing).then(0).otherwise(pl.col(name)).alias(name) for name in added
        )
        .with_columns(pl.col("day").cast(pl.Int32).cast(pl.Date))
        .select(pl.col(name).cast(type) for name, type in DAILY.items())
    )


def total(jobs: pl.DataFrame) -> dict[str, float | None]:
    """The same figures of all days together; `wait_hours` and the rest count each job once.

    Args:
        jobs: As of `daily`.
    """
    ran = _ran(jobs)
    days = _days(ran)
    sums = days.select(*_sums(), users=pl.col("user").drop_nulls().n_unique())
    found: dict[str, float | None] = {name: 0 for name in DAILY.names()[1:]}
    if days.height:
        found |= sums.row(0, named=True)
        found["cpus_mean"] = ran.select(pl.col("cpus").mean()).item()
    return {**found, "jobs_running": ran.height}


def _ran(jobs: pl.DataFrame) -> pl.DataFrame:
    end = pl.coalesce("end_ms", "stated_ms")
    return jobs.filter(pl.col("start_ms").is_not_null()).select(
        "user", "cpus", "nodes", "gpus", "start_ms",
        pl.max_horizontal(end, "start_ms").alias("end_ms"),
        pl.col("end_ms").is_not_null().alias("has_ended"),
        (pl.col("start_ms") - pl.col("submit_ms")).clip(lower_bound=0).alias("wait_ms"),
    )  # fmt: skip


def _days(ran: pl.DataFrame) -> pl.DataFrame:
    """One row per job and day it ran on: `day` as a number since 1970, and the time inside it."""
    first, last = pl.col("start_ms") // DAY_MS, pl.col("end_ms") // DAY_MS
    # A job that ends at midnight did not run on the day that begins there.
    beyond = (pl.col("end_ms") % DAY_MS == 0) & (pl.col("end_ms") > pl.col("start_ms"))
    return (
        ran.with_columns(pl.int_ranges(first, last + 1 - beyond.cast(pl.Int64)).alias("day"))
        .explode("day")
        .with_columns(
            (
                pl.min_horizontal("end_ms", (pl.col("day") + 1) * DAY_MS)
                - pl.max_horizontal("start_ms", pl.col("day") * DAY_MS)
            ).alias("inside_ms"),
            (pl.col("day") == first).alias("starts"),
            ((pl.col("day") == last - beyond.cast(pl.Int64)) & pl.col("has_ended")).alias("ends"),
        )
    )


def _sums() -> list[pl.Expr]:
    wall = pl.col("inside_ms") / _HOUR_MS
    cpu = wall * pl.col("cpus")
    return [
        pl.col("ends").sum().cast(pl.Int64).alias("jobs_ended"),
        pl.col("starts").sum().cast(pl.Int64).alias("jobs_started"),
        pl.len().cast(pl.Int64).alias("jobs_running"),
        wall.sum().alias("wall_hours"),
        *(
            # Nothing but unknowns adds up to unknown, not to nought.
            pl.when(pl.col(name).is_not_null().any())
            .then((wall * pl.col(name)).sum())
            .alias(f"{name[:-1]}_hours")
            for name in ("nodes", "cpus", "gpus")
        ),
        (pl.col("wait_ms").filter(pl.col("starts")).sum() / _HOUR_MS).alias("wait_hours"),
        pl.col("cpus").mean().alias("cpus_mean"),
        ((cpu * pl.col("cpus")).sum() / cpu.sum()).alias("cpus_weighted"),
    ]
