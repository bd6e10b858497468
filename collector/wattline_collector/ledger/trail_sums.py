"""What an hour adds up to, as its line of the audit trail says it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from wattline_collector.ledger.chain import Sums
from wattline_collector.ledger.job import COUNTED

JOULE_DECIMALS = 3
"""Kept of sums: a thousandth of a joule is less than any counter tells."""


def sums_of(hourly: Mapping[str, pl.DataFrame]) -> dict[int, Sums]:
    """The sums of hours that their records hold.

    Args:
        hourly: Hourly sums by table, of one system.

    Returns:
        By the hour's start in ms: `device` and `node` by account, [ms, J (null: not known)], and
        `tokens` by kind; kinds of which nothing is known are left out.
    """
    found: dict[int, dict[str, dict[str, list[float | None]]]] = {}
    for table in ("device", "node"):
        known = pl.col("energy_joules")
        sums = (
            hourly[table]
            .group_by(pl.col("minute").dt.epoch("ms"), pl.col("account").cast(pl.String))
            .agg(
                pl.col("duration_ms").cast(pl.Float64).sum().round(JOULE_DECIMALS),
                pl.when(known.is_not_null().any()).then(known.sum()).round(JOULE_DECIMALS),
            )
            .sort("minute", "account")
        )
        for hour, account, ms, joules in sums.iter_rows():
            found.setdefault(hour, {}).setdefault(table, {})[account] = [ms, joules]
    tokens = (
        hourly["job"]
        .group_by(pl.col("minute").dt.epoch("ms"))
        .agg(pl.when(pl.col(k).is_not_null().any()).then(pl.col(k).sum()).alias(k) for k in COUNTED)
        .sort("minute")
    )
    for hour, *made in tokens.iter_rows():
        told = {
            kind.removeprefix("tokens_"): [count]
            for kind, count in zip(COUNTED, made, strict=True)
            if count is not None
        }
        if told:
            found.setdefault(hour, {})["tokens"] = told
    return {hour: dict(sums) for hour, sums in found.items()}
