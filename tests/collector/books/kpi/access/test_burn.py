from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

HEAD = "system,project,access_mode,gpu_hours_granted,valid_from,valid_until"
HALF = datetime(2026, 3, 11, tzinfo=UTC)


def test_pace_is_what_is_used_over_what_is_due(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, ",a,fast_lane,100,2026-03-01,2026-03-20")
    site.hold("d0", "1", "busy", 0, 25)
    site.account("1", gpus=1, start=0, end=25, account="a")
    figure = site.one("U05", end=HALF)
    assert (figure.numerator, figure.denominator, figure.value) == (25, 50, 0.5)
    assert (figure.n, figure.method) == (1, "ledger")
    forecast = "at this pace 50 % is used when the time is over"
    late = "1 past half its time with under 40 % used"
    assert figure.note == f"{late}: split by project to see which; {forecast}"


def test_a_project_is_named_only_to_who_asks_for_projects(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, ",secret,fast_lane,100,2026-03-01,2026-03-20")
    for by in ([], ["access_mode"], ["system"]):
        assert "secret" not in site.figures("U05", by, end=HALF)[0].note
    assert "used: secret; " in site.figures("U05", ["project"], end=HALF)[0].note


def test_of_a_grant_older_than_the_books_nobody_says_it_is_behind(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, ",a,fast_lane,100,2026-02-24,2026-03-20")
    site.hold("d0", "1", "busy", 0, 25)
    site.account("1", gpus=1, start=0, end=25, account="a")
    figure = site.one("U05", end=HALF)
    assert figure.coverage == pytest.approx(10 / 15)  # ten days of fifteen are known
    assert "past half its time" not in figure.note
    site.account("older", gpus=1, submit=-120, start=-120, end=-96, account="a")
    figure = site.one("U05", end=HALF)
    assert (figure.coverage, figure.numerator) == (1, pytest.approx(49))
    site.register("projects", HEAD, ",a,fast_lane,200,2026-02-24,2026-03-20")
    assert "past half its time" in site.one("U05", end=HALF).note


def test_use_before_the_period_counts_too(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, ",a,fast_lane,100,2026-03-01,2026-03-20")
    site.account("1", gpus=4, start=0, end=10, account="a")
    figure = site.one("U05", start=datetime(2026, 3, 10, tzinfo=UTC), end=HALF)
    assert (figure.numerator, figure.denominator) == (40, 50)
    assert figure.method == "ledger; accounting of jobs on devices without an agent"


def test_several_grants_are_a_sum_over_a_sum_and_each_stands_alone(site: Any) -> None:
    site.install(4)
    site.register(
        "projects", HEAD, "s,a,fast_lane,100,2026-03-01,2026-03-20",
        "s,b,playground,300,2026-03-06,2026-03-15", "other,b,playground,999,2026-03-06,2026-03-15",
        "s,over,playground,50,2026-02-01,2026-03-02", "s,open,playground,,2026-03-01,2026-03-30",
    )  # fmt: skip
    for job, first, last, account in (("1", 0, 60, "a"), ("2", 130, 220, "b"), ("3", 0, 9, "over")):
        site.hold("d0", job, "busy", first, last)
        site.account(job, gpus=1, start=first, end=last, account=account)
    found = site.by("U05", "system", "project", by=["system", "project"], end=HALF)
    assert {key: one.numerator for key, one in found.items()} == pytest.approx(
        {("s", "a"): 60, ("s", "b"): 90, ("other", "b"): 0}
    )
    assert found["s", "b"].value == pytest.approx(90 / 150)
    whole = site.one("U05", end=HALF)
    assert (whole.numerator, whole.n) == (pytest.approx(150), 3)
    assert whole.denominator == pytest.approx(50 + 150 + 999 / 2)


def test_without_a_grant_that_runs_it_says_what_a_grant_needs(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, ",a,fast_lane,,2026-03-01,")
    assert "valid_from and valid_until" in site.one("U05").note
