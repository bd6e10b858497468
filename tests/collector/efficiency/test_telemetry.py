from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import DEVICE, JOB, NODE, NODE_INFO, Table
from wattline_collector.efficiency.telemetry import Telemetry, device_sums, host_sums, rank_sums
from wattline_collector.receive.intake import Intake
from wattline_collector.store import manifest
from wattline_collector.store.latest import Latest
from wattline_collector.store.segments import schema

NOW_MS = 1_793_534_400_000


def rows(table: Table, *values: dict[str, object], **extra: pl.DataType) -> pl.DataFrame:
    columns = schema(table) | extra
    return pl.DataFrame([dict.fromkeys(columns) | row for row in values], schema=columns)


def test_readings_of_a_device_add_up_by_what_each_stands_for() -> None:
    found = device_sums(
        rows(
            DEVICE,
            {"device": "a", "node": "n", "ms": 10.0, "tensor_active_ratio": 0.2,
             "memory_used_bytes": 5, "throttle_thermal_seconds_total": 100.0},
            {"device": "a", "node": "n", "ms": 30.0, "tensor_active_ratio": 0.6,
             "memory_used_bytes": 9, "throttle_thermal_seconds_total": 104.0},
            {"device": "a", "node": "n", "ms": 60.0, "memory_used_bytes": 7,
             "throttle_thermal_seconds_total": 1.0},
            {"device": "a", "node": "n", "ms": 60.0, "throttle_thermal_seconds_total": 3.0},
            ms=pl.Float64(),
        )
    ).row(0, named=True)  # fmt: skip
    assert found["read_ms"] == 160
    assert (found["tensor_ms"], found["tensor_known_ms"]) == (pytest.approx(20), 40)
    assert (found["memory_peak_bytes"], found["memory_known_ms"]) == (9, 100)
    # The counter began anew once; that step is not known.
    assert found["throttle_thermal_seconds"] == pytest.approx(6)
    assert found["throttle_power_cap_seconds"] is None
    assert found["dram_known_ms"] == 0


def test_processor_time_comes_from_counters_else_from_the_ratio() -> None:
    info = rows(NODE_INFO, {"node": "a", "cores": 64}, {"node": "b", "cores": 32})
    found = host_sums(
        rows(
            NODE,
            {"node": "a", "time_unix_ms": 0, "ms": 10.0, "cpu_user_seconds_total": 100.0,
             "cpu_system_seconds_total": 10.0, "cpu_busy_ratio": 0.9},
            {"node": "a", "time_unix_ms": 60_000, "ms": 10.0, "cpu_user_seconds_total": 700.0,
             "cpu_system_seconds_total": 40.0, "cpu_busy_ratio": 0.9},
            {"node": "b", "time_unix_ms": 0, "ms": 10.0, "cpu_busy_ratio": 0.5},
            {"node": "b", "time_unix_ms": 10, "ms": 30.0, "cpu_busy_ratio": 0.25},
            ms=pl.Float64(),
        ),
        info,
    ).rows_by_key("node", named=True, unique=True)  # fmt: skip
    assert found["a"]["busy_core_ms"] / found["a"]["known_ms"] == pytest.approx(630 / 60)
    assert found["b"]["busy_core_ms"] == pytest.approx((0.5 * 10 + 0.25 * 30) * 32)
    assert found["b"]["known_ms"] == 40


def test_a_node_that_counts_no_steps_but_tells_its_phases_counts() -> None:
    found = rank_sums(
        rows(
            JOB,
            {"node": "a", "steps_total": 0, "phase_step_seconds_total": 0.0,
             "phase_data_wait_seconds_total": 0.0},
            {"node": "a", "steps_total": 9, "phase_step_seconds_total": 80.0,
             "phase_data_wait_seconds_total": 20.0},
            {"node": "b", "phase_step_seconds_total": 0.0},
            {"node": "b", "phase_step_seconds_total": 90.0},
            {"node": "c", "steps_total": 5},
        )
    )  # fmt: skip
    assert found.sort("node").rows() == [("a", 80.0, 100.0), ("b", 90.0, 90.0)]


def test_an_open_store_is_asked_what_is_sealed_and_the_manifest_is_not_read_again(
    open_store: Any, new_sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    intake = Intake(store, Latest())
    agent = new_sender()
    sealed = [{"time_unix_ms": NOW_MS, "device": "GPU-0", "tensor_active_ratio": 0.5}]
    newer = [{"time_unix_ms": NOW_MS + 1000, "device": "GPU-0", "tensor_active_ratio": 0.5}]
    for reading in (sealed, newer):
        batch = agent.batch("device", reading)
        assert intake.accept(batch.table, batch.header, batch.body)
        if reading is sealed:
            store.seal()
    store.commit()
    held = pl.DataFrame({"device": ["GPU-0"], "start_ms": [NOW_MS - 1], "end_ms": [NOW_MS + 5000]})
    system = batch.header.system
    told = Telemetry(store.path, system, NOW_MS - 1, NOW_MS + 5000).readings(held)
    assert told["read_ms"].to_list() == [2000]
    monkeypatch.setattr(manifest, "load", None)
    again = Telemetry(store.path, system, NOW_MS - 1, NOW_MS + 5000, store).readings(held)
    assert again.equals(told)
