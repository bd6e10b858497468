from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import (
    NOBODY,
    STAFF,
    Access,
    Right,
    Role,
    Sight,
    Verdict,
    Viewer,
    may_see_job,
    read_token,
    sees,
    sees_any,
    store_tokens,
    viewer_of_store,
)

TOKENS = {Right.READ: "read-" + "r" * 30, Right.WRITE: "write-" + "w" * 30}


@pytest.mark.parametrize(
    ("authorization", "right", "verdict"),
    [
        (f"Bearer {TOKENS[Right.READ]}", Right.READ, Verdict.GRANTED),
        (f"bearer {TOKENS[Right.WRITE]}", Right.WRITE, Verdict.GRANTED),
        (f"Bearer {TOKENS[Right.READ]}", Right.WRITE, Verdict.FORBIDDEN),
        (f"Bearer {TOKENS[Right.WRITE]}", Right.READ, Verdict.FORBIDDEN),
        (f"Basic {TOKENS[Right.READ]}", Right.READ, Verdict.UNKNOWN),
        (TOKENS[Right.READ], Right.READ, Verdict.UNKNOWN),
        (f"Bearer {TOKENS[Right.READ][:-1]}", Right.READ, Verdict.UNKNOWN),
        ("Bearer ", Right.READ, Verdict.UNKNOWN),
        ("Bearer ä\udc80", Right.READ, Verdict.UNKNOWN),
        ("", Right.READ, Verdict.UNKNOWN),
        (None, Right.READ, Verdict.UNKNOWN),
    ],
)
def test_a_token_grants_its_own_right_and_no_other(
    authorization: str | None, right: Right, verdict: Verdict
) -> None:
    assert Access.of(TOKENS).check(authorization, right) is verdict


def test_without_tokens_nothing_is_granted() -> None:
    assert Access.of({}).check("Bearer ", Right.READ) is Verdict.UNKNOWN


def test_access_shows_no_token() -> None:
    shown = repr(Access.of(TOKENS)) + str(Access.of(TOKENS))
    assert not any(token in shown for token in TOKENS.values())


def test_tokens_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    made = store_tokens(tmp_path)
    assert made == store_tokens(tmp_path)
    assert len(set(made.values())) == 2
    assert all(len(token) == 43 for token in made.values())
    for name in ("read", "write"):
        mode = (tmp_path / "tokens" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "tokens").iterdir()) == ["read", "write"]


def test_a_token_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    store_tokens(tmp_path)
    path = tmp_path / "tokens" / "read"
    path.chmod(0o644)
    with pytest.raises(UsageError, match="readable by everybody; run `chmod o= "):
        store_tokens(tmp_path)


@pytest.mark.parametrize("text", ["", "\n", "short\n", "x" * 600, "has\x00nul-and-is-long-enough"])
def test_what_can_be_guessed_is_no_token(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="not a token"):
        read_token(path)


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nix: cannot be read: No such file"):
        read_token(tmp_path / "nix")


# Jobs


@pytest.mark.parametrize(
    ("viewer", "user", "project", "may"),
    [
        (Viewer(), "anna", "p", False),
        (Viewer(), None, None, False),
        (Viewer(""), "", "", False),
        (Viewer(None), None, "p", False),
        (Viewer("anna"), "anna", None, True),
        (Viewer("anna"), "Anna", None, False),
        (Viewer("anna"), None, "p", False),
        (Viewer("ben"), "anna", "p", False),
        (Viewer("ben", projects=frozenset({"p"})), "anna", "p", True),
        (Viewer("ben", projects=frozenset({"p"})), "anna", None, False),
        (STAFF, "anna", "p", True),
        (STAFF, None, None, True),
    ],
)
def test_a_job_is_its_owners_its_leads_and_staffs(
    viewer: Viewer, user: str | None, project: str | None, may: bool
) -> None:
    assert may_see_job(viewer, user, project) is may


@pytest.mark.parametrize(("number", "staff"), [(0, True), (4711, True), (4712, False)])
def test_root_and_the_stores_owner_are_staff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, staff: bool
) -> None:
    class Status:
        st_uid = 4711

    monkeypatch.setattr(os, "geteuid", lambda: number)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: Status)
    viewer = viewer_of_store(tmp_path)
    assert viewer.staff is staff
    assert viewer.name == ("root" if number == 0 else None)


def test_of_a_store_that_is_not_there_nobody_is_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert viewer_of_store(tmp_path / "none") == Viewer(name=None)


# Roles


@pytest.mark.parametrize(
    ("roles", "sight", "may"),
    [
        (set(), Sight.DEFINITIONS, False),
        ({Role.JOB_OWNER}, Sight.OWN, True),
        ({Role.JOB_OWNER}, Sight.FLEET, False),
        ({Role.PROJECT_LEAD}, Sight.FIGURES, False),
        ({Role.MANAGER}, Sight.JOBS, False),
        ({Role.MANAGER, Role.JOB_OWNER}, Sight.OWN, True),
        ({Role.SUPPORT}, Sight.JOBS, True),
        ({Role.SUPPORT}, Sight.SERVICE, False),
        *(({Role.OPERATOR}, sight, True) for sight in Sight),
    ],
)
def test_a_role_sees_what_the_table_says(roles: set[Role], sight: Sight, may: bool) -> None:
    assert sees(Viewer("anna", roles=frozenset(roles)), sight) is may


def test_what_asks_for_nothing_is_staffs_alone() -> None:
    operator = Viewer("olga", roles=frozenset({Role.OPERATOR}))
    assert not sees(operator)
    assert not sees_any(operator, ())
    assert sees(STAFF) and sees_any(STAFF, ())
    assert not sees_any(NOBODY, Sight)


@pytest.mark.parametrize("role", Role)
def test_anothers_job_is_shown_to_those_who_see_all_jobs(role: Role) -> None:
    viewer = Viewer("somebody", roles=frozenset({role}))
    assert may_see_job(viewer, "anna", "p") is (role in (Role.OPERATOR, Role.SUPPORT))
