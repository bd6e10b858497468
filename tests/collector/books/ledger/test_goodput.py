from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger import goodput
from wattline_collector.ledger.records import JOBS
from wattline_collector.ledger.schema import JOB

SECOND = 1000
RUNNING = {"system": pl.String, "job": pl.String, "start": pl.Int64, "end": pl.Int64}


def _entries(**jobs: dict[str, Any]) -> pl.DataFrame:
    rows = [{"system": "s", "job": key, **values} for key, values in jobs.items()]
    return pl.DataFrame(rows, schema=JOB)


def _running(**spans: tuple[int, int]) -> pl.DataFrame:
    rows = [("s", job, start * SECOND, end * SECOND) for job, (start, end) in spans.items()]
    return pl.DataFrame(rows, schema=RUNNING, orient="row")


def _jobs(*keys: str, **more: Any) -> pl.DataFrame:
    return pl.DataFrame([{"system": "s", "job": key, **more} for key in keys], schema=JOBS)


def _seconds(frame: pl.DataFrame) -> dict[str, float]:
    row = frame.row(0, named=True)
    assert sum(row[name] for name in goodput.CATEGORIES) == row["elapsed_ms"]
    return {
        name.removesuffix("_ms"): row[name] / SECOND for name in goodput.CATEGORIES if row[name]
    }


PHASES = {
    "phase_init_ms": 60.0 * SECOND,
    "phase_data_wait_ms": 40.0 * SECOND,
    "phase_step_ms": 800.0 * SECOND,
    "phase_checkpoint_save_ms": 30.0 * SECOND,
    "phase_restore_ms": 20.0 * SECOND,
    "phase_eval_ms": 10.0 * SECOND,
}


def test_every_second_of_a_job_is_in_one_category() -> None:
    entries = _entries(j={"running_ms": 1000 * SECOND, "steps": 75, "steps_replayed": 5, **PHASES})
    told = goodput.of_jobs(entries, _running(j=(0, 1000)))
    assert _seconds(told) == {
        "productive": 750.0, "init": 60.0, "data_wait": 40.0, "checkpoint_save": 30.0,
        "restore": 20.0, "eval": 10.0, "wasted": 50.0, "other": 40.0,
    }  # fmt: skip
    assert told["goodput"].to_list() == [pytest.approx(0.75)]
    assert told["coverage"].to_list() == [1.0]


@pytest.mark.parametrize(
    ("processes", "sizes"), [(8, (2, 8)), (2, (2, 8)), (3, (2, 8)), (5, (None, None)), (1, (1, 1))]
)
def test_phases_of_many_processes_are_the_time_of_one(
    processes: int, sizes: tuple[int | None, int | None]
) -> None:
    entries = _entries(
        j={"running_ms": 1000 * SECOND, **{name: ms * processes for name, ms in PHASES.items()}}
    )
    size = pl.DataFrame(
        [("s", "j", *sizes)],
        schema={"system": pl.String, "job": pl.String, "nodes": pl.Int64, "devices": pl.Int64},
        orient="row",
    )
    told = _seconds(goodput.of_jobs(entries, _running(j=(0, 1000)), size))
    # Three of eight tell as much as eight that told less: nothing says which.
    expected = 800.0 if processes != 3 else 300.0
    assert told["productive"] == pytest.approx(expected)


