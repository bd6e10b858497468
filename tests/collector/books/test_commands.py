from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents import cli
from wattline_collector.kpi.query import figures
from wattline_collector.kpi.terminal import remarks
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


NOTED: tuple[dict[str, Any], ...] = (
    {"value": 25.0, "note": "over", "dims": {"system": "a"}},
    {"value": 5.0, "note": "over", "dims": {"system": "b"}},
    {"value": 1.0, "note": "", "dims": {"system": "c"}},
)


def test_what_must_be_known_beside_a_value_stands_beneath_the_table(store: str) -> None:
    (one,) = figures(Path(store), ["U01"])
    shown = [replace(one, **more) for more in NOTED]
    assert list(remarks(shown)) == ["U01 a, U01 b: over"]
    # All of a KPI's figures say the same: its id is enough.
    assert list(remarks(shown[:2])) == ["U01: over"]
    # Why a figure has no value stands in the table.
    assert list(remarks([replace(one, value=None, note="nothing")])) == []
    many = [replace(one, note=f"note {n}", dims={"job": str(n)}) for n in range(1000)]
    lines = list(remarks(many))
    assert len(lines) == 21
    assert lines[-1].startswith("980 more notes: --format json")


def test_notes_are_told_to_who_asks_for_a_kpi_by_its_id(store: str, capsys: Any) -> None:
    assert cli.main(["kpi", "A06", "--store", store]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("A06: nobody told of outages")
    assert cli.main(["kpi", "--store", store]) == 0
    assert "A06: nobody told" not in capsys.readouterr().out


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


def test_dimensions_are_given_with_commas_or_again(store: str, capsys: Any) -> None:
    asked = ["kpi", "LOADING", "--store", store, "--format", "json"]
    found = []
    for words in (["--by", "node,hour"], ["--by", "node", "--by", "hour"]):
        assert cli.main([*asked, *words]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert [(figure["dims"], figure["value"]) for figure in found[0]] == [
        ({"node": "n1", "hour": "2026-11-01T00:00Z"}, 1.0),
        ({"node": "n1", "hour": "2026-11-01T01:00Z"}, 0.0),
    ]


def test_the_list_is_grouped_and_says_how_each_is_known(capsys: Any) -> None:
    assert cli.main(["kpi", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Overall equipment effectiveness"
    energy = lines.index("Energy and sustainability")
    assert lines.index("Production") < energy
    assert any(line.startswith("  S12     job energy") for line in lines[energy:])
    assert cli.main(["kpi", "--list", "s12"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_all_figures_come_under_headings_and_what_is_missing_after_them(
    store: str, capsys: Any
) -> None:
    assert cli.main(["kpi", "--store", store]) == 0
    table, missing = capsys.readouterr().out.split("not known:\n")
    assert "\nChallenges\n" not in table
    assert "\nEnergy and sustainability\nS12 " in table
    assert "P01" in missing and "P01" not in table


def test_a_period_is_set_beside_the_one_before_and_beside_its_target(
    store: str, capsys: Any
) -> None:
    Path(store, "profile.toml").write_text(
        'id = "x"\nname = "X"\ncountry = "FI"\ntime_zone = "UTC"\n'
        '[target.U01]\ndirection = "up"\nvalue = 60\n'
    )
    asked = ["kpi", "U01", "S12", "--store", store, "--from", "2026-11-01T01:00", "--compare"]
    assert cli.main([*asked, "previous"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == (
        "2026-11-01T01:00:00Z to 2026-11-01T02:00:00Z, compared with "
        "2026-11-01T00:00:00Z to 2026-11-01T01:00:00Z"
    )
    (line,) = [line for line in out if line.startswith("U01")]
    assert line.split()[3:9] == ["0", "%", "100", "-100", "worse", "60"]
    assert "missed" in line
    assert cli.main([*asked, "2026-11-01T00:00..2026-11-01T01:00", "--format", "json"]) == 0
    use, energy = json.loads(capsys.readouterr().out)
    assert (use["previous"]["value"], use["previous"]["verdict"]) == (100, "worse")
    assert use["target"]["met"] is False
    assert (energy["previous"]["value"], energy["target"]) == (pytest.approx(0.5), None)
    assert cli.main([*asked, "previous", "--format", "csv"]) == 0
    row = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (row["value"], row["previous"], row["change"], row["target"]) == (
        "0.0", "100.0", "-100.0", "60.0",
    )  # fmt: skip


def test_without_a_comparison_figures_have_neither_previous_nor_target(
    store: str, capsys: Any
) -> None:
    assert cli.main(["kpi", "U01", "--store", store, "--format", "json"]) == 0
    (figure,) = json.loads(capsys.readouterr().out)
    assert not {"previous", "target"} & figure.keys()


def test_periods_of_unlike_length_are_said_to_be(store: str, capsys: Any) -> None:
    asked = ["kpi", "P01", "--store", store, "--from", "2026-11-01T01:00", "--compare"]
    assert cli.main([*asked, "2026-10-01..2026-11-01T01:00"]) == 0
    out = capsys.readouterr().out
    assert "note: the books begin at 2026-11-01T00:00:00Z, later than" in out
    assert "note: the periods are of 0.04167 and 31.04 days" in out


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
        (["kpi", "U01", "--store", "S", "--by", "node,"], "cannot split by ''; there are system"),
        (
            ["kpi", "U01", "--store", "S", "--compare", "previous"],
            "to compare, say which period: --from",
        ),
        (
            ["kpi", "U01", "--store", "S", "--from", "2026-11-01", "--compare", "then"],
            "'then' is nothing to compare with: write previous, year-ago or FROM..TO",
        ),
        (
            [
                "kpi",
                "U01",
                "--store",
                "S",
                "--from",
                "2026-11-01",
                "--by",
                "day",
                "--compare",
                "previous",
            ],
            "whole periods are compared: leave out --by day",
        ),
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
