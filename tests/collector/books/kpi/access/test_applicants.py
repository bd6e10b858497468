from __future__ import annotations

from typing import Any

import pytest

HEAD = (
    "project,access_mode,user_category,organisation,state,submitted,call_cut_off,access,"
    "valid_from,valid_until"
)
HOLIDAYS = "[calendar.site]\nholidays = [2026-01-01, 2026-03-06]\n"


def test_start_ups_and_smes_with_a_grant_and_those_with_their_first(site: Any) -> None:
    site.register(
        "projects", HEAD,
        "old,fast_lane,sme,Alpha GmbH,DE,,,,2025-05-01,2025-08-01",
        "again,fast_lane,sme,ALPHA GmbH ,DE,,,,2026-02-01,2026-03-10",
        "new,playground,start_up,Beta d.o.o.,SI,,,,2026-03-05,2026-06-05",
        "new2,playground,start_up,Beta d.o.o.,SI,,,,2026-03-20,2026-06-05",
        "large,fast_lane,large_industry,Gamma,FR,,,,2026-03-05,2026-06-05",
        "over,fast_lane,sme,Delta,FR,,,,2026-01-01,2026-02-28",
        "nameless,fast_lane,sme,,FR,,,,2026-03-05,2026-06-05",
    )  # fmt: skip
    found = {key[0]: one for key, one in site.by("I06", "which").items()}
    assert {which: one.value for which, one in found.items()} == {"served": 2, "new": 1}
    assert found["served"].note == "1 of their projects name no organisation"
    by_state = site.by("I06", "participating_state", "which", by=["participating_state"])
    assert by_state["SI", "new"].value == 1
    assert ("DE", "new") not in by_state
    assert "Beta" not in str(found["new"].to_json())


def test_without_a_newcomer_there_were_none(site: Any) -> None:
    site.register("projects", HEAD, "p,fast_lane,academia,Uni,DE,,,,2026-03-01,2026-03-31")
    assert [one.value for one in site.figures("I06")] == [0, 0]


@pytest.fixture
def clocks(site: Any) -> Any:
    site.profile(HOLIDAYS, zone="Europe/Helsinki")
    site.register(
        "projects", HEAD,
        # From Monday to Wednesday; over a weekend; over the holiday of Friday 6 March.
        "p1,playground,sme,A,SI,2026-03-09,,2026-03-11,,",
        "p2,playground,sme,B,SI,2026-03-13,,2026-03-16,,",
        "p3,playground,sme,C,SI,2026-03-05,,2026-03-11,,",
        "p4,playground,sme,C,SI,,,2026-03-11,,",
        "l1,large_scale,sme,C,SI,2026-02-02,2026-03-02,2026-03-18,,",
        "l2,large_scale,sme,C,SI,2026-02-02,,2026-03-18,,",
        "s1,ai_for_science,academia,C,SI,2026-01-02,2026-02-20,2026-03-25,,",
        "before,playground,sme,A,SI,2026-02-02,,2026-02-03,,",
    )  # fmt: skip
    return site


def test_time_to_access_is_counted_in_working_days(clocks: Any) -> None:
    found = clocks.by("I07", "access_mode", "figure")
    p50, p95, in_time = (found["playground", name] for name in ("p50", "p95", "in_time"))
    assert (p50.value, p95.value, p50.n, p50.unit) == (2, 3, 3, "d")
    assert (in_time.numerator, in_time.denominator, in_time.unit) == (2, 3, "%")
    assert in_time.value == pytest.approx(66.667, abs=1e-3)
    assert in_time.method == "register of projects, working days, at most 2"
    assert p50.note == "1 left out without submitted in the register"


def test_large_scale_counts_from_its_cut_off_and_science_in_calendar_days(clocks: Any) -> None:
    found = clocks.by("I07", "access_mode", "figure")
    # 3 to 18 March are 12 days of the week, less one holiday.
    assert found["large_scale", "p50"].value == 11
    assert found["large_scale", "in_time"].value == 0
    assert found["large_scale", "p50"].note == "1 left out without call_cut_off in the register"
    assert found["ai_for_science", "p50"].value == 33
    assert "calendar days" in found["ai_for_science", "p50"].method


def test_without_a_calendar_working_days_are_not_known(clocks: Any) -> None:
    clocks.profile("")
    figure = clocks.by("I07", "access_mode", "figure")["playground", "p50"]
    assert figure.value is None
    assert "3 left out without a calendar in the profile" in figure.note


def test_a_year_without_holidays_is_not_guessed(clocks: Any) -> None:
    clocks.profile("[calendar.site]\nholidays = [2025-01-01]\n")
    figure = clocks.by("I07", "access_mode", "figure")["playground", "p50"]
    assert "3 left out as no holidays of 2026 are known" in figure.note
