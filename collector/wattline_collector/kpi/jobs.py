"""What KPIs take from a row of accounting: how long a job waited and ran, with how much."""

from __future__ import annotations

import polars as pl

MS_PER_HOUR = 3_600_000
_MS_PER_SECOND = 1000


def run_ms(start_ms: int | None = None, end_ms: int | None = None) -> pl.Expr:
    """How long a job ran, milliseconds; null where that is not known.

    Args:
        start_ms: Only from here.
        end_ms: Only up to here; a job that has no end ran up to when its scheduler last spoke of
            it, or up to here where that is not known.

    Returns:
        Over columns of `ACCOUNTED`. Time in which a job was suspended is taken off by the share of
        the job that is in the period: when it was, accounting does not say.
    """
    start, end = pl.col("start_ms"), pl.col("end_ms")
    if end_ms is not None:
        end = pl.coalesce(end, "stated_ms", pl.lit(end_ms))
    whole = end - start
    first = start if start_ms is None else pl.max_horizontal(start, pl.lit(start_ms))
    last = end if end_ms is None else pl.min_horizontal(end, pl.lit(end_ms))
    inside = (last - first).clip(lower_bound=0)
    suspended = pl.col("suspended_seconds").fill_null(0) * _MS_PER_SECOND
    ran = (1 - (suspended / whole)).clip(lower_bound=0)
    known = start.is_not_null() & end.is_not_null()
    return pl.when(known).then(pl.when(whole > 0).then(inside * ran).otherwise(0.0))


def gpu_hours(start_ms: int | None = None, end_ms: int | None = None) -> pl.Expr:
    """Devices a job had, times how long; null where either is not known."""
    return run_ms(start_ms, end_ms) * pl.col("gpus") / MS_PER_HOUR


def wait_ms(since: str = "submit") -> pl.Expr:
    """How long a job waited, milliseconds; null where it never started.

    Args:
        since: `submit`, as XDMoD counts it, or `eligible`: since only the queue held it back.

    Raises:
        ValueError: Neither of the two.
    """
    if since not in ("submit", "eligible"):
        raise ValueError(f"a job waits since submit or eligible, not {since!r}")
    return (pl.col("start_ms") - pl.col(f"{since}_ms")).clip(lower_bound=0)
