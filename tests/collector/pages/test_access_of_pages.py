"""What somebody may not see leaves the collector by no page's answer, whatever is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest

from wattline_collector import travel
from wattline_collector.access import Right, Role, Viewer, sees_any
from wattline_collector.alerts import kept
from wattline_collector.alerts.machine import Alert, Ended, State, Why
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.watch import Watch
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger.books import Books
from wattline_collector.pages import READS, my_project
from wattline_collector.pages.read import Missing
from wattline_collector.store import filenames

OPERATOR = Viewer("olga", roles=frozenset({Role.OPERATOR}))
SUPPORT = Viewer("sven", roles=frozenset({Role.SUPPORT}))
MANAGER = Viewer("mara", roles=frozenset({Role.MANAGER}))
OWNER = Viewer("mallory", roles=frozenset({Role.JOB_OWNER}))
NAMED = {
    "/v1/node": [("node", "sim-r1-n01")],
    "/v1/figure": [("id", "S12")],
    "/v1/job": [("job", "100002")],
    "/v1/job/like": [("job", "100002")],
}
"""What a question must name."""


def texts(value: Any) -> Iterator[str]:
    """Every text in an answer, names of fields among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


def asked_as(client: Any, viewer: Viewer, path: str) -> Any:
    now_ms = client.service.store.clock.unix_ms()
    return client.get(path, token=travel.statement(viewer, client.tokens[Right.READ], now_ms))


@pytest.fixture
def people(planted: Any) -> set[str]:
    """Everybody who ran a job, and what their jobs are called."""
    books = Books(planted)
    said = books.frame("accounting", ACCOUNTED)
    jobs = [books.jobs[name] for name in ("user", "name")] + [said[name] for name in ("user",)]
    found = {str(one) for column in jobs for one in column.drop_nulls().unique()}
    assert len(found) > 5
    return found


@pytest.mark.parametrize("viewer", [MANAGER, OWNER], ids=["manager", "job owner"])
def test_who_sees_no_jobs_is_told_of_nobody_by_any_page(
    ask_planted: Callable[..., Any], planted: Any, people: set[str], viewer: Viewer
) -> None:
    devices = Books(planted).inventory.filter(pl.col("kind") == "device")["key"]
    named = NAMED | {"/v1/device": [("device", devices[0])]}
    answered = 0
    for read in READS:
        if not sees_any(viewer, read.sights) or read.path == "/v1/reliability/warnings":
            continue
        try:
            answer = ask_planted(read.path, named.get(read.path, []), viewer)
        except Missing as error:
            answer = str(error)
        else:
            answered += 1
        said = set(texts(answer))
        assert not said & people, read.path
    assert answered >= 3


GRANT = (("system", ""), ("project", "p-secret"))
DEVICE = (("system", "sys"), ("node", "n01"), ("device", "GPU-0"))


@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/alerts/log", "/v1/now"])
def test_an_alert_about_a_grant_is_for_those_who_see_projects(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    client = serve()
    service = client.service
    watch = Watch(service.store.path, shipped(), service.latest.known, dict)
    service.watch = watch
    on = [Alert("grant-used-up", GRANT, State.FIRING, 1000, 2000, 1.25),
          Alert("row-remap-failed", DEVICE, State.FIRING, 1000, 2000, 1.0)]  # fmt: skip
    monkeypatch.setattr(watch, "alerts", lambda: on)
    whole = asked_as(client, OPERATOR, path)
    assert b"p-secret" in whole.body and b"n01" in whole.body
    part = asked_as(client, SUPPORT, path)
    assert part.status == 200
    assert b"p-secret" not in part.body and b"grant-used-up" not in part.body
    assert b"row-remap-failed" in part.body
    if path != "/v1/alerts":
        counts = [answer.json() for answer in (whole, part)]
        counts = [one["alerts"] if path == "/v1/now" else one for one in counts]
        assert [one["counts"]["warning"] for one in counts] == [1, 0]


def test_an_alert_about_a_grant_that_ended_is_for_those_who_see_projects(
    serve: Callable[..., Any],
) -> None:
    client = serve()
    alert = Alert("grant-used-up", GRANT, State.FIRING, 1000, 2000, 1.25)
    store = client.service.store
    now_ms = store.clock.unix_ms()
    ended = Ended(alert, now_ms - 1000, next(iter(Why)))
    (store.path / filenames.ALERTS_DIR).mkdir(exist_ok=True)
    kept.add_history(store.path, now_ms, [], [ended])
    assert b"p-secret" in asked_as(client, OPERATOR, "/v1/alerts/log").body
    told = asked_as(client, SUPPORT, "/v1/alerts/log").json()
    assert (told["past"], told["past_left_out"]) == ([], 0)


@pytest.mark.parametrize(
    "period",
    ["from=0001-01-01&to=9999-12-31", "from=0001-01-01", "from=9999-12-30&to=9999-12-31",
     "from=1969-12-31&to=1970-06-01", "from=1980-01-01&to=2199-01-01"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/node?node=n01&", "/v1/quality/books?", "/v1/overview?"])
def test_a_period_that_cannot_be_meant_is_refused_before_it_is_computed(
    serve: Callable[..., Any], path: str, period: str
) -> None:
    answer = asked_as(serve(), OPERATOR, f"{path}{period}")
    assert answer.status == 400
    assert "period" in answer.json()["error"]


def test_what_is_wrong_with_the_profile_is_for_those_whose_factory_it_is(
    serve: Callable[..., Any],
) -> None:
    client = serve()
    (client.service.store.path / "profile.toml").write_text('[site]\nsecret-tariff = "0.031"\n')
    whole = asked_as(client, MANAGER, "/v1/site").json()["problem"]
    assert "profile.toml" in whole
    part = asked_as(client, OWNER, "/v1/site").json()["problem"]
    assert "not right" in part
    assert "secret" not in part and "profile.toml" not in part


def test_jobs_of_no_project_are_not_the_project_of_an_account_of_that_name(
    ask_planted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(my_project, "theirs", lambda *_: ({"unknown"}, {"unknown"}))
    assert ask_planted("/v1/my-project", [], OWNER)["projects"] == []
    with pytest.raises(Missing):
        ask_planted("/v1/my-project", [("project", "unknown")], OWNER)
