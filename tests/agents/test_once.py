from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, JOB, NODE, Metric
from wattline_agents.errors import ReadFailed
from wattline_agents.once import read_once, shown, text, why_not


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


def test_one_failure_is_not_waited_for_twice(
    clock: Any, make_source: Any, lost: ReadFailed
) -> None:
    source = make_source("gpu", error=lost)
    read_once([source], clock)
    assert len(source.read_at) == 1


def test_what_answers_later_is_waited_for(clock: Any, make_source: Any) -> None:
    source = make_source(readings={"device": [{"device": "GPU-1", "up": 1}]})
    source.read_now = lambda now_ms, seconds: source.read(now_ms - round(seconds))
    readings, _ = read_once([source], clock)
    assert clock.unix_ms() - source.read_at[1] == 40
    assert len(readings["device"]) == 1


def test_a_node_read_by_several_is_one_paragraph_and_has_one_meter(
    clock: Any, make_source: Any
) -> None:
    host = make_source("host", readings={"node": [{"cpu_busy_ratio": 0.5}]})
    cray = make_source("cray", readings={"node": [{"power_watts": 900.0}]})
    rapl = make_source("rapl", readings={"node": [{"power_watts": 300.0}]})
    readings, _ = read_once([host, cray, rapl], clock)
    shown_text = text(readings)
    assert shown_text.count("node") == 1
    assert "50.0 %" in shown_text
    assert "900.0 W" in shown_text


def test_meters_instances_and_processes_are_paragraphs() -> None:
    paragraphs = text(
        {
            "meter": [{"source": "rapl", "domain": "package-0", "power_watts": 90.0}],
            "mig": [{"device": "GPU-1", "instance": "MIG-7", "profile": "3g.40gb", "processes": 2}],
            "process": [{"device": "GPU-1", "pid": 77, "memory_used_bytes": 1_500_000_000}],
        }
    ).split("\n\n")
    assert [paragraph.splitlines()[0] for paragraph in paragraphs] == [
        "meter  rapl  package-0",
        "instance  3g.40gb  MIG-7  of  GPU-1",
        "process  77  on  GPU-1",
    ]
    assert "1.5 GB" in paragraphs[2]


def test_why_a_column_is_not_known_is_said(make_source: Any) -> None:
    gpu, rapl = make_source(), make_source()
    gpu.why_not = lambda: {"GPU-1": {"sm_active_ratio": "no such sensor"}, "": {"a": "b"}}
    rapl.why_not = lambda: {"": {"power_watts": "only root may read it"}}
    reasons = why_not([gpu, rapl, make_source()])
    assert reasons[""] == {"a": "b", "power_watts": "only root may read it"}
    shown_text = text({"node": [{}], "device": [{"device": "GPU-1", "up": 1}]}, reasons)
    assert "not known: power_watts (only root may read it)" in shown_text
    assert "not known: sm_active_ratio (no such sensor)" in shown_text


def test_of_a_device_that_is_down_nothing_is_missing() -> None:
    shown_text = text({"device": [{"device": "GPU-1", "up": 0, "sample_age_seconds": 7.0}]})
    assert "not known" not in shown_text
    assert "7.0 s" in shown_text


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
