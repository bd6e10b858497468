from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_collector.capability.training_benchmark import Target, outcome
from wattline_collector.capability.training_log import Energy, Level, Run, read

T0 = 1_793_491_200_000
MINUTE = 60_000


def log(
    path: Path,
    *,
    minutes: float = 30.0,
    init: float | None = 2.0,
    status: str = "success",
    quality: float = 0.92,
    seed: int = 1,
    start: int = T0,
    benchmark: str = "llama2_70b_lora",
    more: tuple[tuple[str, int], ...] = (),
) -> Path:
    """A log in the real layout: rank prefix, other text between, metadata."""
    stop = start + round(minutes * MINUTE)
    events: list[tuple[str, int, Any, dict[str, Any]]] = [
        ("submission_benchmark", start - 1, benchmark, {}),
        ("seed", start - 1, seed, {}),
        ("run_start", start, None, {}),
        ("block_start", start, None, {"samples_count": 0}),
        ("eval_accuracy", stop - 2, quality, {"samples_count": 3072}),
        ("run_stop", stop, quality, {"samples_count": 3072, "status": status}),
        *((key, time, None, {}) for key, time in more),
    ]
    if init is not None:
        events.insert(0, ("init_start", round(start - init * MINUTE), None, {}))
    lines = ["Epoch 0:  12%|###"]
    for key, time, value, metadata in events:
        fields = {"namespace": "", "time_ms": time, "key": key, "value": value}
        lines.append(f"0: :::MLLOG {json.dumps(fields | {'metadata': metadata})}")
    path.write_text("\n".join(lines))
    return path


def runs(tmp_path: Path, *minutes: float, **said: Any) -> list[Run]:
    return [
        read(log(tmp_path / f"run_{i}.log", minutes=m, seed=i, start=T0 + i * 86_400_000, **said))
        for i, m in enumerate(minutes)
    ]


def test_the_fastest_and_the_slowest_are_dropped_and_the_rest_averaged(tmp_path: Path) -> None:
    found = outcome(runs(tmp_path, 30, 28, 40, 29, 31), target=Target(0.925, True))
    assert found.refusals == ()
    assert found.seconds == pytest.approx(30 * 60)
    assert [judged.is_kept for judged in found.runs] == [True, False, False, True, True]
    assert [judged.why for judged in found.runs] == ["", "the fastest", "the slowest", "", ""]
    assert found.spread == pytest.approx(1 / 30)
    assert (found.unseen, found.benchmark) == ((), "llama2_70b_lora")


def test_one_run_that_did_not_converge_is_the_slowest(tmp_path: Path) -> None:
    found = runs(tmp_path, 30, 28, 29, 31)
    failed = log(
        tmp_path / "failed.log", minutes=5, status="aborted", seed=9, start=T0 - 86_400_000
    )
    result = outcome([*found, read(failed)])
    assert result.refusals == ()
    assert result.seconds == pytest.approx((30 + 29 + 31) / 3 * 60)
    assert result.runs[-1].why == "ended as aborted"


def test_two_runs_that_did_not_converge_make_it_invalid(tmp_path: Path) -> None:
    good = runs(tmp_path, 30, 28, 29)
    bad = [replace(run, status="aborted") for run in runs(tmp_path, 31, 32, 33, 34)[2:]]
    late = [replace(run, start_ms=run.start_ms + 1, seed=90 + i) for i, run in enumerate(bad)]
    result = outcome([*good, *late])
    assert result.refusals == ("2 runs did not reach the target; one may",)
    assert (result.seconds, result.joules) == (None, None)


def test_what_a_log_calls_a_success_is_held_against_the_target(tmp_path: Path) -> None:
    found = runs(tmp_path, 30, 28, 29, 31, 32, quality=0.93)
    assert outcome(found).seconds is not None
    assert outcome(found).unseen != ()
    below = outcome(found, target=Target(0.925, is_lower_better=True))
    assert "5 runs did not reach the target; one may" in below.refusals
    assert outcome(found, target=Target(0.925, is_lower_better=False)).refusals == ()


@pytest.mark.parametrize(("count", "said"), [(4, "4 runs"), (6, "6 runs"), (0, "0 runs")])
def test_a_result_takes_exactly_its_runs(tmp_path: Path, count: int, said: str) -> None:
    found = outcome(runs(tmp_path, *(30.0 + i for i in range(count))))
    assert found.seconds is None
    assert found.refusals[0].startswith(said)


def test_a_result_of_under_three_runs_is_none() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        outcome([], needed=2)


