"""How long requests took: the histograms of engines, added up per hour and job.

Buckets stay buckets, so that hours, engines and jobs can be added and a quantile is read from the
sum. An increase counts in the hour of the reading that shows it.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger import device
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import HOUR_MS, LATENCY, TIME

_HISTOGRAM = ["job", "node", "engine", "kind"]
_SERIES = [*_HISTOGRAM, "le_seconds"]


def entries(window: Window, system: str, rows: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """Book what the histograms grew by.

    A histogram that is first seen within a quarter of an hour of its job's start counts from
    nought; of one that was silent for longer the next reading only says where it stands. One of
    whose buckets any runs backwards began anew, as a whole. Engines of a job whose bounds differ
    are added up at the bounds that all of them have.

    Args:
        window: What to book.
        system: Whose jobs they are.
        rows: Rows of table `latency` in what is looked at, sorted by the table's key and time.
        starts: `job`, `start`: when each job started, where known.

    Returns:
        A frame of `schema.LATENCY`.
    """
    if rows.is_empty():
        return LATENCY.to_frame()
    time = pl.col("time_unix_ms")
    count, seconds = pl.col("latency_count_total"), pl.col("latency_seconds_total")
    first = pl.struct(_SERIES).is_first_distinct()
    since = pl.when(first).then("start").otherwise(time.shift(1))
    # Whatever is nearer than the look is in sight, however much of the time around it is booked.
    is_near = (time - since <= device.LOOK_MS).fill_null(False)
    known = rows.join(starts, on="job", how="left", maintain_order="left").with_columns(
        pl.when(is_near & first).then(0).when(is_near).then(count.shift(1)).alias("count_before"),
        pl.when(is_near & first).then(0.0).when(is_near).then(seconds.shift(1))
        .alias("seconds_before"),
    ).with_columns(
        (count < pl.col("count_before")).any().over(*_HISTOGRAM, "time_unix_ms").alias("is_anew")
    )  # fmt: skip
    inside = known.filter((time > window.start_ms) & (time <= window.end_ms)).with_columns(
        ((time - 1) // HOUR_MS * HOUR_MS).cast(TIME).alias("hour"),
        *(
            pl.when("is_anew").then(value).otherwise(value - pl.col(f"{name}_before")).alias(name)
            for name, value in (("count", count), ("seconds", seconds))
        ),
    )
    of_engine = (
        inside.filter(pl.col("count").is_not_null())
        .group_by("hour", *_SERIES)
        .agg(
            pl.col("count").sum(),
            pl.when(pl.col("seconds").is_not_null().any()).then(pl.col("seconds").sum()),
        )
        .with_columns(
            pl.struct("node", "engine").n_unique().over("hour", "job", "kind").alias("engines")
        )
    )
    bucket = ["hour", "job", "kind", "le_seconds"]
    return (
        of_engine.group_by(bucket)
        .agg(
            pl.col("count").sum(),
            pl.when(pl.col("seconds").is_not_null().any()).then(pl.col("seconds").sum()),
            (pl.len() == pl.col("engines").first()).alias("is_common"),
        )
        .filter("is_common")
        .with_columns(pl.lit(system).alias("system"))
        .select(LATENCY.names())
        .sort(*bucket, nulls_last=True)
        .cast(LATENCY)
    )
