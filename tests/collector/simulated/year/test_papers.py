from __future__ import annotations

from datetime import UTC, date, datetime

from wattline_collector.simulated.shape import DAY_MS, HOUR_MS
from wattline_collector.simulated.year import papers
from wattline_collector.simulated.year.extent import Extent
from wattline_collector.simulated.year.plan import Plan

YEAR_2025_MS = 1_735_689_600_000
MARCH_MS = round(datetime(2025, 3, 1, tzinfo=UTC).timestamp() * 1000)


def test_reports_are_due_on_the_days_of_the_law_that_lie_in_the_year() -> None:
    whole = dict(papers.reports(Extent(6, 4, 7, YEAR_2025_MS, 365)))
    assert whole == {
        "own": date(2025, 7, 2), "access-time": date(2025, 1, 31), "energy": date(2025, 5, 15),
    }  # fmt: skip
    assert papers.reports(Extent(6, 4, 7, MARCH_MS, 28)) == [("own", date(2025, 3, 15))]


def test_carbon_is_higher_in_the_evening_and_in_winter() -> None:
    january = [papers.grams_per_kwh(YEAR_2025_MS + hour * HOUR_MS) for hour in range(24)]
    assert january.index(max(january)) == 18
    assert january.index(min(january)) == 6
    july_ms = YEAR_2025_MS + 182 * DAY_MS
    assert papers.grams_per_kwh(july_ms) < papers.grams_per_kwh(YEAR_2025_MS)


def test_every_hour_has_its_factor(planned: Plan) -> None:
    rows = papers.factors_hourly(planned)
    assert len({row["hour"] for row in rows}) == 24 * planned.extent.days


def test_calls_have_cut_offs_after_which_the_clock_starts(planned: Plan) -> None:
    by_mode = {row["access_mode"]: row for row in papers.projects(planned)}
    for mode in ("large_scale", "ai_for_science"):
        row = by_mode[mode]
        assert str(row["submitted"]) < str(row["call_cut_off"]) < str(row["access"])
    assert by_mode["fast_lane"]["call_cut_off"] == ""
