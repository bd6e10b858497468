from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

HEAD = (
    "project,account,access_mode,user_category,state,partner_states,sector,"
    "gpu_hours_granted,valid_from,valid_until"
)
ROWS = (
    "a,acc-a,fast_lane,start_up,SI,AT IT,health,3100,2026-03-01,2026-03-31",
    # Another account of the same grant, and one that ends in the middle of the month.
    "a,acc-a2,fast_lane,start_up,SI,AT IT,health,3100,2026-03-01,2026-03-31",
    "b,acc-b,playground,sme,FR,,,200,2026-02-24,2026-03-05",
    "c,acc-c,playground,sme,FR,,,,2026-03-01,2026-03-31",
)
MIDDLE = datetime(2026, 3, 16, tzinfo=UTC)


@pytest.fixture
def granted(site: Any) -> Any:
    site.install(4)
    site.register("projects", HEAD, *ROWS)
    for job, account, first, last in (
        ("1", "acc-a", 0, 400), ("2", "acc-a2", 400, 500), ("3", "acc-b", 10, 40),
        ("4", "acc-c", 40, 50), ("5", "stranger", 50, 55),
    ):  # fmt: skip
        site.hold("d0", job, "busy", first, last)
        site.account(job, gpus=1, start=first, end=last, account=account)
    return site


def test_a_grant_counts_by_the_part_of_its_time_and_once_for_all_its_accounts(
    granted: Any,
) -> None:
    found = granted.by("I01", "access_mode")
    fast = found[("fast_lane",)]
    assert (fast.numerator, fast.denominator, fast.n) == (500, 3100, 1)
    assert fast.value == pytest.approx(100 * 500 / 3100)
    play = found[("playground",)]
    assert (play.numerator, play.n) == (40, 2)
    assert play.denominator == pytest.approx(200 * 5 / 10)
    assert play.note == "grants without hours or dates, in no sum of what was granted: 1"


def test_what_no_project_is_known_of_is_shown_and_not_dropped(granted: Any) -> None:
    stranger = granted.by("I01", "access_mode")[("unknown",)]
    assert (stranger.numerator, stranger.value) == (5, None)
    assert stranger.note == "ran outside every project of the register"


def test_days_add_up_to_the_month_in_hours_used_and_granted(granted: Any) -> None:
    days = granted.figures("I01", ["day"])
    for mode, whole in granted.by("I01", "access_mode").items():
        mine = [one for one in days if one.dims["access_mode"] == mode[0]]
        for name in ("numerator", "denominator"):
            parts = [getattr(one, name) or 0 for one in mine]
            assert sum(parts) == pytest.approx(getattr(whole, name) or 0)


def test_halves_of_the_month_add_up_to_it(granted: Any) -> None:
    halves = [
        granted.figures("I02", end=MIDDLE), granted.figures("I02", start=MIDDLE)
    ]  # fmt: skip
    whole = granted.figures("I02")
    for name in ("numerator", "denominator"):
        parts = [getattr(one, name) or 0 for half in halves for one in half]
        assert sum(parts) == pytest.approx(sum(getattr(one, name) or 0 for one in whole))


def test_hours_by_category_sector_and_field(granted: Any) -> None:
    found = granted.by("I02", "tag", "word")
    assert found["user_category", "sme"].numerator == 40
    assert found["user_category", "start_up"].denominator == 3100
    assert found["sector", "health"].numerator == 500
    assert found["sector", "unknown"].numerator == 45
    for tag in ("user_category", "sector", "field"):
        assert sum(one.numerator for key, one in found.items() if key[0] == tag) == 545


def test_hours_by_state_are_30_parts_the_leads_and_70_its_partners(granted: Any) -> None:
    found = {key[0]: one for key, one in granted.by("I03", "participating_state").items()}
    assert found["SI"].numerator == pytest.approx(150)
    assert found["AT"].numerator == pytest.approx(175)
    assert found["IT"].denominator == pytest.approx(3100 * 0.35)
    assert found["FR"].numerator == 40  # without partners all is the lead's
    assert sum(one.numerator for one in found.values()) == pytest.approx(545)
    assert "30 % to the State of the lead" in found["SI"].method


def test_by_the_lead_s_state_alone_it_is_a_split_of_the_categories(granted: Any) -> None:
    found = granted.by("I02", "participating_state", "tag", "word", by=["participating_state"])
    assert found["SI", "user_category", "start_up"].numerator == 500


def test_a_grant_of_which_nothing_ran_used_nothing(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, ROWS[0])
    (figure,) = site.figures("I01")
    assert (figure.value, figure.numerator, figure.denominator) == (0, 0, 3100)


def test_rows_of_other_sizes_are_parts_of_a_grant(site: Any) -> None:
    site.install(4)
    site.register("projects", HEAD, ROWS[0], ROWS[1].replace("3100", "1550"))
    assert site.figures("I01")[0].denominator == 4650
