from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents import cli
from wattline_collector.ledger.books import Books

HOUR = 3600


@pytest.fixture
def store(telemetry: Any) -> str:
    telemetry.device()
    telemetry.samples(last_s=2 * HOUR, sm_active_ratio=0.8, counter=lambda s: 500 * s)
    telemetry.assign("j", 0, HOUR)
    telemetry.book(2 * HOUR)
    return str(telemetry.path)


def test_json_is_a_list_of_figures_and_nothing_else(store: str, capsys: Any) -> None:
    assert cli.main(["kpi", "S12", "U01", "--store", store, "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [(figure["id"], figure["value"]) for figure in figures] == [
        ("S12", pytest.approx(0.5)),
        ("U01", pytest.approx(50)),
    ]


def test_csv_has_a_row_per_figure(store: str, capsys: Any) -> None:
    assert cli.main(["kpi", "E04", "--by", "job", "--store", store, "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["dims"] == "job=j"
    assert float(row["value"]) == pytest.approx(80)


def test_the_table_says_why_a_figure_is_missing(store: str, capsys: Any) -> None:
    assert cli.main(["kpi", "S14", "--store", store]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert "unknown" in line and "no node has a meter" in line
    assert line.split("closure")[1].split()[0] == "–"  # noqa: RUF001 - how unknown is written


def test_a_figure_can_be_opened(store: str, capsys: Any) -> None:
    assert cli.main(["kpi", "U01", "--store", store, "--explain"]) == 0
    text = capsys.readouterr().out
    assert "assigned / offered device time" in text
    assert "above       1 GPU-h" in text
    assert "below       2 GPU-h" in text
    assert "coverage    100.0 %" in text


def test_a_kpi_can_be_explained_without_a_store(capsys: Any) -> None:
    assert cli.main(["kpi", "s10", "--explain"]) == 0
    assert "S10  tokens per joule, in tok/J" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["kpi", "X1", "--store", "S"], "no KPI 'X1'; there are OEE,"),
        (["kpi", "--explain"], "--explain needs the id of a KPI"),
        (["kpi", "P01", "--store", "/no/such/place"], "holds no booked hours"),
        (
            ["kpi", "P01", "--store", "S", "--from", "2026-11-02", "--to", "2026-11-01"],
            "the period ends before it starts: from 2026-11-02T00:00:00Z to 2026-11-01T00:00:00Z",
        ),
        (
            ["kpi", "P01", "--store", "S", "--from", "yesterday"],
            "--from: 'yesterday' is not a time",
        ),
        (["kpi", "U01", "--store", "S", "--by", "colour"], "cannot split by 'colour'"),
        (["audit", "--store", "/no/such/place"], "holds no booked hours"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    store: str, capsys: Any, words: list[str], message: str
) -> None:
    assert cli.main([store if word == "S" else word for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("wattline: ") and message in captured.err


def test_without_a_store_the_users_own_is_read(
    store: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTLINE_STORE", store)
    assert cli.main(["kpi", "S12", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["value"] == pytest.approx(0.5)
    assert cli.main(["audit"]) == 0
    monkeypatch.delenv("WATTLINE_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", "/no/such/place")
    assert cli.main(["audit"]) == 2
    assert "/no/such/place/wattline holds no booked hours" in capsys.readouterr().err


def test_audit_says_what_balances(store: str, capsys: Any) -> None:
    assert cli.main(["audit", "--store", store]) == 0
    assert capsys.readouterr().out.startswith(
        "The books balance: 2 hours, 1 device, 2.000 device-hours booked of 2.000 installed; "
        "3,600,000 J booked of 3,600,000 J metered at the devices"
    )


def test_a_damaged_ledger_file_is_one_line_and_no_traceback(store: str, capsys: Any) -> None:
    sums = Books(Path(store)).day_path("device", "test", "2026-11-01")
    sums.write_bytes(b"PAR1 not any more")
    assert cli.main(["kpi", "U01", "--store", store]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"wattline: {sums}: cannot be read") and err.count("\n") == 1


def test_audit_names_what_does_not_and_exits_with_one(store: str, capsys: Any) -> None:
    books = Books(Path(store))
    path = books.path("device", books.hours()[1])
    entries = pl.read_parquet(path)
    entries.with_columns(pl.col("energy_joules") + 10).write_parquet(path)
    assert cli.main(["audit", "--store", store]) == 1
    out = capsys.readouterr().out
    assert "2026-11-01T01Z (test)  device gpu0: an entry was altered" in out
    assert cli.main(["audit", "--store", store, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["balanced"] is False
