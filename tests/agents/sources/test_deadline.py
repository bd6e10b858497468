import threading
from typing import Any

import pytest

from wattline_agents.errors import ReadFailed
from wattline_agents.sources.deadline import WithDeadline
from wattline_agents.sources.source import Readings

ROW = {"device": [{"device": "GPU-1"}]}


class Hanging:
    """A source whose driver may hold a call."""

    name = "gpu"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.came_back = threading.Event()
        self.is_closed = False

    def read(self, now_ms: int) -> Readings:
        self.go.wait()
        self.came_back.set()
        return {"device": [{"device": "GPU-1", "time_unix_ms": now_ms}]}

    def describe(self, now_ms: int) -> Readings:
        self.go.wait()
        return {"device_info": [{"device": "GPU-1", "time_unix_ms": now_ms}]}

    def close(self) -> None:
        self.is_closed = True


def test_a_source_that_answers_is_read_as_it_is() -> None:
    inner = Hanging()
    source = WithDeadline(inner, 10)
    assert source.name == "gpu"
    assert source.read(5)["device"][0]["time_unix_ms"] == 5
    assert source.describe(5)["device_info"]
    source.close()
    assert inner.is_closed


def test_a_call_that_hangs_is_left_behind_and_others_go_on() -> None:
    inner = Hanging()
    source = WithDeadline(inner, 0.02)
    inner.go.clear()
    with pytest.raises(ReadFailed, match=r"gpu: no answer from the driver within 0\.02 s"):
        source.read(1)
    with pytest.raises(ReadFailed, match="still no answer"):
        source.read(2)
    assert source.describe(2) == {}
    source.close()
    assert not inner.is_closed, "closing would hang as well"
    inner.go.set()


def test_a_call_that_comes_back_late_is_forgotten_and_reading_goes_on() -> None:
    inner = Hanging()
    source = WithDeadline(inner, 0.02)
    inner.go.clear()
    with pytest.raises(ReadFailed):
        source.read(1)
    inner.go.set()
    inner.came_back.wait(10)
    readings: Readings = {}
    for now_ms in range(2, 2000):  # its answer is put a moment after it came back
        try:
            readings = source.read(now_ms)
            break
        except ReadFailed:
            threading.Event().wait(0.001)
    assert readings["device"][0]["time_unix_ms"] == now_ms, "not the answer to the first question"
    source.close()


def test_an_error_of_the_source_is_its_error(make_source: Any, lost: ReadFailed) -> None:
    source = WithDeadline(make_source(error=lost), 10)
    with pytest.raises(ReadFailed, match="the sensor is gone"):
        source.read(1)
    source.close()
