from __future__ import annotations

import math

import polars as pl
import pytest

from wattline_collector.efficiency.evidence import HELD
from wattline_collector.efficiency.strips import MOST_STEPS, Strips, of_telemetry, step_of, unread

HOUR = 3_600_000
DAY = 24 * HOUR


def held(*rows: tuple[str, int, int]) -> pl.DataFrame:
    return pl.DataFrame([(*row, 1.0) for row in rows], schema=HELD, orient="row")


def readings(
    device: str, start: int, end: int, activity: float, period: int = 10_000
) -> pl.DataFrame:
    times = range(start + period, end + 1, period)
    return pl.DataFrame(
        {"device": device, "time_unix_ms": times, "ms": float(period), "activity": activity,
         "watts": 700 * activity},
        schema_overrides={"time_unix_ms": pl.Int64},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("span", "step"), [(60_000, 10_000), (HOUR, 10_000), (DAY, 300_000), (300 * DAY, DAY)]
)
def test_a_step_is_round_and_the_steps_are_few(span: int, step: int) -> None:
    assert step_of(span) == step
    assert span / step <= MOST_STEPS


def test_a_job_of_years_has_steps_of_whole_days() -> None:
    assert step_of(1000 * DAY) == 3 * DAY


def test_each_device_has_a_row_and_a_straggler_stands_out() -> None:
    rows = pl.concat([readings("a", 0, HOUR, 0.9), readings("b", 0, HOUR, 0.1)])
    found = of_telemetry(rows, held(("a", 0, HOUR), ("b", 0, HOUR)), ["b", "a"], 0, HOUR)
    assert found is not None
    assert (found.source, found.step_ms, found.steps) == ("telemetry", 10_000, 360)
    assert found.activity[:360] == pytest.approx([0.1] * 360)
    assert found.activity[360:] == pytest.approx([0.9] * 360)
    assert found.watts[360] == pytest.approx(630)


def test_a_step_is_the_mean_over_the_time_that_was_read() -> None:
    rows = pl.concat([readings("a", 0, DAY // 2, 1.0), readings("a", DAY // 2, DAY, 0.5)])
    mixed = rows.with_columns(
        pl.when(pl.col("time_unix_ms") % 20_000 == 0).then(None).otherwise("activity")
        .alias("activity")
    )  # fmt: skip
    found = of_telemetry(mixed, held(("a", 0, DAY)), ["a"], 0, DAY)
    assert found is not None
    assert set(found.activity) == {1.0, 0.5}


def test_what_was_read_while_the_device_was_not_the_jobs_is_not_drawn() -> None:
    rows = readings("a", 0, 2 * HOUR, 1.0)
    found = of_telemetry(rows, held(("a", HOUR, 2 * HOUR)), ["a"], 0, 2 * HOUR)
    assert found is not None
    half = found.steps // 2
    assert all(math.isnan(value) for value in found.activity[:half])
    assert not any(math.isnan(value) for value in found.activity[half:])


def test_telemetry_of_less_than_half_of_the_time_is_left_to_the_books() -> None:
    rows = readings("a", 0, HOUR, 1.0)
    assert of_telemetry(rows, held(("a", 0, 3 * HOUR)), ["a"], 0, 3 * HOUR) is None
    assert of_telemetry(rows, held(), ["a"], 0, HOUR) is None


def test_time_held_and_not_read_is_told_and_time_not_held_is_not() -> None:
    values = [1.0, math.nan, math.nan, 1.0, math.nan, math.nan]
    made = Strips("books", 0, 100, 6, values, values)
    assert unread(made, values, [{"held": [[0, 450]]}]) == [[0, 100, 300], [0, 400, 450]]
    assert unread(made, values, [{"held": []}]) == []
