from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wattline_agents.clock import Clock
from wattline_agents.doctor.probe import probe
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.sources.source import Readings

CONFIG = {"system": "s", "node": "n"}
Told = list[tuple[str, object]]


class InParts:
    """A source of two devices, the second of which cannot be read."""

    name = "parts"

    def parts(self, now_ms: int) -> Iterator[tuple[str, Callable[[], Readings]]]:
        yield "GPU-0", lambda: {"device": [{"time_unix_ms": now_ms, "device": "GPU-0", "up": 1}]}
        yield "GPU-1", self._fail
        yield "GPU-2", self._break

    def _fail(self) -> Readings:
        raise ReadFailed("GPU-1 is gone")

    def _break(self) -> Readings:
        raise ZeroDivisionError("division by zero")

    def read(self, now_ms: int) -> Readings:
        raise AssertionError("a source in parts is read in parts")

    def describe(self, now_ms: int) -> Readings:
        return {}

    def why_not(self) -> dict[str, dict[str, str]]:
        return {"GPU-0": {"power_watts": "no sensor"}}

    def close(self) -> None:
        pass


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[..., Told]:
    """Probe a source, or what opening it raises; returns what was told."""

    def run(source: Any, *skip: str) -> Told:
        def open_source(name: str, config: object) -> Any:
            if isinstance(source, Exception):
                raise source
            return source

        monkeypatch.setattr("wattline_agents.doctor.probe.open_source", open_source)
        told: Told = []
        question = {"name": "x", "config": CONFIG, "skip": skip}
        probe(question, lambda kind, value: told.append((kind, value)), clock)
        return told

    return run


def test_a_source_is_read_twice_and_described(ask: Any, make_source: Any) -> None:
    source = make_source(readings={"node": [{"power_watts": 5.0}]})
    told = ask(source)
    assert [value for kind, value in told if kind == "part"] == [
        "open", "read", "describe", "read", "describe"
    ]  # fmt: skip
    assert source.read_at[1] - source.read_at[0] == 1000
    assert ("rows", {"node": [{"power_watts": 5.0, "time_unix_ms": source.read_at[1]}]}) in told


def test_a_slow_source_is_read_once(ask: Any, make_source: Any) -> None:
    source = make_source()
    source.every_seconds = 30.0
    ask(source)
    assert len(source.read_at) == 1


def test_a_part_that_fails_hides_no_other_and_reasons_are_told(ask: Any) -> None:
    told = ask(InParts())
    assert ("failed", "GPU-1 is gone") in told
    assert ("failed", "ZeroDivisionError: division by zero") in told
    assert told[-1] == ("why_not", {"GPU-0": {"power_watts": "no sensor"}})


def test_a_part_that_hung_before_is_left_out(ask: Any) -> None:
    told = ask(InParts(), "GPU-1")
    assert ("part", "GPU-1") not in told
    assert ("part", "GPU-2") in told


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SourceUnavailable("no such thing"), ("unavailable", "no such thing")),
        (UsageError("no option"), ("mistake", "no option")),
        (ImportError("no module"), ("failed", "ImportError: no module")),
    ],
)
def test_a_source_that_does_not_open_says_why(
    ask: Any, error: Exception, expected: tuple[str, str]
) -> None:
    assert ask(error) == [("part", "open"), expected]


def test_a_source_that_finds_nothing_only_when_it_is_read_says_so(
    ask: Any, make_source: Any
) -> None:
    told = ask(make_source(error=SourceUnavailable("not loaded")))
    assert told[-1] == ("unavailable", "not loaded")


def test_devices_that_are_there_and_not_read_are_told(ask: Callable[..., Told]) -> None:
    class Lacking(InParts):
        def unread(self) -> list[str]:
            return ["3"]

    assert ask(Lacking())[-1] == ("unread", ["3"])

    class Away(Lacking):
        def parts(self, now_ms: int) -> Iterator[tuple[str, Callable[[], Readings]]]:
            def open() -> Readings:
                raise SourceUnavailable("no device")

            yield "open", open

    assert ask(Away())[-2:] == [("unavailable", "no device"), ("unread", ["3"])]
