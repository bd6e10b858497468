from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wattline_collector.kpi.buckets import years

HEAD = "project,share,commercial,access_mode"
ROWS = (
    "u,union,no,fast_lane", "c,commercial,yes,commercial", "cu,union,yes,fast_lane",
    "n,national,yes,national", "EHPC-AIF-2026PG01-001,,,", "x,,,other",
)  # fmt: skip
HOURS = {"u": 300, "c": 50, "cu": 40, "n": 200, "EHPC-AIF-2026PG01-001": 10, "x": 7}
PROFILE = '[system.s]\nname = "S"\n[system.s.entitlement]\nunion_share = "50 %"\n'


@pytest.fixture
def shared(site: Any) -> Any:
    """A system that offered 1,000 GPU-hours, half of which are the Union's."""
    site.install(4)
    site.register("projects", HEAD, *ROWS)
    at = 0
    for project, hours in HOURS.items():
        site.hold("d0", project, "busy", at, at + hours)
        site.account(project, gpus=1, start=at, end=at + hours, account=project)
        at += hours
    site.hold("d1", None, "free", 0, 1000 - at)
    site.profile(PROFILE)
    return site


def test_the_unions_share_used_is_over_all_it_is_entitled_to(shared: Any) -> None:
    figure = shared.one("U04")
    assert (figure.numerator, figure.denominator) == (300 + 50 + 40 + 10, 500)
    assert (figure.value, figure.n, figure.dims) == (80, 4, {"system": "s"})
    assert figure.method == "ledger; the Union's share of what the system offered"
    assert figure.note == "7.0 GPU-h are in no sum: nobody told out of whose time they are"


def test_commercial_use_is_held_against_the_unions_total_time_used_or_not(shared: Any) -> None:
    figure = shared.one("I04")
    assert (figure.numerator, figure.denominator, figure.value) == (90, 500, 18)
    assert "over" not in figure.note


def test_more_than_a_fifth_is_said(shared: Any) -> None:
    shared.hold("d2", "c", "held", 0, 15)
    shared.hold("d3", None, "down", 0, 15)  # offers nothing
    figure = shared.one("I04")
    assert (figure.numerator, figure.denominator) == (105, 507.5)
    assert figure.value == pytest.approx(20.6897, abs=1e-4)
    assert figure.note.startswith("over the 20% allowed; ")


def test_the_total_agreed_for_a_year_counts_by_its_days(shared: Any) -> None:
    shared.profile(PROFILE + "gpu_hours_per_year = 7300\n")
    figure = shared.one("U04")
    assert figure.denominator == pytest.approx(7300 * 31 / 365 / 2)
    assert figure.method.endswith("agreed for the year, by its days")


def test_before_a_system_serves_nobody_is_entitled_to_anything(shared: Any) -> None:
    served = PROFILE.replace('name = "S"', 'name = "S"\nin_service = 2026-03-22')
    shared.profile(served + "gpu_hours_per_year = 7300\n")
    assert shared.one("U04").denominator == pytest.approx(7300 * 10 / 365 / 2)


def test_weeks_of_the_unions_time_add_up(shared: Any) -> None:
    for id in ("U04", "I04"):
        weeks = shared.figures(id, ["week"])
        assert len(weeks) == 6
        whole = shared.one(id)
        for name in ("numerator", "denominator"):
            parts = [getattr(week, name) or 0 for week in weeks]
            assert sum(parts) == pytest.approx(getattr(whole, name))


def test_without_a_share_in_the_profile_it_says_which_key_to_add(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, *ROWS)
    assert "system.NAME.entitlement.union_share" in site.one("I04").note


def test_years_are_counted_each_by_its_own_days() -> None:
    low, high = (
        round(datetime(year, 7, 1, tzinfo=UTC).timestamp() * 1000) for year in (2027, 2028)
    )
    assert years(low, high, "UTC") == pytest.approx(184 / 365 + 182 / 366)
    assert years(low, low, "UTC") == 0
