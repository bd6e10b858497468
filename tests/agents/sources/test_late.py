from typing import Any

from wattline_agents.agent import ReadsElsewhere
from wattline_agents.errors import SourceUnavailable
from wattline_agents.sources.late import RETRY_MS, LateSource
from wattline_agents.sources.source import Source, Waits


def test_a_source_that_comes_later_is_found(make_source: Any, said: list[str]) -> None:
    real = make_source(
        readings={"device": [{"device": "GPU-1"}]}, described={"device_info": [{"device": "GPU-1"}]}
    )
    tries = []

    def open_() -> Source:
        tries.append(1)
        if len(tries) < 2:
            raise SourceUnavailable("no driver")
        found: Source = real
        return found

    source = LateSource("nvml", open_, said.append)
    assert source.read(0) == {}
    assert source.describe(0) == {}
    assert source.read(RETRY_MS - 1) == {}
    assert tries == []
    assert source.read(RETRY_MS) == {}
    assert said == []
    assert source.read(2 * RETRY_MS)["device"]
    assert source.describe(2 * RETRY_MS)["device_info"]
    assert said == ["nvml: there now"]
    source.read(9 * RETRY_MS)
    assert len(tries) == 2
    source.close()
    assert real.is_closed


def test_a_clock_set_back_does_not_stop_the_trying(said: list[str]) -> None:
    tries = []

    def open_() -> Source:
        tries.append(1)
        raise SourceUnavailable("no driver")

    source = LateSource("nvml", open_, said.append)
    source.read(10 * RETRY_MS)
    source.read(0)
    source.read(RETRY_MS)
    assert len(tries) == 1
    source.close()


def test_what_only_some_sources_do_it_does_once_its_source_is_there(
    make_source: Any, said: list[str]
) -> None:
    told: list[Any] = []
    real = make_source()
    real.every_seconds, real.read_errors, real.read_timeouts = 30.0, 3, 2
    real.on_devices, real.on_assignments = told.append, told.append
    real.why_not = lambda: {"": {"power_watts": "no meter"}}
    real.descriptors, real.handle = lambda: {7: 1}, lambda fd, events: {"xid": [{"fd": fd}]}
    real.processes = lambda: [77]
    real.unread = lambda: ["1"]
    source = LateSource("gpu", lambda: real, said.append)
    assert isinstance(source, ReadsElsewhere)
    assert isinstance(source, Waits)
    assert (source.every_seconds, source.read_errors, source.read_timeouts) == (0.0, 0, 0)
    assert (source.why_not(), source.descriptors(), source.processes()) == ({}, {}, ())
    assert source.unread() == ()
    source.on_devices({0: "GPU-1"})
    source.on_assignments({"GPU-1": "5"})
    source.read(0)
    source.read(RETRY_MS)
    assert told == [{0: "GPU-1"}, {"GPU-1": "5"}]
    source.on_devices({})
    assert told[2:] == [{}]
    assert (source.every_seconds, source.read_errors, source.read_timeouts) == (30.0, 3, 2)
    assert source.why_not() == {"": {"power_watts": "no meter"}}
    assert source.descriptors() == {7: 1}
    assert source.handle(7, 1) == {"xid": [{"fd": 7}]}
    assert source.processes() == [77]
    assert source.unread() == ["1"]


def test_what_its_source_does_not_do_is_nothing(make_source: Any, said: list[str]) -> None:
    source = LateSource("gpu", make_source, said.append)
    source.read(0)
    source.read(RETRY_MS)
    source.on_devices({})
    assert (source.why_not(), source.descriptors(), source.handle(7, 1)) == ({}, {}, {})
