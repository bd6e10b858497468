"""What the deployed files start must be something Wattline understands."""

import argparse
import json
import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from wattline_agents.command import Command
from wattline_agents.config import from_toml

DEPLOY = Path(__file__).parents[2] / "deploy"


def started() -> list[list[str]]:
    """Every command line in units and compose file, from the subcommand on."""
    lines = []
    for unit in sorted(DEPLOY.glob("systemd/*.service")):
        (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        words = shlex.split(line)
        lines.append(words[1:] if words[0].endswith("/wattline") else ["agent", *words[1:]])
    compose = (DEPLOY / "compose/compose.yaml").read_text()
    lines += [json.loads(command) for command in re.findall(r"^ +command: (.*)$", compose, re.M)]
    return lines


@pytest.mark.parametrize("words", started(), ids=lambda words: words[0])
def test_every_command_that_is_started_takes_its_arguments(words: list[str]) -> None:
    (point,) = entry_points(group="wattline.commands", name=words[0])
    command = point.load()
    assert isinstance(command, Command)
    parser = argparse.ArgumentParser(prog=words[0])
    command.configure(parser)
    parser.parse_args(words[1:])


def test_there_is_a_command_for_every_process() -> None:
    assert sorted(words[0] for words in started()) == [
        "agent",
        "collector",
        "collector",
        "dashboards",
        "dashboards",
        "report",
    ]


def test_the_agents_sample_configuration_is_one() -> None:
    settings = from_toml(DEPLOY / "systemd/agent.toml")
    assert settings.agent.system == "my-system"
    assert settings.push == "http://collector.example:8600"


def test_the_image_holds_no_store_no_token_and_no_history_of_the_repository() -> None:
    ignored = (DEPLOY / "compose/Dockerfile.dockerignore").read_text().split()
    assert ignored[0] == "**"
    assert [line for line in ignored if line.startswith("!")] == [
        "!agents",
        "!collector",
        "!dashboards",
        "!reports",
    ]
