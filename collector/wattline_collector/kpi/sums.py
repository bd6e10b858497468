"""Small pieces that KPIs are put together from."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi.declare import DIMENSIONS, WORK
from wattline_collector.kpi.labels import NONE, UNKNOWN

SHAPE = ("numerator", "denominator", "n", "coverage", "method", "note")
"""What a KPI's function returns beside the dimensions."""
ESTIMATED = "shares of devices estimated"
"""Stands in the method of what is made of parts of devices."""
ALSO = ("value", "low", "high", "unit")
"""What it may return too; see `declare`."""


def grouped(frame: pl.DataFrame, by: Sequence[str], **aggregations: pl.Expr) -> pl.DataFrame:
    """Aggregate per combination of `by`; one row for everything if it is empty.

    Without dimensions there is one row even where there is nothing to add up: its sums are null.
    What has no answer to a dimension has a row of its own, so that the rows add up to the whole.
    """
    named = [expression.alias(name) for name, expression in aggregations.items()]
    if by:
        asked = [name for name in by if name in DIMENSIONS and frame.schema[name] == pl.String]
        parts = [name for name in by if name not in DIMENSIONS]
        whole = frame.with_columns(
            pl.col(name).fill_null(NONE if name in WORK else UNKNOWN) for name in asked
        )
        if parts:
            whole = whole.filter(pl.all_horizontal(pl.col(parts).is_not_null()))
        found = whole.group_by(by).agg(named)
        # Groups come in the order in which threads end: what is written of them must not.
        return found.sort(parts) if parts else found
    return frame.select(named)


def total(column: str) -> pl.Expr:
    """A sum that is null where nothing is known."""
    value = pl.col(column)
    return pl.when(value.is_not_null().any()).then(value.sum())


def ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    """Null where there is nothing below the line."""
    return pl.when(below > 0).then(above / below)


def shaped(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Put the columns of a KPI's result in order, filling in those it has no use for.

    Args:
        frame: The result.
        by: The columns that tell its rows apart: dimensions, and the KPI's parts.
    """
    kinds = {"method": pl.String, "note": pl.String}
    missing = [
        pl.lit(None, dtype=kinds.get(name, pl.Float64)).alias(name)
        for name in SHAPE
        if name not in frame.columns
    ]
    also = [name for name in ALSO if name in frame.columns]
    return frame.with_columns(missing).select(*by, *SHAPE, *also)


def ledger_method(also: str = "") -> pl.Expr:
    """The method of what is summed from entries of devices, as an aggregation.

    What a job has of a shared device (a MIG instance's part, a time slice) is its share of it, an
    estimate; a figure with any of that says so.

    Args:
        also: What stands behind it too.
    """
    plain = f"ledger, {also}" if also else "ledger"
    shared = pl.col("shared_ms").fill_null(0).sum() > 0
    return pl.when(shared).then(pl.lit(f"{plain}, {ESTIMATED}")).otherwise(pl.lit(plain))
