"""`wattline`: every command teaches itself, and a broken one leaves the others alone."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

import pytest

from wattline_agents import cli

COMMANDS = sorted(point.name for point in entry_points(group=cli.GROUP))


def helped(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def actions(text: str) -> list[str]:
    """The actions a command has, as its help lists them."""
    match = re.search(r"^(?:positional arguments|formats):\n  [A-Z]+\n((?:    .*\n)+)", text, re.M)
    return re.findall(r"^    ([a-z][\w-]*)", match[1], re.M) if match else []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_and_of_what_it_does_has_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = helped([command], capsys)
    assert f"\n  wattline {command}" in text
    for action in actions(text):
        assert f"wattline {command} {action} " in helped([command, action], capsys), action


def test_the_overview_lists_every_command_in_the_order_people_meet_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([]) == 0
    listed = re.findall(r"^  ([a-z]+) ", capsys.readouterr().out, re.M)
    assert sorted(listed) == COMMANDS
    if {"demo", "job"} <= set(listed):
        assert listed[0] == "demo" and listed.index("job") < listed.index("kpi")


def test_a_command_that_cannot_be_loaded_is_one_line_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = EntryPoint("broken", "wattline_agents.commands.nowhere:COMMAND", cli.GROUP)
    found = [*entry_points(group=cli.GROUP), broken]
    monkeypatch.setattr(cli, "entry_points", lambda group: found)
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "read this node" in out and "install wattline_agents again" in out
    assert cli.main(["broken"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("wattline: broken cannot be loaded") and error.count("\n") == 1
