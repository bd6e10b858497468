from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, JOB, NODE, Metric
from wattline_agents.errors import ReadFailed
from wattline_agents.once import read_once, shown, text, unread, why_not


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
    readings, failed, _ = read_once([source], clock)
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
    readings, _, _ = read_once([source], clock)
    assert [row["time_unix_ms"] for row in readings["node"]] == [source.read_at[1]]


def test_what_failed_is_told_once(clock: Any, make_source: Any, lost: ReadFailed) -> None:
    readings, failed, _ = read_once([make_source("gpu", error=lost)], clock)
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
    readings, _, _ = read_once([source], clock)
    assert clock.unix_ms() - source.read_at[1] == 40
    assert len(readings["device"]) == 1


def test_a_node_read_by_several_is_one_paragraph_and_has_one_meter(
    clock: Any, make_source: Any
) -> None:
    host = make_source("host", readings={"node": [{"cpu_busy_ratio": 0.5}]})
    cray = make_source("cray", readings={"node": [{"power_watts": 900.0}]})
    rapl = make_source("rapl", readings={"node": [{"power_watts": 300.0}]})
    readings, _, _ = read_once([host, cray, rapl], clock)
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


def test_a_fault_in_a_sources_code_is_told_and_the_others_are_shown(
    clock: Any, make_source: Any
) -> None:
    broken = make_source("gpu", error=ZeroDivisionError("division by zero"))
    host = make_source("host", readings={"node": [{"cpu_busy_ratio": 0.5}]})
    readings, failed, _ = read_once([broken, host], clock)
    assert failed == ["gpu: ZeroDivisionError: division by zero"]
    assert "50.0 %" in text(readings)


def test_a_source_is_not_named_twice(clock: Any, make_source: Any) -> None:
    error = ReadFailed("NVML: driver not loaded")
    assert read_once([make_source("nvml", error=error)], clock)[1] == ["nvml: driver not loaded"]


def test_instances_that_take_turns_are_read_until_each_had_two(
    clock: Any, make_source: Any
) -> None:
    class InTurn:
        name = "nvml"
        turn = -1
        of = 4

        def read(self, now_ms: int) -> Any:
            self.turn += 1
            now = range(self.of) if self.turn == 0 else [(self.turn - 1) % self.of]
            return {
                "mig": [
                    {"time_unix_ms": now_ms, "device": "GPU-1", "instance": f"MIG-{n}"} for n in now
                ]
            }

        def describe(self, now_ms: int) -> Any:
            return {}

        def close(self) -> None: ...

    source, other = InTurn(), make_source("host", readings={"node": [{}]})
    readings, _, _ = read_once([source, other], clock)
    assert len({row["time_unix_ms"] for row in readings["mig"]}) == 4
    assert source.turn == 4
    assert len(other.read_at) == 2, "only instances are waited for"
    source.turn, source.of = -1, 50
    read_once([source], clock)
    assert source.turn == 9, "but not for ever"


def test_instances_that_give_nothing_more_are_not_waited_for(clock: Any, make_source: Any) -> None:
    source = make_source(readings={"mig": [{"device": "GPU-1", "instance": "MIG-0"}]})
    read_all = source.read
    source.read = lambda now_ms: {} if source.read_at else read_all(now_ms)
    began = clock.monotonic()
    read_once([source], clock)
    assert clock.monotonic() - began == 1.0


def test_sources_that_gave_no_row_and_devices_that_were_not_read_are_named(
    clock: Any, make_source: Any, lost: ReadFailed
) -> None:
    full = make_source("host", readings={"node": [{}]})
    empty = make_source("nvml", readings={"device": []}, described={"device_info": [{}]})
    failing = make_source("gpu", error=lost)
    empty.unread = lambda: ["0", "1 at 0000:0f:00.0"]
    _, _, silent = read_once([full, empty, failing], clock)
    assert [source.name for source in silent] == ["nvml", "gpu"]
    assert unread([full, empty]) == [
        "nvml: device 0 could not be read",
        "nvml: device 1 at 0000:0f:00.0 could not be read",
    ]
