"""The same contract, against a real driver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, DEVICE_INFO, TABLES
from wattline_agents.rows import checked_row
from wattline_agents.sources.nvml import NvmlSource, Off

pytestmark = pytest.mark.gpu

OFTEN = ("up", "power_watts", "energy_joules_total", "busy_ratio", "memory_used_bytes",
         "memory_size_bytes", "temperature_celsius", "sm_clock_hertz", "power_limit_watts",
         "throttle_power_cap_seconds_total", "performance_state")  # fmt: skip
"""What every data-centre GPU since Volta tells, if MIG is off."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def source() -> Iterator[NvmlSource]:
    source = NvmlSource(event_wait_ms=100)
    yield source
    source.close()


def read(source: NvmlSource, times: int = 4) -> list[list[dict[str, Any]]]:
    told = []
    for _ in range(times):
        told.append([dict(row) for row in source.read(now_ms())["device"]])
        time.sleep(0.5)
    return told


def test_a_real_gpu_is_read(source: NvmlSource) -> None:
    rows = read(source)[-1]
    assert rows
    info: dict[str, Any] = {
        str(row["device"]): row for row in source.describe(now_ms())["device_info"]
    }
    for row in rows:
        checked_row(DEVICE, row)
        who = info[row["device"]]
        checked_row(DEVICE_INFO, who)
        missing = [column for column in OFTEN if row.get(column) is None]
        assert who["mig"] == "enabled" or missing == []
        assert 1 < row["power_watts"] < 3000
        assert 10 < row["temperature_celsius"] < 110
        assert 0 <= row["busy_ratio"] <= 1
        assert row["memory_used_bytes"] < row["memory_size_bytes"]
        assert (row["power_stale"], row["read_errors_total"]) == (0, 0)


def test_real_energy_grows_as_real_power_says(source: NvmlSource) -> None:
    first, *_, last = read(source, 8)
    for a, b in zip(first, last, strict=True):
        seconds = (b["time_unix_ms"] - a["time_unix_ms"]) / 1000
        watts = (b["energy_joules_total"] - a["energy_joules_total"]) / seconds
        # Both are coarse over some seconds: within a factor, not a thousandth.
        assert 0.3 < watts / b["power_watts"] < 3


def test_every_table_of_a_real_gpu_fits_the_catalogue(source: NvmlSource) -> None:
    source.read(now_ms())
    time.sleep(0.5)
    for table, rows in source.read(now_ms()).items():
        for row in rows:
            checked_row(TABLES[table], row)


def test_every_empty_column_of_a_real_gpu_has_a_reason(source: NvmlSource) -> None:
    rows = read(source)[-1]
    reasons = source.why_not()
    known = {value for name, value in vars(Off).items() if name.isupper()}
    for row in rows:
        off = dict(reasons.get(row["device"], {}))
        empty = set(DEVICE.columns) - {column for column, value in row.items() if value is not None}
        empty -= {"read_timeouts_total"}  # which only who waits for NVML can tell
        assert empty <= off.keys()
        assert set(off.values()) <= known


def test_a_real_tick_costs_few_milliseconds_of_the_driver(source: NvmlSource) -> None:
    for row in read(source, 6)[-1]:
        assert 0 < row["read_seconds"] < 1
