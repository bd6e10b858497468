"""The same through a store that was booked, read as the command line reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wattline_collector.kpi.figure import Figure
from wattline_collector.kpi.query import figures

HOUR = 3600
PROFILE = """\
id = "f"
name = "F"
country = "FI"
time_zone = "Europe/Helsinki"
[system.test]
name = "Test"
[system.test.entitlement]
union_share = "50 %"
"""


@pytest.fixture
def store(telemetry: Any, site: Any) -> Path:
    """Two devices for ten hours; b falls silent for two, of which one is inside a job."""
    for name in ("a", "b"):
        telemetry.device(name)
    telemetry.samples("a", last_s=10 * HOUR, every_s=60, sm_active_ratio=0.5)
    telemetry.samples("b", last_s=4 * HOUR, every_s=60, sm_active_ratio=0.5)
    telemetry.samples("b", first_s=6 * HOUR, last_s=10 * HOUR, every_s=60, sm_active_ratio=0.5)
    telemetry.assign("1", 0, 4 * HOUR, "a")
    telemetry.account("1", 0, 4 * HOUR, said_s=4 * HOUR, account="p", gpus=1)
    telemetry.assign("2", 0, 5 * HOUR, "b")
    telemetry.account("2", 0, 5 * HOUR, said_s=5 * HOUR, account="q", gpus=1)
    telemetry.account("3", 0, 2 * HOUR, said_s=2 * HOUR, account="p", gpus=8)
    telemetry.book(10 * HOUR)
    path = telemetry.path
    assert isinstance(path, Path)
    (path / "profile.toml").write_text(PROFILE)
    site.store = path
    site.register(
        "projects", "project,access_mode,share,gpu_hours_granted,valid_from,valid_until",
        "p,fast_lane,union,720,2026-11-01,2026-11-30", "q,commercial,commercial,,,",
    )  # fmt: skip
    return path


def one(store: Path, id: str, **dims: str) -> Figure:
    (found,) = [f for f in figures(store, [id]) if dims.items() <= f.dims.items()]
    return found


def test_a_hole_inside_a_job_is_the_jobs_and_outside_it_lowers_the_coverage(store: Path) -> None:
    sold = one(store, "I04")
    assert sold.numerator == pytest.approx(5, abs=0.02)
    # What was offered is the 20 device-hours less the one that nobody observed.
    assert sold.denominator == pytest.approx(9.5, abs=0.02)
    assert sold.coverage == pytest.approx(0.95, abs=0.002)
    assert sold.note == "over the 20% allowed"


def test_a_job_no_agent_saw_is_taken_from_accounting(store: Path) -> None:
    used = one(store, "I01", access_mode="fast_lane")
    assert used.numerator == pytest.approx(4 + 16)
    assert used.denominator == pytest.approx(10)
    assert used.method == "ledger; accounting of jobs on devices without an agent"


def test_splits_by_month_are_those_of_the_factorys_time_zone(store: Path) -> None:
    # The books begin at midnight UTC, which is two in the morning of Helsinki.
    months = {f.dims["month"] for f in figures(store, ["U04"], by="month")}
    assert months == {"2026-11"}
    days = {f.dims["day"] for f in figures(store, ["U09"], by="day")}
    assert days == {"2026-11-01"}
