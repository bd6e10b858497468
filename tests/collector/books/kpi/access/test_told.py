"""What is owed for a time is covered by the part of it of which anybody told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HEAD = "project,share,commercial,access_mode,gpu_hours_granted,valid_from,valid_until"
SHARE = '[system.s]\nname = "S"\n{}[system.s.entitlement]\nunion_share = 0.5\n'
AGREED = SHARE.format("") + "gpu_hours_per_year = 7300\n"
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def march(site: Any) -> Any:
    """Four devices whose books are those of March, all of it observed."""
    site.install(4)
    site.register("projects", HEAD, "c,union,yes,commercial,310,2026-03-01,2026-03-31")
    for device in ("d0", "d1", "d2", "d3"):
        site.hold(device, "c" if device == "d0" else None, "busy" if device == "d0" else "free",
                  0, 744)  # fmt: skip
    site.account("c", gpus=1, start=0, end=744, account="c")
    return site


@pytest.mark.parametrize("id", ["U04", "I04"])
def test_a_share_of_two_months_of_which_one_is_booked_is_half_covered(march: Any, id: str) -> None:
    march.profile(AGREED)
    assert march.one(id).coverage == 1
    assert march.one(id).status is Status.OK
    both = march.one(id, start=FEBRUARY)
    assert both.coverage == pytest.approx(31 / 59)
    assert both.status is Status.PARTIAL
    three = march.one(id, start=FEBRUARY, end=MAY)
    assert (three.value, three.status) == (None, Status.WITHHELD)


@pytest.mark.parametrize("id", ["U04", "I04"])
def test_a_time_without_books_is_not_known_to_be_unused(march: Any, id: str) -> None:
    march.profile(AGREED)
    figure = march.one(id, start=MAY, end=JUNE)
    assert (figure.value, figure.numerator, figure.status) == (None, None, Status.UNKNOWN)
    assert figure.note == "nobody told of any job of this time"


def test_before_a_system_serves_nothing_needs_to_be_told(march: Any) -> None:
    march.profile(SHARE.format("in_service = 2026-03-01\n") + "gpu_hours_per_year = 7300\n")
    assert march.one("I04", start=FEBRUARY).coverage == 1


def test_of_a_share_of_what_was_offered_the_books_have_both_ends(march: Any) -> None:
    march.profile(SHARE.format(""))
    assert march.one("I04", start=FEBRUARY).coverage == 1


def test_a_grant_is_covered_by_its_own_time_and_not_by_the_period_s(march: Any) -> None:
    (figure,) = march.figures("I01", start=FEBRUARY, end=MAY)
    assert (figure.denominator, figure.coverage) == (310, 1)
    march.register("projects", HEAD, "c,union,yes,commercial,310,2026-03-01,2026-04-30")
    for id in ("I01", "I03"):
        for figure in march.figures(id, start=FEBRUARY, end=MAY):
            assert figure.coverage == pytest.approx(31 / 61)
            assert figure.status is Status.PARTIAL


def test_a_granted_month_without_books_is_not_known_to_be_unused(march: Any) -> None:
    march.register("projects", HEAD, "c,union,yes,commercial,310,2026-03-01,2026-05-31")
    (figure,) = march.figures("I01", start=MAY, end=JUNE)
    assert (figure.value, figure.numerator) == (None, None)
    assert figure.note == "nobody told of any job of this time"


@pytest.mark.parametrize("id", ["I01", "I02", "I03"])
def test_a_time_without_grants_and_jobs_says_so(march: Any, id: str) -> None:
    (figure,) = march.figures(id, start=MAY, end=JUNE)
    assert (figure.value, figure.note[:11]) == (None, "nothing was")


def test_what_a_scheduler_told_of_a_time_without_agents_is_known(march: Any) -> None:
    march.profile(AGREED)
    march.account("old", gpus=1, submit=-672, start=-672, end=0, account="c")  # all of February
    assert march.one("I04", start=FEBRUARY).coverage == 1


def test_costs_of_a_time_are_not_those_of_the_hours_that_are_booked(march: Any) -> None:
    march.profile("[finance.2026]\noperating_euro = 365000\n")
    whole = march.by("I12", "figure")[("euro_per_gpu_hour",)]
    assert whole.coverage == 1
    assert whole.numerator == pytest.approx(31_000)
    (late,) = [
        one
        for one in march.figures("I12", start=FEBRUARY, end=MAY)
        if one.dims["figure"] == "euro_per_gpu_hour"
    ]
    assert (late.value, late.status) == (None, Status.WITHHELD)
    assert late.coverage == pytest.approx(31 / 89)
