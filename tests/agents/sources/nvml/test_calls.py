"""How often the driver is called: what sampling costs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

SECONDS = 60


def calls_in_a_minute(bench: Any, devices: int, *faults: str) -> list[Counter[str]]:
    """What each second of a minute called, after the first minute."""
    bench.read_all(0, SECONDS, *faults)
    seconds, before = [], bench.calls()
    for second in range(SECONDS + 1, 2 * SECONDS + 1):
        bench.read(second, *faults)
        now = bench.calls()
        seconds.append(now - before)
        before = now
    return seconds


def total(calls: Counter[str]) -> int:
    """All calls; fields are counted beside the calls that ask for them."""
    return sum(count for name, count in calls.items() if name.startswith("nvml"))


@pytest.mark.parametrize(("model", "most"), [("h100", 7.0), ("a100", 4.8), ("gh200", 7.0)])
def test_few_calls_a_second_and_device(bench: Any, model: str, most: float) -> None:
    bench.begin(model, 8)
    processes = [f"processes {index} {100 + index}:10" for index in range(8)]
    seconds = calls_in_a_minute(bench, 8, *processes)
    each = sum(map(total, seconds)) / SECONDS / 8
    assert each <= most
    assert each > 3, "or nothing was counted"


def test_no_second_is_much_heavier_than_the_others(bench: Any) -> None:
    bench.begin(devices=8)
    by_second = [total(calls) for calls in calls_in_a_minute(bench, 8)]
    assert max(by_second) <= 1.5 * sum(by_second) / SECONDS


def test_seven_instances_stay_within_ten_calls_a_second(bench: Any) -> None:
    bench.begin(devices=1)
    seconds = calls_in_a_minute(bench, 1, "mig 0 " + ",".join(["1g.10gb"] * 7))
    assert sum(map(total, seconds)) / SECONDS <= 10


def test_a_tick_between_slow_readings_makes_five_calls(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read_all(0, 1)
    before = bench.calls()
    bench.read(2)
    assert bench.calls() - before == {
        "nvmlDeviceGetFieldValues": 1,
        "fields": 3,
        "nvmlDeviceGetSamples": 1,
        "nvmlDeviceGetUtilizationRates": 1,
        "nvmlGpmSampleGet": 1,
        "nvmlGpmMetricsGet": 1,
    }


def test_nothing_that_blocks_is_ever_called(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read_all(0, 61)
    assert bench.calls()["nvmlDeviceGetPcieThroughput"] == 0
    assert bench.calls()["nvmlDeviceGetViolationStatus"] == 0
