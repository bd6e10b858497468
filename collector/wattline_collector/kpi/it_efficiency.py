"""S11: operations per joule of the HPL benchmark, by the quality of its power measurement.

Rmax over mean power in the core phase is operations of that phase over its energy, so it adds up.
The level is that of the EE HPC WG: L1 extrapolates from a part of the machine, L2 measures more of
it and all that belongs to it, L3 measures all of it. Figures of two levels are not comparable, and
stand side by side.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View

_HOUR = 3600
_HOW = (
    "no valid result of HPL with start, energy and power_level: `wattline import --template"
    " results` prints one to fill in"
)


def flops_per_joule(view: View, by: list[str]) -> pl.DataFrame:
    """S11: the newest valid result of each level up to the end of the period; parts: `power_level`.

    Of several systems, the newest of each is added up.

    Args:
        view: The period.
        by: Nothing, or `system`.
    """
    columns = [*by, "power_level"]
    results = None if view.inputs is None else view.inputs.results
    absent = lacking.register(results, "results")
    if results is None or absent:
        return lacking.unknown(columns, absent or _HOW)
    seconds = (pl.col("when_ms") - pl.col("start_ms")) / 1000
    each = ["system", "power_level"]
    newest = (
        results.filter(
            pl.col("kind") == "hpl",
            pl.col("valid").fill_null(True),
            pl.col("when_ms") <= view.bounds_ms[1],
            pl.col("energy") > 0,
            pl.col("start_ms").is_not_null(),
        )
        .with_columns(pl.col("system").fill_null(UNKNOWN), seconds.alias("seconds"))
        .sort("when_ms", "id")
        .group_by(each, maintain_order=True)
        .last()
        .sort(each)
    )
    if newest.is_empty():
        return lacking.unknown(columns, _HOW)
    date = pl.col("when_ms").cast(pl.Datetime("ms", "UTC")).dt.strftime("%Y-%m-%d")
    unsaid = pl.when(pl.col("valid").is_null()).then(pl.lit(", not said to be valid"))
    # A date for a time of day makes a run of hours: the power that it comes to gives that away.
    told = pl.format(
        "{} of {}: {} kW over {} h{}", "id", date,
        (pl.col("energy") / pl.col("seconds") / 1000).round_sig_figs(4),
        (pl.col("seconds") / _HOUR).round_sig_figs(4), unsaid.fill_null(""),
    )  # fmt: skip
    found = newest.group_by(columns, maintain_order=True).agg(
        (pl.col("value") * pl.col("seconds")).sum().alias("numerator"),
        pl.col("energy").sum().alias("denominator"),
        pl.len().cast(pl.Int64).alias("n"),
        told.str.join("; ").alias("note"),
    )
    method = pl.format("HPL, power measured at level {}", "power_level").alias("method")
    return shaped(found.sort("power_level").with_columns(method), columns)
