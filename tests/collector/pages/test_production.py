from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.access import Role, Viewer
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.period import parse_time
from wattline_collector.kpi.query import ask, overview

Ask = Callable[..., Any]
HALF = [("from", "2025-01-15"), ("to", "2025-01-29")]
MANAGER = Viewer("mara", roles=frozenset({Role.MANAGER}))


@pytest.fixture(scope="module")
def answer(ask_planted: Ask) -> Any:
    return ask_planted("/v1/production", HALF)


def test_headline_figures_stand_beside_the_time_before(answer: Any, planted: Path) -> None:
    period = Period(parse_time("2025-01-15", "from"), parse_time("2025-01-29", "to"))
    told = ask(planted, ["OEE", "P01", "S10"], period, compare="previous").to_json()
    found = {row["id"]: row for row in answer["compared"]}
    for row in told:
        mine = found[str(row["id"])]
        then, expected = mine["previous"], row["previous"]
        assert isinstance(expected, dict)
        assert mine["value"] == pytest.approx(row["value"])
        assert then["value"] == pytest.approx(expected["value"])
        assert (then["verdict"], then["period"]) == (expected["verdict"], expected["period"])
    assert answer["previous"]["from"] == "2025-01-01T00:00:00Z"


def test_the_life_cycle_by_day_adds_up_to_the_whole(answer: Any) -> None:
    whole = {row["dims"]["stage"]: row["numerator"] for row in answer["life_cycle"]}
    for stage, hours in whole.items():
        days = [row["numerator"] for row in answer["life_days"] if row["stage"] == stage]
        assert sum(day for day in days if day is not None) == pytest.approx(hours)


def test_an_overview_comes_with_a_system_alone_and_without_jobs_of_others(
    ask_planted: Ask, answer: Any, planted: Path
) -> None:
    assert answer["overview"] is None
    period = Period(parse_time("2025-01-15", "from"), parse_time("2025-01-29", "to"))
    mine = ask_planted("/v1/production", [*HALF, ("system", "sim")])["overview"]
    assert mine["accounts"] == overview(planted, period).to_json()["accounts"]
    assert mine["jobs"]
    seen = ask_planted("/v1/production", [*HALF, ("system", "sim")], MANAGER)["overview"]
    assert seen["jobs"] == []


def test_beside_a_time_that_is_hardly_booked_nothing_looks_better(ask_planted: Ask) -> None:
    # The books begin with January: of the fortnight before, four days are there.
    told = ask_planted("/v1/production", [("from", "2025-01-05"), ("to", "2025-01-19")])
    assert all(row["previous"] is None for row in told["compared"])
    (why,) = told["unlike"]
    assert why == "nothing is compared: 29% of the period before is booked"
