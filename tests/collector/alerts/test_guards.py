from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from wattline_collector.alerts import book_days, guards
from wattline_collector.alerts.book_days import MS_PER_DAY, Day
from wattline_collector.alerts.grants import MS_PER_HOUR, grants_of
from wattline_collector.alerts.guards import LastDay
from wattline_collector.profile.parse import must, parse_profile
from wattline_collector.profile.schema import FactoryProfile

JULY_MS = round(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000)
YEAR_MS = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
NOTHING = LastDay({}, {})
HEAD = 'id = "x"\nname = "X"\ncountry = "FI"\ntime_zone = "Europe/Helsinki"\n'
SYSTEM = '[system.s]\nname = "S"\n'
UNION = SYSTEM + "[system.s.entitlement]\nunion_share = 0.5\n"


def profile(text: str) -> FactoryProfile:
    return must(parse_profile((HEAD + text).encode(), "factory.toml"))


def day(
    number: int,
    *,
    hours: float = 24,
    unseen: float = 0,
    used: Mapping[str, tuple[float, bool]] | None = None,
    joules: float | None = None,
    first_ms: int = YEAR_MS,
) -> Day:
    """A day of system `s`: offered hours, and hours by project."""
    start = first_ms + number * MS_PER_DAY
    rows = [
        {"system": "s", "project": project, "is_commercial": sold, "ms": round(h * MS_PER_HOUR)}
        for project, (h, sold) in (used or {}).items()
    ]
    ms = round(hours * MS_PER_HOUR)
    unseen_ms = round(unseen * MS_PER_HOUR)
    time = {"system": "s", "all_ms": ms + unseen_ms, "offered_ms": ms, "unseen_ms": unseen_ms}
    energy: dict[str, Any] = {"system": "s", "node": "n", "gpu_joules": joules}
    return Day(
        start,
        pl.DataFrame([time], schema=book_days.TIME),
        pl.DataFrame(rows, schema=book_days.USED),
        pl.DataFrame([energy], schema=book_days.ENERGY),
    )


def books(days: list[Day], text: str = UNION, last: LastDay = NOTHING) -> dict[str, Any]:
    grants = grants_of(None, JULY_MS)
    found = guards.figures(days, grants, last, profile(text), days[-1].start_ms + MS_PER_DAY)
    return found["books"].row(0, named=True)


def sold(share: float, days: int = 40) -> list[Day]:
    """A system half of which is the Union's, and of that such a share is sold."""
    part = {"c": (24 * 0.5 * share, True), "a": (6.0, False)}
    return [day(number, used=part) for number in range(days)]


@pytest.mark.parametrize(
    ("share", "alarm"),
    [
        (0.1499, 0), (0.15, 1), (0.1799, 1), (0.18, 2), (0.1999, 2), (0.2, 3), (0.2001, 4),
        (0.21, 4),
    ],
)  # fmt: skip
def test_a_level_is_reached_at_its_very_edge(share: float, alarm: int) -> None:
    found = books(sold(share))
    assert found["commercial_share_ratio"] == pytest.approx(share, rel=1e-6)
    assert found["commercial_alarm"] == alarm


def test_the_share_is_of_the_unions_time_used_or_not() -> None:
    # 5 of 24 hours are sold and nothing else runs: over used time it would be all of it.
    found = books([day(n, used={"c": (2.4, True)}) for n in range(40)])
    assert found["commercial_share_ratio"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "text",
    ["", SYSTEM, SYSTEM + "[system.s.entitlement]\ngpu_hours_per_year = 100\n"],
    ids=["no system", "no entitlement", "no share of the Union"],
)
def test_without_the_unions_share_nothing_is_said(text: str) -> None:
    found = books(sold(0.5), text)
    assert found["commercial_share_ratio"] is None and found["commercial_alarm"] is None


def test_without_a_register_of_projects_nothing_is_said() -> None:
    assert books([day(n) for n in range(40)])["commercial_alarm"] is None


@pytest.mark.parametrize(("days", "is_told"), [(6, False), (7, True)])
def test_less_than_a_week_of_books_is_too_little(days: int, is_told: bool) -> None:
    assert (books(sold(0.5, days))["commercial_alarm"] is not None) is is_told


def test_a_time_that_was_mostly_not_observed_is_not_judged() -> None:
    part = {"c": (6.0, True)}
    half = [day(n, hours=24, unseen=24, used=part) for n in range(40)]
    less = [day(n, hours=24, unseen=25, used=part) for n in range(40)]
    assert books(half)["commercial_alarm"] == 4
    assert books(less)["commercial_alarm"] is None


