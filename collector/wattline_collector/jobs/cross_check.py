"""Slurm's own figure of a job's energy beside the one in the books.

Slurm meters whole nodes and charges each to every job on it, so the two can only agree for jobs
that had their nodes to themselves; and only where the books saw nearly all of the job.
"""

from __future__ import annotations

import polars as pl

NEAR = 0.05
"""Agreement: two meters of one node differ by a few percent, and the ends of a job by a sample."""
LEAST_COVERED = 0.95
"""Less of a job's node time with known energy is too little to compare."""
LEAST_WHOLE = 0.95
"""A job with less than this part of its nodes' time shared them."""

CROSS_CHECK = pl.Schema(
    {
        "system": pl.String(),
        "job": pl.String(),
        "scheduler_joules": pl.Float64(),
        "booked_joules": pl.Float64(),  # at the node boundary; null: no meter saw it
        "covered_ratio": pl.Float64(),  # of the job's node time, the part with known energy
        "apart_ratio": pl.Float64(),  # scheduler over books, less 1; null: not comparable
        "verdict": pl.Enum(["agrees", "apart", "shared", "not_covered"]),
    }
)
"""One job whose energy the scheduler tells."""


def cross_check(accounted: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Compare job by job.

    Args:
        accounted: `condense.ACCOUNTED`.
        entries: The ledger's table `node` over all the time of these jobs.

    Returns:
        `CROSS_CHECK`, of every job that has ended and whose energy the scheduler tells.
    """
    told = accounted.filter(
        pl.col("energy_joules").is_not_null() & pl.col("end_ms").is_not_null()
    ).select(
        "system", "job", pl.col("energy_joules").alias("scheduler_joules"),
        ((pl.col("end_ms") - pl.col("start_ms")) * pl.col("nodes")).alias("whole_ms"),
    )  # fmt: skip
    booked = entries.group_by("system", "job").agg(
        pl.when(pl.col("energy_joules").is_not_null().any())
        .then(pl.col("energy_joules").sum())
        .alias("booked_joules"),
        pl.col("energy_ms").sum(),
        pl.col("duration_ms").sum(),
    )
    covered = pl.col("energy_ms").fill_null(0) / pl.col("duration_ms")
    # Compared with what was booked and not with what was asked for: unseen time is not shared time.
    shared = pl.col("duration_ms") < LEAST_WHOLE * pl.col("whole_ms")
    apart = pl.col("scheduler_joules") / pl.col("booked_joules") - 1
    verdict = (
        pl.when(pl.col("booked_joules").is_null() | (pl.col("covered_ratio") < LEAST_COVERED))
        .then(pl.lit("not_covered"))
        .when(shared.fill_null(True))
        .then(pl.lit("shared"))
        .when(apart.abs() <= NEAR)
        .then(pl.lit("agrees"))
        .otherwise(pl.lit("apart"))
    )
    return (
        told.join(booked, on=["system", "job"], how="left")
        .with_columns(covered.fill_null(0.0).alias("covered_ratio"))
        .with_columns(verdict.alias("verdict"))
        .with_columns(
            pl.when(pl.col("verdict").is_in(["agrees", "apart"])).then(apart).alias("apart_ratio")
        )
        .select(pl.col(name).cast(type) for name, type in CROSS_CHECK.items())
        .sort("system", "job")
    )
