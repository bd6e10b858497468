from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.cli import main
from wattline_agents.wire import Header, Row, encode
from wattline_collector.ledger.booking import book
from wattline_collector.ledger.books import Books
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store

START = 1_793_491_200_000  # 2026-11-01T00:00Z
MINUTES = 40


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two devices of one node for 40 minutes; a job trains on the first."""
    path = tmp_path_factory.mktemp("factory") / "store"
    with Store.open(path, write=True) as opened:
        intake = Intake(opened)
        sequence = 0

        def send(table: str, period_ms: int, rows: Sequence[Row]) -> None:
            nonlocal sequence
            sequence += 1
            header = Header("lab", "n1", "boot", sequence, period_ms)
            intake.accept(table, header, encode(TABLES[table], rows))

        times = [START + 10_000 * tick for tick in range(MINUTES * 6 + 1)]
        end = times[-1]
        send("device_info", 0, [{"time_unix_ms": START, "device": d} for d in ("gpu0", "gpu1")])
        send("job_info", 0, [{"time_unix_ms": START, "job": "7", "kind": "training",
                              "name": "<b>tiny</b> $x$", "state": "running"}])  # fmt: skip
        send(
            "assignment",
            0,
            [
                {"time_unix_ms": t, "device": "gpu0", "job": "7", "start_unix_ms": START}
                for t in times[::3]
            ],
        )
        send(
            "device",
            10_000,
            [
                {
                    "time_unix_ms": t,
                    "device": device,
                    "up": 1,
                    "energy_joules_total": (t - START) / 1000 * watts,
                    "power_watts": watts,
                    "sm_active_ratio": active,
                }
                for t in times
                for device, watts, active in (("gpu0", 600.0, 0.8), ("gpu1", 80.0, 0.0))
            ],
        )
        send(
            "job",
            10_000,
            [
                {"time_unix_ms": t, "job": "7", "tokens_trained_total": (t - START) * 5}
                for t in times
            ],
        )
        opened.commit()
        book(opened, until_ms=end)
    yield path


def run(*words: object) -> int:
    return main(["report", *(str(word) for word in words)])


def test_both_renderings_are_written_and_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(
            "review",
            "--store",
            store,
            "--period",
            "2026-11-01",
            "--variant",
            "restricted",
            "--out",
            tmp_path,
        )
        == 0
    )
    printed = capsys.readouterr()
    paths = [tmp_path / f"review_2026-11-01_restricted.{form}" for form in ("html", "pdf")]
    assert printed.out.split() == [str(path) for path in paths]
    assert paths[0].read_bytes().startswith(b"<!doctype html>")
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert sorted(tmp_path.iterdir()) == paths
    page = paths[0].read_text("utf-8")
    assert "The books balance" in page
    assert "12.0\u202fMtok" in page  # 40 minutes at 5,000 tokens a second
    assert "tiny" not in page  # a review names no job


def test_the_same_store_gives_the_same_files(store: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        words = ("review", "--store", store, "--out", tmp_path / folder)
        assert run(*words, "--format", "html,pdf,json") == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_the_figures_have_the_digest_that_the_page_shows(store: Path, tmp_path: Path) -> None:
    assert run("review", "--store", store, "--format", "json,html", "--out", tmp_path) == 0
    figures = next(tmp_path.glob("*.json")).read_bytes()
    page = next(tmp_path.glob("*.html")).read_text("utf-8")
    assert hashlib.sha256(figures).hexdigest() in page
    assert json.loads(figures)["data"]["overview"]["systems"] == ["lab"]


def test_altered_books_are_said_not_to_balance(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "altered"
    shutil.copytree(store, copy)
    books = Books(copy)
    path = books.path("device", books.hours()[0])
    frame = pl.read_parquet(path)
    frame.with_columns((pl.col("energy_joules") * 2).alias("energy_joules")).write_parquet(path)
    assert run("review", "--store", copy, "--format", "html", "--out", tmp_path) == 0
    assert "The books do NOT balance" in capsys.readouterr().err
    page = next(tmp_path.glob("*.html")).read_text("utf-8")
    assert page.index("The books do NOT balance") < page.index("The answer on one page")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("poem",), "no report 'poem'; there are "),
        (("review", "job-7"), "review takes no 'job-7'"),
        (("review", "--store", "nowhere"), "nowhere is not a directory"),
        (
            ("review", "--store", ".", "--format", "doc"),
            "--format 'doc': there are html, pdf, xlsx, json",
        ),
        (("review", "--store", ".", "--format", ","), "--format is empty"),
        (("review", "--store", ".", "--period", "soon"), "--period 'soon' is not a period"),
        (("review", "--store", ".", "--period", "2026-02..2026-01"), "is not a time"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert reason in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_empty_store_says_how_to_fill_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("review", "--store", tmp_path) == 2
    assert "wattline import" in capsys.readouterr().err


def test_a_period_of_which_nothing_is_held_says_what_is(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("review", "--store", store, "--period", "2020", "--out", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "holds nothing from 2020-01-01T00:00:00Z to 2021-01-01T00:00:00Z" in said
    assert "2026-11-01T00" in said
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run("review", "--store", store, "--out", tmp_path / "file") == 2
    assert "cannot write there" in capsys.readouterr().err


def test_the_command_starts_without_what_only_a_report_needs() -> None:
    heavy = "import sys; import wattline_reports.commands.report; " \
            "print([m for m in ('polars', 'pyarrow', 'jinja2', 'typst') " \
            "if m in sys.modules])"  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-c", heavy], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"
