from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli

GOOD = """\
- The relative machine precision (eps) is taken to be               1.110223e-16
WR11C2R4      100000   192     6     8             680.50            9.7970e+02
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=   1.72560000e-03 ...... PASSED
"""
BAD = GOOD.replace("1.72560000e-03", "1.70000000e+01")


def training_log(path: Path, minutes: float, seed: int, name: str = "gpt3") -> str:
    start = 1_793_491_200_000 + seed * 86_400_000
    stop = start + round(minutes * 60_000)
    events: list[tuple[str, int, Any, dict[str, Any]]] = [
        ("init_start", start - 60_000, None, {}),
        ("submission_benchmark", start, name, {}),
        ("seed", start, seed, {}),
        ("run_start", start, None, {}),
        ("eval_accuracy", stop, 2.68, {}),
        ("run_stop", stop, None, {"status": "success"}),
    ]
    path.write_text(
        "".join(
            f":::MLLOG {json.dumps({'key': k, 'time_ms': t, 'value': v, 'metadata': m})}\n"
            for k, t, v, m in events
        )
    )
    return str(path)


def run(*arguments: object) -> int:
    return cli.main(["capability", *(str(argument) for argument in arguments)])


def test_a_good_log_has_a_score_and_a_bad_one_its_reason(tmp_path: Path, capsys: Any) -> None:
    good, bad = tmp_path / "good.out", tmp_path / "bad.out"
    good.write_text(GOOD)
    bad.write_text(BAD)
    assert run("hpl", good, bad) == 0
    told = capsys.readouterr().out
    assert "HPL  0.9797 TFLOP/s   n 100,000, 48 processes" in told
    assert "refused    the backward error 17 is over 16" in told
    assert told.endswith("Best: HPL 0.9797 TFLOP/s\n")


def test_no_log_that_stands_is_exit_code_1(tmp_path: Path, capsys: Any) -> None:
    bad = tmp_path / "bad.out"
    bad.write_text(BAD)
    assert run("hpl", bad, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["best"] == {"HPL": None, "HPL-MxP": None}
    assert told["results"][0]["valid"] is False


def test_training_logs_give_a_mean_and_its_energy(tmp_path: Path, capsys: Any) -> None:
    logs = [training_log(tmp_path / f"{m}.log", m, i) for i, m in enumerate((30, 28, 40, 29, 31))]
    energy = ("--kwh", 5, 4, 9, 6, 7, "--power-level", "L1")
    assert run("training", *logs, "--target", 2.69, "--lower-is-better", *energy) == 0
    told = capsys.readouterr().out
    assert told.startswith("gpt3, MLPerf-style, not reviewed\n")
    assert told.endswith("Mean of the kept runs: 30.000 min, 6 kWh at level L1\n")
    assert run("training", *logs[:4], "--json") == 1
    assert json.loads(capsys.readouterr().out)["refusals"][0].startswith("4 runs")


def test_a_name_in_a_log_moves_no_cursor(tmp_path: Path, capsys: Any) -> None:
    path = training_log(tmp_path / "x.log", 30, 1, name="\x1b[2Jgpt3\u202e")
    assert run("training", path) == 1
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_a_projection_states_everything_it_rests_on(capsys: Any) -> None:
    plan = ("--tokens", "1e12", "--devices", 64, "--peak", "989e12", "--ettr", "0.9")
    assert run("projection", *plan, "--mfu", "0.4") == 0
    told = capsys.readouterr().out
    assert "time to train   30.48 days" in told
    assert "devices needed  44 (43.34)" in told
    assert run("projection", *plan, "--mfu", "0.4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["margin"] == pytest.approx(45 / 30.477, rel=1e-4)


def test_a_projection_from_steps_has_an_interval(tmp_path: Path, capsys: Any) -> None:
    steps = tmp_path / "steps.txt"
    steps.write_text(
        "# seconds\n" + "\n".join(str(10 + (i * 7919 % 13 - 6) / 10) for i in range(1000)) + "\n\n"
    )
    plan = ("--tokens", "1e12", "--devices", 64, "--peak", "989e12", "--ettr", "0.9",
            "--steps", steps, "--tokens-per-step", "4e6", "--json")  # fmt: skip
    assert run("projection", *plan) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["steps_measured"] == 1000
    assert told["days_low"] < told["days"] < told["days_high"]
    assert told["mfu"] == pytest.approx(4e5 * 6e10 / (64 * 989e12), rel=1e-3)


def test_the_table_of_devices_for_45_days(capsys: Any) -> None:
    assert run("projection", "--table") == 0
    told = capsys.readouterr().out
    for devices in ("8.7", "43.3", "86.7", "650.2", "2,060.9"):
        assert devices in told
    assert run("projection", "--table", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("projection", "--tokens", "1e12"), "needs --devices, --peak, --ettr"),
        (("projection", "--tokens", "0"), "not a number above 0"),
        (("projection", "--tokens", "nan"), "not a number"),
        (("projection", "--mfu", "40"), "not a share"),
        (("hpl", "missing.out"), "missing.out: no such file"),
        (("hpl", "x", "--order", "1.5"), "not a whole number"),
        (("training", "x.log", "--runs", "2"), "at least 3"),
        (("training", "x.log", "--kwh", "1"), "go together"),
        (("training", "x.log", "--kwh", "1", "2", "--power-level", "L1"), "2 figures for 1 files"),
        (("training", "x.log", "--lower-is-better"), "needs --target"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    arguments: tuple[str, ...], said: str, capsys: Any
) -> None:
    try:
        code = run(*arguments)
    except SystemExit as error:  # argparse's own way out
        code = int(error.code or 0)
    assert code == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


@pytest.mark.parametrize("line", ["-1", "nan", "ten", "0"])
def test_a_step_that_is_none_names_its_line(tmp_path: Path, capsys: Any, line: str) -> None:
    steps = tmp_path / "steps.txt"
    steps.write_text(f"10.5\n{line}\n")
    plan = ("--tokens", "1e12", "--devices", 64, "--peak", "989e12", "--ettr", "0.9")
    assert run("projection", *plan, "--steps", steps, "--tokens-per-step", "4e6") == 2
    assert "steps.txt:2: " in capsys.readouterr().err
