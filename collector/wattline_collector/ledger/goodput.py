"""Goodput: which part of a training run's time went into steps that count.

The categories are those that Google publishes for machine-learning goodput: productive step time
over all time, and badput by cause: initialisation, data loading, saving and restoring checkpoints,
progress that was wasted by a disruption, recovery from it, what the job names itself (here:
evaluation), and other. Over a run, from the start of its first job to the end of its last one, that
same ratio is its effective training time ratio (ETTR, arXiv 2410.21680; KPI E03). Requests that
kept their targets are another thing of the same name; see `served`.

Pure functions over the ledger's entries; all times are whole milliseconds and add up exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_agents.catalogue import PHASES
from wattline_collector.ledger import replay

CATEGORIES = (
    "productive_ms",  # steps that were done for the first time
    "init_ms",
    "data_wait_ms",
    "checkpoint_save_ms",
    "restore_ms",
    "eval_ms",
    "wasted_ms",  # steps done again
    "recovery_ms",  # between a run's jobs, when it waited to go on
    "other_ms",  # no phase was told
)
"""Parts of the time, in whole milliseconds; they add up to `elapsed_ms`."""

_KEY = ["system", "job"]
_PHASE_MS = [f"phase_{phase}_ms" for phase in PHASES]
_SLACK = 1.02
"""Clocks of processes and of the ledger differ a little."""


def of_jobs(
    entries: pl.DataFrame,
    running: pl.DataFrame,
    sizes: pl.DataFrame | None = None,
    split: Sequence[str] = (),
) -> pl.DataFrame:
    """Where the time of each job went.

    Every process of a job tells its phases, and a job is the sum of them, or one process speaks for
    all. How many speak is seen by how much more time they tell than went by; the time of all of
    them is then brought back to that of one.

    Args:
        entries: `schema.JOB`, of any grain.
        running: `system`, `job`, `start`, `end` (ms): when jobs ran, in the period of the entries.
        sizes: `system`, `job`, `nodes`, `devices`: how many processes are usual, where known.
        split: Columns of entries and of running times that cut a job in parts, such as days.

    Returns:
        `system`, `job`, `split`, `elapsed_ms`, `CATEGORIES` (null: it tells no phases), `goodput`
        (0-1), `coverage`: part of its time in whose minutes it told any, and `members`: how many
        processes spoke.
    """
    key = [*_KEY, *split]
    tells = pl.any_horizontal(pl.col(_PHASE_MS).is_not_null())
    sums = entries.group_by(key).agg(
        pl.when(tells.any()).then(pl.col(_PHASE_MS).sum()),
        pl.col("steps", "steps_replayed").sum(),
        pl.col("running_ms").filter(tells).sum().alias("told_ms"),
        pl.col("running_ms").sum(),
    )
    elapsed = running.group_by(key).agg(
        (pl.col("end") - pl.col("start")).sum().cast(pl.Int64).alias("elapsed_ms")
    )
    if sizes is None:
        sizes = pl.DataFrame(
            schema={"system": pl.String, "job": pl.String, "nodes": pl.Int64, "devices": pl.Int64}
        )
    told = pl.sum_horizontal(_PHASE_MS)
    # Of the job as a whole: in an hour that ends within a step more or less is told than went by.
    least = told.sum().over(_KEY) / (pl.col("elapsed_ms").sum().over(_KEY) * _SLACK)
    members = pl.coalesce(
        pl.when(least <= 1).then(1.0),
        *(pl.when(least <= pl.col(size)).then(pl.col(size)) for size in ("nodes", "devices")),
        least.ceil(),
    )
    # Told time beyond what went by is what clocks differ by; it is taken off all phases alike.
    scale = 1 / pl.max_horizontal("members", told / pl.col("elapsed_ms"))
    done = pl.col("steps") + pl.col("steps_replayed")
    wasted = pl.when(done > 0).then(pl.col("steps_replayed") / done).otherwise(0.0)
    found = (
        elapsed.filter(pl.col("elapsed_ms") > 0)
        .join(sums, on=key, how="left", nulls_equal=True)
        .join(sizes, on=_KEY, how="left")
        .with_columns(members.alias("members"))
        .with_columns((pl.col(_PHASE_MS) * scale), wasted.alias("wasted"))
    )
    step = pl.col("phase_step_ms")
    parts = {
        "productive_ms": step * (1 - pl.col("wasted")),
        "init_ms": pl.col("phase_init_ms"),
        "data_wait_ms": pl.col("phase_data_wait_ms"),
        "checkpoint_save_ms": pl.col("phase_checkpoint_save_ms"),
        "restore_ms": pl.col("phase_restore_ms"),
        "eval_ms": pl.col("phase_eval_ms"),
        "wasted_ms": step * pl.col("wasted"),
    }
    tells_any = pl.col("phase_step_ms").is_not_null()
    return (
        found.with_columns(
            # What is less than a millisecond goes to the rest, so that the parts add up.
            *((value + _LEAST).floor().cast(pl.Int64).alias(name) for name, value in parts.items()),
            pl.when(tells_any).then(pl.lit(0, dtype=pl.Int64)).alias("recovery_ms"),
        )
        .with_columns(
            (pl.col("elapsed_ms") - pl.sum_horizontal(*parts, ignore_nulls=False)).alias("other_ms")
        )
        .with_columns(*_ratios(pl.col("told_ms") / pl.col("running_ms")))
        .select(*key, "elapsed_ms", *CATEGORIES, "goodput", "coverage", "members")
        .sort(key)
    )


_LEAST = 1e-6


def of_runs(jobs_goodput: pl.DataFrame, running: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Where the time of each run went, from the start of its first job to the end of its last.

    Time in which none of its jobs ran is recovery. Where jobs of a run ran side by side, their
    times are brought back to what went by.

    Args:
        jobs_goodput: What `of_jobs` returned.
        running: As for `of_jobs`.
        jobs: `records.JOBS`.

    Returns:
        `system`, `run`, `jobs` (how many), `elapsed_ms`, `CATEGORIES` (null: a job tells no
        phases), `goodput` (its ETTR), `coverage`.
    """
    named = jobs.select(*_KEY, replay.run_of(), replay.run_name().alias("run"))
    known = jobs_goodput.join(named, on=_KEY)
    spans = running.join(named.select(*_KEY, "run_of"), on=_KEY).filter(
        pl.col("end") > pl.col("start")
    )
    waited = (
        _between(spans).group_by("run_of").agg((pl.col("end") - pl.col("start")).sum().alias("gap"))
    )
    elapsed = (
        spans.group_by("run_of")
        .agg((pl.col("end").max() - pl.col("start").min()).alias("elapsed_ms"))
        .join(waited, on="run_of", how="left")
        .with_columns(pl.col("gap").fill_null(0).alias("recovery_ms"))
    )
    spent = [name for name in CATEGORIES if name not in ("recovery_ms", "other_ms")]
    told = pl.col("goodput").is_not_null()
    together = (
        known.group_by("system", "run_of", "run")
        .agg(
            pl.len().alias("jobs"),
            pl.when(told.all()).then(pl.col(spent).sum()),
            pl.col("elapsed_ms").sum().alias("ran_ms"),
            (pl.col("coverage").fill_null(0) * pl.col("elapsed_ms")).sum().alias("covered_ms"),
        )
        .join(elapsed, on="run_of")
    )
    went_by = pl.col("elapsed_ms") - pl.col("recovery_ms")
    scale = pl.min_horizontal(1.0, went_by / pl.col("ran_ms"))
    return (
        together.with_columns(
            *((pl.col(name) * scale + _LEAST).floor().cast(pl.Int64).alias(name) for name in spent),
            pl.when(pl.col("productive_ms").is_not_null()).then("recovery_ms").alias("recovery_ms"),
        )
        .with_columns(
            (
                pl.col("elapsed_ms") - pl.sum_horizontal(*spent, "recovery_ms", ignore_nulls=False)
            ).alias("other_ms")
        )
        .with_columns(*_ratios(pl.col("covered_ms") / pl.col("ran_ms")))
        .select("system", "run", "jobs", "elapsed_ms", *CATEGORIES, "goodput", "coverage")
        .sort("system", "run")
    )


