from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.access import STAFF, Role, Viewer
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.watch import Watch
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import load
from wattline_collector.ledger.books import Books
from wattline_collector.pages import feeds, now, power
from wattline_collector.pages.read import House, Question
from wattline_collector.receive.intake import Intake
from wattline_collector.store.latest import Latest

HOUR = 3_600_000
DAY = 24 * HOUR


@dataclass
class Site:
    """A store that takes batches in, as the pages see it."""

    house: House
    intake: Intake
    clock: Any

    def take(self, *batches: Any) -> None:
        for batch in batches:
            assert self.intake.accept(batch.table, batch.header, batch.body)

    def now(self, viewer: Viewer = STAFF, **query: str) -> Any:
        when = datetime.fromtimestamp(self.clock.now_ms / 1000, UTC)
        asked = {name: (value,) for name, value in query.items()}
        return json.loads(json.dumps(now.answer(self.house, Question(viewer, when, None, asked))))


@pytest.fixture
def site(open_store: Callable[..., Any], clock: Any) -> Site:
    store = open_store()
    latest = Latest(clock)
    return Site(House(store, latest), Intake(store, latest), clock)


def test_what_is_counted_adds_up_and_is_what_is_installed(
    ask_planted: Callable[..., Any], planted: Path
) -> None:
    told = ask_planted("/v1/now")["devices"]
    accounts = (
        "working", "unmeasured", "held", "free", "down", "maintenance", "silent",
    )  # fmt: skip
    assert told["installed"] == sum(told[name] for name in accounts)
    assert told["assigned"] == told["working"] + told["unmeasured"] + told["held"]
    assert told["offered"] == told["assigned"] + told["free"]
    inventory = pl.read_parquet(planted / "ledger" / "inventory.parquet")
    there = inventory.filter((pl.col("kind") == "device") & pl.col("until_ms").is_null())
    assert told["installed"] == there.height > 0


def test_the_course_of_power_adds_up_to_the_energy_in_the_books(
    ask_planted: Callable[..., Any], planted: Path
) -> None:
    told = ask_planted("/v1/now")
    course = told["power"]["course"]
    end = datetime.fromtimestamp(told["time_unix_ms"] / 1000, UTC)
    view = load(planted, Period(end - timedelta(hours=2), end))
    joules = view.energy["joules"].sum()
    watts = [value for values in course["watts"].values() for value in values]
    assert None not in watts and len(watts) == 120
    assert sum(watts) * 60 == pytest.approx(joules, rel=1e-3)
    assert course["coverage"] == pytest.approx(1.0)


def test_a_minute_that_nobody_metered_is_not_known(
    ask_planted: Callable[..., Any], planted_house: Any
) -> None:
    books = Books(planted_house.store.path)
    end_ms = planted_house.store.clock.unix_ms()
    told = power.course(books, {"sim": end_ms}, end_ms + HOUR)
    (watts,) = told["watts"].values()  # type: ignore[attr-defined]
    assert watts[60:] == [None] * 60
    assert None not in watts[:60]
    assert power.course(books, {"elsewhere": end_ms}, end_ms)["coverage"] is None


def test_the_cap_is_what_the_profile_says(site: Site, planted: Path, sender: Any) -> None:
    site.take(replace_system(sender, "sim").devices(site.clock.now_ms))
    assert site.now()["power"]["caps"] == {"sim": None}
    text = (planted / "profile.toml").read_text()
    path = site.house.store.path / "profile.toml"
    path.write_text(text.replace("[system.sim]", '[system.sim]\npower_budget = "12 kW"', 1))
    path.chmod(0o600)
    assert site.now()["power"]["caps"] == {"sim": 12_000.0}
    path.write_text("factory = 7")
    told = site.now()
    assert told["power"]["caps"] == {"sim": None}
    assert "profile.toml" in told["problem"]


def replace_system(sender: Any, system: str) -> Any:
    return replace(sender, system=system)


def test_a_silent_node_is_unknown_and_not_offered(site: Site, new_sender: Any) -> None:
    first, second = new_sender(node="n01"), new_sender(node="n02")
    at = site.clock.now_ms
    site.take(first.devices(at), second.devices(at))
    told = site.now()
    assert (told["devices"]["offered"], told["devices"]["silent"]) == (4, 0)
    site.clock.sleep(600)
    site.take(second.devices(site.clock.now_ms))
    told = site.now()
    assert (
        told["devices"] | {"installed": 4, "offered": 2, "free": 2, "silent": 2}
        == (told["devices"])
    )
    agents = told["feeds"]["agents"]
    assert (agents["nodes"], agents["reporting"]) == (2, 1)
    assert [one["node"] for one in agents["silent"]] == ["n01"]
    assert agents["silent"][0]["age_ms"] == 600_000
    assert agents["cells"] == [["n01", 1, 1], ["n02", 1, 0]]
    assert {one["node"] for one in told["hottest"]} == set()
    assert told["power"]["watts"] == 201.0


