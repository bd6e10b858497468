from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wattline_collector.kpi.access_time import access_time, of_accounting

MIDDLE = datetime(2026, 3, 16, tzinfo=UTC)


def test_what_a_device_was_held_is_believed_before_what_the_scheduler_says(site: Any) -> None:
    site.install(4)
    site.hold("d0", "1", "busy", 0, 3)
    site.hold("d0", "1", "down", 3, 4)  # an outage takes it from the job
    site.hold("d1", "1", "unmeasured", 0, 2)  # a gap of the telemetry does not
    site.hold("d2", None, "free", 0, 9)
    site.account("1", gpus=8, start=0, end=4)
    found = access_time(site.view(), [])
    assert found.select("job", "gpu_hours", "book").rows() == [("1", 5.0, "ledger")]


def test_a_job_on_devices_without_an_agent_counts_as_accounted(site: Any) -> None:
    site.install(4)
    site.account("2", gpus=16, start=10, end=12.5, suspended_seconds=1800.0)
    site.account("cpu only", gpus=0, start=0, end=100)
    site.account("never", start=None, end=None)
    found = access_time(site.view(), [])
    assert found.select("job", "gpu_hours", "book").rows() == [("2", 32.0, "accounting")]


def test_a_job_that_still_runs_counts_up_to_what_was_last_heard_of_it(site: Any) -> None:
    site.account("2", gpus=2, start=10, end=None, stated_ms=site.view().bounds_ms[0] + 15 * 3600000)
    assert access_time(site.view(), [])["gpu_hours"].to_list() == [10.0]


def test_accounted_hours_are_cut_at_midnight_of_the_factory(site: Any) -> None:
    site.profile("", zone="Europe/Helsinki")
    site.account("2", gpus=1, start=20, end=30)  # midnight in Helsinki is 22:00 UTC
    found = of_accounting(site.view(), site.view().device, ["day"])
    hours = dict(found.select("day", "gpu_hours").rows())
    assert hours == pytest.approx({"2026-03-01": 2.0, "2026-03-02": 8.0})


@pytest.mark.parametrize("id", ["U06", "U09"])
def test_halves_of_a_period_add_up_to_the_whole(site: Any, id: str) -> None:
    site.install(40)
    site.hold("d0", "1", "busy", 300, 400)
    site.account("1", gpus=1, start=300, end=400)
    site.account("2", gpus=8, start=100, end=700)
    whole = site.one(id)
    halves = [site.one(id, end=MIDDLE), site.one(id, start=MIDDLE)]
    assert whole.denominator == 100 + 8 * 600
    for name in ("numerator", "denominator"):
        assert sum(getattr(half, name) for half in halves) == pytest.approx(getattr(whole, name))
    assert whole.method == "ledger; accounting of jobs on devices without an agent"


def test_time_nobody_observed_lowers_the_coverage_and_changes_no_ratio(site: Any) -> None:
    site.install(10)
    site.hold("d0", "1", "busy", 0, 9)
    before = site.one("U09")
    site.hold("d1", None, "unobserved", 0, 1)
    after = site.one("U09")
    assert (before.coverage, after.coverage) == (1.0, 0.9)
    assert (before.value, before.numerator) == (after.value, after.numerator)
