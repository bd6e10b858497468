from __future__ import annotations

import base64
import json

import pytest

from wattline_agents.errors import UsageError
from wattline_collector import travel
from wattline_collector.access import STAFF, Access, Right, Role, Verdict, Viewer, digest

TOKENS = {Right.READ: "r" * 43, Right.WRITE: "w" * 43}
NOW = 1_793_620_800_000
ANNA = Viewer("anna", projects=frozenset({"p"}), roles=frozenset({Role.JOB_OWNER}))


def said(viewer: Viewer = ANNA, token: str = TOKENS[Right.READ], now: int = NOW) -> str:
    return travel.statement(viewer, token, now)


def test_a_statement_arrives_as_it_was_said_and_holds_no_token() -> None:
    text = said()
    assert travel.arrived(text, digest(TOKENS[Right.READ]), NOW) == ANNA
    assert TOKENS[Right.READ] not in text
    assert base64.b64encode(TOKENS[Right.READ].encode()).decode() not in text


@pytest.mark.parametrize("late", [-travel.HOLDS_MS - 1, travel.HOLDS_MS + 1])
def test_it_holds_for_minutes(late: int) -> None:
    kept = digest(TOKENS[Right.READ])
    assert travel.arrived(said(), kept, NOW + late) is None
    assert travel.arrived(said(), kept, NOW + late * 9 // 10) == ANNA


def test_what_was_changed_is_nobodys() -> None:
    kept = digest(TOKENS[Right.READ])
    body, signature = said().removeprefix(travel.PREFIX).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["roles"] = ["operator"]
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    for text in (
        f"{travel.PREFIX}{forged}.{signature}", f"{travel.PREFIX}{body}", f"{travel.PREFIX}{body}.",
        f"{travel.PREFIX}.{signature}", f"{travel.PREFIX}{body}.{signature}A", travel.PREFIX,
        said(token="another token"), said()[:-1], "viewer.\udc80", f"{said()}{'x' * 20_000}",
    ):  # fmt: skip
        assert travel.arrived(text, kept, NOW) is None


def test_somebody_never_becomes_staff() -> None:
    arrived = travel.arrived(said(STAFF), digest(TOKENS[Right.READ]), NOW)
    assert arrived == Viewer()


def test_a_statement_reads_and_never_writes() -> None:
    access = Access.of(TOKENS)
    field = f"Bearer {said()}"
    assert access.admit(field, Right.READ, NOW) == (Verdict.GRANTED, ANNA)
    assert access.admit(field, Right.WRITE, NOW) == (Verdict.FORBIDDEN, ANNA)
    assert access.admit(f"Bearer {'r' * 43}", Right.READ, NOW) == (Verdict.GRANTED, STAFF)
    assert access.admit(f"Basic {said()}", Right.READ, NOW)[0] is Verdict.UNKNOWN
    assert access.admit(f"Bearer {said(token='w' * 43)}", Right.READ, NOW)[0] is Verdict.UNKNOWN


def test_what_cannot_be_told_is_refused() -> None:
    many = Viewer("anna", projects=frozenset(f"project-{number}" for number in range(5000)))
    with pytest.raises(UsageError, match="5000 projects"):
        said(many)
