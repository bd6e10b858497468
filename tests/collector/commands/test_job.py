from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_agents.catalogue import TABLES
from wattline_agents.wire import Header, encode
from wattline_collector.client import Collector
from wattline_collector.ledger.booking import book
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store

START = 1_793_491_200_000  # 2026-11-01T00:00Z
HOUR = 3_600_000


def filled(path: Path, system: str = "lumi", user: str = "anna", name: str = "train") -> None:
    """An hour of two devices, one of which does nothing."""
    end = START + HOUR
    devices = [f"GPU-{system}-{i}" for i in range(2)]
    rows: dict[str, list[dict[str, Any]]] = {
        "device_info": [
            {"time_unix_ms": START, "device": device, "index": i, "model": "NVIDIA H100 80GB HBM3"}
            for i, device in enumerate(devices)
        ],
        "assignment": [
            {"time_unix_ms": end, "device": device, "job": "77", "method": "prolog",
             "start_unix_ms": START, "end_unix_ms": end}
            for device in devices
        ],
        "device": [
            {"time_unix_ms": START + m * 60_000, "device": device, "up": 1, "power_watts": 300.0,
             "sm_active_ratio": 0.0 if i else 0.8}
            for i, device in enumerate(devices)
            for m in range(61)
        ],
        "accounting": [
            {"time_unix_ms": end, "job": "77", "scheduler": "slurm", "job_id": "70_4",
             "array_job": "70", "user": user, "name": name, "account": "proj", "gpus": 2,
             "state": "completed", "start_unix_ms": START, "end_unix_ms": end, "nodes": 1}
        ],
    }  # fmt: skip
    with Store.open(path, write=True) as store:
        intake = Intake(store)
        for number, (table, values) in enumerate(rows.items(), start=1):
            header = Header(system, f"{system}-n0", "boot", number, 60_000)
            assert intake.accept(table, header, encode(TABLES[table], values))
        store.commit()
        store.seal()
        book(store, until_ms=START + 2 * HOUR)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("store")
    filled(path)
    return str(path)


def as_user(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    class Entry:
        pw_name = name

    monkeypatch.setattr(os, "geteuid", lambda: number)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: Entry)


