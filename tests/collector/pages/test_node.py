from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import STAFF, Role, Viewer
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.query import ask
from wattline_collector.ledger.accounts import ASSIGNED, OFFERED
from wattline_collector.ledger.books import Books
from wattline_collector.pages import device, node
from wattline_collector.pages.read import House, Missing, Question
from wattline_collector.receive.intake import Intake
from wattline_collector.store.latest import Latest
from wattline_collector.store.store import Store

Json = dict[str, Any]
Ask = Callable[..., Any]

WEEK = (("from", "2025-01-13"), ("to", "2025-01-20"))


@pytest.fixture(scope="module")
def name(planted: Path) -> str:
    nodes: list[str] = sorted(Books(planted).inventory["node"].unique())
    return nodes[2]


def test_its_time_is_what_the_kpi_of_utilisation_counts(
    ask_planted: Ask, planted: Path, name: str
) -> None:
    hours = ask_planted("/v1/node", [("node", name)])["sums"]["device_hours"]
    figures: Any = ask(planted, ["U01"], None, ["node"]).to_json()
    mine = next(row for row in figures if row["dims"]["node"] == name)
    assert sum(hours.get(a.value, 0) for a in ASSIGNED) == pytest.approx(mine["numerator"])
    assert sum(hours.get(a.value, 0) for a in OFFERED) == pytest.approx(mine["denominator"])


def test_each_of_its_devices_has_a_row_in_its_place(ask_planted: Ask, name: str) -> None:
    found = ask_planted("/v1/node", [("node", name), *WEEK])
    assert [one["index"] for one in found["devices"]] == [0, 1]
    ids = {one["device"] for one in found["devices"]}
    assert {run["device"] for run in found["accounts"]} == ids
    for one in found["devices"]:
        assert len(one["sm_active_ratio"]) == found["device_grid"]["count"] <= 500


def test_the_node_says_more_of_itself_than_its_devices_do(ask_planted: Ask, name: str) -> None:
    found = ask_planted("/v1/node", [("node", name), *WEEK])
    assert found["identity"]["rack"] and found["identity"]["agent_version"]
    whole = max(value for value in found["series"]["power_watts"]["mean"] if value is not None)
    highest = max(
        value for one in found["devices"] for value in one["power_watts"] if value is not None
    )
    assert whole > highest


def test_a_job_on_all_its_devices_is_one_bar(ask_planted: Ask, name: str) -> None:
    jobs = ask_planted("/v1/node", [("node", name)])["jobs"]
    assert max(row["devices"] for row in jobs) == 2
    assert len({(row["job"], row["start_ms"]) for row in jobs}) == len(jobs)


def test_jobs_stay_unnamed_for_a_manager(ask_planted: Ask, name: str) -> None:
    manager = Viewer("mara", roles=frozenset({Role.MANAGER}))
    found = ask_planted("/v1/node", [("node", name), *WEEK], manager)
    assert found["jobs"] and {row["job"] for row in found["jobs"]} == {None}


def test_a_node_nobody_knows_is_not_there(ask_planted: Ask) -> None:
    with pytest.raises(Missing, match="no node"):
        ask_planted("/v1/node", [("node", "n" * 300)])
    with pytest.raises(UsageError, match="which one"):
        ask_planted("/v1/node")


def test_the_fleet_knows_partitions_and_tells_projects_to_those_who_see_them(
    ask_planted: Ask, name: str
) -> None:
    found = ask_planted("/v1/fleet")
    of = dict(zip(found["partitions"]["node"], found["partitions"]["partition"], strict=True))
    assert of[name] == "gpu"
    support = Viewer("sven", roles=frozenset({Role.SUPPORT}))
    assert ask_planted("/v1/fleet", (), support)["projects"]["project"] == []


def test_what_came_a_moment_ago_is_there_before_it_is_booked_or_sealed(
    open_store: Callable[..., Store], new_sender: Any, clock: Any
) -> None:
    store, latest = open_store(), Latest(clock)
    store.watchers.append(latest.feed)
    intake = Intake(store)
    senders = [new_sender(node=node) for node in ("n01", "n02")]
    for tick in range(5):
        for sender in senders:
            batch = sender.devices(clock.now_ms + (tick - 5) * 1000)
            intake.accept(batch.table, batch.header, batch.body)
    now = datetime.fromtimestamp(clock.now_ms / 1000, UTC)
    hour = Period(now - timedelta(hours=1), now)
    house = House(store, latest)
    of = {"device": ("GPU-n02-1",)}
    one = device.answer(house, Question(STAFF, now, hour, of))
    assert one["identity"]["node"] == "n02" and one["readings"] == 5
    assert {value for value in one["series"]["power_watts"]["mean"] if value} == {101.0}
    # Where a device stood before counts as well.
    before = {"time_unix_ms": clock.now_ms - 8000, "device": "GPU-n01-0"}
    batch = new_sender(node="n03").batch("device", [before])
    intake.accept(batch.table, batch.header, batch.body)
    moved = device.answer(house, Question(STAFF, now, hour, {"device": ("GPU-n01-0",)}))
    assert moved["readings"] == 6
    whole = node.answer(house, Question(STAFF, now, hour, {"node": ("n02",)}))
    assert [row["device"] for row in whole["devices"]] == ["GPU-n02-0", "GPU-n02-1"]
    assert [max(filter(None, row["power_watts"])) for row in whole["devices"]] == [100.0, 101.0]
