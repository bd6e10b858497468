"""What is known of devices, nodes, jobs and assignments, condensed from all that was ever said.

Agents repeat themselves on purpose, so that a lost batch heals. Here each thing is one row: the
newest statement wins, first and last sightings are kept. Pure functions: what was known and what
came in, to what is known now.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger.books import INVENTORY, JOBS
from wattline_collector.ledger.schema import MINUTE_MS

ASSIGNMENTS = pl.Schema(
    {
        "system": pl.String(),
        "device": pl.String(),
        "job": pl.String(),
        "start_ms": pl.Int64(),
        "end_ms": pl.Int64(),  # null: still held when last heard of
        "stated_ms": pl.Int64(),
        "method": pl.String(),
    }
)

OPEN_FOR_MS = 90_000
"""An open assignment is believed this long after it was last stated: agents repeat it every 30 s,
and three in a row are not lost by chance."""


def merge_inventory(
    known: pl.DataFrame, device_info: pl.DataFrame, node_info: pl.DataFrame
) -> pl.DataFrame:
    """Add what agents said of their devices and nodes.

    A thing counts as installed from the minute it was first heard of, unless a statement says
    since when, until the newest statement says it no longer is.
    """
    devices = device_info.select(
        "system",
        pl.lit("device").alias("kind"),
        pl.col("device").alias("key"),
        "node",
        pl.coalesce("installed_from_unix_ms", "time_unix_ms").alias("from_ms"),
        pl.col("installed_until_unix_ms").alias("until_ms"),
        pl.col("time_unix_ms").alias("stated_ms"),
        pl.lit(None, dtype=pl.Int64).alias("period_ms"),
        "index",
        "vendor",
        "model",
        pl.lit(None, dtype=pl.String).alias("rack"),
        "source",
        "module",
    )
    nodes = node_info.select(
        "system",
        pl.lit("node").alias("kind"),
        pl.col("node").alias("key"),
        "node",
        pl.coalesce("installed_from_unix_ms", "time_unix_ms").alias("from_ms"),
        pl.col("installed_until_unix_ms").alias("until_ms"),
        pl.col("time_unix_ms").alias("stated_ms"),
        pl.lit(None, dtype=pl.Int64).alias("period_ms"),
        pl.lit(None, dtype=pl.Int64).alias("index"),
        pl.lit(None, dtype=pl.String).alias("vendor"),
        pl.lit(None, dtype=pl.String).alias("model"),
        "rack",
        pl.col("power_source").alias("source"),
        pl.lit(None, dtype=pl.String).alias("module"),
    )
    return _condense_inventory(pl.concat([known, devices, nodes]))


def merge_sightings(known: pl.DataFrame, kind: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Add devices or nodes that sent readings, with the sampling period they state.

    Several sources may tell of a node, each at its own pace. What counts is the pace of those rows
    that energy is booked by, where there are any.
    """
    key = "device" if kind == "device" else "node"
    paced = pl.col("period_ms") > 0
    metered = pl.col("energy_joules_total").is_not_null() | pl.col("power_watts").is_not_null()
    period = pl.col("period_ms")
    seen = (
        rows.group_by("system", pl.col(key).alias("key"))
        .agg(
            pl.col("node").last().alias("node_"),
            pl.col("time_unix_ms").min().alias("from_ms"),
            pl.coalesce(period.filter(paced & metered).last(), period.filter(paced).last()),
        )
        .select(
            "system",
            pl.lit(kind).alias("kind"),
            "key",
            pl.col("node_").alias("node"),
            "from_ms",
            pl.lit(None, dtype=pl.Int64).alias("until_ms"),
            # A sighting says nothing of until when: it must not outweigh a statement.
            pl.lit(None, dtype=pl.Int64).alias("stated_ms"),
            "period_ms",
            pl.lit(None, dtype=pl.Int64).alias("index"),
            *(
                pl.lit(None, dtype=pl.String).alias(column)
                for column in ("vendor", "model", "rack", "source", "module")
            ),
        )
    )
    return _condense_inventory(pl.concat([known, seen]))


