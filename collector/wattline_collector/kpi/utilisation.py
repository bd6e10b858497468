"""Utilisation: how much of what was offered was used (U01-U03, loading)."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.sums import grouped, ledger_method, ratio, shaped
from wattline_collector.kpi.view import MS_PER_HOUR, View, account_ms
from wattline_collector.ledger.accounts import ASSIGNED, OFFERED, Account


def allocated(view: View, by: list[str]) -> pl.DataFrame:
    """U01 and loading: assigned over offered device time; covers observed installed time."""
    found = grouped(
        view.totals,
        by,
        numerator=account_ms(*ASSIGNED) / MS_PER_HOUR,
        denominator=account_ms(*OFFERED) / MS_PER_HOUR,
        n=pl.col("device").n_unique(),
        coverage=observed_share(),
        method=ledger_method(),
    )
    return shaped(found, by)


def offered(view: View, by: list[str]) -> pl.DataFrame:
    """U03: offered over installed device time; unobserved time is in neither."""
    found = grouped(
        view.totals,
        by,
        numerator=account_ms(*OFFERED) / MS_PER_HOUR,
        denominator=(pl.col("duration_ms").sum() - account_ms(Account.UNOBSERVED)) / MS_PER_HOUR,
        n=pl.struct("system", "device").n_unique(),
        coverage=observed_share(),
    )
    return shaped(found.with_columns(pl.lit("ledger").alias("method")), by)


def effective(view: View, by: list[str]) -> pl.DataFrame:
    """U02: integral of activity over offered time, less assigned time that was not measured."""
    assigned, offered = account_ms(*ASSIGNED), account_ms(*OFFERED)
    in_job = pl.col("account").is_in([account.value for account in ASSIGNED])
    measured = pl.col("measured_ms").filter(in_job).sum()
    known = offered - assigned + measured
    found = grouped(
        view.totals,
        by,
        numerator=pl.when((measured > 0) | (assigned == 0)).then(
            pl.col("sm_active_ms").filter(in_job).sum() / MS_PER_HOUR
        ),
        denominator=known / MS_PER_HOUR,
        n=pl.col("device").n_unique(),
        coverage=ratio(known, offered + account_ms(Account.UNOBSERVED)),
        method=ledger_method("SM activity counters"),
    )
    note = pl.when(pl.col("numerator").is_null()).then(pl.lit("no activity was measured"))
    return shaped(found.with_columns(note.alias("note")), by)


def observed_share() -> pl.Expr:
    """Installed time with any evidence, over installed time."""
    installed = pl.col("duration_ms").sum()
    return ratio(installed - account_ms(Account.UNOBSERVED), installed)
