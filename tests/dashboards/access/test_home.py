"""Whoever asks for the address alone arrives at a page that is theirs."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.access import Role, Viewer


@pytest.mark.parametrize(
    ("role", "to"), [(Role.JOB_OWNER, "/my-jobs"), (Role.PROJECT_LEAD, "/my-jobs")]
)
def test_who_may_not_see_the_fleet_is_led_to_a_page_of_theirs(
    role: Role, to: str, house: Any
) -> None:
    answer = house.visitor(Viewer("olga", roles=frozenset({role}))).get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, to)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.SUPPORT, Role.MANAGER])
def test_who_may_see_the_fleet_stays(role: Role, house: Any) -> None:
    assert house.visitor(Viewer("otto", roles=frozenset({role}))).get("/").status_code == 200


def test_who_has_no_role_is_told_so_and_led_nowhere(house: Any) -> None:
    assert house.visitor(Viewer("nora")).get("/").status_code == 200


def test_who_is_not_signed_in_signs_in_first(house: Any) -> None:
    answer = house.visitor().get("/", **{"Sec-Fetch-Mode": "navigate"})
    assert answer.headers["Location"] == "/sign-in"


def test_no_other_page_is_led_away_from(house: Any) -> None:
    visitor = house.visitor(Viewer("olga", roles=frozenset({Role.JOB_OWNER})))
    assert visitor.get("/production").status_code == 200  # its frame; it says whose it is
