"""Energy: what jobs used, what they made with it, and whether it adds up (S10, S12, S14)."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.production import all_tokens, counting_jobs
from wattline_collector.kpi.sums import grouped, ratio, shaped, total
from wattline_collector.kpi.view import JOULES_PER_KWH, View


def job_energy(view: View, by: list[str]) -> pl.DataFrame:
    """S12: energy booked to jobs."""
    found = grouped(
        view.energy.filter(pl.col("job").is_not_null()),
        by,
        numerator=total("joules"),
        n=pl.struct("system", "job").n_unique(),
        coverage=ratio(pl.col("known_ms").sum(), pl.col("device_ms").sum()),
        method=_method(),
    )
    return shaped(found, by)


def tokens_per_joule(view: View, by: list[str]) -> pl.DataFrame:
    """S10: tokens over the energy of the jobs that count them.

    A job's tokens count by the share of its time whose energy is known: tokens made while no meter
    was read, over joules that are therefore missing, would make a job look better than it is.
    """
    counting = counting_jobs(view)
    key = ["system", "job"]
    each = list(dict.fromkeys([*by, *key]))
    made = grouped(
        view.job.with_columns(all_tokens().alias("tokens")).join(counting, on=key, how="semi"),
        each,
        tokens=total("tokens"),
    )
    of_jobs = view.energy.filter(pl.col("job").is_not_null())
    used = grouped(
        of_jobs.join(counting, on=key, how="semi"),
        each,
        joules=total("joules"),
        known_ms=pl.col("known_ms").sum(),
        device_ms=pl.col("device_ms").sum(),
        method=_method(),
    )
    known, device = pl.col("known_ms"), pl.col("device_ms")
    found = grouped(
        made.join(used, on=each, how="left"),
        by,
        numerator=_total(pl.col("tokens") * known / device),
        denominator=total("joules"),
        n=pl.struct(key).n_unique(),
        coverage=ratio(known.sum(), device.sum()),
        method=pl.col("method").drop_nulls().unique().sort().str.join("; "),
    )
    left_out = of_jobs.join(counting, on=key, how="anti")
    note = None
    if left_out.height and not by:
        jobs, kwh = left_out.select(key).unique().height, left_out["joules"].sum() / JOULES_PER_KWH
        note = f"{jobs} jobs that count no tokens are left out, with {kwh:.4g} kWh"
    return shaped(found.with_columns(pl.lit(note, dtype=pl.String).alias("note")), by)


def _total(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_not_null().any()).then(value.sum())


def _method() -> pl.Expr:
    known = pl.col("joules").is_not_null()
    said = pl.concat_str(
        pl.col("method").filter(known).drop_nulls().unique().sort().str.join(" + "),
        pl.lit(", "),
        pl.col("boundary").filter(known).unique().sort().str.join(" + "),
        pl.lit(" boundary"),
    )
    return pl.when(known.any()).then(said)


def closure(view: View, by: list[str]) -> pl.DataFrame:
    """S14: energy booked at the node boundary over what the node meters counted.

    Both come from the control of the hours that the period touches, so they span the same time.
    """
    control = view.control.filter(pl.col("kind").cast(pl.String) == "node").with_columns(
        pl.col("hour").dt.strftime("%Y-%m-%d").alias("day")
    )
    metered = pl.col("metered_joules").is_not_null()
    found = grouped(
        control,
        by,
        numerator=pl.when(metered.any()).then(pl.col("energy_joules").filter(metered).sum()),
        denominator=total("metered_joules"),
        n=pl.col("node").filter(metered).n_unique(),
        coverage=ratio(pl.col("expected_ms").filter(metered).sum(), pl.col("expected_ms").sum()),
    )
    note = pl.when(pl.col("denominator").is_null()).then(pl.lit("no node has a meter"))
    return shaped(found.with_columns(pl.lit("node meters").alias("method"), note.alias("note")), by)
