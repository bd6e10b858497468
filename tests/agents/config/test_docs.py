import argparse
from pathlib import Path

from wattline_agents.commands.agent import COMMAND
from wattline_agents.config.file import SECTIONS, TOP
from wattline_agents.sources.registry import SOURCES

PAGE = (Path(__file__).parents[3] / "docs/agent.md").read_text()


def test_every_key_of_a_configuration_is_documented() -> None:
    keys = [*TOP, *(f"{name}.{key}" for name, keys in SECTIONS.items() for key in keys)]
    assert [key for key in keys if f"\n| `{key}` |" not in PAGE] == []


def test_every_argument_that_sets_a_key_is_documented() -> None:
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    flags = {flag for action in parser._actions for flag in action.option_strings}
    flags -= {"-h", "--help", "--metrics", "--devices"}
    assert sorted(flag for flag in flags if f"{flag}`" not in PAGE and f"{flag} " not in PAGE) == []


def test_every_source_is_documented() -> None:
    assert [name for name in SOURCES if f"`{name}`" not in PAGE] == []
