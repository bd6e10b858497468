"""A driver whose devices hang, through the real binding, in real processes."""

import select
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wattline_agents.sources.isolated import Isolated, keeper
from wattline_agents.sources.settings import SourceConfig

PATIENCE_SECONDS = 60.0
GPUS = [f"GPU-57a4d14e-0000-4000-8000-{number:012d}" for number in range(8)]
SICK = GPUS[3]


class Read:
    """Reads as an agent does, only that a tick of 20 ms counts as one of two seconds."""

    def __init__(self, source: Isolated, said: list[str]) -> None:
        self.source, self.said = source, said
        self.now_ms = 1_790_000_000_000

    def until(self, is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Device rows of one tick after the other, until they are as they should be."""
        end = time.monotonic() + PATIENCE_SECONDS
        rows: list[Any] = []
        while not is_enough(rows):
            assert time.monotonic() < end, (up(rows), self.said)
            rows = list(self.source.read(self.now_ms).get("device", ()))
            poll = select.poll()
            for descriptor, events in self.source.descriptors().items():
                poll.register(descriptor, events)
            for descriptor, events in poll.poll(20):
                rows += self.source.handle(descriptor, events).get("device", ())
            self.now_ms += 2000
        return rows


@pytest.fixture
def reading(nvml_stand_in: Any, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Iterator[Read]:
    for name, value in nvml_stand_in.environment(devices=8).items():
        monkeypatch.setenv(name, value)
    nvml_stand_in.plant()
    monkeypatch.setattr(keeper, "PART_SECONDS", 0.3)
    monkeypatch.setattr(keeper, "FIRST_RETRY_SECONDS", 1.0)
    monkeypatch.setattr(keeper, "MOST_RETRY_SECONDS", 1.0)
    source = Isolated("nvml", SourceConfig("s", "n"), said.append)
    yield Read(source, said)
    source.close()


def up(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {row["device"]: row["up"] for row in rows}


def test_one_gpu_hangs_the_other_seven_are_read_and_it_comes_back(
    reading: Read, nvml_stand_in: Any, said: list[str]
) -> None:
    all_up = dict.fromkeys(GPUS, 1)
    reading.until(lambda rows: up(rows) == all_up)
    nvml_stand_in.plant("hang 3")
    rows = reading.until(lambda rows: up(rows) == all_up | {SICK: 0})
    (sick,) = (row for row in rows if row["device"] == SICK)
    assert sick["read_timeouts_total"] == 1
    assert sick["sample_age_seconds"] > 1
    assert all(row["power_watts"] > 60 for row in rows if row["device"] != SICK)
    nvml_stand_in.plant()
    rows = reading.until(lambda rows: up(rows) == all_up)
    assert f"nvml: reading again ({SICK})" in said
    (well,) = (row for row in rows if row["device"] == SICK)
    assert well["read_timeouts_total"] == 1
    assert well["power_watts"] > 60


def test_a_gpu_that_hangs_from_the_start_is_left_out(
    reading: Read, nvml_stand_in: Any, said: list[str]
) -> None:
    nvml_stand_in.plant("hang 3")
    well = {device: 1 for device in GPUS if device != SICK}
    reading.until(lambda rows: up(rows) == well)
    assert reading.source.unread() == ["3"]
    assert "nvml: device 3 is there and cannot be read: it has no row" in said
    assert [row["device"] for row in reading.source.describe(0)["device_info"]] == list(well)
    nvml_stand_in.plant()
    reading.until(lambda rows: up(rows) == dict.fromkeys(GPUS, 1))
    assert reading.source.unread() == []


def test_a_gpu_that_falls_off_the_bus_is_a_line_and_one_when_it_is_back(
    reading: Read, nvml_stand_in: Any, said: list[str]
) -> None:
    all_up = dict.fromkeys(GPUS, 1)
    reading.until(lambda rows: up(rows) == all_up)
    nvml_stand_in.plant("lost 3")
    reading.until(lambda rows: up(rows) == all_up | {SICK: 0})
    (line,) = said
    assert line.startswith(f"nvml: {SICK} (index 3, PCI 00000000:4B:00.0) does not answer")
    nvml_stand_in.plant()
    reading.until(lambda rows: up(rows) == all_up)
    assert said[1:] == [f"nvml: {SICK} (index 3, PCI 00000000:4B:00.0) answers again"]


def test_a_driver_changed_under_its_library_is_read_by_a_new_process(
    reading: Read, nvml_stand_in: Any, said: list[str]
) -> None:
    all_up = dict.fromkeys(GPUS, 1)
    reading.until(lambda rows: up(rows) == all_up)
    (before,) = reading.source.processes()
    nvml_stand_in.plant("mismatch")
    reading.until(lambda rows: reading.source.processes() not in ([], [before]))
    reading.until(lambda rows: up(rows) == all_up)
    assert any("driver was changed" in text for text in said)


def test_a_driver_that_is_unloaded_leaves_every_gpu_down_until_it_is_back(
    reading: Read, nvml_stand_in: Any
) -> None:
    reading.until(lambda rows: up(rows) == dict.fromkeys(GPUS, 1))
    nvml_stand_in.plant("unloaded")
    reading.until(lambda rows: up(rows) == dict.fromkeys(GPUS, 0))
    nvml_stand_in.plant()
    reading.until(lambda rows: up(rows) == dict.fromkeys(GPUS, 1))
