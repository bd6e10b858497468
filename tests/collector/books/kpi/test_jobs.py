from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.jobs import gpu_hours, run_ms, wait_ms

HOUR = 3_600_000


def job(**said: Any) -> pl.DataFrame:
    return pl.DataFrame([{"system": "s", "job": "1", "gpus": 4} | said], schema=ACCOUNTED)


def value(frame: pl.DataFrame, expression: pl.Expr) -> float | None:
    found = frame.select(expression).item()
    return None if found is None else float(found)


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ({"start_ms": 0, "end_ms": 10 * HOUR}, 24.0),  # 2 to 8 of it
        ({"start_ms": 4 * HOUR, "end_ms": 6 * HOUR}, 8.0),
        ({"start_ms": 6 * HOUR, "end_ms": None}, 8.0),  # runs on
        ({"start_ms": 9 * HOUR, "end_ms": 12 * HOUR}, 0.0),
        ({"start_ms": 0, "end_ms": 10 * HOUR, "suspended_seconds": 5 * 3600.0}, 12.0),
        ({"start_ms": 0, "end_ms": 10 * HOUR, "suspended_seconds": 9e9}, 0.0),
        ({"start_ms": 3 * HOUR, "end_ms": 3 * HOUR}, 0.0),
        ({"start_ms": None, "end_ms": 5 * HOUR}, None),
        ({"start_ms": 0, "end_ms": 10 * HOUR, "gpus": None}, None),
    ],
)
def test_gpu_hours_in_a_period(said: dict[str, Any], hours: float | None) -> None:
    assert value(job(**said), gpu_hours(2 * HOUR, 8 * HOUR)) == hours


def test_a_job_that_nobody_spoke_of_again_ran_no_longer_than_that() -> None:
    forgotten = job(start_ms=6 * HOUR, stated_ms=7 * HOUR)
    assert value(forgotten, gpu_hours(2 * HOUR, 8 * HOUR)) == 4
    assert value(forgotten, gpu_hours(8 * HOUR, 9 * HOUR)) == 0


def test_without_a_period_a_job_counts_whole_and_a_running_one_is_not_known() -> None:
    assert value(job(start_ms=0, end_ms=HOUR), run_ms()) == HOUR
    assert value(job(start_ms=0), run_ms()) is None


def test_a_wait_begins_with_submission_or_when_only_the_queue_held_it() -> None:
    waited = job(submit_ms=0, eligible_ms=2 * HOUR, start_ms=3 * HOUR)
    assert value(waited, wait_ms()) == 3 * HOUR
    assert value(waited, wait_ms("eligible")) == HOUR
    assert value(job(submit_ms=0), wait_ms()) is None
    # Clocks of two machines may say that it started before it was submitted.
    assert value(job(submit_ms=5, start_ms=0), wait_ms()) == 0
    with pytest.raises(ValueError, match="submit or eligible"):
        wait_ms("begin")
