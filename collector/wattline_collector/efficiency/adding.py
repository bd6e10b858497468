"""Sums and extremes of a column as plain numbers."""

from __future__ import annotations

import polars as pl


def added(frame: pl.DataFrame, column: str) -> float:
    """The sum; 0 where nothing is known."""
    return float(frame.select(pl.col(column).sum()).item() or 0)


def known(frame: pl.DataFrame, column: str) -> float | None:
    """The sum; null where nothing is known, or there is no such column (books of before it)."""
    if column not in frame.columns or frame[column].null_count() == frame.height:
        return None
    total: float = frame.select(pl.col(column).sum()).item()
    return total


def most(frame: pl.DataFrame, column: str) -> float | None:
    """The greatest; null where nothing is known."""
    greatest: float | None = frame.select(pl.col(column).max()).item()
    return greatest
