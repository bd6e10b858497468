from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, JOB, NODE, Metric
from wattline_agents.errors import ReadFailed
from wattline_agents.once import read_once, shown, text


def test_every_node_device_and_job_is_a_paragraph(clock: Any, make_source: Any) -> None:
    source = make_source(
        readings={
            "node": [{"cpu_busy_ratio": 0.125, "memory_size_bytes": 256_000_000_000}],
            "device": [{"device": "GPU-1", "up": 1, "power_watts": 412.25}],
        },
        described={
            "device_info": [{"device": "GPU-1", "index": 3, "model": "H200"}],
            "node_info": [{"os": "Debian"}],
        },
    )
    readings, failed = read_once([source], clock)
    assert failed == []
    node, device = text(readings).split("\n\n")
    assert node.splitlines()[0] == "node  Debian"
    assert "12.5 %" in node
    assert "256.0 GB" in node
    assert "not known: energy_joules_total, power_watts" in node
    assert device.splitlines()[0] == "device  3  H200  GPU-1"
    assert "412.2 W" in device


def test_two_readings_are_taken_and_the_newest_is_shown(clock: Any, make_source: Any) -> None:
    source = make_source(readings={"node": [{}]})
    readings, _ = read_once([source], clock)
    assert [row["time_unix_ms"] for row in readings["node"]] == [source.read_at[1]]


def test_what_failed_is_told_once(clock: Any, make_source: Any, lost: ReadFailed) -> None:
    readings, failed = read_once([make_source("gpu", error=lost)], clock)
    assert failed == ["gpu: the sensor is gone"]
    assert text(readings) == "nothing was read"


def metric(column: str) -> Metric:
    return next(m for t in (DEVICE, NODE, JOB) for m in t.metrics if m.column == column)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("busy_ratio", 0.5, "50.0 %"),
        ("power_watts", 0.0, "0.0 W"),
        ("energy_joules_total", 12_345_678.0, "12.3 MJ"),
        ("sm_clock_hertz", 1.98e9, "2.0 GHz"),
        ("temperature_celsius", 61.0, "61.0 °C"),
        ("up", 1, "1"),
        ("tokens_trained_total", 4096, "4096"),
        ("cpu_user_seconds_total", 12.34, "12.3 s"),
    ],
)
def test_a_value_is_shown_in_its_unit(column: str, value: float, expected: str) -> None:
    assert shown(metric(column), value) == expected