def test_how_many_processes_speak_is_the_same_in_every_hour_of_a_job() -> None:
    """Eight processes; of the second hour they tell a tenth, of the third what they owed."""
    hour = 1000 * SECOND
    whole = [8.0 * hour, 0.8 * hour, 15.2 * hour]
    entries = pl.concat(
        _entries(j={"running_ms": hour, "phase_step_ms": told}).with_columns(
            pl.lit(name).alias("hour")
        )
        for name, told in zip("abc", whole, strict=True)
    )
    running = pl.concat(
        _running(j=(0, 1000)).with_columns(pl.lit(name).alias("hour")) for name in "abc"
    )
    size = pl.DataFrame([{"system": "s", "job": "j", "nodes": 2, "devices": 8}])
    told = goodput.of_jobs(entries, running, size, ["hour"])
    assert told["members"].to_list() == [8.0, 8.0, 8.0]
    assert told["productive_ms"].to_list() == [hour, hour // 10, hour]


def test_a_little_more_told_than_went_by_is_what_clocks_differ_by() -> None:
    entries = _entries(j={"running_ms": 100 * SECOND, "phase_step_ms": 101.0 * SECOND})
    told = goodput.of_jobs(entries, _running(j=(0, 100)))
    assert _seconds(told) == {"productive": 100.0}
    assert told["goodput"].to_list() == [1.0]


def test_a_job_that_tells_no_phases_has_no_goodput() -> None:
    entries = _entries(j={"running_ms": 1000 * SECOND, "steps": 10})
    told = goodput.of_jobs(entries, _running(j=(0, 1000), k=(0, 10)))
    assert told["elapsed_ms"].to_list() == [1000 * SECOND, 10 * SECOND]
    assert told.select(goodput.CATEGORIES).null_count().row(0) == (2,) * len(goodput.CATEGORIES)
    assert told["goodput"].to_list() == [None, None]
    assert told["coverage"].to_list() == [0.0, 0.0]


def test_coverage_is_the_part_of_its_time_in_which_it_told_any() -> None:
    entries = pl.concat(
        [
            _entries(j={"running_ms": 60 * SECOND, "phase_step_ms": 60.0 * SECOND}),
            _entries(j={"running_ms": 20 * SECOND}),
        ]
    )
    assert goodput.of_jobs(entries, _running(j=(0, 80)))["coverage"].to_list() == [0.75]


def test_a_run_is_timed_from_its_first_start_to_its_last_end() -> None:
    entries = _entries(
        **{
            "7": {"running_ms": 600 * SECOND, "phase_step_ms": 500.0 * SECOND, "steps": 50},
            "7.1": {"running_ms": 300 * SECOND, "phase_step_ms": 280.0 * SECOND, "steps": 21,
                    "steps_replayed": 7},
        }
    )  # fmt: skip
    running = _running(**{"7": (0, 600), "7.1": (700, 1000)})
    jobs = _jobs("7", "7.1")
    run = goodput.of_runs(goodput.of_jobs(entries, running), running, jobs)
    assert run.select("run", "jobs").rows() == [("7", 2)]
    assert _seconds(run) == {
        "productive": 710.0, "wasted": 70.0, "recovery": 100.0, "other": 120.0,
    }  # fmt: skip
    assert run["goodput"].to_list() == [pytest.approx(0.71)]


def test_jobs_of_a_run_side_by_side_are_brought_back_to_the_time_that_went_by() -> None:
    entries = _entries(
        a={"running_ms": 1000 * SECOND, "phase_step_ms": 800.0 * SECOND},
        b={"running_ms": 1000 * SECOND, "phase_step_ms": 600.0 * SECOND},
    )
    running = _running(a=(0, 1000), b=(0, 1000))
    run = goodput.of_runs(goodput.of_jobs(entries, running), running, _jobs("a", "b", run="r"))
    assert _seconds(run) == {"productive": 700.0, "other": 300.0}


def test_a_run_of_which_a_job_tells_nothing_has_no_goodput() -> None:
    entries = _entries(
        a={"running_ms": 100 * SECOND, "phase_step_ms": 80.0 * SECOND},
        b={"running_ms": 100 * SECOND},
    )
    running = _running(a=(0, 100), b=(100, 200))
    run = goodput.of_runs(goodput.of_jobs(entries, running), running, _jobs("a", "b", run="r"))
    assert run.select("elapsed_ms", "productive_ms", "goodput", "coverage").rows() == [
        (200 * SECOND, None, None, 0.5)
    ]


def test_serving_goodput_counts_failed_requests_below_the_line() -> None:
    entries = _entries(
        a={"requests": 90, "requests_failed": 10, "requests_good": 60},
        b={"requests": 5},
        c={"requests": 0, "requests_good": 0},
    )
    assert goodput.served(entries).rows() == [("s", "a", 60, 100, 0.6), ("s", "c", 0, 0, None)]


def test_phases_come_from_the_jobs_counters_in_whole(telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.counts(
        "j",
        {
            float(s): {"phase_step_seconds_total": 0.8 * s, "phase_init_seconds_total": 0.1 * s}
            for s in range(0, 601, 7)
        },
    )
    telemetry.info("j", 0, 600)
    books = telemetry.book(3600)
    entries = books.read("job", start_ms, start_ms + 3600 * SECOND)
    assert entries["phase_step_ms"].sum() == pytest.approx(0.8 * 595 * SECOND)
    running = _running(j=(start_ms // SECOND, start_ms // SECOND + 600)).with_columns(
        system=pl.lit("test")
    )
    told = _seconds(goodput.of_jobs(entries, running))
    assert told["productive"] == pytest.approx(476.0)
    assert told["init"] == pytest.approx(59.5)


def test_a_job_can_be_cut_in_parts_that_add_up() -> None:
    part = {"running_ms": 500 * SECOND, "phase_step_ms": 400.0 * SECOND}
    entries = pl.concat([_entries(j=part), _entries(j=part)]).with_columns(
        day=pl.Series(["1", "2"])
    )
    running = _running(j=(0, 500)).join(pl.DataFrame({"day": ["1", "2"]}), how="cross")
    told = goodput.of_jobs(entries, running, split=["day"])
    assert told.select("day", "productive_ms", "elapsed_ms", "members").rows() == [
        (day, 400 * SECOND, 500 * SECOND, 1.0) for day in ("1", "2")
    ]


def test_gaps_of_a_run_are_times_in_which_none_of_its_jobs_ran() -> None:
    jobs = pl.DataFrame(
        [
            {"system": "s", "job": job, "run": run, "start_ms": start, "end_ms": end}
            for job, run, start, end in (
                ("a", "r", 0, 100), ("b", "r", 50, 80), ("c", "r", 130, 200), ("d", "r", 200, None),
                ("e", "other", 500, 600), ("never", "r", None, None),
            )
        ],
        schema=JOBS,
    )  # fmt: skip
    assert goodput.gaps(jobs, 1000).rows() == [("s", "c", 100, 130)]
