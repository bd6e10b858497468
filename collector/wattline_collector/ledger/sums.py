"""Adding entries up: to hours, to parts of hours, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from wattline_collector.ledger.schema import ENTRIES

_DIMS = ("system", "node", "device", "job", "account")
_MAXIMA = ("power_max_watts", "temperature_max_celsius")

Entries = TypeVar("Entries", pl.DataFrame, pl.LazyFrame)


def hourly(table: str, entries: pl.DataFrame) -> pl.DataFrame:
    """Add minute entries up to hours: same columns, coarser key; `minute` is the hour's start."""
    return in_parts(table, entries.with_columns(pl.col("minute").dt.truncate("1h")))


def in_parts(table: str, entries: pl.DataFrame) -> pl.DataFrame:
    """Add entries up that have the same time, device, job and account, in the table's order."""
    schema = ENTRIES[table]
    key = ["minute", *(column for column in _DIMS if column in schema)]
    return added_up(table, entries, key).select(schema.names()).sort(key, nulls_last=True)


def added_up(table: str, entries: Entries, key: Sequence[str]) -> Entries:
    """Add entries up.

    Args:
        table: `device`, `node` or `job`.
        entries: The table's columns, or some of them, and any others of the key.
        key: What stays apart.

    Returns:
        The key, and the table's values: their sums, or their maxima, in no order.
    """
    schema = ENTRIES[table]
    there = entries.collect_schema().names()
    sums: list[pl.Expr] = []
    for column in schema:
        if column in (*key, *_DIMS, "minute") or column not in there:
            continue
        value = pl.col(column)
        if column in _MAXIMA:
            sums.append(value.max())
        elif column == "energy_method":
            one = value.drop_nulls().n_unique() == 1
            sums.append(
                pl.when(value.drop_nulls().len() == 0)
                .then(None)
                .when(one)
                .then(value.drop_nulls().first())
                .otherwise(pl.lit("mixed", dtype=schema["energy_method"]))
                .alias(column)
            )
        else:
            # A sum of nothing but unknowns is unknown, not zero.
            sums.append(pl.when(value.is_not_null().any()).then(value.sum()).alias(column))
    return entries.group_by(key).agg(sums)
