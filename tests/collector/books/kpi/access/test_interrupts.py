from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

MIDDLE = datetime(2026, 3, 16, tzinfo=UTC)


@pytest.fixture
def jobs(site: Any) -> Any:
    site.account("ok", gpus=8, start=0, end=100)
    site.account("broken", gpus=32, start=0, end=50, state="node_fail", partition="big")
    site.account("boot", gpus=8, start=500, end=550, state="boot_fail")
    site.account("late", gpus=8, start=10, end=20, state="timeout")
    site.account("mine", gpus=8, start=10, end=15, state="failed")
    site.account("cpu", gpus=0, start=0, end=700, state="node_fail")
    return site


def test_time_between_interruptions_of_jobs_with_its_interval(jobs: Any) -> None:
    found = {key[0]: one for key, one in jobs.by("A04", "per").items()}
    job = found["job"]
    assert (job.numerator, job.denominator, job.value) == (215, 2, 107.5)
    # Two events came of a mean from 0.2422 to 7.2247, with 95 %.
    assert (job.low, job.high) == (pytest.approx(29.759, abs=1e-2), pytest.approx(887.7, abs=0.2))
    large = found["1000_gpus"]
    assert large.value == pytest.approx((8 * 165 + 32 * 50) / 1000 / 2)
    assert (large.unit, large.n) == ("h", 2)


def test_without_an_interruption_there_is_a_bound_and_no_mean(jobs: Any) -> None:
    jobs.jobs = jobs.jobs[:1]
    figure = jobs.by("A04", "per")[("job",)]
    assert (figure.value, figure.numerator, figure.denominator) == (None, 100, 0)
    assert figure.note.endswith("with 95 % confidence the mean is over 33.4 h")


def test_job_hours_and_interruptions_of_halves_add_up(jobs: Any) -> None:
    whole = jobs.figures("A04")
    halves = [jobs.figures("A04", end=MIDDLE), jobs.figures("A04", start=MIDDLE)]
    for i, one in enumerate(whole):
        for name in ("numerator", "denominator"):
            assert sum(getattr(half[i], name) for half in halves) == getattr(one, name)


def test_hours_by_why_jobs_ended(jobs: Any) -> None:
    found = {key[0]: one for key, one in jobs.by("A07", "cause").items()}
    total = 800 + 1600 + 400 + 80 + 40
    assert {cause: one.numerator for cause, one in found.items()} == {
        "ok": 800, "infra": 2000, "timeout": 80, "user": 40,
    }  # fmt: skip
    assert {one.denominator for one in found.values()} == {total}
    assert found["infra"].value == pytest.approx(100 * 2000 / total)
    by_partition = jobs.by("A07", "partition", "cause", by=["partition"])
    assert by_partition["big", "infra"].value == 100


def test_parts_by_partition_and_day_add_up_to_the_whole(jobs: Any) -> None:
    for id, part in (("A04", "per"), ("A07", "cause")):
        whole = jobs.by(id, part)
        parts = jobs.figures(id, ["partition", "day"])
        assert len({one.dims["partition"] for one in parts}) == 2
        for (word,), one in whole.items():
            mine = [figure for figure in parts if figure.dims[part] == word]
            assert sum(figure.numerator for figure in mine) == pytest.approx(one.numerator)
    days = {one.dims["day"]: one for one in jobs.figures("A04", ["day"]) if
            one.dims["per"] == "job"}  # fmt: skip
    assert sum(one.n for one in days.values()) == 2
