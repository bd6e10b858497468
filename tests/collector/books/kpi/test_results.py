from __future__ import annotations

import json
from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HOUR = 3600
DAY = "2026-11-01"
DIGEST = "sha256:" + "ab" * 16


@pytest.fixture
def booked(factory: Any) -> Any:
    """Two hours of 1 November."""
    factory.device("a", until_s=2 * HOUR)
    factory.book(2 * HOUR)
    return factory


def _run(id: str, start: str, when: str, **more: str) -> dict[str, str]:
    return {"id": id, "kind": "run", "run": id, "start": f"{DAY}T{start}Z",
            "when": f"{DAY}T{when}Z", **more}  # fmt: skip


def test_runs_that_reached_their_target_are_held_against_those_that_began(booked: Any) -> None:
    booked.register(
        "results",
        _run("one", "00:00", "00:40", valid="yes"),
        _run("two", "00:10", "00:50", valid="no"),
        _run("three", "00:20", "01:10", valid="yes", project="p"),
        _run("four", "01:30", "01:50"),
        {**_run("old", "00:00", "00:10"), "start": "2026-10-01", "valid": "yes"},
    )
    figure = booked.one("P07")
    assert (figure.value, figure.numerator, figure.denominator) == (50, 2, 4)
    assert figure.note == "1 of them are not over yet, and count as not reached"
    assert figure.level == "declared"
    parts = [booked.one("P07", booked.hours(*ends)) for ends in ((0, 1), (1, 2))]
    assert [(part.numerator, part.denominator) for part in parts] == [(2, 3), (0, 1)]
    assert booked.one("P07", project="p").value == 100
    assert [f.dims["hour"] for f in booked.figures("P07", by="hour")] == [
        f"{DAY}T00:00Z", f"{DAY}T01:00Z"
    ]  # fmt: skip


def test_training_time_is_from_the_first_start_to_the_end_restarts_and_all(factory: Any) -> None:
    factory.device("a", until_s=6 * HOUR)
    factory.job("one", 0, HOUR, "a", run="r", state="failed")
    factory.job("two", 2 * HOUR, 4 * HOUR, "a", run="r")
    factory.job("lost", 4 * HOUR, 5 * HOUR, "a", state="failed")
    factory.job("alone", 5 * HOUR, 6 * HOUR, "a")
    factory.book(6.5 * HOUR)
    figure = factory.one("P05", way="ledger")
    assert (figure.numerator, figure.denominator, figure.value) == (pytest.approx(5), 2, 2.5)
    # A run counts in the period in which it ended.
    parts = [factory.one("P05", factory.hours(*ends), way="ledger") for ends in ((0, 5), (5, 6.5))]
    assert [part.value for part in parts] == [pytest.approx(4), pytest.approx(1)]
    assert factory.one("P05", job="two", way="ledger").value == pytest.approx(4)
    factory.register("results", _run("r", "00:00", "03:00", valid="yes"))
    assert factory.one("P05", way="register").value == pytest.approx(3)


def test_a_run_whose_last_job_ended_with_the_period_is_of_that_period(factory: Any) -> None:
    factory.device("a", until_s=6 * HOUR)
    factory.job("one", HOUR, 4 * HOUR, "a", run="r")
    factory.book(6.5 * HOUR)
    inside = factory.one("P05", factory.hours(0, 4), way="ledger")
    assert (inside.value, inside.denominator) == (pytest.approx(3), 1)
    (after,) = factory.figures("P05", period=factory.hours(4, 6))
    assert (after.value, after.status) == (None, Status.UNKNOWN)
    assert [f.dims["hour"] for f in factory.figures("P05", by=["hour"])] == [f"{DAY}T03:00Z"]


def test_a_run_that_ended_on_the_last_day_of_a_period_is_of_that_period(factory: Any) -> None:
    factory.device("a", until_s=26 * HOUR)
    factory.book(26 * HOUR)
    factory.register("results", _run("r", "00:00", "00:00", valid="yes") | {"when": DAY})
    inside = factory.one("P05", factory.hours(0, 24), way="register")
    assert (inside.value, inside.numerator) == (24, 24)
    assert {f.dims["way"] for f in factory.figures("P05", period=factory.hours(24, 26))} == {
        "unknown"
    }
    days = [f.dims["day"] for f in factory.figures("P05", by=["day"])]
    assert days == [DAY]


def test_no_run_that_ended_is_unknown(booked: Any) -> None:
    (figure,) = booked.figures("P05")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)


