import argparse
import json
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.commands.profile import COMMAND
from wattline_collector.profile.template import page, template

from .conftest import HEAD


def run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    COMMAND.configure(parser)
    return COMMAND.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(HEAD + 'track = 3\ncontact = "ana@example.org"\n')
    return path


def test_a_template_is_printed_or_written_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("template") == 0
    assert capsys.readouterr().out == template()
    assert run("template", "-o", tmp_path / "t.toml") == 0
    assert (tmp_path / "t.toml").read_text() == template()
    with pytest.raises(UsageError, match="is there already"):
        run("template", "-o", tmp_path / "t.toml")
    capsys.readouterr()
    assert run("template", "--table") == 0
    assert capsys.readouterr().out == page()


def test_a_check_lists_every_mistake_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(HEAD + "track = 9\nhots = 1\n")
    assert run("check", path) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f"error: {path}:5: track: 9 is not from 1 to 3",
        f"error: {path}:6: hots: no such key; did you mean 'host'?",
    ]


def test_a_check_says_what_is_there_and_what_is_missing(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", good) == 0
    printed = capsys.readouterr()
    assert "Example AI Factory (example-aif), FI, track 3" in printed.out
    assert "\n  I07                  calendar.NAME.holidays\n" in printed.out
    assert "\n  eed                  what S07 lacks\n" in printed.out
    assert printed.out.count("data_centre.lau_code") == 1
    assert printed.err == ""


def test_warnings_are_said_and_the_profile_holds(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good.write_text(good.read_text() + "[calendar.x]\n")
    assert run("check", good) == 0
    assert f"warning: {good}:7: calendar.x: no holidays" in capsys.readouterr().err


def test_a_check_as_json_can_be_read_by_programs(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", good, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["complaints"] == []
    assert told["missing"]["I07"] == ["calendar.NAME.holidays"]
    good.write_text("id = 3\n")
    assert run("check", good, "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert {"severity": "error", "line": 1, "key": "id", "reason": "not a name: 3"} in told[
        "complaints"
    ]


def test_a_profile_put_to_use_is_the_one_of_its_store(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert run("use", good, "--store", store) == 0
    assert "holds from now on" in capsys.readouterr().out
    assert run("use", good, "--store", store) == 0
    assert "is this one already" in capsys.readouterr().out
    assert run("check", "--store", store) == 0
    assert "example-aif" in capsys.readouterr().out
    assert run("show", "--store", store) == 0
    assert "example-aif" in capsys.readouterr().out
    good.write_text(HEAD)
    assert run("use", good, "--store", store) == 0
    assert "the one before it is kept: " in capsys.readouterr().out


def test_a_store_without_a_profile_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wattline profile use FILE puts one there"):
        run("check", "--store", tmp_path)


def test_what_is_shown_as_json_leaves_persons_out(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("show", good, "--json") == 0
    assert "contact" not in json.loads(capsys.readouterr().out)
    assert run("show", good, "--json", "--persons") == 0
    assert json.loads(capsys.readouterr().out)["contact"] == "ana@example.org"


def test_factories_are_listed_by_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("factories") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 19 + 13 + 1
    assert run("factories", "--country", "pl", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in told] == ["piast", "gaia"]
    assert all(one["source"] and one["as_of"] and one["track_basis"] == "press" for one in told)
    with pytest.raises(UsageError, match="'UK' is no State"):
        run("factories", "--country", "UK")
