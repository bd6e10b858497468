from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_collector.access import Viewer
from wattline_collector.efficiency.report import Strip, Timeline
from wattline_collector.ledger.accounts import Account
from wattline_reports.job import book, over_time

JOB = "7"


def report(store: Path, out: Path, *words: str) -> dict[str, Any]:
    asked = ["report", "job", *words, "--store", str(store), "--format", "json,html"]
    assert main([*asked, "--out", str(out)]) == 0
    content: dict[str, Any] = json.loads(next(out.glob("*.json")).read_bytes())
    return content


def test_its_figures_are_those_that_the_job_command_gives(
    factory_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = report(factory_store, tmp_path, JOB)
    capsys.readouterr()
    assert main(["job", JOB, "--store", str(factory_store), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    mine = {one["quote"]: one for one in content["figures"]}
    assert len(told["figures"]) > 20
    for one in told["figures"]:
        for part in ("value", "numerator", "denominator", "coverage"):
            if one[part] is None:
                assert mine[one["id"]][part] is None, (one["id"], part)
            else:
                assert mine[one["id"]][part] == pytest.approx(one[part], rel=1e-8), (
                    one["id"],
                    part,
                )
        for part in ("unit", "n", "status", "method"):
            assert mine[one["id"]][part] == one[part], (one["id"], part)
    for part in ("identity", "accounts", "advice", "notes"):
        assert content["data"]["job"][part] == told[part], part


def test_without_a_period_it_is_of_all_of_the_jobs_time(
    factory_store: Path, tmp_path: Path
) -> None:
    content = report(factory_store, tmp_path, JOB)
    assert content["period"]["from"] == "2025-11-01T00:00:00Z"
    used = {one["quote"]: one for one in content["figures"]}["gpu_time"]
    assert used["value"] == pytest.approx(3.0)


def test_a_period_takes_a_part_of_the_job(factory_store: Path, tmp_path: Path) -> None:
    period = "2025-11-01T01:00..2025-11-01T02:00"
    content = report(factory_store, tmp_path, JOB, "--period", period)
    used = {one["quote"]: one for one in content["figures"]}["gpu_time"]
    assert used["value"] == pytest.approx(1.0)


def test_a_job_that_is_not_there_and_one_of_others_answer_alike(
    factory_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book, "viewer_of_store", lambda store: Viewer(name="anna"))
    said = []
    for id in ("7", "9"):
        words = ["report", "job", id, "--store", str(factory_store)]
        assert main([*words, "--out", str(tmp_path / "out")]) == 2
        said.append(capsys.readouterr().err.replace(f"job {id}", "job ID"))
    assert said[0] == said[1]
    assert "no job ID that is yours" in said[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("7", "--as-of", "2026-01-01"), "--as-of: a job is told as its books stand"),
        (("7", "--period", "2024"), "the job did not run then"),
        (("7", "--system", "other"), "no job 7 on system other"),
        ((), "which? `wattline report job JOB`"),
    ],
)
def test_what_cannot_be_told_is_said_in_one_line(
    words: tuple[str, ...],
    message: str,
    factory_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["report", "job", *words, "--store", str(factory_store), "--out", str(tmp_path / "o")]
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_what_the_owner_would_miss_is_on_the_first_page(
    factory_store: Path, tmp_path: Path
) -> None:
    content = report(factory_store, tmp_path, JOB)
    missing = " ".join(one["what"] + " " + one["why"] for one in content["missing"])
    # It trains and counts tokens, and nobody said how large its model is.
    assert "MFU" in missing
    assert "cost" in missing


def strip(device: str, activity: list[float | None], account: Account | None) -> Strip:
    return Strip(device, tuple(activity), tuple(None for _ in activity),
                 tuple(account for _ in activity))  # fmt: skip


def timeline(*strips: Strip, speed: tuple[float | None, ...] = (None, None)) -> Timeline:
    return Timeline(0, 60_000, speed, strips)


def test_a_strip_says_where_the_time_went_and_what_nobody_read() -> None:
    told = timeline()
    named = [
        ("n1 gpu0", strip("a", [0.5, 1.0], Account.BUSY)),
        ("n1 gpu1", strip("b", [None, None], Account.UNMEASURED)),
        ("n1 gpu2", strip("c", [0.1, 0.1], Account.HELD)),
    ]
    drawn = over_time.picture("strips", told, named)
    assert 'class="f-busy"' in drawn.body
    assert 'class="f-held"' in drawn.body
    assert ">not read<" in drawn.body
    assert "tokens/s" not in drawn.body
    for label, _ in named:
        assert f">{label}<" in drawn.body


def test_time_that_was_not_the_jobs_stays_blank() -> None:
    drawn = over_time.picture("strips", timeline(), [("n1 gpu0", strip("a", [None, None], None))])
    assert "f-neutral" not in drawn.body
    assert ">not read<" not in drawn.body


def test_tokens_stand_above_the_strips_where_the_job_counts_them() -> None:
    one = strip("a", [0.5, 0.5], Account.BUSY)
    drawn = over_time.picture("strips", timeline(one, speed=(10.0, None)), [("n1 gpu0", one)])
    assert ">tokens/s<" in drawn.body
