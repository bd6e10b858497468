from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.audit import audit
from wattline_collector.registers.kept import path_of
from wattline_collector.registers.schema import OUTAGES

HOUR = 3600
WORKS = {"sm_active_ratio": 0.8}


@pytest.fixture
def gpu(telemetry: Any) -> Any:
    """One device that works for an hour, and a job that holds it for the first half of it."""
    telemetry.device()
    telemetry.samples(last_s=HOUR, counter=lambda s: 400 * s, **WORKS)
    telemetry.assign("j", 0, 1800, method="prolog")
    return telemetry


def _outages(store: Path, start_ms: int, *rows: dict[str, Any]) -> None:
    """Write the register of outages, as an import leaves it."""
    told = [
        {
            "system": None, "scope": "system", "name": None, "cause": "other", "text": None,
            **{key: value for key, value in row.items() if key not in ("start_s", "end_s")},
            "start_ms": start_ms + row["start_s"] * 1000,
            "end_ms": None if row["end_s"] is None else start_ms + row["end_s"] * 1000,
        }
        for row in rows
    ]  # fmt: skip
    frame = pl.DataFrame(told, schema=OUTAGES.schema).with_columns(
        origin=pl.lit("test"), source=pl.lit("test"), imported_ms=pl.lit(0, pl.Int64),
        replaced_ms=pl.lit(None, pl.Int64),
    )  # fmt: skip
    path = path_of(store, OUTAGES)
    path.parent.mkdir(exist_ok=True)
    frame.write_parquet(path)


@pytest.mark.parametrize(
    ("state", "booked"),
    [
        ("maint", {"maintenance": 1200.0, "busy": 1200.0, "free": 1200.0}),
        ("down", {"down": 1200.0, "busy": 1200.0, "free": 1200.0}),
        ("fail", {"down": 1200.0, "busy": 1200.0, "free": 1200.0}),
        ("drain", {"down": 600.0, "busy": 1800.0, "free": 1200.0}),
        ("mixed", {"busy": 1800.0, "free": 1800.0}),
    ],
)
def test_a_state_of_a_node_takes_its_time(
    gpu: Any, seconds: Any, state: str, booked: dict[str, float]
) -> None:
    gpu.node_state(state, 1200, 2400, said_s=2500)
    assert seconds(gpu.book(HOUR)) == booked


def test_a_draining_nodes_running_job_holds_its_devices_until_it_ends(
    gpu: Any, seconds: Any
) -> None:
    gpu.node_state("drain", 600, None, said_s=HOUR)
    books = gpu.book(HOUR)
    assert seconds(books, job="j") == {"busy": 1800.0}
    assert seconds(books, job=None) == {"down": 1800.0}


def test_the_part_of_a_draining_device_that_no_job_holds_is_down(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, **WORKS)
    telemetry.assign("a", 0, HOUR, share=0.25)
    telemetry.node_state("drain", 0, None, said_s=HOUR)
    books = telemetry.book(HOUR)
    assert seconds(books) == {"busy": 900.0, "down": 2700.0}


def test_a_node_that_is_down_is_down_without_any_reading(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=600)
    telemetry.node_state("down", 600, 3000, said_s=3000)
    assert seconds(telemetry.book(HOUR)) == {"free": 600.0, "down": 2400.0, "unobserved": 600.0}


def test_joules_follow_the_account(gpu: Any, joules: Any) -> None:
    gpu.node_state("maint", 0, 900, said_s=1000)
    gpu.node_state("down", 2700, HOUR, said_s=HOUR)
    booked = joules(gpu.book(HOUR))
    assert booked["maintenance"] == pytest.approx(400 * 900)
    assert booked["down"] == pytest.approx(400 * 900)
    assert sum(booked.values()) == pytest.approx(400 * HOUR)


def test_an_open_state_holds_while_the_scheduler_is_heard(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=6 * HOUR)
    telemetry.node_state("drain", 0, None, said_s=0)
    telemetry.account("other", 0, 100, said_s=3 * HOUR)
    booked = seconds(telemetry.book(6 * HOUR))
    assert booked == {"down": 4.0 * HOUR, "free": 2.0 * HOUR}


