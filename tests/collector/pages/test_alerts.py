from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import STAFF, Role, Viewer
from wattline_collector.alerts import kept
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.watch import Watch
from wattline_collector.kpi.figure import Period
from wattline_collector.pages import alerts
from wattline_collector.pages.read import House, Question
from wattline_collector.receive.intake import Intake
from wattline_collector.store.latest import Latest


@dataclass
class Site:
    """A store whose alerts are judged, as the page sees it."""

    house: House
    intake: Intake
    clock: Any
    sender: Any

    def turns(self, count: int, **columns: Any) -> None:
        """So many quarters of a minute in which `GPU-0` and `GPU-1` of a node say this."""
        assert self.house.watch is not None
        for _ in range(count):
            at = self.clock.now_ms
            rows = [{"time_unix_ms": at, "device": f"GPU-{n}", "up": 1} | columns for n in (0, 1)]
            batch = self.sender.batch("device", rows)
            assert self.intake.accept(batch.table, batch.header, batch.body)
            self.house.watch.turn()
            self.clock.sleep(15)

    def asked(self, period: Period | None = None, **query: str) -> Any:
        when = datetime.fromtimestamp(self.clock.now_ms / 1000, UTC)
        words = {name: (value,) for name, value in query.items()}
        question = Question(STAFF, when, period, words)
        return json.loads(json.dumps(alerts.answer(self.house, question)))


@pytest.fixture
def site(open_store: Callable[..., Any], clock: Any, sender: Any) -> Site:
    store = open_store()
    latest = Latest(clock)
    watch = Watch(store.path, shipped(), latest.known, dict)
    return Site(House(store, latest, watch), Intake(store, latest), clock, sender)


def test_what_fires_stands_under_its_rule_with_runbook_and_evidence(site: Site) -> None:
    site.turns(10, row_remap_failed=1)
    told = site.asked()
    assert told["counts"] == {"critical": 2, "warning": 0, "info": 0}
    (group,) = told["open"]
    assert (group["rule"], group["severity"], group["firing"]) == (
        "row-remap-failed", "critical", 2,
    )  # fmt: skip
    assert group["fires"] == ">= 1"
    assert all(group[name] for name in ("figure", "meaning", "check", "action"))
    first = group["subjects"][0]
    assert first["labels"] == {"system": "sys", "node": "n01", "device": "GPU-0"}
    assert (first["shown"], first["state"]) == ("1", "firing")
    assert first["since_ms"] < first["fired_ms"] <= site.clock.now_ms


def test_the_numbers_are_those_of_the_api_of_alerts(site: Site) -> None:
    site.turns(10, row_remap_failed=1, row_remap_pending=1)
    watch = site.house.watch
    assert watch is not None
    api = [one for one in watch.answer()["alerts"] if not one["muted_by"]]
    page = site.asked()
    assert sum(group["firing"] for group in page["open"]) == sum(
        one["state"] == "firing" for one in api
    )
    assert {group["rule"] for group in page["open"]} == {one["rule"] for one in api}


def test_what_holds_and_has_not_fired_is_pending_and_not_counted(site: Site) -> None:
    site.turns(1, row_remap_failed=1)
    told = site.asked()
    assert told["counts"]["critical"] == 0
    assert (told["open"][0]["firing"], told["open"][0]["pending"]) == (0, 2)


def test_it_can_be_filtered_by_severity_system_and_node(site: Site) -> None:
    site.turns(10, row_remap_failed=1)
    assert site.asked(severity="critical")["open"]
    filtered = site.asked(severity="info")
    assert not filtered["open"]
    assert filtered["counts"]["critical"] == 2  # so that the filter tells of what it hides
    assert site.asked(system="sys", node="N0")["open"]
    assert not site.asked(system="other")["open"]
    assert not site.asked(node="n02")["open"]
    with pytest.raises(UsageError, match="critical, warning, info"):
        site.asked(severity="urgent")


def test_what_ended_in_the_period_is_listed_with_why_the_newest_first(site: Site) -> None:
    site.turns(10, row_remap_failed=1)
    site.turns(30, row_remap_failed=0)
    past = site.asked()["past"]
    assert [(one["rule"], one["why"]) for one in past] == [("row-remap-failed", "cleared")] * 2
    assert past[0]["severity"] == "critical"
    assert past[0]["fired_ms"] < past[0]["ended_ms"]
    assert not site.asked()["open"]
    now = datetime.fromtimestamp(site.clock.now_ms / 1000, UTC)
    later = Period(now + timedelta(days=1), now + timedelta(days=2))
    assert site.asked(later)["past"] == []
    assert len(site.asked(Period(now - timedelta(days=1), now))["past"]) == 2
    assert site.asked(node="elsewhere")["past"] == []


def test_a_long_past_is_cut_and_says_by_how_much(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST_PAST", 1)
    site.turns(10, row_remap_failed=1)
    site.turns(30, row_remap_failed=0)
    told = site.asked()
    assert (len(told["past"]), told["past_left_out"]) == (1, 1)


def test_damaged_lines_and_rules_that_are_gone_are_told_as_far_as_they_go(site: Site) -> None:
    site.turns(10, row_remap_failed=1)
    site.turns(30, row_remap_failed=0)
    path = site.house.store.path / "alerts" / "history.jsonl"
    lines = path.read_text().splitlines()
    ended = json.loads(lines[-1])
    strange = [
        ended | {"rule": "old-rule\x1b[31m", "labels": {"node": "x" * 5000}},
        ended | {"labels": 7},
        ended | {"why": "nobody knows"},
    ]
    path.write_text("\n".join([*lines, *map(json.dumps, strange), "{"]) + "\n")
    past = site.asked()["past"]
    assert len(past) == 3
    assert past[0]["severity"] is None
    assert "\x1b" not in past[0]["rule"]
    assert len(past[0]["labels"]["node"]) < 200


def test_of_many_alike_a_few_are_named_and_all_are_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST_SUBJECTS", 1)
    site.turns(10, row_remap_failed=1)
    (group,) = site.asked()["open"]
    assert (len(group["subjects"]), group["left_out"], group["firing"]) == (1, 1, 2)


def test_a_collector_that_judges_none_still_has_its_past(site: Site) -> None:
    site.turns(10, row_remap_failed=1)
    site.turns(30, row_remap_failed=0)
    site.house = replace(site.house, watch=None)
    told = site.asked()
    assert told["judged_ms"] is None
    assert len(told["past"]) == 2
    assert len(kept.read_history(site.house.store.path)) == 4


def test_only_those_who_see_alerts_may_ask(ask_planted: Callable[..., Any]) -> None:
    for role in (Role.MANAGER, Role.PROJECT_LEAD, Role.JOB_OWNER):
        with pytest.raises(PermissionError):
            ask_planted("/v1/alerts/log", (), Viewer("anna", roles=frozenset({role})))
    operator = Viewer("olga", roles=frozenset({Role.OPERATOR}))
    assert ask_planted("/v1/alerts/log", (), operator)["open"] == []
