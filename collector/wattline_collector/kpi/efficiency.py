"""Efficiency: activity of assigned devices, and what was wasted (E04, E06)."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.sums import grouped, ledger_method, ratio, shaped
from wattline_collector.kpi.view import MS_PER_HOUR, View, account_ms
from wattline_collector.ledger.accounts import Account


def activity(view: View, by: list[str]) -> pl.DataFrame:
    """E04: mean SM activity over assigned device time in which it was measured."""
    measured = pl.col("measured_ms").sum()
    found = grouped(
        view.assigned,
        by,
        numerator=pl.when(measured > 0).then(pl.col("sm_active_ms").sum() / MS_PER_HOUR),
        denominator=pl.when(measured > 0).then(measured / MS_PER_HOUR),
        n=pl.col("device").n_unique(),
        coverage=ratio(measured, pl.col("duration_ms").sum()),
        coarse=pl.col("busy_measured_ms").sum() > 0,
    )
    note = (
        pl.when(pl.col("numerator").is_null() & pl.col("coarse"))
        .then(pl.lit("these devices only tell whether any kernel ran, which is not activity"))
        .when(pl.col("numerator").is_null())
        .then(pl.lit("no activity was measured"))
    )
    return shaped(
        found.with_columns(pl.lit("SM activity counters").alias("method"), note.alias("note")), by
    )


def wasted(view: View, by: list[str]) -> pl.DataFrame:
    """E06: time held without work, and working time whose work was thrown away."""
    lost = pl.col("account") == Account.LOST
    held = pl.col("account") == Account.HELD
    duration = pl.col("duration_ms")
    found = grouped(
        view.assigned,
        by,
        held=duration.filter(held).sum() / MS_PER_HOUR,
        lost=duration.filter(lost).sum() / MS_PER_HOUR,
        all=duration.sum() / MS_PER_HOUR,
        n=pl.col("device").filter(held | lost).n_unique(),
        coverage=ratio(duration.sum() - account_ms(Account.UNMEASURED), duration.sum()),
        method=ledger_method(),
    ).with_columns(
        pl.when(pl.col("coverage") > 0).then(pl.col("held") + pl.col("lost")).alias("numerator")
    )
    note = pl.when(pl.col("numerator").is_null()).then(pl.lit("no activity was measured"))
    found = found.with_columns(note.alias("note"))
    if not by and found["numerator"][0] is not None:
        found = found.with_columns(pl.lit(_made_of(found.row(0, named=True))).alias("note"))
    return shaped(found, by)


def _made_of(sums: dict[str, float]) -> str:
    share = 100 * sums["numerator"] / sums["all"]
    return (
        f"{share:.1f} % of assigned time: {sums['held']:,.1f} GPU-h held, "
        f"{sums['lost']:,.1f} GPU-h of work thrown away"
    )
