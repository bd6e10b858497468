"""Queues of jobs: U07 and Q05, from the scheduler's accounting.

Names and formulas are XDMoD's, so that a site can check them against its own: wait per job is the
wait of all jobs that started over their number; user expansion factor is SUM(w x EF) / SUM(w) with
EF = (wait + run) / run and w the GPU-hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from wattline_collector.kpi.jobs import gpu_hours, run_ms, wait_ms

MS_PER_HOUR = 3_600_000
SIZES = (1, 4, 8, 32, 128, 512, 2048)
"""Where classes of size end, in GPUs: 1, 2-4, 5-8, ... and more than the last."""
LEAST_JOBS = 5
"""Jobs a group needs before its median is held against another's."""

WAITS = pl.Schema(
    {
        "jobs": pl.Int64, "mean_hours": pl.Float64, "median_hours": pl.Float64,
        "p95_hours": pl.Float64, "expansion": pl.Float64, "expansion_jobs": pl.Int64,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parity:
    """Q05: how far the median waits of groups of one user category are apart.

    Attributes:
        category: The category.
        value: The longest median over the shortest; None for under two groups, or where the
            shortest is nothing.
        longest: Group that waited longest, at the median.
        shortest: Group that waited least.
        longest_hours: Its median.
        shortest_hours: Its median.
        groups: Groups that are compared.
        left_out: Groups with too few jobs.
    """

    category: str
    value: float | None
    longest: str | None
    shortest: str | None
    longest_hours: float | None
    shortest_hours: float | None
    groups: int
    left_out: int


def size_class(edges: Sequence[int] = SIZES) -> pl.Expr:
    """The class of a job by its GPUs: `0`, `1`, `2-4`, ..., `>2048`; null where not known."""
    gpus = pl.col("gpus")
    lows = [1, *(edge + 1 for edge in edges)]
    named: pl.Expr = pl.when(gpus > edges[-1]).then(pl.lit(f">{edges[-1]}"))
    for low, edge in reversed(list(zip(lows, edges, strict=False))):
        label = str(edge) if edge == low else f"{low}-{edge}"
        named = pl.when(gpus <= edge).then(pl.lit(label)).otherwise(named)
    return pl.when(gpus == 0).then(pl.lit("0")).otherwise(named)


def waits(
    jobs: pl.DataFrame,
    *,
    start_ms: int,
    end_ms: int,
    by: Sequence[str] = (),
    since: str = "submit",
) -> pl.DataFrame:
    """U07: waits of jobs that started in a period, and expansion of those that ended in it.

    Args:
        jobs: `ACCOUNTED`, with whatever columns `by` names.
        start_ms: Start of the period.
        end_ms: Its end.
        by: Columns to split by; rows in which one is null are left out.
        since: What a wait begins with; see `jobs.wait_ms`.

    Returns:
        `by` and `WAITS`. Median (of an even number, between the two in the middle) and p95 (the
        least wait that 95 % were within) are exact. The expansion factor is null where no job with
        devices ran for any time.
    """
    begun = jobs.filter(pl.col("start_ms").is_between(start_ms, end_ms, closed="left"))
    waited = begun.with_columns((wait_ms(since) / MS_PER_HOUR).alias("wait")).filter(
        pl.col("wait").is_not_null()
    )
    wait = pl.col("wait")
    first = _grouped(
        waited, by, pl.len().cast(pl.Int64).alias("jobs"), wait.mean().alias("mean_hours"),
        wait.median().alias("median_hours"), _nearest_rank(wait, 0.95).alias("p95_hours"),
    )  # fmt: skip
    ended = jobs.filter(pl.col("end_ms").is_between(start_ms, end_ms, closed="right"))
    ran = ended.with_columns(
        (wait_ms(since) / MS_PER_HOUR).alias("wait"), (run_ms() / MS_PER_HOUR).alias("run"),
        gpu_hours().alias("weight"),
    ).filter(pl.col("run") > 0, pl.col("weight") > 0, pl.col("wait").is_not_null())  # fmt: skip
    factor = (wait + pl.col("run")) / pl.col("run")
    weight = pl.col("weight")
    second = _grouped(
        ran, by,
        pl.when(weight.sum() > 0).then((weight * factor).sum() / weight.sum()).alias("expansion"),
        pl.len().cast(pl.Int64).alias("expansion_jobs"),
    )  # fmt: skip
    if not by:
        return pl.concat([first, second], how="horizontal")
    both = first.join(second, on=list(by), how="full", coalesce=True)
    counts = [pl.col(name).fill_null(0) for name in ("jobs", "expansion_jobs")]
    return both.with_columns(counts).sort(by)


def parity(
    jobs: pl.DataFrame,
    *,
    start_ms: int,
    end_ms: int,
    least_jobs: int = LEAST_JOBS,
    since: str = "submit",
) -> list[Parity]:
    """Q05: the longest median wait of a group over the shortest, per user category.

    Council Regulation (EU) 2021/1173, Article 16(2): the quality of service is the same for all
    users within each user category.

    Args:
        jobs: `ACCOUNTED` with `category` and `group`, such as the organisation; rows in which
            one is null are left out.
        start_ms: Start of the period.
        end_ms: Its end.
        least_jobs: Jobs a group needs to be compared.
        since: What a wait begins with.
    """
    each = waits(jobs, start_ms=start_ms, end_ms=end_ms, by=["category", "group"], since=since)
    found = []
    for (category,), groups in each.filter(pl.col("jobs") > 0).group_by(
        "category", maintain_order=True
    ):
        kept = groups.filter(pl.col("jobs") >= least_jobs).sort("median_hours", "group")
        value = longest = shortest = long = short = None
        if kept.height >= 2:
            shortest, short = kept.select("group", "median_hours").row(0)
            longest, long = kept.select("group", "median_hours").row(-1)
            value = long / short if short > 0 else None
        found.append(
            Parity(str(category), value, longest, shortest, long, short, kept.height,
                   groups.height - kept.height)
        )  # fmt: skip
    return found


def _nearest_rank(value: pl.Expr, q: float) -> pl.Expr:
    # The hair under the product keeps 0.95 x 20 at 19.
    rank = (pl.len() * (q * (1 - 1e-12))).ceil().cast(pl.Int64)
    return value.sort().slice((rank - 1).clip(lower_bound=0), 1).first()


def _grouped(frame: pl.DataFrame, by: Sequence[str], *values: pl.Expr) -> pl.DataFrame:
    if not by:
        return frame.select(values)
    return frame.filter(pl.all_horizontal(pl.col(by).is_not_null())).group_by(by).agg(values)
