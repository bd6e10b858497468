from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wattline_collector.capability.burn_down import (
    MS_PER_DAY,
    BurnDown,
    Milestone,
    add_months,
    burn_down,
)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


START, END = at("2026-01-01"), at("2027-01-01")
FORTY_AT_SIX = (Milestone(6, 0.40),)


def asked(use: list[tuple[int, float]], now: str, **more: float) -> BurnDown:
    return burn_down(
        1000.0, use, start_ms=START, end_ms=END, now_ms=at(now), milestones=FORTY_AT_SIX, **more
    )


def test_use_against_time_and_a_forecast() -> None:
    found = asked([(at("2026-04-02"), 300.0)], "2026-04-02")  # 91 of 365 days
    assert found.used_share == 0.3
    assert found.elapsed_share == pytest.approx(91 / 365)
    assert found.pace == pytest.approx(0.3 / (91 / 365))
    assert found.forecast_used == pytest.approx(300 * 365 / 91)
    assert found.exhausted_ms == pytest.approx(START + 1000 / (300 / 91) * MS_PER_DAY, abs=2)


def test_a_grant_used_evenly_lasts_to_its_end() -> None:
    found = asked([(at("2026-07-02"), 1000 * 182 / 365)], "2026-07-02")
    assert found.pace == pytest.approx(1.0)
    assert found.forecast_share == pytest.approx(1.0)


@pytest.mark.parametrize(("used", "met"), [(399.0, False), (400.0, True), (700.0, True)])
def test_40_percent_after_6_months_is_judged_when_it_is_due(used: float, met: bool) -> None:
    (reached,) = asked(
        [(at("2026-07-01"), used), (at("2026-08-01"), 900.0)], "2026-08-01"
    ).milestones
    assert reached.due_ms == at("2026-07-01")
    assert (reached.is_due, reached.is_met) == (True, met)
    assert reached.share == pytest.approx(used / 1000)


def test_a_milestone_to_come_is_forecast() -> None:
    slow = asked([(at("2026-04-01"), 150.0)], "2026-04-01").milestones[0]
    assert (slow.is_due, slow.is_met) == (False, False)
    assert slow.share == pytest.approx(0.15 * 181 / 90)
    early = asked([(at("2026-01-05"), 1.0)], "2026-01-05").milestones[0]
    assert (early.share, early.is_met) == (None, None)


def test_the_pace_of_the_last_days_can_be_asked_for() -> None:
    use = [(at("2026-03-01"), 0.0), (at("2026-03-31"), 300.0)]
    whole, recent = asked(use, "2026-03-31"), asked(use, "2026-03-31", window_days=30)
    assert recent.forecast_used == pytest.approx(300 + 10 * 276)
    assert whole.forecast_used == pytest.approx(300 / 89 * 365)


def test_a_grant_that_is_used_up_tells_when() -> None:
    found = asked([(at("2026-05-01"), 500.0), (at("2026-05-11"), 1500.0)], "2026-05-11")
    assert found.exhausted_ms == at("2026-05-06")


def test_there_is_no_forecast_from_the_first_days() -> None:
    found = asked([(at("2026-01-10"), 40.0)], "2026-01-10")
    assert (found.forecast_used, found.exhausted_ms) == (None, None)
    assert found.pace is not None


def test_nothing_granted_has_no_share() -> None:
    for granted in (None, 0.0):
        found = burn_down(granted, [(END, 10.0)], start_ms=START, end_ms=END, now_ms=END)
        assert (found.used_share, found.pace, found.forecast_share) == (None, None, None)
        assert found.elapsed_share == 1.0


def test_use_that_falls_or_a_grant_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match="use must rise"):
        asked([(START + 2, 5.0), (START + 3, 4.0)], "2026-02-01")
    with pytest.raises(ValueError, match="ends after"):
        burn_down(1.0, [], start_ms=START, end_ms=START, now_ms=START)


@pytest.mark.parametrize(
    ("start", "months", "due"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
    ],
)
def test_months_are_those_of_the_calendar(start: str, months: int, due: str) -> None:
    assert add_months(at(start), months) == at(due)
