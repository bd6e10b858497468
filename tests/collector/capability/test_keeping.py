from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_collector import registers
from wattline_collector.capability.keeping import Said, keep, projection_rows
from wattline_collector.capability.projection import Plan, project

GOOD = """\
- The relative machine precision (eps) is taken to be               1.110223e-16
WR11C2R4      100000   192     6     8             680.50            9.7970e+02
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=   1.72560000e-03 ...... PASSED
"""


def run(*arguments: object) -> int:
    return cli.main(["capability", *(str(argument) for argument in arguments)])


def _log(path: Path, minutes: float, seed: int) -> Path:
    start = 1_793_491_200_000 + seed * 86_400_000
    stop = start + round(minutes * 60_000)
    events: list[tuple[str, int, Any, dict[str, Any]]] = [
        ("init_start", start - 60_000, None, {}),
        ("submission_benchmark", start, "gpt3", {}),
        ("seed", start, seed, {}),
        ("run_start", start, None, {}),
        ("eval_accuracy", stop, 2.68, {}),
        ("run_stop", stop, None, {"status": "success"}),
    ]
    lines = (
        f":::MLLOG {json.dumps({'key': k, 'time_ms': t, 'value': v, 'metadata': m})}\n"
        for k, t, v, m in events
    )
    path.write_text("".join(lines))
    return path


def test_a_solve_that_stands_is_kept_with_the_digest_of_its_log(tmp_path: Path) -> None:
    good, bad, store = tmp_path / "good.out", tmp_path / "bad.out", tmp_path / "store"
    good.write_text(GOOD)
    bad.write_text(GOOD.replace("1.72560000e-03", "1.70000000e+01"))
    asked = ("hpl", good, bad, "--keep", "--store", store, "--system", "leo", "--when",
             "2026-03-14T16:20Z", "--declared-by", "operations")  # fmt: skip
    assert run(*asked) == 0
    (row,) = registers.results(store).to_dicts()
    assert (row["kind"], row["system"], row["declared_by"]) == ("hpl", "leo", "operations")
    assert (row["value"], row["unit"], row["valid"]) == (9.797e11, "FLOP/s", True)
    assert row["evidence"] == f"sha256:{hashlib.sha256(GOOD.encode()).hexdigest()}"
    assert row["when_ms"] == 1_773_505_200_000
    assert row["devices"] == 48


def test_the_same_result_again_changes_nothing(tmp_path: Path, capsys: Any) -> None:
    good, store = tmp_path / "good.out", tmp_path / "store"
    good.write_text(GOOD)
    for _ in range(2):
        assert run("hpl", good, good, "--keep", "--store", store) == 0
    assert "0 new, 0 changed, 1 as before" in capsys.readouterr().out
    assert registers.results(store).height == 1


def test_a_log_whose_name_is_no_text_is_kept(tmp_path: Path) -> None:
    good, store = tmp_path / os.fsdecode(b"hpl-\xff.out"), tmp_path / "store"
    good.write_text(GOOD)
    assert run("hpl", good, "--keep", "--store", store) == 0
    (row,) = registers.results(store).to_dicts()
    assert row["reference"].endswith("hpl-?.out")


def test_what_may_not_stand_is_not_kept(tmp_path: Path, capsys: Any) -> None:
    bad, store = tmp_path / "bad.out", tmp_path / "store"
    bad.write_text(GOOD.replace("1.72560000e-03", "1.70000000e+01"))
    assert run("hpl", bad, "--keep", "--store", store, "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["results"][0]["valid"] is False
    assert told.err == "Nothing to keep.\n"
    assert not store.exists()


def test_a_time_to_train_is_kept_with_its_energy(tmp_path: Path) -> None:
    minutes = (10, 12, 14, 11, 13)
    logs = [_log(tmp_path / f"{i}.log", m, i) for i, m in enumerate(minutes)]
    store = tmp_path / "store"
    kwh = ("--kwh", 5, 5.1, 5.2, 5.3, 5.4, "--power-level", "L2")
    assert run("training", *logs, *kwh, "--keep", "--store", store) == 0
    (row,) = registers.results(store).to_dicts()
    assert (row["benchmark"], row["value"], row["unit"], row["runs"]) == ("gpt3", 720.0, "s", 5)
    assert row["energy"] == pytest.approx((5.1 + 5.3 + 5.4) / 3 * 3.6e6)
    assert row["power_level"] == "L2"


def test_a_later_projection_of_the_same_model_takes_the_place_of_the_one_before(
    tmp_path: Path,
) -> None:
    for mfu, days in ((0.4, 30.5), (0.5, 24.4)):
        found = project(Plan(10e9, 1e12, 64, 989e12, mfu, 0.9))
        merged = keep(tmp_path / "store", projection_rows(found, Said("leo"), 1_793_491_200_000),
                      1_793_491_200_000)  # fmt: skip
        (row,) = registers.results(tmp_path / "store").to_dicts()
        assert row["value"] / 86_400 == pytest.approx(days, abs=0.1)
        assert (row["parameters"], row["tokens"], row["devices"]) == (10e9, 1e12, 64)
    assert merged.replaced == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--store", "x"), "--store goes with --keep"),
        (("--keep", "--when", "yesterday"), "--when: 'yesterday' is not a time"),
        (("--keep", "--system", "a b"), "--keep: system: 'a b' is not a name"),
    ],
)
def test_what_cannot_be_kept_so_is_refused(
    tmp_path: Path, capsys: Any, arguments: tuple[str, ...], reason: str
) -> None:
    good = tmp_path / "good.out"
    good.write_text(GOOD)
    assert run("hpl", good, *arguments) == 2
    assert reason in capsys.readouterr().err
