import pytest

from wattline_agents.errors import UsageError
from wattline_agents.sources.registry import SOURCES, open_source
from wattline_agents.sources.settings import SourceConfig


def test_a_source_is_opened_by_its_name() -> None:
    source = open_source("host", SourceConfig("s", "n"))
    assert source.name == "host"
    source.close()


def test_an_unknown_source_is_answered_with_the_nearest_or_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no source 'xyz'; there are nvml, amdsmi, .*, replay"):
        open_source("xyz", SourceConfig("s", "n"))
    with pytest.raises(UsageError, match="no source 'nvlm'; did you mean 'nvml'"):
        open_source("nvlm", SourceConfig("s", "n"))


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_refuses_an_option_it_does_not_have(name: str) -> None:
    with pytest.raises(UsageError, match=r"nonsense"):
        open_source(name, SourceConfig("s", "n", options={"nonsense": "1"}))
