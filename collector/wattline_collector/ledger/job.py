"""What jobs made: reset-aware differences of their counters, booked to the minute.

A job's counters start at nought with the job, so that what it made before its first row arrived is
booked too. Ranks of one job that count on several nodes are added up; each node's counters are a
series of their own. Whole numbers stay whole: a minute gets the difference of the rounded counter
at its edges, so the minutes of a job add up to its last reading exactly.
"""

from __future__ import annotations

import polars as pl

from wattline_agents.catalogue import PHASES
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import JOB, MINUTE_MS

COUNTERS = {
    "tokens_trained": "tokens_trained_total",
    "tokens_prompt": "tokens_prompt_total",
    "tokens_prompt_cached": "tokens_prompt_cached_total",
    "tokens_generated": "tokens_generated_total",
    "steps": "steps_total",
    "samples": "samples_total",
    "requests": "requests_total",
    "flops": "flops_total",
    "requests_failed": "requests_failed_total",
    "requests_good": "requests_good_total",
    "checkpoints": "checkpoints_total",
}
"""Ledger column -> wire column."""

_PHASES = {f"phase_{phase}_ms": f"phase_{phase}_seconds_total" for phase in PHASES}

REPLAYED = {"tokens_trained": "tokens_replayed", "steps": "steps_replayed"}
"""What counts as made -> where it stands if it had been made before; see `replay`."""

MADE = (*COUNTERS, *_PHASES, *REPLAYED.values())
"""All that is booked of a job beside its time."""

TOKENS = ("tokens_trained", "tokens_prompt", "tokens_generated")
"""Kinds that add up to all tokens made; cached prompt tokens are part of the prompt's."""

COUNTED = (*TOKENS, "tokens_replayed")
"""And those that add up to what counters grew by."""


def increments(rows: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """Intervals between readings of a series, with how much each counter grew.

    Args:
        rows: `job`, `node`, `time` and the wire's counters, sorted by job, node and time.
        starts: `job`, `start`: when each job started, where known.

    Returns:
        `job`, `start`, `end` (later by a millisecond at least) and `MADE`: what was made in
        between; null where the job does not count that.
    """
    series = pl.struct("job", "node")
    first = (series != series.shift(1)).fill_null(True)
    changes = []
    for name, column in (COUNTERS | _PHASES).items():
        # A counter that a job does not use is null in all its rows; one that is sometimes left
        # out of a row has not changed in between.
        value = pl.col(column).forward_fill().over("job", "node")
        before = pl.when(first).then(0).otherwise(value.shift(1).over("job", "node").fill_null(0))
        # A counter that runs backwards began anew at nought.
        grown = pl.when(value < before).then(value).otherwise(value - before)
        changes.append((grown * 1000 if name in _PHASES else grown).alias(name))
    known = rows.join(starts, on="job", how="left", maintain_order="left")
    began = pl.min_horizontal(pl.col("start").fill_null(pl.col("time")), pl.col("time"))
    since = pl.when(first).then(began).otherwise(pl.col("time").shift(1))
    return known.select(
        "job",
        # A reading with no time since the one before (a job's first row at its very start) has
        # nothing to spread; what it says was made is booked to the moment before it.
        pl.min_horizontal(since, pl.col("time") - 1).alias("start"),
        pl.col("time").alias("end"),
        *changes,
        *(pl.lit(None, dtype=pl.Int64).alias(name) for name in REPLAYED.values()),
    )


def entries(
    window: Window, system: str, grown: pl.DataFrame, running: pl.DataFrame
) -> pl.DataFrame:
    """Book increments and running time to minutes.

    Args:
        window: What to book.
        system: Whose jobs they are.
        grown: What `increments` returned.
        running: `job`, `start`, `end`: when each job ran, as far as known.

    Returns:
        A frame of `schema.JOB`.
    """
    made = _by_minute(window, grown)
    ran = _running_by_minute(window, running)
    both = made.join(ran, on=["job", "minute"], how="full", coalesce=True)
    return (
        both.select(
            pl.lit(system).alias("system"),
            pl.col("minute").cast(JOB["minute"]),
            "job",
            pl.col("running_ms").fill_null(0),
            *MADE,
        )
        .sort("job", "minute")
        .cast(JOB)
    )


def _minutes(window: Window, frame: pl.DataFrame) -> pl.DataFrame:
    """One row per interval and minute it touches inside the window."""
    first = pl.max_horizontal(pl.col("start"), pl.lit(window.start_ms)) // MINUTE_MS * MINUTE_MS
    last = pl.min_horizontal(pl.col("end"), pl.lit(window.end_ms))
    return (
        frame.filter((pl.col("end") > window.start_ms) & (pl.col("start") < window.end_ms))
        .with_columns(pl.int_ranges(first, last, MINUTE_MS).alias("minute"))
        .explode("minute", empty_as_null=False)
        .drop_nulls("minute")
    )


def _by_minute(window: Window, grown: pl.DataFrame) -> pl.DataFrame:
    parts = _minutes(window, grown)
    length = pl.col("end") - pl.col("start")
    low = (pl.max_horizontal("minute", "start") - pl.col("start")) / length
    until = pl.min_horizontal(pl.col("minute") + MINUTE_MS, pl.col("end"), pl.lit(window.end_ms))
    high = (until - pl.col("start")) / length
    pieces = parts.select(
        "job",
        "minute",
        *(
            ((pl.col(name) * high).round() - (pl.col(name) * low).round()).alias(name)
            if JOB[name] == pl.Int64()
            else (pl.col(name) * (high - low)).alias(name)
            for name in MADE
        ),
    )
    return pieces.group_by("job", "minute").agg(
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)
        for name in MADE
    )


def _running_by_minute(window: Window, running: pl.DataFrame) -> pl.DataFrame:
    parts = _minutes(window, running)
    overlap = pl.min_horizontal(
        pl.col("minute") + MINUTE_MS, pl.col("end"), pl.lit(window.end_ms)
    ) - pl.max_horizontal("minute", "start")
    return parts.group_by("job", "minute").agg(overlap.sum().alias("running_ms"))


def metered(window: Window, grown: pl.DataFrame) -> pl.DataFrame:
    """Tokens by the counters themselves, for the control: edges of the window interpolated.

    Returns:
        `job`, `metered_tokens`.
    """
    length = pl.col("end") - pl.col("start")
    inside = grown.filter(
        (pl.col("end") > window.start_ms) & (pl.col("start") < window.end_ms)
    ).with_columns(
        ((pl.max_horizontal("start", pl.lit(window.start_ms)) - pl.col("start")) / length).alias(
            "low"
        ),
        ((pl.min_horizontal("end", pl.lit(window.end_ms)) - pl.col("start")) / length).alias(
            "high"
        ),
    )
    return inside.group_by("job").agg(
        pl.sum_horizontal(
            (pl.col(name).fill_null(0) * pl.col("high")).round()
            - (pl.col(name).fill_null(0) * pl.col("low")).round()
            for name in COUNTED
        )
        .sum()
        .cast(pl.Int64)
        .alias("metered_tokens")
    )
