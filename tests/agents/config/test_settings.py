import pytest

from wattline_agents.config import AUTOMATIC, SourceChoice, automatic_sources, cpu_set, default_node
from wattline_agents.errors import UsageError
from wattline_agents.sources.registry import SOURCES
from wattline_agents.wire import checked_name


def test_a_source_is_chosen_with_its_options() -> None:
    choice = SourceChoice.parse("replay:path=/a/b.jsonl,speed=max")
    assert choice == SourceChoice("replay", {"path": "/a/b.jsonl", "speed": "max"})
    assert SourceChoice.parse("host") == SourceChoice("host")


def test_a_source_option_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="not KEY=VALUE: 'devices'"):
        SourceChoice.parse("simulated:devices")


def test_the_default_node_is_a_name() -> None:
    assert checked_name(default_node(), "node") == default_node()


def test_all_automatic_sources_exist() -> None:
    assert set(AUTOMATIC) <= SOURCES.keys()
    assert all(choice.automatic for choice in automatic_sources())


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0", {0}), ("0,64-67", {0, 64, 65, 66, 67}), (" 3 , 5-5 ", {3, 5})],
)
def test_processors_are_numbers_and_ranges(text: str, cpus: set[int]) -> None:
    assert cpu_set(text) == cpus


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,,2", "-1", "1-2-3", "999999"])
def test_what_names_no_processor_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not processors such as 0,64-67"):
        cpu_set(text)