def test_what_was_silent_for_days_is_still_installed() -> None:
    devices = pl.DataFrame({"system": ["s"], "device": ["GPU-0"], "account": ["busy"]})
    installed = pl.DataFrame({"system": ["s", "s"], "key": ["GPU-0", "GPU-1"]})
    nobody = pl.DataFrame(schema={"system": pl.String, "device": pl.String})
    told = now.counted(devices, installed, nobody)
    assert (told["installed"], told["working"], told["silent"]) == (2, 1, 1)


def test_what_is_in_maintenance_is_not_offered() -> None:
    devices = pl.DataFrame(
        {"system": ["s", "s"], "device": ["GPU-0", "GPU-1"], "account": ["free", "free"]}
    )
    planned = pl.DataFrame({"system": ["s"], "device": ["GPU-1"]})
    told = now.counted(devices, pl.DataFrame({"system": ["s"], "key": ["GPU-0"]}), planned)
    assert (told["offered"], told["free"], told["maintenance"]) == (1, 1, 1)


def test_the_hottest_and_the_throttled_are_named_worst_first(site: Site, sender: Any) -> None:
    at = site.clock.now_ms
    rows = [
        {"time_unix_ms": at, "device": f"GPU-{place}", "up": 1, "temperature_celsius": 40.0 + place}
        for place in range(9)
    ]
    site.take(sender.batch("device", rows))
    told = site.now()
    assert [one["temperature_celsius"] for one in told["hottest"]] == [48, 47, 46, 45, 44]
    assert (told["throttled"], told["throttled_devices"]) == ([], 0)


def test_one_system_can_be_looked_at_alone(site: Site, new_sender: Any) -> None:
    at = site.clock.now_ms
    site.take(new_sender(system="a").devices(at), new_sender(system="b", node="n02").devices(at, 5))
    assert site.now()["devices"]["installed"] == 7
    told = site.now(system="b")
    assert told["devices"]["installed"] == 5
    assert set(told["power"]["caps"]) == {"b"}
    assert told["feeds"]["agents"]["nodes"] == 1


def test_alerts_are_counted_by_severity_for_those_who_may_see_them(
    site: Site, new_sender: Any
) -> None:
    watch = Watch(site.house.store.path, shipped(), site.house.latest.known, dict)
    site.house = replace(site.house, watch=watch)
    first, second = new_sender(), new_sender(node="n02")
    for _ in range(10):
        at = site.clock.now_ms
        lost = {"time_unix_ms": at, "device": "GPU-7", "up": 0}
        site.take(first.batch("device", [lost]), second.devices(at))
        watch.turn()
        site.clock.sleep(15)
    told = site.now()["alerts"]
    assert told["counts"] == {"critical": 1, "warning": 0, "info": 0}
    assert told["first"][0]["title"] == "Device GPU-7 on n01 does not answer"
    assert told["late"] is False
    assert site.now(system="elsewhere")["alerts"]["counts"]["critical"] == 0
    manager = Viewer("mara", roles=frozenset({Role.MANAGER}))
    told = site.now(manager)
    assert told["alerts"] is None
    assert "does not answer" not in json.dumps(told)
    support = Viewer("sven", roles=frozenset({Role.SUPPORT}))
    assert site.now(support)["alerts"]["counts"]["critical"] == 1


def test_thousands_of_nodes_are_drawn_by_rack_and_stay_small() -> None:
    count = 2_000
    nodes = pl.DataFrame(
        {
            "system": ["s"] * count,
            "node": [f"n{place:04d}" for place in range(count)],
            "rack": [f"r{place // 32:02d}" for place in range(count)],
            "age_ms": pl.Series([1000] * count, dtype=pl.Int64),
            "fresh": [place % 100 != 7 for place in range(count)],
        }
    )
    told = feeds.agents(nodes, nodes.select("system", "node", "rack").head(0))
    assert (told["by"], told["nodes"], told["reporting"]) == ("rack", 2_000, 1_980)
    cells: Any = told["cells"]
    assert sum(cell[1] for cell in cells) == 2_000
    assert sum(cell[2] for cell in cells) == 20
    assert len(json.dumps(told)) < 8_000


def test_an_empty_store_says_that_nothing_is_there(site: Site) -> None:
    told = site.now()
    assert told["devices"]["installed"] == 0
    assert told["power"] | {"watts": None, "caps": {}} == told["power"]
    assert told["feeds"]["agents"]["cells"] == []
    assert told["feeds"]["books"] == []
    assert told["feeds"]["meters"] is None


def test_books_and_meters_that_fall_behind_are_late(
    ask_planted: Callable[..., Any], planted: Path
) -> None:
    told = ask_planted("/v1/now")
    (books,) = told["feeds"]["books"]
    assert (books["system"], books["late"]) == ("sim", False)
    until = feeds.booked_until(Books(planted))
    assert feeds.books(until, ["sim", "new"], until["sim"] + HOUR) == [
        {"system": "new", "age_ms": None, "late": True},
        {"system": "sim", "age_ms": HOUR, "late": True},
    ]
    meters = told["feeds"]["meters"]
    assert meters["meters"] > 0
    later = feeds.meters(planted, told["time_unix_ms"] + 400 * DAY)
    assert later is not None and later["late"] is True
