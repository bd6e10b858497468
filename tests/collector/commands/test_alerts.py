from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_collector.alerts.kept import add_history, write_state
from wattline_collector.alerts.machine import Alert, Ended, State, Why
from wattline_collector.alerts.read import shipped


def alert(rule: str = "device-lost", state: State = State.FIRING, **labels: str) -> Alert:
    words = {"system": "s", "node": "n1", "device": "GPU-0"} | labels
    fired = 2000 if state is State.FIRING else None
    return Alert(rule, tuple(words.items()), state, 1000, fired, 0.0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    alerts = [
        alert("row-remap-pending", device="GPU-1"),
        alert(),
        alert("recovery-action"),
        alert("row-remap-failed", State.PENDING),
    ]
    write_state(tmp_path, 60_000, alerts)
    return tmp_path


def test_what_fires_is_listed_the_most_urgent_first(store: Path, capsys: Any) -> None:
    assert main(["alerts", "list", "--store", str(store)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "critical  1970-01-01 00:00:02Z  Device GPU-0 on n1 does not answer"
    assert lines[1].startswith("          device-lost: Drain the node.")
    assert lines[2].startswith("info ")
    assert lines[-1] == "1 more that follow from these; --json shows them"
    assert "could not be replaced" not in out
    assert "is the collector running?" in err


def test_pending_alerts_are_listed_when_asked_for(store: Path, capsys: Any) -> None:
    assert main(["alerts", "list", "--pending", "--store", str(store)]) == 0
    assert "could not be replaced (pending)" in capsys.readouterr().out


def test_the_list_is_json_and_nothing_else_when_asked_for(store: Path, capsys: Any) -> None:
    assert main(["alerts", "list", "--json", "--store", str(store)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["time_unix_ms"] == 60_000
    assert {one["rule"]: one["muted_by"] for one in found["alerts"]} == {
        "device-lost": None, "recovery-action": "device-lost", "row-remap-pending": None,
    }  # fmt: skip


def test_a_store_without_alerts_says_who_makes_them(tmp_path: Path, capsys: Any) -> None:
    assert main(["alerts", "list", "--store", str(tmp_path)]) == 2
    assert "a running collector judges them" in capsys.readouterr().err


def test_nothing_firing_is_said(tmp_path: Path, capsys: Any) -> None:
    write_state(tmp_path, 0, [])
    assert main(["alerts", "list", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "nothing fires\n"


def test_the_history_names_what_ended_and_why(tmp_path: Path, capsys: Any) -> None:
    now_ms = 4_102_444_800_000  # in 2100: never older than what is asked for
    add_history(tmp_path, now_ms, [alert()], [Ended(alert("held", job="7"), now_ms, Why.UNKNOWN)])
    assert main(["alerts", "history", "--store", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "fired  device-lost  system=s node=n1 device=GPU-0" in out
    assert "ended (unknown)  held  system=s node=n1 device=GPU-0 job=7" in out
    assert main(["alerts", "history", "--rule", "held", "--json", "--store", str(tmp_path)]) == 0
    assert [one["rule"] for one in json.loads(capsys.readouterr().out)] == ["held"]


def test_an_empty_history_is_said(tmp_path: Path, capsys: Any) -> None:
    assert main(["alerts", "history", "--since", "7d", "--store", str(tmp_path)]) == 0
    assert "nothing fired" in capsys.readouterr().out


def test_rules_are_listed_as_text_json_table_and_for_prometheus(
    tmp_path: Path, capsys: Any
) -> None:
    outs = []
    for form in ([], ["--json"], ["--table"], ["--prometheus"]):
        assert main(["alerts", "rules", "--store", str(tmp_path), *form]) == 0
        outs.append(capsys.readouterr().out)
    text, as_json, table, prometheus = outs
    assert len(text.splitlines()) == len(json.loads(as_json)) == len(shipped())
    assert table.startswith("| rule |")
    assert prometheus.count("- alert: Wattline") == len(shipped())


def test_a_file_of_rules_is_checked(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[rule.held]\nenabled = false\n[rule.coverage]\nfor = "1h"\n')
    assert main(["alerts", "check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "changed: coverage" in out and "off: held" in out
    path.write_text("[rule.held]\nfore = 3\n")
    assert main(["alerts", "check", str(path)]) == 2
    assert f"{path}:2: rule.held.fore: unknown key" in capsys.readouterr().err


def test_a_rule_is_explained_and_an_unknown_one_is_not(tmp_path: Path, capsys: Any) -> None:
    assert main(["alerts", "explain", "held", "--store", str(tmp_path)]) == 0
    assert "of_job(active) < 0.02" in capsys.readouterr().out
    assert main(["alerts", "explain", "helt", "--store", str(tmp_path)]) == 2
    assert "did you mean 'held'?" in capsys.readouterr().err
