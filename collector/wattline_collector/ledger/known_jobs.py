"""What is known of jobs, condensed from all that was ever said: one row per job.

Agents, the jobs themselves and their schedulers speak of them. What a scheduler accounts for is
believed before what an agent saw. Pure functions: what was known and what came in, to what is known
now.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.jobs.states import ENDED
from wattline_collector.ledger import replay
from wattline_collector.ledger.inventory import OPEN_FOR_MS
from wattline_collector.ledger.records import JOBS, MODELS, SERIES

_KEY = ["system", "job"]
_SERIES_MS = 3 * 86_400_000
"""Of a job that nobody counted for so long, its nodes are no longer told apart."""
_NEWEST = ("name", "kind", "project", "user", "state", "run")


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """What rows of counters tell of their jobs.

    Args:
        rows: Rows of table `job`, sorted by system, node, job and time.

    Returns:
        The columns of `records.JOBS` that they tell.
    """
    times = rows.group_by(_KEY).agg(
        pl.col("time_unix_ms").min().alias("start_ms"),
        pl.col("time_unix_ms").max().alias("seen_ms"),
        pl.col("time_unix_ms").min().alias("counted_from_ms"),
        pl.col("time_unix_ms").max().alias("counted_ms"),
    )
    course = course_of(rows)
    if course.is_empty():
        return times
    saved, step, time = pl.col("step_saved"), pl.col("step"), pl.col("time")
    steps = (
        course.group_by("job")
        .agg(
            step.max().alias("step_highest"),
            step.last().alias("step_last"),
            time.last().alias("stepped_ms"),
            pl.col("step_resumed").drop_nulls().first(),
            saved.max(),
            # Work is safe from when its step was committed, not from when it was written down.
            time.filter((step >= saved.max()) | (saved == saved.max())).min().alias("saved_ms"),
        )
        .unnest("job")
    )
    return times.join(steps, on=_KEY, how="left")


def course_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The course of each job's steps over all systems: `job` is a struct of `system` and `job`.

    Args:
        rows: Rows of table `job`, with the columns of steps at least.
    """
    return replay.steps_of(
        rows.select(
            pl.struct(_KEY).alias("job"), "node", pl.col("time_unix_ms").alias("time"),
            "step", "step_resumed", "step_saved", "steps_total",
        )
    )  # fmt: skip


def merge_jobs(known: pl.DataFrame, said: pl.DataFrame, *seen: pl.DataFrame) -> pl.DataFrame:
    """Add what was said of jobs, and when they were seen to run.

    Args:
        known: `records.JOBS`.
        said: Rows of table `job_info`.
        seen: Frames of `system`, `job` and any columns of `records.JOBS`: what was seen of them.
    """
    stated = said.select(
        *_KEY, *_NEWEST, pl.col("start_unix_ms").alias("start_ms"),
        pl.col("end_unix_ms").alias("end_ms"), pl.col("time_unix_ms").alias("stated_ms"),
        pl.col("time_unix_ms").alias("seen_ms"),
    )  # fmt: skip
    new = pl.concat([JOBS.to_frame(), stated, *seen], how="diagonal").select(JOBS.names())
    named = new.select(_KEY).unique()
    if named.is_empty():
        return known
    is_newest = pl.col("step_saved") == pl.col("step_saved").max()
    merged = (
        pl.concat([known.join(named, on=_KEY, how="semi"), new])
        .sort("stated_ms", nulls_last=False, maintain_order=True)
        .group_by(_KEY, maintain_order=True)
        .agg(
            *(pl.col(column).drop_nulls().last() for column in _NEWEST),
            pl.col("start_ms").min(),
            pl.col("end_ms").drop_nulls().last(),
            pl.col("stated_ms").max(),
            pl.col("seen_ms").max(),
            pl.col("counted_from_ms").min(),
            pl.col("counted_ms").max(),
            pl.col("accounted_ms").max(),
            pl.col("step_highest").max(),
            *(
                pl.col(column).filter(pl.col("stepped_ms") == pl.col("stepped_ms").max()).last()
                for column in ("step_last", "stepped_ms")
            ),
            pl.col("step_resumed")
            .sort_by("stepped_ms", nulls_last=True, maintain_order=True)
            .drop_nulls()
            .first(),
            pl.col("step_saved").max(),
            pl.col("saved_ms").filter(is_newest).min(),
            *(pl.col(column).drop_nulls().last() for column in ("step_kept", "kept_ms")),
        )
        .select(JOBS.names())
    )
    return pl.concat([known.join(named, on=_KEY, how="anti"), merged]).sort(_KEY)