def test_quality_is_the_declared_metric_with_its_digest_and_its_baseline(booked: Any) -> None:
    row = {"kind": "quality", "model": "ten", "metric": "accuracy", "evidence": DIGEST,
           "benchmark": "MMLU", "declared_by": "evals"}  # fmt: skip
    booked.register(
        "results",
        {**row, "id": "1", "when": f"{DAY}T00:10Z", "value": "0.60", "baseline": "0.55"},
        {**row, "id": "2", "when": f"{DAY}T00:50Z", "value": "0.66", "baseline": "0.55"},
        {**row, "id": "3", "when": "2026-11-02", "value": "0.9"},
    )
    value = booked.one("P08", of="value")
    assert (value.value, value.unit) == (0.66, "1")
    assert value.dims == {"model": "ten", "metric": "accuracy on MMLU", "of": "value"}
    assert value.method == f"declared by evals, evidence {DIGEST}"
    assert booked.one("P08", of="delta_to_baseline").value == pytest.approx(0.11)
    assert booked.one("P08", booked.hours(0, 0.5), of="value").value == 0.60


def test_the_best_benchmark_that_stands_holds_until_it_is_measured_again(booked: Any) -> None:
    booked.register(
        "results",
        {"id": "1", "kind": "hpl_mxp", "when": "2026-09-30", "value": "1.9", "unit": "EFLOP/s",
         "system": "test", "valid": "yes"},
        {"id": "2", "kind": "hpl", "when": f"{DAY}T00:30Z", "value": "170", "unit": "PFLOP/s",
         "system": "test", "low": "165", "high": "175"},
        {"id": "3", "kind": "hpl", "when": f"{DAY}T00:40Z", "value": "171", "unit": "PFLOP/s",
         "system": "test", "valid": "no"},
        {"id": "4", "kind": "hpl", "when": f"{DAY}T00:45Z", "value": "90", "unit": "PFLOP/s",
         "system": "test"},
    )  # fmt: skip
    mixed = booked.one("C01", benchmark="HPL-MxP")
    assert (mixed.value, mixed.unit) == (1.9e18, "FLOP/s")
    assert mixed.note == "measured on 2026-09-30, before this period"
    plain = booked.one("C01", system="test", benchmark="HPL")
    assert (plain.value, plain.low, plain.high) == (1.7e17, 1.65e17, 1.75e17)
    assert plain.note == ""
    assert "system test" in plain.method


def test_time_and_energy_to_train_have_units_of_their_own(booked: Any) -> None:
    booked.register(
        "results",
        {"id": "1", "kind": "training_time", "when": f"{DAY}T01:00Z", "benchmark": "gpt3",
         "value": "12.5", "unit": "min", "energy": "5.1", "power_level": "L2", "runs": "5"},
    )  # fmt: skip
    time = booked.one("C02", benchmark="gpt3", of="time")
    assert (time.value, time.unit, time.n) == (pytest.approx(12.5), "min", 5)
    energy = booked.one("C02", benchmark="gpt3", of="energy")
    assert (energy.value, energy.unit) == (pytest.approx(5.1), "kWh")
    assert energy.method.endswith("level L2")


def test_a_result_of_no_named_system_is_of_an_unknown_one(booked: Any) -> None:
    when = {"when": f"{DAY}T00:30Z"}
    booked.register(
        "results",
        when | {"id": "1", "kind": "hpl", "value": "1", "unit": "PFLOP/s"},
        when | {"id": "2", "kind": "training_time", "benchmark": "b", "value": "1", "unit": "h"},
        when | {"id": "3", "kind": "quality", "model": "m", "metric": "x", "value": "1",
                "evidence": DIGEST},
        when | {"id": "4", "kind": "commit", "event": "e", "entrant": "us", "evidence": DIGEST},
        when | {"id": "5", "kind": "score", "event": "e", "entrant": "us", "benchmark": "b",
                "value": "1"},
    )  # fmt: skip
    for id in ("C01", "C02", "C04", "C05", "P08"):
        assert {f.dims["system"] for f in booked.figures(id, by=["system"])} == {"unknown"}
    (figure,) = booked.figures("P08", by=["project"])
    assert figure.dims["project"] == "unknown"


def test_a_benchmark_that_nobody_says_is_valid_says_so(booked: Any) -> None:
    row = {"id": "1", "kind": "hpl", "when": f"{DAY}T00:30Z", "value": "1", "unit": "PFLOP/s"}
    booked.register("results", row)
    assert "not said to be valid" in booked.one("C01", benchmark="HPL").method
    booked.register("results", row | {"valid": "yes"})
    assert "not said" not in booked.one("C01", benchmark="HPL").method


@pytest.mark.parametrize("id", ["P07", "P08", "C01", "C02"])
def test_without_a_register_a_kpi_says_what_to_fill_in(booked: Any, id: str) -> None:
    (figure,) = booked.figures(id)
    assert (figure.value, figure.status, figure.n) == (None, Status.UNKNOWN, 0)
    assert "wattline import --template results" in figure.note
    json.dumps(figure.to_json(), allow_nan=False)


@pytest.mark.parametrize("id", ["P07", "P08", "C01", "C02"])
def test_a_register_without_that_kind_says_so(booked: Any, id: str) -> None:
    booked.register(
        "results",
        {"id": "x", "kind": "recomputed", "model": "m", "value": "0", "when": DAY},
    )
    (figure,) = booked.figures(id)
    assert "none of kind" in figure.note
