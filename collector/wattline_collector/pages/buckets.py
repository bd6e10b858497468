"""Readings over a period, few enough to draw: one value per bucket of time, gaps left as gaps.

A reading speaks for the time up to it, as in the ledger: a bucket without a reading has the value
of the next one, where that one's interval is no gap. Pure functions over frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from wattline_collector.ledger.intervals import GAP_PERIODS, UNKNOWN_PERIOD_MS

MOST = 1_500
"""Buckets of a series: as many as a wide screen has pixels for."""

LOOK_BACK_MS = 900_000
"""Readings before the period that say how long its first interval was."""

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
STEPS_MS = (
    *(count * _SECOND for count in (1, 2, 5, 10, 15, 30)),
    *(count * _MINUTE for count in (1, 2, 5, 10, 15, 30)),
    *(count * _HOUR for count in (1, 2, 3, 6, 12)),
    *(count * _DAY for count in (1, 2, 5, 10)),
)
"""Lengths of a bucket: those that people count in."""

_DIGITS = 5
"""Significant digits of a value to draw; more is ink nobody sees."""

_TIME = pl.col("time_unix_ms")


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets of one length, side by side.

    Attributes:
        start_ms: Where the first begins.
        step_ms: How long each is.
        count: How many there are.
    """

    start_ms: int
    step_ms: int
    count: int

    @classmethod
    def over(cls, start_ms: int, end_ms: int, pace_ms: int = 0, most: int = MOST) -> Grid:
        """The finest grid over a period that has at most `most` buckets, and a reading in each.

        Args:
            start_ms: The period's first moment.
            end_ms: The first moment after it.
            pace_ms: How far apart readings are.
            most: Buckets there may be.
        """
        span = max(end_ms - start_ms, 1)
        least = max(-(-span // max(most - 1, 1)), pace_ms)
        step = next((step for step in STEPS_MS if step >= least), -(-least // _DAY) * _DAY)
        first = start_ms // step * step
        return cls(first, step, -(-(end_ms - first) // step) or 1)

    @property
    def end_ms(self) -> int:
        """The first moment after the last bucket."""
        return self.start_ms + self.step_ms * self.count

    def to_json(self) -> dict[str, int]:
        """As it leaves the program."""
        return {"start_ms": self.start_ms, "step_ms": self.step_ms, "count": self.count}

    def place(self) -> pl.Expr:
        """In which bucket a reading's interval ends."""
        # A reading on the edge speaks for the bucket before.
        return ((_TIME - 1 - self.start_ms) // self.step_ms).alias("place")


Series = dict[str, Any]
"""`mean`, and `min` and `max` where buckets have more than one value: a list each, null: a gap."""


def pace_of(rows: pl.DataFrame) -> int:
    """How far apart the readings of a table are meant to be, ms; 0 where nobody says."""
    middle = rows.filter(pl.col("period_ms") > 0)["period_ms"].median()
    return round(middle) if isinstance(middle, int | float) else 0


def summary(
    rows: pl.DataFrame,
    column: str,
    grid: Grid,
    every_ms: float = 0,
    low: str | None = None,
    high: str | None = None,
) -> Series | None:
    """Mean, least and greatest value of every bucket; None where none is known.

    Args:
        rows: `time_unix_ms`, `period_ms` and the columns, of one subject.
        column: The metric.
        grid: The buckets.
        every_ms: How often the metric is read, where that is less often than the others.
        low: A column with the least value since the reading before, where a source knows it.
        high: One with the greatest.
    """
    value = pl.col(column)
    lows = [pl.col(name) for name in (column, low) if name is not None]
    highs = [pl.col(name) for name in (column, high) if name is not None]
    known = _intervals(rows, column, grid, every_ms)
    summed = known.group_by("place").agg(
        value.mean().alias("mean"),
        pl.min_horizontal(lows).min().alias("min"),
        pl.max_horizontal(highs).max().alias("max"),
        pl.col("joins").first(),
    )
    filled = _dense(summed, grid, ("mean", "min", "max"))
    return None if filled is None else _as_series(filled)


def growth(
    rows: pl.DataFrame,
    column: str,
    grid: Grid,
    every_ms: float = 0,
    most: float | None = None,
) -> Series | None:
    """What a counter grew by each second, per bucket: sum of growth over sum of time.

    Args:
        rows: `time_unix_ms`, `period_ms` and the counter, of one subject.
        column: The counter.
        grid: The buckets.
        every_ms: How often it is read, where that is less often than others.
        most: What it can be at most.
    """
    known = _intervals(rows, column, grid, every_ms)
    grown = pl.col(column).diff()
    told = pl.col("joins") & (grown >= 0)
    summed = (
        known.with_columns(pl.when(told).then(grown).alias("grown"))
        .with_columns(
            pl.when(pl.col("grown").is_not_null()).then(pl.col("elapsed")).alias("elapsed")
        )
        .group_by("place")
        .agg(
            (pl.col("grown").sum() * 1000 / pl.col("elapsed").sum())
            .clip(upper_bound=most)
            .fill_nan(None)
            .alias("mean"),
            pl.col("joins").first(),
        )
    )
    filled = _dense(summed, grid, ("mean",))
    return None if filled is None else _as_series(filled)


def _intervals(rows: pl.DataFrame, column: str, grid: Grid, every_ms: float) -> pl.DataFrame:
    """Readings of one metric in order, how long each one's interval is, and whether it is none."""
    period = pl.when(pl.col("period_ms") > 0).then(pl.col("period_ms")).fill_null(UNKNOWN_PERIOD_MS)
    limit = GAP_PERIODS * pl.max_horizontal(period, pl.lit(every_ms))
    return (
        rows.filter(pl.col(column).is_not_null())
        .sort("time_unix_ms", maintain_order=True)
        .unique("time_unix_ms", keep="first", maintain_order=True)
        .with_columns(_TIME.diff().alias("elapsed"), grid.place())
        .with_columns((pl.col("elapsed") <= limit).fill_null(False).alias("joins"))
    )


def _dense(summed: pl.DataFrame, grid: Grid, names: Sequence[str]) -> pl.DataFrame | None:
    """A row per bucket; one that a later reading speaks for has that one's values."""
    inside = summed.filter(pl.col("place") < grid.count)
    if inside.filter(pl.col("place") >= 0).is_empty():
        return None
    later = pl.col("joins").backward_fill()
    return (
        pl.DataFrame({"place": range(grid.count)}, schema={"place": pl.Int64})
        .join(inside, on="place", how="left", maintain_order="left")
        .select(
            pl.when(pl.col("joins").is_null() & later)
            .then(pl.col(name).backward_fill())
            .otherwise(pl.col(name))
            .cast(pl.Float64)
            .round_sig_figs(_DIGITS)
            .alias(name)
            for name in names
        )
    )


def _as_series(filled: pl.DataFrame) -> Series:
    if "min" in filled.columns and filled.select((pl.col("min") != pl.col("max")).any()).item():
        return {name: filled[name].to_list() for name in ("mean", "min", "max")}
    return {"mean": filled["mean"].to_list()}
