"""Jobs that were interrupted, by what schedulers account for: A04 and A07."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.buckets import buckets
from wattline_collector.kpi.declare import TIME
from wattline_collector.kpi.poisson import count_interval
from wattline_collector.kpi.reliability import JobMtti, interruptions, of_sums, outcomes
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View

_METHOD = "accounting"


def job_time_between(view: View, by: list[str]) -> pl.DataFrame:
    """A04: time jobs ran between two interruptions by the infrastructure; per 1,000 GPUs too.

    Interruptions are taken to come independently, so their count is Poisson's: the interval is that
    of its mean with 95 %.
    """
    keys = [*by, "per"]
    if view.accounted.is_empty():
        return lacking.unknown(keys, lacking.ACCOUNTING)
    wanted = [name for name in by if name not in TIME]
    rows = [
        row
        for bucket in buckets(by, *view.bounds_ms, view.zone)
        for *values, n, hours, devices in interruptions(
            view.accounted, start_ms=bucket.start_ms, end_ms=bucket.end_ms, by=wanted
        ).iter_rows()
        for row in _of_jobs(
            {**dict(zip(wanted, values, strict=True)), **bucket.names}, of_sums(n, hours, devices)
        )
    ]
    if not rows:
        return lacking.unknown(keys, "no job with devices ran in this period")
    return shaped(pl.DataFrame(rows, infer_schema_length=None), keys)


def job_outcomes(view: View, by: list[str]) -> pl.DataFrame:
    """A07: GPU-hours of jobs that ended in the period, by why they ended, over all of them."""
    keys = [*by, "cause"]
    if view.accounted.is_empty():
        return lacking.unknown(keys, lacking.ACCOUNTING)
    wanted = [name for name in by if name not in TIME]
    with_devices = view.accounted.filter(pl.col("gpus") > 0)
    found = []
    for bucket in buckets(by, *view.bounds_ms, view.zone):
        ended = outcomes(with_devices, start_ms=bucket.start_ms, end_ms=bucket.end_ms, by=wanted)
        total = pl.col("gpu_hours").sum()
        found.append(
            ended.select(
                *wanted, *(pl.lit(word).alias(name) for name, word in bucket.names.items()),
                "cause", pl.col("gpu_hours").alias("numerator"),
                (total.over(wanted) if wanted else total).alias("denominator"),
                pl.col("jobs").alias("n"), pl.lit(_METHOD).alias("method"),
            )
        )  # fmt: skip
    rows = pl.concat(found) if found else pl.DataFrame()
    if rows.is_empty():
        return lacking.unknown(keys, "no job with devices ended in this period")
    return shaped(rows, keys)


def _of_jobs(names: dict[str, object], found: JobMtti) -> list[dict[str, object]]:
    if not found.job_hours:
        return []
    least, most = count_interval(found.interrupts)
    rows = []
    for per, hours in (("job", found.job_hours), ("1000_gpus", found.device_hours / 1000)):
        note = None
        if not found.interrupts:
            bound = (found.at_least_hours or 0.0) * hours / found.job_hours
            note = (
                f"the infrastructure interrupted no job in {hours:,.4g} h: with 95 % confidence "
                f"the mean is over {bound:,.3g} h"
            )
        rows.append(
            names | {
                "per": per, "numerator": hours, "denominator": float(found.interrupts),
                "n": found.interrupts, "method": f"{_METHOD}, Poisson interval", "note": note,
                "low": hours / most, "high": hours / least if least else None,
            }
        )  # fmt: skip
    return rows
