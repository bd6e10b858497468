"""Work that was thrown away, found when jobs go on from an earlier step.

Two things throw work away. A job goes back by itself: its step falls (`rollbacks`). Or a job ends,
and the next one of its run goes on from a step before the last one committed (`kept`). Both say
from which step on the work was for nothing; when that step was reached, only telemetry tells.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger import replay

UNDONE = pl.Schema(
    {
        "system": pl.String(),
        "job": pl.String(),
        "from_ms": pl.Int64(),  # when the step was reached that it went back to
        "until_ms": pl.Int64(),  # when it was last seen before it went back
        "step_from": pl.Int64(),
        "step_until": pl.Int64(),  # the highest step committed by then
    }
)
"""Jobs that went back by themselves."""


def rollbacks(course: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Where steps fall.

    Args:
        course: What `replay.steps_of` returned; `job` is a struct of `system` and `job`.
        jobs: `records.JOBS` as they were known before: their last step, where the course is silent
            of what came before.

    Returns:
        `UNDONE`; `from_ms` is null where the course begins after the step was reached.
    """
    if course.is_empty():
        return UNDONE.to_frame()
    own = course.unnest("job").select("system", "job", "time", "step", "step_resumed")
    begins = own.group_by("system", "job").agg(pl.col("time").min().alias("begins"))
    last = (
        jobs.join(begins, on=["system", "job"])
        .filter(pl.col("stepped_ms") < pl.col("begins"))
        .select(
            "system",
            "job",
            pl.col("stepped_ms").alias("time"),
            pl.col("step_last").alias("step"),
            pl.lit(None, dtype=pl.Int64).alias("step_resumed"),
        )
    )
    known = pl.concat([last, own]).sort("system", "job", "time")
    key = ["system", "job"]
    step, before = pl.col("step"), pl.col("step").shift(1).over(key)
    falls = known.with_columns(
        before.alias("was"),
        pl.col("time").shift(1).over(key).alias("until_ms"),
        step.cum_max().shift(1).over(key).alias("step_until"),
    ).filter(step < pl.col("was"))
    if falls.is_empty():
        return UNDONE.to_frame()
    back = pl.when(pl.col("step_resumed") <= step).then("step_resumed").otherwise(step)
    falls = falls.select(*key, "until_ms", back.alias("step_from"), "step_until")
    return falls.join(
        reached(known, falls.select(*key, "step_from", "until_ms")),
        on=[*key, "step_from", "until_ms"], how="left",
    ).select(UNDONE.names())  # fmt: skip


def reached(course: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """When jobs had come as far as a step, for the last time before they lost it again.

    Args:
        course: `system`, `job`, `time`, `step`, sorted by time within a job.
        wanted: `system`, `job`, `step_from`, `until_ms`.

    Returns:
        `wanted` with `from_ms`: the first row that is that far, of those after the last one that is
        not; those for which the course begins that far already are left out.
    """
    key = ["system", "job", "step_from", "until_ms"]
    both = course.join(wanted, on=["system", "job"]).filter(pl.col("time") <= pl.col("until_ms"))
    short = pl.col("step") < pl.col("step_from")
    last_short = pl.col("time").filter(short).max()
    first_far = pl.col("time").filter(~short)
    return (
        both.group_by(key)
        .agg(last_short.alias("short_ms"), first_far.alias("far"))
        .explode("far", empty_as_null=False)
        .filter(pl.col("far") > pl.col("short_ms"))
        .group_by(key)
        .agg(pl.col("far").min().alias("from_ms"))
    )


def merge_undone(known: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Add rollbacks; one that is found again replaces what was known of it."""
    key = ["system", "job", "until_ms"]
    return (
        pl.concat([known, found])
        .unique(key, keep="last", maintain_order=True)
        .sort("system", "job", "until_ms")
    )


def kept_steps(jobs: pl.DataFrame) -> pl.DataFrame:
    """The step of each job that the later jobs of its run went on from, at the least.

    Args:
        jobs: `records.JOBS`.

    Returns:
        `system`, `job`, `step_kept`: of the jobs that committed more than that, and of those whose
        run went on from all they did.
    """
    stepping = jobs.filter(
        pl.col("step_highest").is_not_null() | pl.col("step_resumed").is_not_null()
    ).filter(pl.col("start_ms").is_not_null() & pl.col("counted_ms").is_not_null())
    stepping = stepping.with_columns(replay.run_of())
    # From the last job backwards, so that the least of all later ones comes with each.
    later = (
        stepping.filter(pl.col("step_resumed").is_not_null())
        .sort("start_ms", "job", descending=True)
        .select(
            "run_of",
            pl.col("start_ms").alias("later_ms"),
            pl.col("step_resumed").cum_min().over("run_of").alias("step_kept_now"),
        )
    )
    return (
        stepping.filter(pl.col("step_highest").is_not_null())
        .sort("counted_ms")
        .join_asof(
            later.sort("later_ms", maintain_order=True),
            left_on="counted_ms",
            right_on="later_ms",
            by="run_of",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .filter(pl.col("step_kept_now").is_not_null())
        .select("system", "job", pl.col("step_kept_now").alias("step_kept"))
    )
