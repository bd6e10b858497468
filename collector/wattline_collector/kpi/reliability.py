"""Reliability as jobs see it: A04 and A07, from the scheduler's accounting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from wattline_collector.kpi.jobs import gpu_hours, run_ms

MS_PER_HOUR = 3_600_000

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "completed": "ok",
        "failed": "user",
        "cancelled": "user",
        "out_of_memory": "user",
        "timeout": "timeout",
        "deadline": "timeout",
        "preempted": "preempt",
        "requeued": "preempt",
        "node_fail": "infra",
        "boot_fail": "infra",
    }
)
"""What a state that a job ended in says of its cause. `failed` may hide a broken device; a cause
found by other means, such as an XID, goes before it."""
INFRASTRUCTURE = "infra"
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class JobMtti:
    """A04: mean time to interruption of jobs.

    Attributes:
        interrupts: Jobs that the infrastructure ended.
        job_hours: Hours that jobs ran.
        device_hours: GPU-hours that jobs ran.
        hours: Job-hours over interrupts; None if there was none.
        per_thousand_hours: GPU-hours over interrupts and 1,000: how long a job of 1,000 GPUs runs
            between two, if interrupts come by the device; None as above.
        at_least_hours: Where there was no interrupt: what the mean is over with 95 % confidence.
    """

    interrupts: int
    job_hours: float
    device_hours: float
    hours: float | None
    per_thousand_hours: float | None
    at_least_hours: float | None


def job_mtti(
    jobs: pl.DataFrame, *, start_ms: int, end_ms: int, causes: pl.DataFrame | None = None
) -> JobMtti:
    """A04 of the jobs that ran in a period.

    Sources: Kokolis et al., arXiv 2410.21680 (interruptions by the device); the lower bound without
    interrupts is that of a Poisson process, time over ln 20.

    Args:
        jobs: `ACCOUNTED`; jobs without devices are left out.
        start_ms: Start of the period.
        end_ms: Its end; a job that still runs counts up to it.
        causes: `system`, `job`, `cause`: what is known better than by the job's state.
    """
    sums = interruptions(jobs, start_ms=start_ms, end_ms=end_ms, causes=causes)
    n, hours, devices = sums.row(0)
    return of_sums(n, hours, devices)


def of_sums(n: int, hours: float, devices: float) -> JobMtti:
    """The same of what `interruptions` adds up."""
    return JobMtti(
        interrupts=n,
        job_hours=hours,
        device_hours=devices,
        hours=hours / n if n else None,
        per_thousand_hours=devices / 1000 / n if n else None,
        at_least_hours=None if n or not hours else hours / -math.log(1 - _CONFIDENCE),
    )


def interruptions(
    jobs: pl.DataFrame, *, start_ms: int, end_ms: int, by: Sequence[str] = (),
    causes: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """What A04 is made of, for many groups of jobs at once.

    Args:
        jobs: `ACCOUNTED`, with the columns of `by`; jobs without devices are left out.
        start_ms: Start of the period.
        end_ms: Its end.
        by: Columns to split by; without any there is one row.
        causes: As above.

    Returns:
        `by`, `interrupts`, `job_hours` and `device_hours`.
    """
    ran = _ended(jobs, start_ms, end_ms, causes)
    in_period = pl.col("end_ms").is_between(start_ms, end_ms, closed="right")
    sums = (
        (in_period & (pl.col("cause") == INFRASTRUCTURE)).sum().cast(pl.Int64).alias("interrupts"),
        (pl.col("run_ms") / MS_PER_HOUR).sum().cast(pl.Float64).alias("job_hours"),
        pl.col("gpu_hours").sum().cast(pl.Float64).alias("device_hours"),
    )
    return ran.group_by(by, maintain_order=True).agg(sums) if by else ran.select(sums)


def outcomes(
    jobs: pl.DataFrame, *, start_ms: int, end_ms: int, by: Sequence[str] = (),
    causes: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """A07: GPU-hours by how their jobs ended.

    Args:
        jobs: `ACCOUNTED`.
        start_ms: Start of the period.
        end_ms: Its end; jobs that ended in the period count, whole.
        by: Columns to split by.
        causes: `system`, `job`, `cause`, as above.

    Returns:
        `by`, `cause` (ok, user, infra, timeout, preempt, other), `jobs`, `gpu_hours` and `share`
        (of all of them; null if there were none), by cause. Jobs whose devices are not known are in
        `jobs`.
    """
    ended = jobs.filter(pl.col("end_ms").is_between(start_ms, end_ms, closed="right"))
    whole = ended.with_columns(gpu_hours().alias("gpu_hours"), _cause(ended, causes))
    total = pl.col("gpu_hours").sum()
    if by:
        total = total.over(by)
    return (
        whole.group_by(*by, "cause")
        .agg(pl.len().alias("jobs"), pl.col("gpu_hours").sum())
        .with_columns(pl.when(total > 0).then(pl.col("gpu_hours") / total).alias("share"))
        .sort(*by, "cause")
    )


def _ended(
    jobs: pl.DataFrame, start_ms: int, end_ms: int, causes: pl.DataFrame | None
) -> pl.DataFrame:
    ran = jobs.filter(pl.col("gpus") > 0).with_columns(run_ms(start_ms, end_ms).alias("run_ms"))
    ran = ran.filter(pl.col("run_ms") > 0)
    hours = pl.col("run_ms") * pl.col("gpus") / MS_PER_HOUR
    return ran.with_columns(hours.alias("gpu_hours"), _cause(ran, causes))


def _cause(jobs: pl.DataFrame, causes: pl.DataFrame | None) -> pl.Series:
    by_state = jobs.select(
        "system", "job",
        pl.col("state").replace_strict(dict(OUTCOMES), default="other", return_dtype=pl.String)
        .alias("cause"),
    )  # fmt: skip
    if causes is None:
        return by_state["cause"]
    known = causes.select("system", "job", pl.col("cause").alias("known")).unique(
        ["system", "job"], keep="first"
    )
    both = by_state.join(known, on=["system", "job"], how="left", maintain_order="left")
    return both.select(pl.coalesce("known", "cause").alias("cause"))["cause"]
