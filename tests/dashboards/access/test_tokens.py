from __future__ import annotations

from datetime import date

from wattline_collector.access import Role
from wattline_dashboards.access.settings import LocalToken
from wattline_dashboards.access.tokens import new, person_of

TODAY = date(2026, 11, 21)


def test_a_token_is_its_owners_until_its_day() -> None:
    token, digest = new()
    roles = frozenset({Role.PROJECT_LEAD})
    kept = LocalToken(
        "a", bytes.fromhex(digest), "anna", roles, frozenset({"p"}), date(2026, 11, 22)
    )
    who = person_of(f" {token}\n", [kept], TODAY)
    assert who is not None
    assert (who.id, who.viewer.name, who.viewer.projects) == ("token:a", "anna", frozenset({"p"}))
    assert person_of(token, [kept], date(2026, 11, 22)) is None
    assert token not in repr(kept)


def test_what_is_no_token_is_nobodys() -> None:
    token, digest = new()
    kept = LocalToken(
        "a", bytes.fromhex(digest), None, frozenset({Role.MANAGER}), frozenset(), None
    )
    for given in ("", digest, token[:-1], "x" * 1_000_000, "\udc80"):
        assert person_of(given, [kept], TODAY) is None


def test_every_token_is_another() -> None:
    assert len({new()[0] for _ in range(50)}) == 50
    assert len(new()[0]) == 43
