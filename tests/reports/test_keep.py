"""`wattline report --keep`: a report on the shelf, beside or in place of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.cli import main
from wattline_reports.shelf import Shelf


def run(*words: object) -> int:
    return main(["report", *(str(word) for word in words)])


def test_a_report_is_kept_and_the_same_one_found_again(
    factory_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    words = ("eed", "--store", factory_store, "--period", "2025", "--shelf", "shelf")
    assert run(*words, "--format", "json", "--why", "page", "--by", "manager") == 0
    (path,) = map(Path, capsys.readouterr().out.split())
    shelf = Shelf(Path("shelf"))
    (id,) = shelf.ids()
    assert path == Path("shelf") / id / "eed_2025.json"
    made = shelf.find(id)
    assert made is not None
    assert (made.key.kind, made.key.period, made.key.options) == (
        "eed", "2025", {"schema": "eed-2024"},
    )  # fmt: skip
    assert (made.why, made.by, made.good) == ("page", "manager", True)
    assert not Path("out").exists()
    assert run(*words, "--format", "json", "--out", "copies") == 0
    printed = capsys.readouterr()
    assert "made before, with the same figures" in printed.err
    assert printed.out.split() == ["copies/eed_2025.json", str(path)]
    assert shelf.ids() == [id]


def test_progress_is_told_as_it_goes(
    factory_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("wattline_reports.waiting._patience", 2.0)
    words = ("eed", "--store", factory_store, "--period", "2025", "--progress")
    assert run(*words, "--format", "json", "--out", tmp_path) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "report: reading the books ..." in lines
    assert lines[-1] == "report: setting the pages ..."


def test_what_is_for_a_schedule_is_not_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("review", "--now") == 2
    assert "--now is for `wattline report schedule`" in capsys.readouterr().err


def test_a_report_of_no_store_needs_a_shelf_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("network", tmp_path / "a", tmp_path / "b", "--keep") == 2
    assert "say on which shelf with --shelf DIR" in capsys.readouterr().err
