"""Sizes of jobs: U06 capability usage, and U09 job size weighted by GPU-hours.

A job is as large as the devices its scheduler gave it; where no scheduler tells, as those that it
was seen to hold. Its hours are its access time.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.access_time import access_time, book, covered
from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import View

CAPABILITY_SHARE = 0.20
"""A capability job has at least this share of the system's devices (DOE operational assessments);
a profile may tell another (`capability_share` of a system)."""

_JOB = ["system", "job"]
_HOURS = pl.col("gpu_hours")
_SIZE = pl.col("gpus")


def capability_usage(view: View, by: list[str]) -> pl.DataFrame:
    """U06: GPU-hours in jobs of at least a fifth of the system's devices, over all GPU-hours."""
    _, high = view.bounds_ms
    devices = (
        view.inventory.filter(
            pl.col("kind") == "device",
            pl.col("from_ms") < high,
            pl.coalesce("until_ms", pl.lit(high)) >= high,
        )
        .group_by("system")
        .agg(pl.len().alias("devices"))
    )
    systems = {} if view.profile is None else view.profile.systems
    told = {name: one.capability_share for name, one in systems.items()}
    share = pl.col("system").replace_strict(told, default=CAPABILITY_SHARE, return_dtype=pl.Float64)
    large = _SIZE >= share * pl.col("devices") * (1 - 1e-12)
    known = _sized(view, by).join(devices, on="system", how="left").filter(large.is_not_null())
    found = grouped(
        known.with_columns(large.alias("is_large")),
        by,
        numerator=_summed(_HOURS.filter(pl.col("is_large")).sum()),
        denominator=_summed(_HOURS.sum()),
        n=pl.struct(_JOB).n_unique(),
        method=book(),
    )
    return shaped(covered(found, view, by), by)


def weighted_size(view: View, by: list[str]) -> pl.DataFrame:
    """U09: SUM(devices x GPU-hours) / SUM(GPU-hours), as XDMoD weighs it."""
    found = grouped(
        _sized(view, by),
        by,
        numerator=_summed((_SIZE * _HOURS).sum()),
        denominator=_summed(_HOURS.sum()),
        n=pl.struct(_JOB).n_unique(),
        method=book(),
    )
    return shaped(covered(found, view, by), by)


def _sized(view: View, by: list[str]) -> pl.DataFrame:
    """`access_time` with the devices of each job in `gpus`; jobs without hours left out."""
    told = view.accounted.filter(pl.col("gpus") > 0).select(*_JOB, "gpus")
    seen = (
        view.assigned.lazy()
        .filter(pl.col("job").is_not_null())
        .group_by(_JOB)
        .agg(pl.col("device").n_unique().cast(pl.Int64).alias("_seen"))
        .collect()
    )
    return (
        access_time(view, by)
        .filter(_HOURS > 0)
        .join(told, on=_JOB, how="left")
        .join(seen, on=_JOB, how="left")
        .with_columns(pl.coalesce("gpus", "_seen").alias("gpus"))
        .drop("_seen")
    )


def _summed(value: pl.Expr) -> pl.Expr:
    """Null where no job ran: no hours are no answer."""
    return pl.when(_HOURS.sum() > 0).then(value)