def with_accounting(jobs: pl.DataFrame, accounting: pl.DataFrame) -> pl.DataFrame:
    """Let what schedulers account for stand before what agents saw.

    Args:
        jobs: `records.JOBS`.
        accounting: `jobs.condense.ACCOUNTED` of some or all jobs; those that are not known yet
            are added.
    """
    if accounting.is_empty():
        return jobs
    said = accounting.select(
        *_KEY,
        *(pl.col(name).alias(f"said_{name}") for name in ("name", "user", "state")),
        pl.col("account").alias("said_project"),
        *(pl.col(f"{name}_ms").alias(f"said_{name}_ms") for name in ("start", "end", "stated")),
    )
    mine = jobs.join(said.select(_KEY), on=_KEY, how="semi").join(
        said, on=_KEY, how="full", coalesce=True
    )
    is_over = pl.col("said_state").is_in(list(ENDED))
    # Accounting runs behind: that a job still runs is no news to an agent that saw it end.
    is_behind = ~is_over & (pl.col("said_stated_ms") < pl.col("stated_ms")).fill_null(False)
    believed = mine.with_columns(
        pl.coalesce("name", "said_name").alias("name"),
        pl.coalesce("said_project", "project").alias("project"),
        pl.coalesce("said_user", "user").alias("user"),
        pl.when(is_behind & pl.col("state").is_not_null())
        .then("state")
        .otherwise(pl.coalesce("said_state", "state"))
        .alias("state"),
        pl.coalesce("said_start_ms", "start_ms").alias("start_ms"),
        pl.coalesce("said_end_ms", "end_ms").alias("end_ms"),
        pl.when(pl.col("said_start_ms").is_not_null() & ~is_over)
        .then("said_stated_ms")
        .alias("accounted_ms"),
    )
    rest = jobs.join(said.select(_KEY), on=_KEY, how="anti")
    return pl.concat([rest, believed.select(JOBS.names())]).sort(_KEY)


def running_intervals(jobs: pl.DataFrame, system: str, now_ms: int) -> pl.DataFrame:
    """When each job of a system ran, as far as is known.

    Returns:
        `job`, `start`, `end`: a job that nobody said has ended ran until shortly after it was last
        heard of.
    """
    mine = jobs.filter((pl.col("system") == system) & pl.col("start_ms").is_not_null())
    heard = pl.max_horizontal("seen_ms", "accounted_ms") + OPEN_FOR_MS
    end = pl.coalesce("end_ms", heard)
    return mine.select(
        "job", pl.col("start_ms").alias("start"), pl.min_horizontal(end, now_ms).alias("end")
    ).filter(pl.col("end") > pl.col("start"))


def booked(jobs: pl.DataFrame) -> pl.DataFrame:
    """Jobs that anything but accounting knows: of the others no minute says anything.

    Args:
        jobs: `records.JOBS`.
    """
    return jobs.filter(pl.col("seen_ms").is_not_null())


def changed_runs(before: pl.DataFrame, after: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """Time in which it became known or was corrected that a job ran.

    Args:
        before: `records.JOBS` as they were known.
        after: As they are known now.
        now_ms: Up to when books are kept.

    Returns:
        `system`, `low`, `high` (ms).
    """
    heard = pl.max_horizontal("seen_ms", "accounted_ms") + OPEN_FOR_MS
    spans = [
        booked(jobs).select(
            *_KEY,
            pl.col("start_ms").alias("start"),
            pl.min_horizontal(pl.coalesce("end_ms", heard), now_ms).alias("end"),
        )
        for jobs in (before, after)
    ]
    both = spans[1].join(spans[0], on=_KEY, how="left", suffix="_was")
    edges = []
    for edge, other in (("start", "end"), ("end", "start")):
        # Of a job that was not known, all of its time is news.
        was = pl.coalesce(f"{edge}_was", other)
        edges.append(
            both.filter(pl.col(edge) != was).select(
                "system",
                pl.min_horizontal(edge, was).alias("low"),
                pl.max_horizontal(edge, was).alias("high"),
            )
        )
    return pl.concat(edges)


def merge_models(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add what jobs said of their models; of each job the newest statement counts.

    Args:
        known: `records.MODELS`.
        rows: Rows of table `job_model`.
    """
    if rows.is_empty():
        return known
    said = rows.rename({"time_unix_ms": "stated_ms"}).select(MODELS.names())
    return (
        pl.concat([known, said])
        .sort("stated_ms", maintain_order=True)
        .group_by(_KEY, maintain_order=True)
        .last()
        .select(MODELS.names())
        .sort(_KEY)
    )


def merge_series(known: pl.DataFrame, rows: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Add when each node counted for a job.

    Args:
        known: `records.SERIES`.
        rows: Rows of table `job`.
        jobs: `records.JOBS` as they were known before: of one that was counted and is not in
            `known`, any of its nodes may have counted since then.
    """
    if rows.is_empty():
        return known
    time = pl.col("time_unix_ms")
    said = rows.group_by(*_KEY, "node").agg(
        time.min().alias("counted_from_ms"), time.max().alias("counted_ms")
    )
    forgotten = (
        jobs.join(said.select(_KEY).unique(), on=_KEY, how="semi")
        .join(known, on=_KEY, how="anti")
        .select(*_KEY, pl.col("counted_from_ms").alias("earlier"))
    )
    said = said.join(forgotten, on=_KEY, how="left").with_columns(
        pl.min_horizontal("counted_from_ms", "earlier").alias("counted_from_ms")
    )
    merged = (
        pl.concat([known, said.select(SERIES.names())])
        .group_by(*_KEY, "node", maintain_order=True)
        .agg(pl.col("counted_from_ms").min(), pl.col("counted_ms").max())
    )
    newest = pl.col("counted_ms").max()
    return merged.filter(newest.over(_KEY) > newest - _SERIES_MS)
