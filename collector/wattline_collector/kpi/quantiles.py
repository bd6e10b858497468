"""Quantiles: exact from values, by bucket from histograms that can be added up.

A quantile is the least value that at least q of all are within (the nearest rank): one that was
seen, and the same for a histogram, of which it tells the bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import polars as pl

from wattline_collector.kpi.latency import Quantile, quantile

GROWTH = 2 ** (1 / 8)
"""Each bucket ends 9.05 % above the one before: so wide is what a quantile is told with."""
LEAST = 1.0
"""Bound of the first bucket; what is not above it is one."""
BUCKETS = pl.Schema({"bucket": pl.Int64, "count": pl.Int64})


def exact(values: Sequence[float], q: float) -> float | None:
    """The q-quantile of values in any order; None if there is none.

    Raises:
        ValueError: There is no such quantile.
    """
    if not 0 < q <= 1:
        raise ValueError(f"not a quantile above 0 and up to 1: {q}")
    if not values:
        return None
    # A product such as 0.95 * 20 is a hair above 19.
    rank = math.ceil(q * len(values) * (1 - 1e-12))
    return sorted(values)[max(rank, 1) - 1]


def median(values: Sequence[float]) -> float | None:
    """The median: of an even number, the middle of the two in the middle; None if there is none."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return None
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def histogram(values: pl.Series) -> pl.DataFrame:
    """Count values by bucket: bucket k holds those above GROWTH^(k-1) and up to GROWTH^k.

    Args:
        values: Not below 0; nulls are left out.

    Returns:
        `BUCKETS`; bucket 0 holds all up to 1.
    """
    known = values.drop_nulls().cast(pl.Float64)
    # Half a millionth of a bucket, so that a bound is in the bucket that it ends.
    index = (known.clip(lower_bound=LEAST).log(GROWTH) - 5e-7).ceil().cast(pl.Int64)
    counted = pl.DataFrame({"bucket": index.clip(lower_bound=0)}).group_by("bucket").len("count")
    return counted.cast(BUCKETS).sort("bucket")


def merged(histograms: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Histograms added up, in any order and grouping."""
    frames = [BUCKETS.to_frame(), *histograms]
    return pl.concat(frames).group_by("bucket").agg(pl.col("count").sum()).sort("bucket")


def of_histogram(buckets: pl.DataFrame, q: float) -> Quantile | None:
    """The bounds between which a quantile lies; None if there was nothing.

    Args:
        buckets: `BUCKETS`.
        q: Which, above 0 and at most 1.
    """
    below = 0
    cumulative: list[tuple[float | None, float]] = []
    last = 0
    for index, count in buckets.sort("bucket").iter_rows():
        if index > last:  # empty buckets between: the quantile is not in them
            cumulative.append((bound(index - 1), below))
        below, last = below + count, index + 1
        cumulative.append((bound(index), below))
    return quantile(cumulative, q)


def bound(index: int) -> float:
    """Where a bucket ends."""
    return LEAST * GROWTH**index