def test_in_the_first_weeks_of_a_year_december_counts_too() -> None:
    days = [day(n, used={"c": (0.0, True)}) for n in range(-25, 0)]
    days += [day(0, used={"c": (24.0, True)})]
    assert books(days)["commercial_share_ratio"] == pytest.approx(24 / (26 * 12))


def test_after_them_the_year_before_counts_no_more() -> None:
    days = [day(n, used={"c": (12.0, True)}) for n in range(-10, 0)]
    days += [day(n, used={"c": (1.2, True)}) for n in range(40)]
    assert books(days)["commercial_share_ratio"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("", (0.15, 0.18, 0.20)),
        ("[guard]\ncommercial_share = [0.1, 0.12, 0.14]\n", (0.1, 0.12, 0.14)),
        ("[guard]\ncommercial_share = [0.1]\n", (0.1, 0.1, 0.1)),
        ("[guard]\ncommercial_share = [0.1, 0.2]\n", (0.1, 0.1, 0.2)),
        ("[guard]\ncommercial_share = [0.05, 0.1, 0.15, 0.2]\n", (0.05, 0.15, 0.2)),
    ],
)
def test_the_profile_says_at_which_levels(text: str, levels: tuple[float, ...]) -> None:
    assert guards.levels_of(profile(UNION + text), None) == levels


def test_what_may_be_sold_at_most_is_the_limit() -> None:
    found = profile(UNION + "commercial_share_most = 0.16\n")
    entitlement = found.systems["s"].entitlement
    assert guards.levels_of(found, entitlement) == (0.15, 0.15, 0.16)


def grants(*rows: tuple[str | None, str, int, int, float]) -> pl.DataFrame:
    names = ("system", "project", "valid_from_ms", "valid_until_ms", "gpu_hours_granted")
    frame = pl.DataFrame(
        rows,
        schema=dict(
            zip(names, (pl.String, pl.String, pl.Int64, pl.Int64, pl.Float64), strict=True)
        ),
        orient="row",
    )
    return grants_of(frame, JULY_MS)


def told(days: list[Day], of: pl.DataFrame, now_ms: int = JULY_MS) -> dict[str, Any]:
    frame = guards.figures(days, of, NOTHING, profile(""), now_ms)["grant"]
    assert frame.height == 1
    return frame.row(0, named=True)


def used_daily(hours: float, days: int = 181) -> list[Day]:
    return [day(n, used={"p": (hours, False)}) for n in range(days)]


YEAR_END_MS = YEAR_MS + 365 * MS_PER_DAY


def test_a_grants_use_is_told_over_its_size() -> None:
    found = told(used_daily(10), grants(("s", "p", YEAR_MS, YEAR_END_MS, 2011.1)))
    assert found["used_ratio"] == pytest.approx(0.9, abs=1e-4)
    assert found["elapsed_ratio"] == pytest.approx(181 / 365)
    assert found["left_seconds"] == pytest.approx(20.11 * 86_400, rel=1e-3)


def test_a_grant_that_lasts_is_not_said_to_run_out() -> None:
    found = told(used_daily(1), grants(("s", "p", YEAR_MS, YEAR_END_MS, 2000.0)))
    assert found["left_seconds"] is None


@pytest.mark.parametrize(
    ("hours", "end_day", "behind"),
    [(0.39, 362, 1.0), (0.40, 362, 0.0), (0.39, 363, 0.0)],
    ids=["too little at half its time", "just enough", "too little, before half its time"],
)
def test_a_grant_is_behind_at_half_its_time(hours: float, end_day: int, behind: float) -> None:
    end_ms = YEAR_MS + end_day * MS_PER_DAY
    found = told(used_daily(hours), grants(("s", "p", YEAR_MS, end_ms, 181.0)))
    assert found["behind"] == behind


def test_of_a_grant_older_than_the_books_nobody_says_it_is_behind() -> None:
    found = told(used_daily(0.1), grants(("s", "p", YEAR_MS - MS_PER_DAY, JULY_MS + 1, 181.0)))
    assert found["behind"] is None and found["used_ratio"] is not None


def test_a_grant_for_all_systems_counts_all_of_them() -> None:
    found = told(used_daily(1), grants((None, "p", YEAR_MS, YEAR_END_MS, 362.0)))
    assert found["system"] == "" and found["used_ratio"] == pytest.approx(0.5)


def test_one_grant_said_of_two_accounts_is_one_and_two_parts_are_their_sum() -> None:
    one = ("s", "p", YEAR_MS, YEAR_END_MS)
    assert grants((*one, 100.0), (*one, 100.0))["granted_hours"].to_list() == [100.0]
    assert grants((*one, 100.0), (*one, 50.0))["granted_hours"].to_list() == [150.0]


