"""Jobs that no project of the register is known of are counted, and said where figures are read."""

from __future__ import annotations

import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_collector.kpi import view as views
from wattline_collector.kpi.query import overview
from wattline_collector.kpi.untagged import jobs_of, note_of
from wattline_collector.registers import csv_file, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import PROJECTS

HOUR = 3600


def register(store: Path, *rows: str) -> None:
    path = store / "projects.csv"
    path.write_text("\n".join(["project,account,state", *rows]) + "\n")
    taken = csv_file.read(path, PROJECTS, Setting(UTC, None))
    kept.update(
        store, PROJECTS, taken.frame, origin="csv", source="test", now_ms=0, is_whole=True
    )  # fmt: skip


@pytest.fixture
def telemetry(telemetry: Any) -> Any:
    """Two devices for four hours; jobs of three accounts, the last of which held no device."""
    for gpu in ("a", "b"):
        telemetry.device(gpu)
        telemetry.samples(gpu, last_s=4 * HOUR, every_s=60, sm_active_ratio=0.6)
    telemetry.assign("1", 0, HOUR, "a")
    telemetry.account("1", 0, HOUR, said_s=HOUR, account="Known", gpus=1)
    telemetry.assign("2", 0, 3 * HOUR, "b")
    telemetry.account("2", 0, 3 * HOUR, said_s=3 * HOUR, account="strange", gpus=1)
    telemetry.account("3", HOUR, 2 * HOUR, said_s=2 * HOUR, account="stranger", gpus=8)
    telemetry.book(4 * HOUR)
    return telemetry


def test_jobs_of_accounts_nobody_registered_are_counted_with_their_hours(telemetry: Any) -> None:
    register(telemetry.path, "known-project,known,SI")
    note = note_of(views.load(telemetry.path, None))
    assert note is not None
    assert note.startswith("2 of 3 jobs, 11.0 GPU-hours untagged")
    assert "accounts strange, stranger;" in note
    assert "projects-csv" in note


def test_hours_are_as_booked_and_as_accounted_only_where_no_device_was_seen(
    telemetry: Any,
) -> None:
    jobs = jobs_of(views.load(telemetry.path, None)).sort("job")
    assert jobs["gpu_hours"].to_list() == pytest.approx([1.0, 3.0, 8.0])


def test_where_all_jobs_have_a_project_nothing_is_said(telemetry: Any) -> None:
    register(telemetry.path, "p1,known,SI", "p2,strange,FR", "p3,stranger,IT")
    assert note_of(views.load(telemetry.path, None)) is None


def test_without_a_register_it_says_how_to_begin_one(telemetry: Any) -> None:
    notes = overview(telemetry.path).to_json()["notes"]
    assert isinstance(notes, list)
    (note,) = [note for note in notes if "register of projects" in note]
    assert "3 of 3 jobs, 12.0 GPU-hours untagged" in note
    assert "--template projects" in note


def test_a_machine_whose_jobs_name_no_project_is_not_asked_for_a_register(
    telemetry: Any,
) -> None:
    telemetry.sent["accounting"] = []
    fresh = type(telemetry)(telemetry.path / "other", telemetry.sent)
    fresh.book(4 * HOUR)
    assert note_of(views.load(fresh.path, None)) is None


def _closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may read the register of projects; file modes would not stop root."""
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "projects.parquet":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)


def test_who_may_not_read_the_register_is_told_nothing_wrong(
    telemetry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(telemetry.path, "known-project,known,SI")
    _closed(monkeypatch)
    assert note_of(views.load(telemetry.path, None)) is None


def test_the_terminal_says_it_below_all_figures(
    telemetry: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kpi", "--store", str(telemetry.path)]) == 0
    assert re.search(r"^note: there is no register of projects", capsys.readouterr().out, re.M)


def test_a_split_of_which_there_is_nothing_says_so(
    telemetry: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kpi", "P02", "--by", "job", "--store", str(telemetry.path)]) == 0
    assert capsys.readouterr().out.startswith("nothing in this period to split by job")
