from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.reliability import job_mtti, outcomes

HOUR = 3_600_000


def jobs(*rows: dict[str, Any]) -> pl.DataFrame:
    made = [
        {"system": "s", "job": str(i), "gpus": 8, "start_ms": 0, "end_ms": 10 * HOUR}
        | {"state": "completed"} | row
        for i, row in enumerate(rows)
    ]  # fmt: skip
    return pl.DataFrame(made, schema=ACCOUNTED)


def test_interruptions_by_the_infrastructure_over_the_time_jobs_ran() -> None:
    found = job_mtti(
        jobs({"state": "node_fail"}, {}, {"state": "failed"}, {"gpus": 0, "state": "node_fail"}),
        start_ms=0, end_ms=100 * HOUR,
    )  # fmt: skip
    assert (found.interrupts, found.job_hours, found.device_hours) == (1, 30, 240)
    assert (found.hours, found.per_thousand_hours) == (30, 0.24)
    assert found.at_least_hours is None


def test_a_cause_that_is_known_better_goes_before_the_state() -> None:
    causes = pl.DataFrame({"system": ["s"], "job": ["1"], "cause": ["infra"]})
    ran = jobs({}, {"state": "failed"})
    assert job_mtti(ran, start_ms=0, end_ms=100 * HOUR).interrupts == 0
    assert job_mtti(ran, start_ms=0, end_ms=100 * HOUR, causes=causes).interrupts == 1


def test_no_interruption_gives_a_bound_and_no_mean() -> None:
    found = job_mtti(jobs({}), start_ms=0, end_ms=100 * HOUR)
    assert (found.hours, found.per_thousand_hours) == (None, None)
    assert found.at_least_hours == pytest.approx(10 / math.log(20))
    assert job_mtti(jobs(), start_ms=0, end_ms=HOUR).at_least_hours is None


def test_a_job_counts_by_what_it_ran_in_the_period() -> None:
    found = job_mtti(
        jobs({"end_ms": None, "state": "running"}, {"state": "node_fail"}),
        start_ms=5 * HOUR, end_ms=8 * HOUR,
    )  # fmt: skip
    assert (found.job_hours, found.interrupts) == (6, 0)


def test_hours_by_how_their_jobs_ended() -> None:
    found = outcomes(
        jobs({}, {"state": "failed"}, {"state": "out_of_memory"}, {"state": "timeout"},
             {"state": "preempted"}, {"state": "node_fail", "gpus": 16}, {"state": "odd"},
             {"gpus": None}, {"end_ms": None, "state": "running"}),
        start_ms=0, end_ms=100 * HOUR,
    )  # fmt: skip
    hours = {row["cause"]: row["gpu_hours"] for row in found.iter_rows(named=True)}
    assert hours == {
        "infra": 160, "ok": 80, "other": 80, "preempt": 80, "timeout": 80, "user": 160
    }  # fmt: skip
    assert found["share"].sum() == pytest.approx(1.0)
    assert dict(found.select("cause", "jobs").iter_rows())["ok"] == 2


def test_no_job_is_no_share() -> None:
    assert outcomes(jobs(), start_ms=0, end_ms=HOUR).is_empty()
