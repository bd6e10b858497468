"""E08: what checkpoints cost, and how far their interval is from the best one.

tau is the time between checkpoints, delta what one takes, M the job's mean time to interruption.
Young, "A first order approximation to the optimum checkpoint interval", CACM 17 (1974), and Daly,
"A higher order estimate of the optimum checkpoint interval for restart dumps", FGCS 22 (2006): the
best tau is about sqrt(2 delta M) while delta is small against M.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

HOLDS_UNDER = 0.5
"""The approximation is for delta under M / 2 (Daly 2006, where he changes to tau = M)."""
LEAST_INTERRUPTIONS = 3
"""Fewer than this tell no rate: one failure in a quiet month may be chance."""
ENDED_BY_NODE = ("node_fail", "boot_fail")
"""States of jobs that a node's failure ended."""


@dataclass(frozen=True, slots=True)
class NodeMtti:
    """How long one node runs between two failures that end a job: the first over the second.

    A job of n nodes is interrupted n times as often.

    Attributes:
        node_seconds: Node time of jobs; or what the site states.
        interruptions: In how many of them a node ended the job; 1 where the site states it.
        method: Who says so.
    """

    node_seconds: float
    interruptions: int
    method: str

    def of_job(self, nodes: float) -> float:
        """M of a job of so many nodes, seconds."""
        return self.node_seconds / self.interruptions / nodes


def node_mtti(
    stated_hours: float | None, node_seconds: float, interruptions: int
) -> NodeMtti | None:
    """How long a node runs between interruptions; None where too few are known to tell.

    Args:
        stated_hours: What the site says; it is believed.
        node_seconds: Node time that jobs of the system ran.
        interruptions: Of these jobs, how many a node's failure ended.
    """
    if stated_hours is not None:
        return NodeMtti(stated_hours * 3600, 1, "the site's word")
    if interruptions < LEAST_INTERRUPTIONS:
        return None
    return NodeMtti(node_seconds, interruptions, "jobs of this system that a node ended")


def interrupted(accounting: pl.DataFrame, until_ms: int) -> pl.DataFrame:
    """How often nodes of each system failed under a job, and in how much node time.

    Args:
        accounting: `condense.ACCOUNTED`.
        until_ms: A job that has no end runs up to here.

    Returns:
        `system`, `interruptions`, `node_ms`.
    """
    length = pl.coalesce("end_ms", pl.lit(until_ms)) - pl.col("start_ms")
    return (
        accounting.filter(pl.col("start_ms").is_not_null())
        .group_by("system")
        .agg(
            pl.col("state").is_in(ENDED_BY_NODE).sum().cast(pl.Int64).alias("interruptions"),
            (length.clip(lower_bound=0) * pl.col("nodes").fill_null(1)).sum().alias("node_ms"),
        )
    )


def best_interval(save: pl.Expr, mtti: pl.Expr) -> pl.Expr:
    """The best time between checkpoints, sqrt(2 delta M); null where the approximation ends.

    Args:
        save: delta.
        mtti: M, in the same unit.
    """
    return pl.when((mtti > 0) & (save < HOLDS_UNDER * mtti)).then((2 * save * mtti).sqrt())


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Checkpoints of a job against the best they could be.

    Attributes:
        interval_seconds: tau.
        save_seconds: delta.
        mtti_seconds: M; None where it is not known.
        overhead: delta / tau.
        best_seconds: The best tau; None without M.
        interval_over_best: tau over it; above 1: too seldom, below 1: too often.
        lost: Share of the time that goes to saving and to work done again, delta / tau + tau / 2M,
            first order; None without M.
        lost_at_best: The same at the best interval.
        note: Where the approximation ends.
    """

    interval_seconds: float
    save_seconds: float
    mtti_seconds: float | None
    overhead: float
    best_seconds: float | None = None
    interval_over_best: float | None = None
    lost: float | None = None
    lost_at_best: float | None = None
    note: str = ""


def checkpoints(
    interval_seconds: float | None, save_seconds: float | None, mtti_seconds: float | None = None
) -> Checkpoints | None:
    """E08 of a job; None where interval or time to save are not known.

    Args:
        interval_seconds: Between the ends of two checkpoints.
        save_seconds: That training stands still for one; of a checkpoint saved in the background,
            only that.
        mtti_seconds: Mean time to interruption of a job of that size, from A04.

    Raises:
        ValueError: A time is negative, or the interval is none.
    """
    if interval_seconds is None or save_seconds is None:
        return None
    given = (interval_seconds, save_seconds, 1.0 if mtti_seconds is None else mtti_seconds)
    if not all(map(math.isfinite, given)) or interval_seconds <= 0 or min(given) < 0:
        raise ValueError(f"not times of checkpoints: {given}")
    overhead = save_seconds / interval_seconds
    if not mtti_seconds:
        return Checkpoints(interval_seconds, save_seconds, None, overhead)
    best = pl.select(best_interval(pl.lit(float(save_seconds)), pl.lit(float(mtti_seconds)))).item()
    if best is None:
        note = "a checkpoint takes as long as half the time between interruptions: no best interval"
        return Checkpoints(interval_seconds, save_seconds, mtti_seconds, overhead, note=note)
    return Checkpoints(
        interval_seconds,
        save_seconds,
        mtti_seconds,
        overhead,
        best_seconds=best,
        interval_over_best=interval_seconds / best if best else None,
        lost=overhead + interval_seconds / (2 * mtti_seconds),
        lost_at_best=(save_seconds / best + best / (2 * mtti_seconds)) if best else 0.0,
        note="" if best else "checkpoints take no time: the more, the better",
    )
