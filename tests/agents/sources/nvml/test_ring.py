"""The ring of power samples, from drivers that do not quite do what they say."""

from __future__ import annotations

import ctypes
from struct import Struct
from typing import Any

import pytest

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.off import Ledger, NvmlFailed, Off
from wattline_agents.sources.nvml.ring import PowerRing

NOW = 1_790_000_000_000
SAMPLE = Struct("=QI4x")


class Driver:
    """Gives these samples, whatever it was asked for."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, int]] = []
        self.code = ids.SUCCESS
        self.size = 120
        self.type = ids.TYPE_UNSIGNED_INT
        self.calls = 0
        self.last_seen: list[int] = []

    def function(self, name: str) -> Any:
        assert name == "nvmlDeviceGetSamples"
        return self.get

    def get(self, _handle: Any, kind: int, last: Any, type_: Any, count: Any, buffer: Any) -> int:
        assert kind == ids.SAMPLES_TOTAL_POWER
        self.calls += 1
        self.last_seen.append(last.value)
        type_._obj.value = self.type
        room = count._obj
        if buffer is None:
            room.value = self.size
            return ids.SUCCESS
        if self.code:
            room.value = self.size
            return self.code
        if room.value < len(self.samples):
            room.value = len(self.samples)
            return ids.INSUFFICIENT_SIZE
        for place, (time, power) in enumerate(self.samples):
            SAMPLE.pack_into(buffer, place * SAMPLE.size, time, power)
        room.value = len(self.samples)
        return ids.SUCCESS


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def ring(driver: Driver) -> PowerRing:
    asked = Ledger().ask_for("power samples")
    return PowerRing(driver, ctypes.c_void_p(1), ids.SAMPLES_TOTAL_POWER, asked)  # type: ignore[arg-type]


def test_what_was_there_before_is_not_told(driver: Driver, ring: PowerRing) -> None:
    driver.samples = [(10, 100), (20, 200)]
    assert ring.drain(NOW) == ((), ())
    driver.samples = [(30, 300), (40, 400)]
    assert ring.drain(NOW + 1000) == ((30, 40), (300, 400))
    assert driver.last_seen[-1] == 20
    assert driver.calls == 3, "two at the start, then one a tick"


def test_the_least_and_the_most_are_those_of_the_last_call(driver: Driver, ring: PowerRing) -> None:
    ring.drain(NOW)
    driver.samples = [(10, 300), (20, 0), (30, 200), (40, 400)]
    ring.drain(NOW + 1000)
    assert (ring.least, ring.most) == (200, 400)
    driver.samples = [(50, 0)]
    assert ring.drain(NOW + 2000) == ((), ())
    assert (ring.least, ring.most) == (None, None)


def test_samples_that_are_given_again_are_told_once(driver: Driver, ring: PowerRing) -> None:
    driver.samples = [(10, 100)]
    ring.drain(NOW)
    driver.samples = [(10, 100), (20, 200)]
    assert ring.drain(NOW + 1000) == ((20,), (200,))
    assert ring.drain(NOW + 2000) == ((), ())


def test_a_ring_that_grew_is_given_room(driver: Driver, ring: PowerRing) -> None:
    ring.drain(NOW)
    driver.samples = [(time, 100) for time in range(1, 501)]
    assert ring.drain(NOW + 1000) == ((), ())
    assert len(ring.drain(NOW + 2000)[0]) == 500


def test_no_device_draws_nothing_or_ten_kilowatts(driver: Driver, ring: PowerRing) -> None:
    ring.drain(NOW)
    driver.samples = [(10, 100), (20, 0), (30, 4_000_000_000), (40, 300)]
    assert ring.drain(NOW + 1000) == ((10, 40), (100, 300))


def test_a_ring_that_failed_begins_anew(driver: Driver, ring: PowerRing) -> None:
    ring.drain(NOW)
    driver.code = ids.UNKNOWN
    assert ring.drain(NOW + 1000) == ((), ())
    assert ring.asked.off == Off.FAILED
    driver.code, driver.samples = ids.SUCCESS, [(10, 100)]
    assert ring.drain(NOW + 2000) == ((), ())
    driver.samples = [(20, 200)]
    assert ring.drain(NOW + 3000) == ((20,), (200,))
    assert ring.asked.off is None


def test_a_lost_device_is_not_taken_for_an_empty_ring(driver: Driver, ring: PowerRing) -> None:
    ring.drain(NOW)
    driver.code = ids.GPU_IS_LOST
    with pytest.raises(NvmlFailed) as caught:
        ring.drain(NOW + 1000)
    assert caught.value.device_gone


def test_an_empty_ring_is_an_answer(driver: Driver, ring: PowerRing) -> None:
    ring.drain(NOW)
    driver.code = ids.NOT_FOUND
    assert ring.drain(NOW + 1000) == ((), ())
    assert ring.asked.off is None
