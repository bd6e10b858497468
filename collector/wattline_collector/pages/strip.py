"""The strip of availability: a cell per hour, or per more where there are many, by account."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.view import View
from wattline_collector.ledger.accounts import Account
from wattline_collector.pages.read import Json

BY = ("whole", "node")
OUT_FROM = 0.05
"""Part of an hour's device time out of service from which its cell shows that, and not the work."""
MOST_NODES = 100
"""Nodes shown: those that were out of service longest."""
MOST_CELLS = 24_000
LETTERS = "bshluFmdo"
"""A letter for each account in the ledger's order; a dot where nothing was installed."""

_OUT = (Account.DOWN, Account.UNOBSERVED, Account.MAINTENANCE)
"""Out of service; of two accounts that took as much, the one that stands first is shown."""
_HOUR_MS = 3_600_000
_LENGTHS = (1, 2, 3, 6, 12, 24, 48, 168)
"""Hours that a cell may span."""
_NODE = ["system", "node"]


def strip(view: View, by: str) -> Json:
    """The cells of a period.

    A cell has the account that took most of its device time; where at least `OUT_FROM` of it was
    out of service, the one of down, unobserved and maintenance that took most of that.

    Args:
        view: The period.
        by: One of `BY`.

    Returns:
        `by`, `start_unix_ms`, `hours` (that a cell spans), `nodes` (how many there are), and
        `rows`: `system`, `node` (null: all), `cells` (a letter of `LETTERS` per cell, in order of
        time), `out_hours` (device-hours out of service) and `device_hours`.
    """
    start_ms, end_ms = view.bounds_ms
    first = start_ms // _HOUR_MS * _HOUR_MS
    hours = max(1, -(-(end_ms - first) // _HOUR_MS))
    keys = _NODE if by == "node" else []
    nodes = view.totals.select(_NODE).n_unique()
    shown = min(MOST_NODES, max(nodes, 1)) if keys else 1
    length = next((n for n in _LENGTHS if shown * -(-hours // n) <= MOST_CELLS), _LENGTHS[-1])
    count = -(-hours // length)
    place = ((pl.col("minute").dt.epoch("ms") - first) // (length * _HOUR_MS)).alias("cell")
    worst = _worst(view) if keys else None

    def placed(entries: pl.LazyFrame) -> pl.LazyFrame:
        if worst is not None:
            entries = entries.join(worst.lazy().select(_NODE), on=_NODE, how="semi")
        account = pl.col("account").cast(pl.String)
        return entries.group_by(*keys, place, account).agg(pl.col("duration_ms").sum())

    sums = (
        view.collected(placed).group_by(*keys, "cell", "account").agg(pl.col("duration_ms").sum())
    )
    cells = _coloured(sums, keys)
    rows = (
        [_row(worst_row, cells.filter(_is(worst_row)), count) for worst_row in worst.to_dicts()]
        if worst is not None
        else [_row(_all(view), cells, count)]
    )
    return {
        "by": by,
        "start_unix_ms": first,
        "hours": length,
        "nodes": nodes,
        "rows": rows,
    }


def _coloured(sums: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """`keys`, `cell`, `letter`."""
    order = [account.value for account in Account]
    out = pl.col("account").is_in([account.value for account in _OUT])
    ranked = [*_OUT, *(account for account in Account if account not in _OUT)]
    rank = pl.col("account").replace_strict({one.value: place for place, one in enumerate(ranked)})
    cell = [*keys, "cell"]
    parts = sums.with_columns(
        pl.col("duration_ms").sum().over(cell).alias("all"),
        pl.col("duration_ms").filter(out).sum().over(cell).alias("out"),
        out.alias("is_out"),
        rank.alias("rank"),
    )
    chosen = parts.filter((pl.col("out") < OUT_FROM * pl.col("all")) | pl.col("is_out"))
    letters = dict(zip(order, LETTERS, strict=True))
    return (
        chosen.sort(*cell, "duration_ms", "rank", descending=[*[False] * len(cell), True, False])
        .unique(cell, keep="first", maintain_order=True)
        .with_columns(pl.col("account").replace_strict(letters).alias("letter"))
        .select(*cell, "letter")
    )


def _out_hours() -> pl.Expr:
    out = pl.col("account").cast(pl.String).is_in([account.value for account in _OUT])
    return (pl.col("duration_ms").filter(out).sum() / _HOUR_MS).alias("out_hours")


def _worst(view: View) -> pl.DataFrame:
    """The nodes that were out of service longest, by name among equals."""
    return (
        view.totals.group_by(_NODE)
        .agg(_out_hours(), (pl.col("duration_ms").sum() / _HOUR_MS).alias("device_hours"))
        .with_columns(pl.col(_NODE).cast(pl.String))
        .sort("out_hours", *_NODE, descending=[True, False, False])
        .head(MOST_NODES)
    )


def _all(view: View) -> dict[str, object]:
    sums = view.totals.select(
        _out_hours(), (pl.col("duration_ms").sum() / _HOUR_MS).alias("device_hours")
    )
    return {"system": None, "node": None, **sums.to_dicts()[0]}


def _is(row: dict[str, object]) -> pl.Expr:
    return pl.col("system").eq(pl.lit(row["system"])) & pl.col("node").eq(pl.lit(row["node"]))


def _row(named: dict[str, object], cells: pl.DataFrame, count: int) -> Json:
    line = ["."] * count
    for place, letter in cells.select("cell", "letter").iter_rows():
        if 0 <= place < count:
            line[place] = letter
    return {**named, "cells": "".join(line)}