def test_initialisation_over_twenty_minutes_is_on_the_clock(tmp_path: Path) -> None:
    allowed = read(log(tmp_path / "a.log", minutes=30, init=20))
    over = read(log(tmp_path / "b.log", minutes=30, init=25.5))
    silent = read(log(tmp_path / "c.log", minutes=30, init=None))
    assert allowed.seconds == 30 * 60
    assert over.seconds == pytest.approx(35.5 * 60)
    assert silent.init_over_ms == 0
    assert any("initialisation" in what for what in outcome([silent]).unseen)


def test_a_clock_that_was_paused_or_started_late_is_refused(tmp_path: Path) -> None:
    paused = [("run_stop", T0 + 5 * MINUTE), ("run_start", T0 + 6 * MINUTE)]
    first = read(log(tmp_path / "a.log", more=tuple(paused)))
    assert first.faults == ("the clock was stopped and started again",)
    late = read(log(tmp_path / "b.log", more=(("epoch_start", T0 - 1000),)))
    assert late.faults == ("training or evaluation began before the clock",)
    found = outcome(
        [*runs(tmp_path, 30, 28, 29, 31), replace(late, seed=77, stop_ms=late.stop_ms + 1)]
    )
    assert found.refusals == ("b.log: training or evaluation began before the clock",)


def test_a_run_given_twice_or_a_shared_seed_is_refused(tmp_path: Path) -> None:
    four = runs(tmp_path, 30, 28, 29, 31)
    twice = outcome([*four, four[0]])
    assert any("given twice" in reason for reason in twice.refusals)
    assert any("share a seed: 0" in reason for reason in twice.refusals)


def test_runs_of_different_benchmarks_are_no_set(tmp_path: Path) -> None:
    other = read(log(tmp_path / "x.log", benchmark="gpt3", seed=8))
    found = outcome([*runs(tmp_path, 30, 28, 29, 31), other])
    assert "runs of different benchmarks: gpt3, llama2_70b_lora" in found.refusals


def test_energy_is_that_of_the_kept_runs_at_the_lowest_level(tmp_path: Path) -> None:
    five = runs(tmp_path, 30, 28, 40, 29, 31)
    levels = [Level.L2, Level.L3, Level.L3, Level.L1, Level.L2]
    measured = [
        replace(run, energy=Energy(1e6 * (i + 1), level))
        for i, (run, level) in enumerate(zip(five, levels, strict=True))
    ]
    found = outcome(measured)
    assert found.joules == pytest.approx((1e6 + 4e6 + 5e6) / 3)
    assert found.level is Level.L1
    lacking = outcome([replace(measured[0], energy=None), *measured[1:]])
    assert (lacking.joules, lacking.level) == (None, None)
    assert lacking.seconds == found.seconds


def test_a_log_without_a_clock_or_without_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text('0: :::MLLOG {"key": "run_start", "time_ms": 1793491200000, "value": null}\n')
    with pytest.raises(InputError, match="run_stop: not in the log"):
        read(path)
    path.write_text("nothing\n")
    with pytest.raises(InputError, match="holds no line"):
        read(path)
    path.write_text(':::MLLOG {"key": "run_start", "time_ms": 5, "value": null}\n')
    with pytest.raises(InputError, match="not a time of day"):
        read(path)
    log(path, minutes=-1)
    with pytest.raises(InputError, match="is not after run_start"):
        read(path)


def test_an_outcome_never_claims_a_trademark(tmp_path: Path) -> None:
    told = outcome(runs(tmp_path, 30, 28, 40, 29, 31)).to_json()
    assert told["kind"] == "MLPerf-style, not reviewed by MLCommons"
    assert told["valid"] is True


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "seconds", "benchmark", "target"),
    [
        ("llama2lora_1x8H100_AC_run4951_1", 1694.52, "llama2_70b_lora", 0.925),
        ("gpt3_64x8H100_AC_run5848_2", 3412.67, "gpt3", 2.69),
    ],
)
def test_recorded_runs_have_the_time_and_the_quality_that_was_published(
    shared: Path, name: str, seconds: float, benchmark: str, target: float
) -> None:
    run = read(shared / "data/02-mlperf-training-power" / f"{name}.mllog.txt.gz")
    assert run.seconds == pytest.approx(seconds, abs=0.005)
    assert (run.benchmark, run.status, run.faults) == (benchmark, "success", ())
    assert run.quality is not None
    assert Target(target, is_lower_better=True).is_reached(run.quality)
    assert run.init_start_ms is not None
    assert run.init_over_ms == 0
