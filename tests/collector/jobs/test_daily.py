from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.jobs.daily import DAILY, daily, total

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAY = 20_000 * DAY_MS  # 2024-10-04
FRIDAY, SATURDAY = date(2024, 10, 4), date(2024, 10, 5)


def jobs(*rows: dict[str, object]) -> pl.DataFrame:
    plain = {"system": "a", "user": "eve", "nodes": 1, "cpus": 4, "gpus": 2, "submit_ms": DAY,
             "stated_ms": DAY + DAY_MS}  # fmt: skip
    made = [{"job": str(n), **plain, **row} for n, row in enumerate(rows)]
    return pl.concat([ACCOUNTED.to_frame(), pl.DataFrame(made)], how="diagonal_relaxed")


def test_hours_are_split_at_midnight_and_waiting_counts_where_it_ends() -> None:
    frame = daily(jobs({"start_ms": DAY + 20 * HOUR_MS, "end_ms": DAY + 30 * HOUR_MS, "nodes": 3}))
    assert frame.schema == DAILY
    first, second = frame.to_dicts()
    assert (first["day"], second["day"]) == (FRIDAY, SATURDAY)
    assert (first["wall_hours"], second["wall_hours"]) == pytest.approx((4.0, 6.0))
    hours = (first["node_hours"], first["cpu_hours"], first["gpu_hours"])
    assert hours == pytest.approx((12.0, 16.0, 8.0))
    assert (first["wait_hours"], second["wait_hours"]) == pytest.approx((20.0, 0.0))
    assert (first["jobs_started"], first["jobs_running"], first["jobs_ended"]) == (1, 1, 0)
    assert (second["jobs_started"], second["jobs_running"], second["jobs_ended"]) == (0, 1, 1)


def test_a_job_without_a_start_uses_nothing_and_one_without_duration_counts() -> None:
    frame = jobs(
        {"start_ms": None, "end_ms": DAY},
        {"start_ms": DAY + 5, "end_ms": DAY + 5},
    )
    [day] = daily(frame).to_dicts()
    assert (day["jobs_started"], day["jobs_ended"], day["wall_hours"]) == (1, 1, 0.0)
    assert total(frame)["jobs_running"] == 1


def test_a_job_that_ends_at_midnight_did_not_run_the_next_day() -> None:
    assert daily(jobs({"start_ms": DAY, "end_ms": DAY + DAY_MS}))["day"].to_list() == [FRIDAY]


def test_a_running_job_counts_as_long_as_it_was_seen_to_run() -> None:
    [day] = daily(jobs({"start_ms": DAY, "stated_ms": DAY + HOUR_MS})).to_dicts()
    assert (day["wall_hours"], day["jobs_ended"]) == (pytest.approx(1.0), 0)


def test_what_nobody_told_is_null_and_days_without_jobs_are_nought() -> None:
    frame = jobs(
        {"start_ms": DAY, "end_ms": DAY + HOUR_MS, "gpus": None},
        {"start_ms": DAY + 2 * DAY_MS, "end_ms": DAY + 2 * DAY_MS + HOUR_MS},
    )
    hours = daily(frame)["gpu_hours"].to_list()
    assert hours == [None, 0.0, pytest.approx(2.0)]


def test_the_total_counts_each_job_once() -> None:
    frame = jobs(
        {"start_ms": DAY, "end_ms": DAY + 3 * DAY_MS, "cpus": 1},
        {"start_ms": DAY, "end_ms": DAY + HOUR_MS, "user": "bob", "cpus": 7},
    )
    found = total(frame)
    assert (found["jobs_running"], found["users"], found["cpus_mean"]) == (2, 2, 4.0)
    assert found["wall_hours"] == pytest.approx(daily(frame)["wall_hours"].sum())
    assert found["cpus_weighted"] == pytest.approx((72 * 1 + 7 * 7) / (72 + 7))


def test_no_jobs_are_no_days() -> None:
    assert daily(ACCOUNTED.to_frame()).is_empty()
    assert total(ACCOUNTED.to_frame())["jobs_running"] == 0