def gaps(jobs: pl.DataFrame, until_ms: int) -> pl.DataFrame:
    """When runs waited to go on: times between their jobs in which none of them ran.

    By the jobs' own starts and ends, so that a period may begin or end inside such a time.

    Args:
        jobs: `records.JOBS`.
        until_ms: A job that has not ended ran up to here.

    Returns:
        `system`, `job` (the one that went on), `start`, `end` (ms).
    """
    spans = jobs.filter(pl.col("start_ms").is_not_null()).select(
        *_KEY,
        replay.run_of(),
        pl.col("start_ms").alias("start"),
        pl.coalesce("end_ms", pl.max_horizontal("start_ms", pl.lit(until_ms))).alias("end"),
    )
    return _between(spans).select(*_KEY, "start", "end")


def _between(spans: pl.DataFrame) -> pl.DataFrame:
    """Times of a run that none of its spans covers, with the span after each."""
    before = pl.col("end").cum_max().shift(1).over("run_of")
    return (
        spans.sort("run_of", "start")
        .with_columns(before.alias("start"), pl.col("start").alias("end"))
        .filter(pl.col("start") < pl.col("end"))
    )


def _ratios(coverage: pl.Expr) -> list[pl.Expr]:
    return [
        (pl.col("productive_ms") / pl.col("elapsed_ms")).alias("goodput"),
        coverage.fill_null(0.0).fill_nan(0.0).alias("coverage"),
    ]


def served(entries: pl.DataFrame) -> pl.DataFrame:
    """Serving goodput: requests that kept their targets for first token and pace, over all.

    Requests that failed kept none, and count below the line.

    Args:
        entries: `schema.JOB`, of any grain.

    Returns:
        `system`, `job`, `requests_good`, `requests` (answered and failed), `goodput` (0-1; null:
        it does not tell, or there were none).
    """
    good, failed = pl.col("requests_good"), pl.col("requests_failed")
    return (
        entries.filter(good.is_not_null() & pl.col("requests").is_not_null())
        .group_by(_KEY)
        .agg(good.sum(), (pl.col("requests").sum() + failed.sum()).alias("requests"))
        .with_columns(
            pl.when(pl.col("requests") > 0)
            .then(pl.col("requests_good") / pl.col("requests"))
            .alias("goodput")
        )
        .sort(_KEY)
    )
