from typing import Any

from wattline_agents.errors import SourceUnavailable
from wattline_agents.sources.late import RETRY_MS, LateSource
from wattline_agents.sources.source import Source


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