def test_a_grant_that_does_not_hold_or_has_no_size_is_not_told_of() -> None:
    assert grants(("s", "p", JULY_MS + 1, YEAR_END_MS, 1.0)).is_empty()
    assert grants(("s", "p", YEAR_MS, JULY_MS, 1.0)).is_empty()
    assert grants(("s", "p", YEAR_MS, YEAR_END_MS, 0.0)).is_empty()


BUDGET = SYSTEM + 'energy_budget_per_year = "365 kJ"\npower_budget = "2 kW"\n'


def test_energy_is_held_against_the_years_budget_and_carried_on() -> None:
    found = books([day(n, joules=1100.0) for n in range(73)], BUDGET)
    assert found["energy_used_ratio"] == pytest.approx(0.22)
    assert found["energy_forecast_ratio"] == pytest.approx(1.1)
    assert found["power_budget_watts"] == 2000


def test_a_year_that_just_began_is_not_carried_on() -> None:
    found = books([day(n, joules=1100.0) for n in range(27)], BUDGET)
    assert found["energy_used_ratio"] is not None and found["energy_forecast_ratio"] is None


def test_energy_nobody_measured_is_not_nought() -> None:
    assert books([day(n) for n in range(73)], BUDGET)["energy_used_ratio"] is None


def test_a_node_is_counted_by_its_own_meter_where_it_has_one() -> None:
    row = {"system": "s", "node": "n", "gpu_joules": 700.0, "node_joules": 1000.0,
           "node_known_ms": 50.0, "node_ms": 100.0}  # fmt: skip
    plain = day(0)
    for known, joules in ((50.0, 1000.0), (49.0, 700.0)):
        energy = pl.DataFrame([row | {"node_known_ms": known}], schema=book_days.ENERGY)
        found = books([Day(plain.start_ms, plain.time, plain.used, energy)], BUDGET)
        assert found["energy_used_ratio"] == pytest.approx(joules / 365_000)


def test_the_last_day_is_told_with_what_is_aimed_at() -> None:
    last = LastDay({"s": 0.93}, {"s": 0.96})
    found = books(sold(0.1), UNION + '[target.Q03]\ndirection = "up"\nvalue = 98\n', last)
    assert found["completeness_ratio"] == 0.93
    assert found["completeness_target_ratio"] == 0.98
    assert found["closure_gap_ratio"] == pytest.approx(0.04)
    promised = '[system.s.sla.Q03]\ndirection = "up"\nthreshold = 90\n'
    assert books(sold(0.1), UNION + promised, last)["completeness_target_ratio"] == 0.9
    assert books(sold(0.1), UNION)["completeness_ratio"] is None


def entries(rows: list[dict[str, Any]]) -> pl.DataFrame:
    base = {"system": "s", "node": "n", "job": None, "account": "free", "energy_joules": None,
            "energy_ms": 0}  # fmt: skip
    return pl.DataFrame([base | row for row in rows], schema_overrides={"job": pl.String})


def test_a_day_is_added_up_by_project_and_nothing_is_lost() -> None:
    from wattline_collector.registers.merge import kept_schema
    from wattline_collector.registers.schema import PROJECTS

    device = entries(
        [
            {"job": "1", "account": "busy", "duration_ms": 100, "energy_joules": 5.0},
            {"job": "2", "account": "held", "duration_ms": 50},
            {"job": "3", "account": "busy", "duration_ms": 25},
            {"account": "free", "duration_ms": 10},
            {"account": "down", "duration_ms": 7},
            {"account": "unobserved", "duration_ms": 3},
        ]
    )
    node = entries([{"duration_ms": 200, "energy_joules": 8.0, "energy_ms": 200}])
    jobs = pl.DataFrame(
        {"system": ["s"] * 3, "job": ["1", "2", "3"], "start_ms": [5, 5, 5],
         "submit_ms": [1, 1, 1], "account": ["A", "sold", "nobody"], "project": [None] * 3},
        schema_overrides={"project": pl.String},
    )  # fmt: skip
    register = pl.DataFrame(
        [
            {"project": "a", "account": "a", "commercial": False},
            {"project": "b", "account": "sold", "access_mode": "commercial"},
        ],
        schema={n: t for n, t in kept_schema(PROJECTS).items() if n != "replaced_ms"},
    )
    found = book_days.day_of(0, device, node, jobs, register)
    assert found.time.row(0) == ("s", 195, 185, 3)
    assert set(found.used.rows()) == {
        ("s", "a", False, 100), ("s", "b", True, 50), ("s", None, False, 25)
    }  # fmt: skip
    assert found.energy.row(0) == ("s", "n", 5.0, 8.0, 200.0, 200.0)
    assert book_days.day_of(0, device, node, jobs, None).used.is_empty()
