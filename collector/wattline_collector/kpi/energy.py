"""Energy: what jobs used, and what they made with it (S10, S12)."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import accuracy, indicators
from wattline_collector.kpi.emissions import hour_of
from wattline_collector.kpi.production import all_tokens, counting_jobs
from wattline_collector.kpi.sums import ESTIMATED, grouped, ratio, shaped, total
from wattline_collector.kpi.view import JOULES_PER_KWH, View
from wattline_collector.ledger.schema import METHOD

BOUNDARIES = ("gpu", "module", "node")
"""Where the joules of the books are metered, from the inside out."""
_PUE_FROM = 0.5
"""Coverage from which energy is told with the facility's part, as S03 itself is."""


def job_energy(view: View, by: list[str]) -> pl.DataFrame:
    """S12: energy booked to jobs; `low` and `high` by what its sensors may be wrong by."""
    found = grouped(
        accuracy.with_errors(view, view.energy.filter(pl.col("job").is_not_null())),
        by,
        error=accuracy.error(),
        numerator=total("joules"),
        n=pl.struct("system", "job").n_unique(),
        coverage=ratio(pl.col("known_ms").sum(), pl.col("device_ms").sum()),
        method=_method(),
    )
    joules, error = pl.col("numerator"), pl.col("error")
    note = None if by else _apart(view, found["numerator"].item())
    return shaped(
        found.with_columns(
            pl.lit(note, dtype=pl.String).alias("note"),
            ((joules - error) / JOULES_PER_KWH).alias("low"),
            ((joules + error) / JOULES_PER_KWH).alias("high"),
        ),
        by,
    )


def _apart(view: View, joules: float | None) -> str | None:
    """What stands beside the energy of jobs and is not in it: idle time, and the facility."""
    told = []
    idle = view.energy.filter(pl.col("job").is_null())["joules"].drop_nulls()
    if idle.len():
        told.append(f"time that no job held took {_kwh(float(idle.sum()))} kWh more")
    above, below, coverage = (
        indicators.pue(view, []).select("numerator", "denominator", "coverage").row(0)
    )
    if joules is not None and above is not None and below and coverage >= _PUE_FROM:
        times = f"times PUE {above / below:.4g} of the same time"
        told.append(f"{times} it is {_kwh(joules * above / below)} kWh")
    return "; ".join(told) or None


def _kwh(joules: float) -> str:
    """Kilowatt-hours in four digits, without an exponent."""
    return f"{float(f'{joules / JOULES_PER_KWH:.4g}'):,.10g}"


def tokens_per_joule(view: View, by: list[str]) -> pl.DataFrame:
    """S10: tokens over the energy of the jobs that count them.

    A job's tokens count, hour by hour, by the share of its time whose energy is known: tokens made
    while no meter was read, over joules that are therefore missing, would make a job look better
    than it is. Hours are what the books are kept in, so that parts of a period add up to it.
    """
    counting = counting_jobs(view)
    key = ["system", "job"]
    each = list(dict.fromkeys([*by, *key, "_hour"]))
    hour = hour_of("minute").alias("_hour")
    made = grouped(
        view.job.with_columns(all_tokens().alias("tokens"), hour).join(
            counting, on=key, how="semi"
        ),
        each,
        tokens=total("tokens"),
    )
    of_jobs = view.energy.filter(pl.col("job").is_not_null())
    used = grouped(
        accuracy.with_errors(view, of_jobs.with_columns(hour).join(counting, on=key, how="semi")),
        each,
        error=accuracy.error(),
        joules=total("joules"),
        known_ms=pl.col("known_ms").sum(),
        device_ms=pl.col("device_ms").sum(),
        method=_method(),
    )
    known, device = pl.col("known_ms"), pl.col("device_ms")
    # An hour without a token has its joules, and one without any joule is wrong by none.
    both = made.join(used, on=each, how="full", coalesce=True, nulls_equal=True).with_columns(
        pl.when(pl.col("joules").is_not_null()).then("error").otherwise(0.0)
    )
    found = grouped(
        both,
        by,
        numerator=_total(pl.col("tokens") * pl.when(device > 0).then(known / device)),
        denominator=total("joules"),
        error=accuracy.error("error"),
        n=pl.struct(key).n_unique(),
        coverage=ratio(known.sum(), device.sum()),
        method=pl.col("method").drop_nulls().unique().sort().str.join("; "),
    )
    left_out = of_jobs.join(counting, on=key, how="anti")
    note = None
    if left_out.height and not by:
        jobs, kwh = left_out.select(key).unique().height, left_out["joules"].sum() / JOULES_PER_KWH
        note = f"{jobs} jobs that count no tokens are left out, with {kwh:.4g} kWh"
    made_tokens, joules, error = pl.col("numerator"), pl.col("denominator"), pl.col("error")
    return shaped(
        found.with_columns(
            pl.lit(note, dtype=pl.String).alias("note"),
            ratio(made_tokens, joules + error).alias("low"),
            ratio(made_tokens, joules - error).alias("high"),
        ),
        by,
    )


def _total(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_not_null().any()).then(value.sum())


def _method() -> pl.Expr:
    """How a group's joules were found, and where: `counter + integrated, gpu boundary`."""
    known = pl.col("joules").is_not_null()
    methods, boundaries = (
        pl.concat_str(
            [
                pl.when((known & (pl.col(column) == name)).any()).then(pl.lit(name))
                for name in names
            ],
            separator=" + ",
            ignore_nulls=True,
        )
        for column, names in (("method", METHOD.categories), ("boundary", BOUNDARIES))
    )
    shared = pl.when((known & pl.col("is_shared")).any()).then(pl.lit(f", {ESTIMATED}"))
    return pl.when(known.any()).then(
        pl.concat_str(
            methods, pl.lit(", "), boundaries, pl.lit(" boundary"), shared.otherwise(pl.lit(""))
        )
    )