def test_an_agent_that_names_its_node_with_a_domain_is_found(telemetry: Any, seconds: Any) -> None:
    telemetry.add("device_info", [{"time_unix_ms": 0, "device": "g"}], node="n1.site.eu")
    telemetry.sent["device_info"][0] = {
        **telemetry.sent["device_info"][0],
        "installed_from_unix_ms": None,
        "time_unix_ms": 1_793_491_200_000,
    }
    telemetry.node_state("down", 0, HOUR, said_s=HOUR, host="n1")
    telemetry.node_state("down", 0, HOUR, said_s=HOUR, host="n10")
    assert seconds(telemetry.book(HOUR)) == {"down": float(HOUR)}


def test_a_scheduled_outage_is_maintenance_and_another_is_down(
    gpu: Any, seconds: Any, start_ms: int
) -> None:
    _outages(
        gpu.path, start_ms,
        {"scheduled": True, "start_s": 900, "end_s": 1800},
        {"scheduled": False, "start_s": 1500, "end_s": 2400},
    )  # fmt: skip
    books = gpu.book(HOUR)
    # Where both are said, the scheduled one counts.
    assert seconds(books) == {"busy": 900.0, "maintenance": 900.0, "down": 600.0, "free": 1200.0}
    assert audit(books.root.parent) == []


@pytest.mark.parametrize(
    ("scope", "name", "hit"),
    [
        ("system", None, {"n1", "n2"}),
        ("node", "n2", {"n2"}),
        ("rack", "r1", {"n1"}),
        ("partition", "booster", {"n2"}),
        ("partition", "elsewhere", set()),
    ],
)
def test_an_outage_takes_the_nodes_of_its_scope(
    telemetry: Any, start_ms: int, scope: str, name: str | None, hit: set[str]
) -> None:
    for node, rack in (("n1", "r1"), ("n2", "r2")):
        telemetry.add("node_info", [{"time_unix_ms": start_ms, "rack": rack}], node=node)
        telemetry.add("device_info", [{"time_unix_ms": start_ms, "device": node}], node=node)
    telemetry.account("past", 0, 1, said_s=10, partition="booster", node_list="n[2-3]")
    telemetry.account("odd", 0, 1, said_s=10, partition="booster", node_list="n[[[")
    _outages(
        telemetry.path, start_ms,
        {"scope": scope, "name": name, "scheduled": True, "start_s": 0, "end_s": None},
    )  # fmt: skip
    entries = telemetry.book(HOUR).read("device", start_ms, start_ms + HOUR * 1000)
    assert set(entries.filter(pl.col("account") == "maintenance")["node"]) == hit


def test_an_outage_of_another_system_takes_nothing(gpu: Any, seconds: Any, start_ms: int) -> None:
    outage = {"system": "other", "scheduled": True, "start_s": 0, "end_s": None}
    _outages(gpu.path, start_ms, outage)
    assert "maintenance" not in seconds(gpu.book(HOUR))


def test_an_outage_that_is_written_down_later_reopens_its_hours(
    gpu: Any, seconds: Any, start_ms: int
) -> None:
    assert "maintenance" not in seconds(gpu.book(HOUR))
    gpu.take_dirty = set
    _outages(gpu.path, start_ms, {"scheduled": True, "start_s": 0, "end_s": 600})
    assert seconds(gpu.book(HOUR))["maintenance"] == 600.0
    _outages(gpu.path, start_ms, {"scheduled": True, "start_s": 0, "end_s": 300})
    assert seconds(gpu.book(HOUR))["maintenance"] == 300.0
    _outages(gpu.path, start_ms)
    assert "maintenance" not in seconds(gpu.book(HOUR))


def test_a_state_that_is_told_late_reopens_its_hours(
    telemetry: Any, seconds: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.samples(last_s=5 * HOUR)
    telemetry.book(5 * HOUR)
    telemetry.node_state("down", HOUR, 2 * HOUR, said_s=5 * HOUR)
    telemetry.take_dirty = lambda: {("test", start_ms + 5 * HOUR * 1000)}
    assert seconds(telemetry.book(5 * HOUR + 60))["down"] == HOUR


def test_a_node_without_devices_stands_in_its_own_account(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "power_watts": 200.0}
            for s in range(0, HOUR + 1, 10)
        ],
    )
    telemetry.node_state("down", 600, 1200, said_s=1300)
    telemetry.node_state("maint", 1230, 1830, said_s=1900)
    books = telemetry.book(HOUR)
    assert joules(books, "node") == {
        "down": pytest.approx(200 * 600),
        "maintenance": pytest.approx(200 * 600),
        "free": pytest.approx(200 * 2400),
    }
    assert audit(books.root.parent) == []
