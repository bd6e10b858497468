"""Reports through the API: asked for, made, followed and handed out, each to whom it is for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector import api, travel
from wattline_collector.access import Right, Role, Sight, Viewer
from wattline_collector.reports import press
from wattline_collector.reports.handlers import role_of
from wattline_collector.reports.press import Document, Listed, Offered, Ordered
from wattline_collector.reports.workshop import Workshop

Serve = Callable[..., Any]

OPEN = (Sight.FIGURES,)
CLOSED = (Sight.FIGURES, Sight.PROJECTS)


class Stand:
    """A press that makes a file of its words, and knows one report of each kind."""

    def __init__(self) -> None:
        self.asked_by: list[str] = []

    def offered(self, store: Path) -> list[Offered]:
        return [
            Offered({"name": "both"}, {"public": OPEN, "restricted": CLOSED}),
            Offered({"name": "closed"}, {"": CLOSED}),
        ]

    def order(self, store: Path, asked: Any, by: str) -> Ordered:
        self.asked_by.append(by)
        if "kind" not in asked:
            raise UsageError("which kind?")
        needs = CLOSED if asked["kind"] == "closed" else OPEN
        return Ordered(("--version",), {"kind": asked["kind"], "by": by}, needs)

    def kept(self, said: str) -> str | None:
        return said.split()[0] if said else None

    def listed(self, store: Path) -> list[Listed]:
        return [Listed({"id": "open"}, OPEN), Listed({"id": "closed"}, CLOSED)]

    def document(self, store: Path, id: str, form: str) -> Document | None:
        if id not in ("open", "closed") or form != "pdf":
            return None
        needs = OPEN if id == "open" else CLOSED
        return Document(b"%PDF", "review é.pdf", "application/pdf", needs, ("47,11", "x"))


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    stand = Stand()
    for module in (press, __import__("wattline_collector.pages.reports", fromlist=["found"])):
        monkeypatch.setattr(module, "found", lambda: stand)
    yield stand


def ask(client: Any, role: Role | None, path: str, order: Any = None) -> Any:
    viewer = Viewer("anna", roles=frozenset({role} if role else ()))
    now_ms = client.service.store.clock.unix_ms()
    statement = travel.statement(viewer, client.tokens[Right.READ], now_ms)
    if order is None:
        return client.request("GET", path, token=statement)
    body = order if isinstance(order, bytes) else json.dumps(order).encode()
    headers = {"Content-Type": "application/json"}
    return client.request("POST", path, [body], headers, statement)


MAKE = "/v1/reports/make"


def test_who_may_not_see_a_report_may_not_have_it_made(serve: Serve, stand: Stand) -> None:
    client = serve()
    assert ask(client, Role.MANAGER, MAKE, {"kind": "closed"}).status == 202
    assert ask(client, Role.SUPPORT, MAKE, {"kind": "closed"}).status == 403
    assert ask(client, Role.SUPPORT, MAKE, {"kind": "open"}).status == 202
    assert ask(client, Role.JOB_OWNER, MAKE, {"kind": "open"}).status == 403
    assert client.request("POST", MAKE, token=None).status == 401
    assert client.request("POST", MAKE, token=client.tokens[Right.WRITE]).status == 403


def test_what_is_asked_for_is_made_and_told_to_those_who_may_see_it(
    serve: Serve, stand: Stand
) -> None:
    client = serve()
    work = ask(client, Role.MANAGER, MAKE, {"kind": "closed"}).json()["work"]
    for _ in range(1200):
        time.sleep(0.1)
        told = ask(client, Role.MANAGER, "/v1/reports").json()
        if told["work"][0]["state"] not in ("waiting", "running"):
            break
    (one,) = told["work"]
    assert (one["id"], one["state"], one["made"]) == (work, "done", "wattline")
    assert (one["kind"], one["by"]) == ("closed", "manager")
    assert ask(client, Role.SUPPORT, "/v1/reports").json()["work"] == []


def test_why_it_was_not_made_is_told_without_where_the_store_lies(
    serve: Serve, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve()
    place = client.service.store.path
    words = ("report", "review", "--store", str(place))
    monkeypatch.setattr(stand, "order", lambda store, asked, by: Ordered(words, {}, OPEN))
    assert ask(client, Role.MANAGER, MAKE, {}).status == 202
    for _ in range(1200):
        time.sleep(0.1)
        (one,) = ask(client, Role.MANAGER, "/v1/reports").json()["work"]
        if one["state"] == "failed":
            break
    assert one["error"].startswith("the store holds no booked hours")
    assert one["made"] is None


def test_each_is_offered_what_they_may_have_and_shown_what_they_may_see(
    serve: Serve, stand: Stand
) -> None:
    client = serve()
    manager = ask(client, Role.MANAGER, "/v1/reports").json()
    assert [(one["name"], one["choices"]) for one in manager["kinds"]] == [
        ("both", ["public", "restricted"]), ("closed", []),
    ]  # fmt: skip
    assert [one["id"] for one in manager["made"]] == ["open", "closed"]
    support = ask(client, Role.SUPPORT, "/v1/reports").json()
    assert [(one["name"], one["choices"]) for one in support["kinds"]] == [("both", ["public"])]
    assert [one["id"] for one in support["made"]] == ["open"]
    assert ask(client, Role.JOB_OWNER, "/v1/reports").status == 403


def test_a_file_is_handed_out_with_the_jobs_it_names(serve: Serve, stand: Stand) -> None:
    client = serve()
    answer = ask(client, Role.MANAGER, "/v1/reports/files/closed/pdf")
    assert (answer.status, answer.body) == (200, b"%PDF")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["wattline-jobs"] == "47%2C11,x"
    assert "filename*=UTF-8''review%20%C3%A9.pdf" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_not_theirs_and_what_is_not_there_are_answered_alike(
    serve: Serve, stand: Stand
) -> None:
    client = serve()
    files = [ask(client, Role.SUPPORT, f"/v1/reports/files/{path}")
             for path in ("closed/pdf", "none/pdf", "open/exe")]  # fmt: skip
    assert {(one.status, one.body) for one in files} == {(404, files[0].body)}
    assert ask(client, Role.SUPPORT, "/v1/reports/files/open/pdf").status == 200


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (b"{", "not JSON"), (b"[]", "not a JSON object"), (b"[" * 16_000, "not JSON"),
        (b" " * 20_000, "at most 16384 bytes"), (b"{}", "which kind?"),
    ],
)  # fmt: skip
def test_an_order_that_is_none_is_refused_in_words(
    serve: Serve, stand: Stand, order: bytes, said: str
) -> None:
    answer = ask(serve(), Role.MANAGER, MAKE, order)
    assert answer.status == 400
    assert said in answer.json()["error"]


def test_another_kind_of_body_is_refused(serve: Serve, stand: Stand) -> None:
    client = serve()
    answer = client.request("POST", MAKE, [b"{}"], {"Content-Type": "text/plain"}, Right.READ)
    assert answer.status == 400


def test_too_many_at_once_are_told_when_to_come_back(
    serve: Serve, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Workshop] = []

    def shop(clock: Any) -> Workshop:
        opened.append(Workshop(clock))
        return opened[-1]

    monkeypatch.setattr(api, "Workshop", shop)
    client = serve()
    numbers = iter(range(100))
    monkeypatch.setattr(
        stand, "order", lambda store, asked, by: Ordered((str(next(numbers)),), {}, OPEN)
    )
    monkeypatch.setattr(Workshop, "_run", lambda self: None)  # nothing begins
    answers = [ask(client, Role.MANAGER, MAKE, {}) for _ in range(12)]
    assert [answer.status for answer in answers] == [202] * 8 + [503] * 4
    assert answers[-1].headers["retry-after"] == "60"
    assert "8 reports wait already" in answers[-1].json()["error"]
    opened[0].close()


def test_without_the_distribution_it_is_said_what_to_install(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (press, __import__("wattline_collector.pages.reports", fromlist=["found"])):
        monkeypatch.setattr(module, "found", lambda: None)
    client = serve()
    told = ask(client, Role.MANAGER, "/v1/reports").json()
    assert told["installed"] is False
    assert "install it beside the collector" in told["advice"]
    assert told["kinds"] == told["made"] == told["work"] == []
    for answer in (
        ask(client, Role.MANAGER, MAKE, {"kind": "review"}),
        ask(client, Role.MANAGER, "/v1/reports/files/x/pdf"),
    ):
        assert (answer.status, answer.json()["error"]) == (404, press.INSTALL)


def test_who_asks_is_written_down_as_a_role_and_never_as_a_name() -> None:
    both = Viewer("anna", roles=frozenset({Role.MANAGER, Role.OPERATOR}))
    assert role_of(both) == "operator"
    assert role_of(Viewer("anna", roles=frozenset({Role.MANAGER}))) == "manager"
    assert role_of(Viewer(staff=True)) == "staff"
    assert role_of(Viewer("anna", roles=frozenset({Role.JOB_OWNER}))) == ""
