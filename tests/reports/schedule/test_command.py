"""`wattline report schedule` as people type it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from wattline_agents.cli import main
from wattline_reports.shelf import Shelf, of_store


def run(*words: object) -> int:
    return main(["report", "schedule", *(str(word) for word in words)])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "report.toml"
    path.write_text(
        '[report.return]\nkind = "eed"\nevery = "year"\ncatch_up = 20\nformats = ["json"]\n'
        'folder = "copies"\n'
    )
    return path


def test_the_template_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--template") == 0
    assert tomllib.loads(capsys.readouterr().out)["report"]


def test_a_schedule_is_listed_run_and_listed_as_done(
    factory_store: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = tmp_path / "shelf"
    words = ("--config", config, "--store", factory_store, "--shelf", shelf)
    assert run("list", *words) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].split() == ["REPORT", "KIND", "PERIOD", "DUE", "STATE"]
    (line,) = [line for line in listed if " 2025 " in line]
    assert line.split()[:4] == ["return", "eed", "2025", "2026-01-21"]
    assert line.endswith("due now")
    assert run("run", *words) == 0
    assert (tmp_path / "copies" / "eed_2025.json").exists()
    capsys.readouterr()
    assert run("list", *words) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " 2025 " in line]
    assert "made 20" in line
    assert run("run", *words) == 0
    assert "nothing is due" in capsys.readouterr().err
    assert not of_store(factory_store).exists()


def test_a_run_in_which_something_failed_ends_with_one(
    factory_store: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "copies").write_text("no folder")
    words = ("--config", config, "--store", factory_store, "--shelf", tmp_path / "shelf")
    assert run("run", *words) == 1
    assert "cannot write there" in capsys.readouterr().err
    assert len(Shelf(tmp_path / "shelf").ids()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "schedule say list or run"),
        (("lst",), "schedule 'lst': did you mean 'list'?"),
        (("run",), "which schedule? say --config FILE"),
        (("run", "--config", "x", "--period", "2025"), "--period is not for a schedule"),
        (("run", "--config", "x", "--keep"), "--keep is not for a schedule"),
        (("run", "--config", "/nothing"), "/nothing: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_store_that_is_none_is_named(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("run", "--config", config, "--store", tmp_path / "none") == 2
    assert "is not a directory, so it holds no store" in capsys.readouterr().err
