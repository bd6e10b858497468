"""Latency of services, from the buckets their engines keep: means exactly, quantiles by bucket.

Of a quantile an engine's histogram tells the bucket it lies in and no more. So it is given as that
bucket's two bounds; a quantile beyond the last bound is said to be just that. Buckets of several
engines add up where their bounds are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

Bucket = tuple[float | None, float]
"""Upper bound, seconds (None: no bound, all of them), and how many were at most that long."""

_SERIES = ["system", "node", "job", "engine", "kind", "le_seconds"]
_COUNT, _SECONDS = "latency_count_total", "latency_seconds_total"


@dataclass(frozen=True, slots=True)
class Quantile:
    """Where a quantile lies, as far as buckets tell.

    Attributes:
        low: It is longer than that, seconds.
        high: It is at most that, seconds; None where no bucket ends beyond it.
    """

    low: float
    high: float | None

    @property
    def is_beyond(self) -> bool:
        """Whether it lies beyond the last bucket that ends."""
        return self.high is None

    def __str__(self) -> str:
        """As people read it: `0.5-0.75 s`, `> 30 s`."""
        if self.high is None:
            return f"> {self.low:g} s"
        return f"{self.low:g}-{self.high:g} s" if self.low > 0 else f"<= {self.high:g} s"


def quantile(buckets: Iterable[Bucket], q: float) -> Quantile | None:
    """The bucket in which a quantile lies; None if there was nothing.

    It is the least bound that at least q of all were within.

    Args:
        buckets: Cumulative, of one histogram; order does not matter.
        q: Which, above 0 and at most 1.

    Raises:
        ValueError: There is no such quantile.
    """
    if not 0 < q <= 1:
        raise ValueError(f"not a quantile above 0 and up to 1: {q}")
    ordered = sorted((math.inf if bound is None else bound, count) for bound, count in buckets)
    if not ordered or ordered[-1][1] <= 0:
        return None
    wanted = q * ordered[-1][1]
    low = 0.0
    for bound, count in ordered:
        if math.isinf(bound):
            break
        # A product such as 0.9 * 10 is a hair above 9.
        if count >= wanted * (1 - 1e-12):
            return Quantile(low, bound)
        low = bound
    return Quantile(low, None)


def mean_seconds(seconds: float | None, count: float | None) -> float | None:
    """The mean of a histogram, from its sum and its count; None if there was nothing."""
    return None if seconds is None or not count else seconds / count


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """What engines counted in all, as each said last; engines of one job added up.

    Args:
        rows: Of table `latency`, as a store gives them.

    Returns:
        `system`, `job`, `kind`, `le_seconds` (null: no bound), `count`, `seconds`.
    """
    last = rows.sort("time_unix_ms").group_by(_SERIES, maintain_order=True).last()
    return _added(last.rename({_COUNT: "count", _SECONDS: "seconds"}))


def buckets(histograms: pl.DataFrame, job: str, kind: str) -> tuple[Bucket, ...]:
    """The buckets of one job's latency of one kind, from what `newest` returned."""
    mine = histograms.filter((pl.col("job") == job) & (pl.col("kind") == kind))
    return tuple(mine.select("le_seconds", "count").iter_rows())


def total(histograms: pl.DataFrame, job: str, kind: str) -> tuple[float | None, float | None]:
    """Sum, in seconds, and count of one job's latency of one kind; None where not known."""
    mine = histograms.filter(
        (pl.col("job") == job) & (pl.col("kind") == kind) & pl.col("le_seconds").is_null()
    )
    return (None, None) if mine.is_empty() else mine.select("seconds", "count").row(0)


def _added(frame: pl.DataFrame) -> pl.DataFrame:
    """Engines of a job added up, at the bounds that all of them have."""
    whole = ["system", "job", "kind"]
    engines = pl.struct("node", "engine").n_unique()
    of_all = frame.group_by(whole).agg(engines.alias("engines"))
    known = pl.col("seconds")
    return (
        frame.group_by([*whole, "le_seconds"])
        .agg(
            pl.col("count").sum(),
            pl.when(known.is_not_null().all()).then(known.sum()),
            engines.alias("having"),
        )
        .join(of_all, on=whole)
        .filter(pl.col("having") == pl.col("engines"))
        .select(*whole, "le_seconds", "count", "seconds")
        .sort(*whole, "le_seconds", nulls_last=True)
    )