def _condense_inventory(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per thing: earliest start, newest statement, last known value of each label.

    Of sampling periods, which are seen and not stated, the one that came last counts.
    """
    return (
        rows.with_row_index("came")
        .sort("stated_ms", nulls_last=False, maintain_order=True)
        .group_by("system", "kind", "key", maintain_order=True)
        .agg(
            pl.col("node").last(),
            (pl.col("from_ms").min() // MINUTE_MS * MINUTE_MS).alias("from_ms"),
            pl.col("until_ms").last(),
            pl.col("stated_ms").max(),
            pl.col("period_ms").sort_by("came").drop_nulls().last(),
            *(
                pl.col(column).drop_nulls().last()
                for column in ("index", "vendor", "model", "rack", "source")
            ),
            # A device whose partitions changed may share its meter no longer: null is an answer.
            pl.col("module").last(),
        )
        .select(INVENTORY.names())
        .sort("system", "kind", "key")
    )


def merge_assignments(known: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add what was said of devices and the jobs that hold them.

    Returns:
        All assignments, and the stretches in which something became known or changed: `system`,
        `low`, `high` (ms).
    """
    said = rows.select(
        "system", "device", "job", pl.col("start_unix_ms").alias("start_ms"),
        pl.col("end_unix_ms").alias("end_ms"), pl.col("time_unix_ms").alias("stated_ms"), "method",
    )  # fmt: skip
    key = ["system", "device", "job", "start_ms"]
    merged = (
        pl.concat([known, said])
        .sort("stated_ms", maintain_order=True)
        .group_by(key, maintain_order=True)
        .last()
        .select(ASSIGNMENTS.names())
        .sort(key)
    )
    before = known.select(*key, _until().alias("was"))
    after = merged.select(*key, _until().alias("is"))
    changed = (
        after.join(before, on=key, how="left")
        .filter(pl.col("was").is_null() | (pl.col("was") != pl.col("is")))
        .select(
            "system",
            pl.min_horizontal(pl.coalesce("was", "start_ms"), "is").alias("low"),
            pl.max_horizontal(pl.coalesce("was", "start_ms"), "is").alias("high"),
        )
    )
    return merged, changed


def _until() -> pl.Expr:
    return pl.coalesce("end_ms", pl.col("stated_ms") + OPEN_FOR_MS)


def held_intervals(assignments: pl.DataFrame, system: str, low: int, high: int) -> pl.DataFrame:
    """Assignments of a system as intervals without overlap within a device.

    Where one begins before another on the device ended, the earlier ends there: a device is one
    job's at a time, and the end of an open one is only the latest moment it may still have been
    held.

    Returns:
        `device`, `job`, `start`, `end`, clipped to the window.
    """
    mine = assignments.filter(pl.col("system") == system).select(
        "device", "job", pl.col("start_ms").alias("start"), _until().alias("end")
    )
    near = mine.filter((pl.col("end") > low) & (pl.col("start") < high)).sort(
        "device", "start", "job"
    )
    following = pl.col("start").shift(-1).over("device")
    return (
        near.with_columns(pl.min_horizontal("end", following).alias("end"))
        .filter(pl.col("end") > pl.col("start"))
        .with_columns(pl.col("start").clip(lower_bound=low), pl.col("end").clip(upper_bound=high))
        .filter(pl.col("end") > pl.col("start"))
    )


def merge_jobs(
    known: pl.DataFrame, job_info: pl.DataFrame, job_rows: pl.DataFrame, held: pl.DataFrame
) -> pl.DataFrame:
    """Add what was said of jobs, and when they were seen to run.

    Args:
        known: `books.JOBS`.
        job_info: Statements.
        job_rows: `system`, `job`, `first`, `last`: span of counter readings.
        held: `system`, `job`, `first`, `last`, `open`: span of assignments.
    """
    said = job_info.select(
        "system", "job", "name", "kind", "project", "user", "state",
        pl.col("start_unix_ms").alias("start_ms"), pl.col("end_unix_ms").alias("end_ms"),
        pl.col("time_unix_ms").alias("stated_ms"), pl.col("time_unix_ms").alias("seen_ms"),
        *(pl.lit(None, dtype=pl.Int64).alias(c) for c in ("counted_from_ms", "counted_ms")),
    )  # fmt: skip
    sighted = [
        frame.select(
            "system",
            "job",
            *(
                pl.lit(None, dtype=pl.String).alias(column)
                for column in ("name", "kind", "project", "user", "state")
            ),
            pl.col("first").alias("start_ms"),
            pl.lit(None, dtype=pl.Int64).alias("end_ms"),
            pl.lit(None, dtype=pl.Int64).alias("stated_ms"),
            pl.col("last").alias("seen_ms"),
            pl.when(counts).then("first").alias("counted_from_ms"),
            pl.when(counts).then("last").alias("counted_ms"),
        )
        for frame, counts in ((job_rows, True), (held, False))
    ]
    return (
        pl.concat([known, said, *sighted])
        .sort("stated_ms", nulls_last=False, maintain_order=True)
        .group_by("system", "job", maintain_order=True)
        .agg(
            *(
                pl.col(column).drop_nulls().last()
                for column in ("name", "kind", "project", "user", "state")
            ),
            pl.col("start_ms").min(),
            pl.col("end_ms").drop_nulls().last(),
            pl.col("stated_ms").max(),
            pl.col("seen_ms").max(),
            pl.col("counted_from_ms").min(),
            pl.col("counted_ms").max(),
        )
        .select(JOBS.names())
        .sort("system", "job")
    )


def running_intervals(jobs: pl.DataFrame, system: str, now_ms: int) -> pl.DataFrame:
    """When each job of a system ran, as far as is known.

    Returns:
        `job`, `start`, `end`: a job that nobody said has ended ran until shortly after it was last
        heard of.
    """
    mine = jobs.filter((pl.col("system") == system) & pl.col("start_ms").is_not_null())
    end = pl.coalesce("end_ms", pl.col("seen_ms") + OPEN_FOR_MS)
    return mine.select(
        "job", pl.col("start_ms").alias("start"), pl.min_horizontal(end, now_ms).alias("end")
    ).filter(pl.col("end") > pl.col("start"))