@pytest.mark.parametrize("id", ["77", "70_4"])
def test_one_job_is_told_with_its_idle_device_and_what_to_do(
    store: str, capsys: Any, id: str
) -> None:
    assert cli.main(["job", id, "--store", store, "--width", "100"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("Job 70_4  train")
    assert "1 of its 2 GPUs did nothing" in captured.out
    assert "What to do" in captured.out.splitlines()[-3]
    assert "\x1b" not in captured.out


def test_json_holds_the_same_and_nothing_else(store: str, capsys: Any) -> None:
    assert cli.main(["job", "77", "--store", store, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = {figure["id"]: figure for figure in found["figures"]}
    assert figures["gpu_time"]["value"] == pytest.approx(2)
    assert figures["idle_gpus"]["value"] == 1
    assert figures["held"]["dims"] == {"system": "lumi", "job": "77"}
    assert "energy_euro" not in figures
    assert found["advice"]["findings"][0]["rule"] == "idle-gpu"
    assert found["attribution"] == {"prolog": 7200.0}


def test_a_part_of_the_time_can_be_asked_for(store: str, capsys: Any) -> None:
    period = "2026-11-01T00:15..2026-11-01T00:45"
    assert cli.main(["job", "77", "--store", store, "--period", period, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["period"] == {"from": "2026-11-01T00:15:00Z", "to": "2026-11-01T00:45:00Z"}
    assert cli.main(["job", "77", "--store", store, "--period", "..2026-11-01T00:30"]) == 0
    assert "shown 2026-11-01 00:00 to 2026-11-01 00:30" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["job"], "which job? give its id"),
        (["job", "77", "--store", "/no/such/place"], "/no/such/place holds no store"),
        (["job", "70", "--store", "S"], "70 is an array: choose one of 70_4 (lumi)"),
        (["job", "77", "--store", "S", "--period", "today"], "--period 'today': write FROM..TO"),
        (["job", "77", "--store", "S", "--period", "2026-11-02..2026-11-01"], "ends before"),
        (["job", "77", "--store", "S", "--period", "2020-01-01..2020-01-02"], "did not run then"),
        (["job", "77", "--store", "S", "--rules", "/no/rules"], "/no/rules: cannot be read"),
        (["job", "77", "--store", "S", "--collector", "http://h:1"], "give one of them"),
        (["job", "77", "--collector", "http://h:1", "--rules", "x"], "answers by its own"),
        (["job", "77", "--collector", "ftp://h"], "not the URL of a collector"),
        (["job", "--check"], "--check needs --rules FILE"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    store: str, capsys: Any, words: list[str], message: str
) -> None:
    assert cli.main([store if word == "S" else word for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_a_job_that_is_not_there_and_one_that_is_not_yours_are_exit_code_three(
    store: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, "ben", 4711)
    told = set()
    for id in ("77", "70_4", "99999", "70"):
        assert cli.main(["job", id, "--store", store]) == 3
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        told.add(captured.err.replace(id, "N"))
    assert told == {
        "wattline: no job N that is yours; `squeue --me` and `sacct` list yours, and the operators "
        "of the system can look at any\n"
    }
    as_user(monkeypatch, "anna", 4711)
    assert cli.main(["job", "77", "--store", store]) == 0


def test_a_job_of_two_systems_is_asked_for_with_its_system(tmp_path: Path, capsys: Any) -> None:
    filled(tmp_path)
    filled(tmp_path, system="vega")
    assert cli.main(["job", "77", "--store", str(tmp_path)]) == 2
    assert "choose one of 70_4 (lumi), 70_4 (vega)" in capsys.readouterr().err
    assert cli.main(["job", "77", "--store", str(tmp_path), "--system", "vega", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identity"]["system"] == "vega"


def test_the_sites_rules_and_prices_count(store: str, capsys: Any, tmp_path: Path) -> None:
    rules = tmp_path / "own.toml"
    rules.write_text("[site]\neuro_per_kwh = 0.25\n[rule.idle-gpu]\nenabled = false\n")
    assert cli.main(["job", "77", "--store", store, "--rules", str(rules), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = {figure["id"]: figure["value"] for figure in found["figures"]}
    assert figures["energy_euro"] == pytest.approx(0.6 * 0.25, rel=0.02)
    assert "idle-gpu" not in [finding["rule"] for finding in found["advice"]["findings"]]
    assert cli.main(["job", "--rules", str(rules), "--check"]) == 0
    assert "in order" in capsys.readouterr().out
    assert cli.main(["job", "--list-rules"]) == 0
    assert capsys.readouterr().out.startswith("| rule | speaks when |")


def test_a_name_that_is_markup_stays_a_name(tmp_path: Path, capsys: Any) -> None:
    filled(tmp_path, name="<b>{0.__class__}</b> '; --")
    assert cli.main(["job", "77", "--store", str(tmp_path)]) == 0
    assert "<b>{0.__class__}</b> '; --" in capsys.readouterr().out


def test_a_terminal_without_unicode_gets_ascii(
    store: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["job", "77", "--store", store, "--ascii"]) == 0
    assert capsys.readouterr().out.isascii()


def test_the_width_is_the_terminals(
    store: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    assert cli.main(["job", "77", "--store", store]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 64


# Over HTTP


@pytest.fixture
def remote(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int, object], list[tuple[str, object]]]]:
    """Answers what a collector would, and tells what it was asked."""

    def remote(status: int, body: object) -> list[tuple[str, object]]:
        asked: list[tuple[str, object]] = []

        class Response:
            def __init__(self) -> None:
                self.status = status
                self.headers = HTTPMessage()

            def read(self, _: int) -> bytes:
                return json.dumps(body).encode()

        class Connection:
            def request(self, method: str, target: str, sent: None, headers: object) -> None:
                asked.append((target, headers))

            def getresponse(self) -> Response:
                return Response()

            def close(self) -> None:
                pass

        monkeypatch.setattr(Collector, "_connection", lambda _self, _seconds: Connection())
        return asked

    yield remote


def test_a_collector_is_asked_and_its_answer_shown_as_a_store_s_is(
    store: str, capsys: Any, tmp_path: Path, remote: Any
) -> None:
    cli.main(["job", "77", "--store", store, "--json"])
    answer = json.loads(capsys.readouterr().out)
    cli.main(["job", "77", "--store", store, "--width", "90"])
    local = capsys.readouterr().out
    token = tmp_path / "token"
    token.write_text("t" * 40)
    token.chmod(0o600)
    asked = remote(200, answer)
    words = ["job", "ns/pod", "--system", "lumi", "--collector", "http://c:1", "--width", "90"]
    assert cli.main([*words, "--token-file", str(token)]) == 0
    assert capsys.readouterr().out == local
    target, headers = asked[0]
    assert target == "/v1/jobs/ns%2Fpod?system=lumi"
    assert headers["Authorization"] == "Bearer " + "t" * 40


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (404, {"error": "no job 9"}, 3, "no job 9"),
        (401, {"error": "a token is needed"}, 2, "give it with --token-file"),
        (409, {"error": "70 is an array: choose one of 70_4"}, 2, "choose one of 70_4"),
        (200, {"identity": 1}, 2, "answered something else than a job"),
    ],
)
def test_what_a_collector_refuses_is_one_line(
    capsys: Any, remote: Any, status: int, body: object, code: int, message: str
) -> None:
    remote(status, body)
    assert cli.main(["job", "9", "--collector", "http://c:1"]) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert message in captured.err


def test_the_command_alone_imports_no_frames() -> None:
    import subprocess

    code = (
        "import sys, wattline_collector.commands.job; "
        "sys.exit('polars' in sys.modules or 'wattline_collector.ledger' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
