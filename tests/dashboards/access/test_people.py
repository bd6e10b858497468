from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.access import Role
from wattline_dashboards.access.people import MOST_PROJECTS, Grant, Mapped, clean, person, texts

LEADS = Grant("entitled", "urn:x:project:{project}:lead", Role.PROJECT_LEAD)
OPERATORS = Grant("entitled", "urn:x:operators", Role.OPERATOR)
MAPPED = Mapped("uid", grants=(LEADS, OPERATORS), everyone=frozenset({Role.JOB_OWNER}))


def test_claims_become_an_account_roles_and_projects() -> None:
    who = person("i#s", {"uid": "anna", "name": "Anna", "entitled": [
        "urn:x:operators", "urn:x:project:p-1:lead", "urn:x:project:p.2:lead", "urn:y:operators",
    ]}, MAPPED)  # fmt: skip
    assert who.viewer.name == "anna"
    assert who.viewer.roles == {Role.JOB_OWNER, Role.PROJECT_LEAD, Role.OPERATOR}
    assert who.viewer.projects == {"p-1", "p.2"}
    assert not who.viewer.staff
    assert (who.id, who.shown) == ("i#s", "Anna")


@pytest.mark.parametrize(
    "value",
    ["urn:x:operators:more", "xurn:x:operators", "URN:X:OPERATORS", "urn:x:project::lead",
     "urn:x:project:a b:lead", "urn:x:project:../p:lead", "urn:x:project:p:lead\n", 7, None,
     ["urn:x:operators"], {"a": "urn:x:operators"}],
)  # fmt: skip
def test_what_only_resembles_a_grant_gives_nothing(value: Any) -> None:
    assert person("i", {"entitled": [value]}, MAPPED).viewer.roles == frozenset()


@pytest.mark.parametrize("account", [None, "", "a b", "<b>", ["anna", "ben"], 7, "a" * 200, "-rf"])
def test_who_has_no_certain_account_has_none_and_no_role_by_it(account: Any) -> None:
    viewer = person("i", {"uid": account}, MAPPED).viewer
    assert (viewer.name, viewer.roles) == (None, frozenset())


def test_where_accounts_are_listed_only_they_count() -> None:
    mapped = Mapped("id", accounts={"8f3a": "anna"}, everyone=frozenset({Role.JOB_OWNER}))
    assert person("i", {"id": "8f3a"}, mapped).viewer.name == "anna"
    assert person("i", {"id": "anna"}, mapped).viewer.name is None


def test_a_claim_may_lie_within_another() -> None:
    assert texts({"realm": {"roles": ["a", "b"]}}, "realm.roles") == ["a", "b"]
    assert texts({"realm.roles": "c", "realm": {"roles": ["a"]}}, "realm.roles") == ["c"]
    assert texts({"realm": "x"}, "realm.roles") == []


def test_what_a_provider_says_is_bounded() -> None:
    many = [f"urn:x:project:p{number}:lead" for number in range(5000)]
    claims = {"uid": "anna", "entitled": many, "name": "N" * 1_000_000}
    who = person("i", claims, MAPPED)
    assert len(who.viewer.projects) == MOST_PROJECTS
    assert who.shown == "anna"


def test_a_shown_name_holds_what_can_be_seen() -> None:
    assert clean("An\x1bna\u202e\n") == "An\ufffdna\ufffd\ufffd"
    assert len(clean("a" * 500)) == 80
