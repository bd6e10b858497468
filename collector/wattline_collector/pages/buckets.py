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


def in_order(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """Readings as `summaries` and `growths` take them: those of a subject together, in time."""
    return rows.sort(by, "time_unix_ms", maintain_order=True)


def summaries(
    rows: pl.DataFrame,
    by: str,
    column: str,
    grid: Grid,
    every_ms: float = 0,
    low: str | None = None,
    high: str | None = None,
) -> dict[str, Series]:
    """Mean, least and greatest value of every bucket, of each subject of which any is known.

    Args:
        rows: The subject, `time_unix_ms`, `period_ms` and the columns, as `in_order` has them.
        by: The column of the subject.
        column: The metric.
        grid: The buckets.
        every_ms: How often the metric is read, where that is less often than the others.
        low: A column with the least value since the reading before, where a source knows it.
        high: One with the greatest.
    """
    value = pl.col(column)
    lows = [pl.col(name) for name in (column, low) if name is not None]
    highs = [pl.col(name) for name in (column, high) if name is not None]
    if rows[column].null_count() == rows.height:
        return {}
    summed = (
        _intervals(rows, by, column, grid, every_ms)
        .group_by(by, "place")
        .agg(
            value.mean().alias("mean"),
            pl.min_horizontal(lows).min().alias("min"),
            pl.max_horizontal(highs).max().alias("max"),
            pl.col("joins").first(),
        )
    )
    return _dense(summed, by, grid, ("mean", "min", "max"))


def growths(
    rows: pl.DataFrame,
    by: str,
    column: str,
    grid: Grid,
    every_ms: float = 0,
    most: float | None = None,
) -> dict[str, Series]:
    """What a counter grew by each second, per bucket: sum of growth over sum of time.

    Args:
        rows: The subject, `time_unix_ms`, `period_ms` and the counter, as `in_order` has them.
        by: The column of the subject.
        column: The counter.
        grid: The buckets.
        every_ms: How often it is read, where that is less often than others.
        most: What it can be at most.

    Returns:
        `mean` of each subject of which any is known.
    """
    if rows[column].null_count() == rows.height:
        return {}
    grown = pl.col(column).diff()
    # An interval joins readings of one subject.
    told = pl.col("joins") & (grown >= 0)
    summed = (
        _intervals(rows, by, column, grid, every_ms)
        .with_columns(pl.when(told).then(grown).alias("grown"))
        .with_columns(
            pl.when(pl.col("grown").is_not_null()).then(pl.col("elapsed")).alias("elapsed")
        )
        .group_by(by, "place")
        .agg(
            (pl.col("grown").sum() * 1000 / pl.col("elapsed").sum())
            .clip(upper_bound=most)
            .fill_nan(None)
            .alias("mean"),
            pl.col("joins").first(),
        )
    )
    return _dense(summed, by, grid, ("mean",))


def _intervals(
    rows: pl.DataFrame, by: str, column: str, grid: Grid, every_ms: float
) -> pl.LazyFrame:
    """Readings of one metric, how long each one's interval is, and whether it is none."""
    period = pl.when(pl.col("period_ms") > 0).then(pl.col("period_ms")).fill_null(UNKNOWN_PERIOD_MS)
    limit = GAP_PERIODS * pl.max_horizontal(period, pl.lit(every_ms))
    follows = (pl.col(by) == pl.col(by).shift(1)).fill_null(False)
    return (
        rows.lazy()
        .filter(pl.col(column).is_not_null())
        .filter(~follows | (_TIME != _TIME.shift(1)))  # what came twice is one reading
        .with_columns(pl.when(follows).then(_TIME.diff()).alias("elapsed"), grid.place())
        .with_columns((pl.col("elapsed") <= limit).fill_null(False).alias("joins"))
    )


def _dense(summed: pl.LazyFrame, by: str, grid: Grid, names: Sequence[str]) -> dict[str, Series]:
    """A value per bucket; one that a later reading speaks for has that one's."""
    place = pl.col("place")
    inside = (
        summed.filter((place >= 0) & (place < grid.count))
        .with_columns(pl.col(*names).cast(pl.Float64).round_sig_figs(_DIGITS))
        .sort(by, "place")
        .collect()
    )
    found: dict[str, Series] = {}
    for (subject,), part in inside.partition_by(by, as_dict=True, maintain_order=True).items():
        ends = "min" in names and part.select((pl.col("min") != pl.col("max")).any()).item()
        places, joins = part["place"].to_list(), part["joins"].to_list()
        found[str(subject)] = {
            name: _spread(places, joins, part[name].to_list(), grid.count)
            for name in (names if ends else names[:1])
        }
    return found


def _spread(
    places: Sequence[int], joins: Sequence[bool], values: Sequence[float | None], count: int
) -> list[float | None]:
    """Values in their places, and in the empty ones before those that join what was before."""
    spread: list[float | None] = [None] * count
    after = 0
    for place, joined, value in zip(places, joins, values, strict=True):
        if joined:
            spread[after:place] = [value] * (place - after)
        spread[place] = value
        after = place + 1
    return spread
