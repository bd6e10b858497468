from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

MIDDLE = datetime(2026, 3, 16, tzinfo=UTC)


def declare(site: Any, *rows: Mapping[str, object]) -> None:
    """Activities, each with an id of its own."""
    told = [{"id": f"a{i}", "start": "2026-03-10"} | dict(row) for i, row in enumerate(rows)]
    names = sorted({name for row in told for name in row})
    lines = [",".join(str(row.get(name, "")) for name in names) for row in told]
    site.register("activities", ",".join(names), *lines)


def test_oversubscription_is_asked_for_over_there_was_at_the_cut_off(site: Any) -> None:
    call = {"kind": "call", "submitted": 30, "awarded": 10, "access_mode": "large_scale"}
    declare(
        site,
        call | {"start": "2026-02-01", "end": "2026-03-31", "gpu_hours_requested": 900,
                "gpu_hours_offered": 300},
        call | {"gpu_hours_requested": 100, "gpu_hours_offered": 200},
        call | {"end": "2026-04-01", "gpu_hours_requested": 1, "gpu_hours_offered": 1},
        call | {"submitted": 10, "awarded": 10, "access_mode": "playground", "state": "SI"},
    )  # fmt: skip
    figure = site.one("U08")
    assert (figure.numerator, figure.denominator, figure.value, figure.n) == (1000, 500, 2, 2)
    assert (figure.note, figure.level) == ("most: 3.0 at a0", "declared")
    rate = site.one("I08")
    assert (rate.numerator, rate.denominator, rate.n) == (30, 70, 3)
    assert rate.value == pytest.approx(42.857, abs=1e-3)
    assert site.by("I08", "participating_state", by=["participating_state"])[("SI",)].value == 100


def test_training_in_person_days_with_the_rating_by_its_answers(site: Any) -> None:
    course = {"kind": "training", "participants": 20, "days": 3}
    declare(
        site, course | {"rating": 9, "answers": 10}, course | {"rating": 6, "answers": 5},
        course | {"start": "2026-03-20", "participants": 4, "days": 0.5},
    )  # fmt: skip
    found = {key[0]: one for key, one in site.by("I09", "figure").items()}
    assert (found["person_days"].value, found["person_days"].unit) == (122, "person-days")
    assert (found["rating"].value, found["rating"].n, found["rating"].unit) == (8, 15, "1-10")
    halves = [site.figures("I09", end=MIDDLE)[0], site.figures("I09", start=MIDDLE)[0]]
    assert [half.numerator for half in halves] == [120, 2]


def test_outcomes_are_counted_by_kind_and_what_nobody_declared_is_no_zero(site: Any) -> None:
    declare(
        site, {"kind": "model", "count": 3, "project": "p"}, {"kind": "model"},
        {"kind": "publication", "project": "p"}, {"kind": "event"},
    )  # fmt: skip
    assert {key: one.value for key, one in site.by("I10", "kind").items()} == {
        ("model",): 4, ("publication",): 1,
    }  # fmt: skip
    by_project = site.by("I10", "project", "kind", by=["project"])
    assert by_project["p", "model"].value == 3
    figure = site.one("I11")
    assert (figure.value, figure.note) == (None, "no coordination was declared for this period")


def test_coordination_by_kind_and_network(site: Any) -> None:
    with_whom: dict[str, object] = {"counterpart": "IT4LIA"}
    declare(
        site,
        {"kind": "referral", "network": "ncc", "count": 5}, {"kind": "referral", "network": "edih"},
        with_whom | {"kind": "asset_shared", "network": "ai_factory"},
        with_whom | {"kind": "staff_exchange", "participants": 2, "days": 10},
        with_whom | {"kind": "joint_project", "network": "ai_factory"},
    )  # fmt: skip
    found = site.by("I11", "kind", "network")
    assert {key: (one.value, one.unit) for key, one in found.items()} == {
        ("referral", "ncc"): (5, "1"), ("referral", "edih"): (1, "1"),
        ("asset_shared", "ai_factory"): (1, "1"), ("joint_project", "ai_factory"): (1, "1"),
        ("staff_exchange", "none"): (20, "person-days"),
    }  # fmt: skip


def test_support_and_surveys(site: Any) -> None:
    declare(
        site,
        {"kind": "support", "count": 100, "in_target": 90, "hours": 4},
        {"kind": "support", "count": 50, "in_target": 30, "hours": 20},
        {"kind": "support", "count": 7},
        {"kind": "survey", "rating": 8, "answers": 40, "invited": 100},
        {"kind": "survey", "rating": 9, "answers": 10},
    )  # fmt: skip
    found = {key[0]: one for key, one in site.by("Q01", "figure").items()}
    in_time = found["in_time"]
    assert (in_time.numerator, in_time.denominator, in_time.value) == (120, 150, 80)
    hours = found["hours_to_solve"]
    assert (hours.value, hours.low, hours.high, hours.unit) == (4, 4, 20, "h")
    assert (found["rating"].value, found["rating"].n) == (8.2, 50)
    assert (found["response_rate"].value, found["response_rate"].unit) == (40, "%")


def test_the_data_rate_is_over_what_the_link_could_move_in_that_time(site: Any) -> None:
    moved = {"kind": "data_transfer"}
    declare(site, moved | {"gigabytes": 9000, "hours": 1}, moved | {"gigabytes": 4500, "hours": 2})
    assert "data_centre.wan_link" in site.one("Q02").note
    site.profile('[data_centre]\nwan_link = "100 Gbit/s"\n')
    figure = site.one("Q02")
    assert (figure.numerator, figure.denominator) == (13.5e12, 12.5e9 * 3 * 3600)
    assert figure.value == pytest.approx(10)
    assert figure.note == "1.25 GB/s on average of a transfer's time"


def test_what_each_kind_needs_is_asked_for(site: Any) -> None:
    with pytest.raises(AssertionError, match="gigabytes"):
        declare(site, {"kind": "data_transfer", "hours": 1})


def test_nothing_of_a_kind_declared_is_not_known(site: Any) -> None:
    declare(site, {"kind": "event"})
    for id in ("U08", "I08", "I09", "I10", "I11", "Q01", "Q02"):
        figure = site.one(id)
        assert (figure.value, figure.numerator, figure.status) == (None, None, "unknown")
        assert "this period" in figure.note or "here" in figure.note
