from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.pages.buckets import (
    MOST,
    STEPS_MS,
    Grid,
    Series,
    growths,
    in_order,
    pace_of,
    summaries,
)

MINUTE = 60_000


def readings(*rows: tuple[int, float | None], period_ms: int = MINUTE) -> pl.DataFrame:
    """Values by the minute they were read in."""
    return pl.DataFrame(
        [(minute * MINUTE, period_ms, value) for minute, value in rows],
        schema={"time_unix_ms": pl.Int64, "period_ms": pl.Int64, "value": pl.Float64},
        orient="row",
    )


def summary(rows: pl.DataFrame, *asked: Any, **more: Any) -> Series | None:
    """Of one subject."""
    return summaries(in_order(rows.with_columns(of=pl.lit("a")), "of"), "of", *asked, **more).get(
        "a"
    )


def growth(rows: pl.DataFrame, *asked: Any, **more: Any) -> Series | None:
    """Of one subject."""
    mine = in_order(rows.with_columns(of=pl.lit("a")), "of")
    return growths(mine, "of", *asked, **more).get("a")


@pytest.mark.parametrize("span", [1, 59_000, 86_400_000, 7 * 86_400_000, 31_622_400_000, 10**12])
def test_a_period_of_any_length_has_few_buckets_and_all_of_it(span: int) -> None:
    start = 1_735_689_601_234
    grid = Grid.over(start, start + span)
    assert 1 <= grid.count <= MOST
    assert grid.start_ms <= start and start + span <= grid.end_ms
    assert grid.step_ms in STEPS_MS or grid.step_ms % 86_400_000 == 0


def test_no_bucket_is_shorter_than_the_readings_are_apart() -> None:
    assert Grid.over(0, 3_600_000, pace_ms=600_000).step_ms == 600_000
    assert pace_of(readings((1, 1.0), (2, 1.0), period_ms=0)) == 0
    assert pace_of(readings((1, 1.0))) == MINUTE


def test_a_bucket_has_the_mean_and_both_ends_of_its_readings() -> None:
    rows = readings(*((minute, float(minute)) for minute in range(1, 11)))
    made = summary(rows, "value", Grid(0, 5 * MINUTE, 2))
    # A reading on the edge of two buckets speaks for the time before it.
    assert made == {"mean": [3.0, 8.0], "min": [1.0, 6.0], "max": [5.0, 10.0]}


def test_one_reading_to_a_bucket_needs_no_ends() -> None:
    rows = readings((1, 1.0), (2, 2.0))
    assert summary(rows, "value", Grid(0, MINUTE, 2)) == {"mean": [1.0, 2.0]}


def test_a_gap_stays_a_gap_and_a_late_reading_does_not() -> None:
    rows = readings((1, 1.0), (2, 2.0), (4, 4.0), (9, 9.0), (10, 10.0))
    made = summary(rows, "value", Grid(0, MINUTE, 12))
    assert made is not None
    #               late by one minute: no gap   five minutes: a gap           nothing after
    assert made["mean"] == [1, 2, 4, 4, None, None, None, None, 9, 10, None, None]


def test_a_metric_that_is_read_seldom_has_no_gaps_for_that() -> None:
    rows = readings((5, 5.0), (10, 10.0))
    often = summary(rows, "value", Grid(0, MINUTE, 10))
    seldom = summary(rows, "value", Grid(0, MINUTE, 10), every_ms=5 * MINUTE)
    assert often is not None and often["mean"][5:9] == [None] * 4
    assert seldom is not None and seldom["mean"][5:9] == [10.0] * 4


def test_the_ends_that_a_source_knows_itself_count() -> None:
    rows = readings((1, 5.0)).with_columns(least=pl.lit(2.0), most=pl.lit(9.0))
    made = summary(rows, "value", Grid(0, MINUTE, 1), low="least", high="most")
    assert made == {"mean": [5.0], "min": [2.0], "max": [9.0]}


def test_what_is_never_known_is_no_series() -> None:
    assert summary(readings((1, None)), "value", Grid(0, MINUTE, 2)) is None
    assert growth(readings((1, None)), "value", Grid(0, MINUTE, 2)) is None
    assert summary(readings((50, 1.0)), "value", Grid(0, MINUTE, 2)) is None


def test_growth_is_a_sum_over_a_sum_and_a_reset_is_not_known() -> None:
    rows = readings((1, 0.0), (2, 30.0), (3, 60.0), (4, 5.0), (5, 65.0))
    made = growth(rows, "value", Grid(MINUTE, 2 * MINUTE, 2))
    assert made == {"mean": [0.5, 1.0]}
    assert growth(rows, "value", Grid(MINUTE, 2 * MINUTE, 2), most=0.7) == {"mean": [0.5, 0.7]}


def test_a_reading_that_came_twice_counts_once() -> None:
    rows = pl.concat([readings((1, 1.0), (2, 4.0)), readings((2, 4.0))])
    made = summary(rows, "value", Grid(0, 2 * MINUTE, 1))
    assert made == {"mean": [2.5], "min": [1.0], "max": [4.0]}


def test_each_subject_has_its_own_readings_gaps_and_growth() -> None:
    first = readings((1, 0.0), (2, 30.0)).with_columns(of=pl.lit("a"))
    second = readings((2, 600.0), (3, 660.0)).with_columns(of=pl.lit("b"))
    silent = readings((1, None)).with_columns(of=pl.lit("c"))
    mixed = in_order(pl.concat([second, silent, first]), "of")
    made = summaries(mixed, "of", "value", Grid(0, MINUTE, 3))
    assert made == {"a": {"mean": [0, 30, None]}, "b": {"mean": [None, 600, 660]}}
    # What one ends with and the other begins with is nobody's growth.
    grown = growths(mixed, "of", "value", Grid(0, MINUTE, 3))
    assert grown == {"a": {"mean": [None, 0.5, None]}, "b": {"mean": [None, None, 1]}}
