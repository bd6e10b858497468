"""The examples of docs/ledger.md, recomputed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import METHODS
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger import goodput
from wattline_collector.ledger.assignments import methods_used
from wattline_collector.ledger.inventory import ASSIGNMENTS
from wattline_collector.ledger.known import job_ends
from wattline_collector.ledger.known_jobs import running_intervals
from wattline_collector.ledger.lost import lost_time
from wattline_collector.ledger.undone import UNDONE
from wattline_collector.registers.kept import path_of
from wattline_collector.registers.schema import OUTAGES

MINUTE = 60
HOUR = 3600
PAGE = Path(__file__).parents[4] / "docs/ledger.md"


@pytest.fixture(scope="module")
def page() -> list[str]:
    return PAGE.read_text().splitlines()


def test_the_example_of_the_accounts(
    page: list[str], telemetry: Any, seconds: Any, start_ms: int
) -> None:
    outage = {
        "scope": "system", "start_ms": start_ms + 10 * MINUTE * 1000,
        "end_ms": start_ms + 20 * MINUTE * 1000, "scheduled": True, "replaced_ms": None,
    }  # fmt: skip
    path = path_of(telemetry.path, OUTAGES)
    path.parent.mkdir()
    schema = pl.Schema({**OUTAGES.schema, "replaced_ms": pl.Int64()})
    pl.DataFrame([outage], schema=schema).write_parquet(path)
    telemetry.device()
    telemetry.samples(last_s=45 * MINUTE, sm_active_ratio=0.9)
    telemetry.samples(first_s=45 * MINUTE + 10, last_s=50 * MINUTE, up=0, watts=None)
    telemetry.samples(first_s=50 * MINUTE + 10, last_s=HOUR, sm_active_ratio=0.0)
    telemetry.assign("j", 0, 40 * MINUTE, method="prolog")
    telemetry.node_state("drain", 30 * MINUTE, None, said_s=HOUR)
    booked = seconds(telemetry.book(HOUR))
    assert set(booked) == {"busy", "maintenance", "down"}
    for account, told in booked.items():
        assert any(line.startswith(f"| `{account}` | {told / MINUTE:.0f} |") for line in page)


def test_the_order_of_trust_is_the_catalogues(page: list[str]) -> None:
    rows = [line.split(" | ") for line in page if " | `" in line]
    told = [cells[1] for cells in rows if cells[0].removeprefix("| ").isdecimal()]
    assert told == [f"`{method}`" for method in METHODS]


def test_the_example_of_trust(page: list[str], telemetry: Any) -> None:
    telemetry.device()
    telemetry.assign("A", 0, 20 * MINUTE, method="prolog")
    telemetry.assign("A", 0, 22 * MINUTE, method="slurm")
    telemetry.assign("B", 15 * MINUTE, 40 * MINUTE, method="cgroup")
    books = telemetry.book(HOUR)
    used = methods_used(
        books.frame("assignments", ASSIGNMENTS), job_ends(ACCOUNTED.to_frame()), "test", ["A", "B"]
    )
    rows = [f"| {job} | {s / MINUTE:.0f} | `{method}` |" for job, method, s in used.iter_rows()]
    assert len(rows) == 2
    assert set(rows) <= set(page)


def test_the_example_of_shares(page: list[str], telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=10, counter=lambda s: 400 * s, sm_active_ratio=0.9)
    telemetry.assign("A", 0, 10, share=1 / 3)
    telemetry.assign("B", 0, 10, share=1 / 2)
    books = telemetry.book(10)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    rows = [
        f"| {job or account} | {ms} | {joules:.1f} |"
        for job, account, ms, joules in entries.select(
            "job", "account", "duration_ms", "energy_joules"
        ).iter_rows()
    ]
    assert len(rows) == 3
    assert set(rows) <= set(page)


def test_the_example_of_replayed_and_lost_steps_and_of_goodput(
    page: list[str], telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    for job, begin_s, first, last in (("7", 0, 0, 100), ("7.1", 1300, 60, 150)):
        telemetry.counts(
            job,
            {
                float(begin_s + 10 * count): {
                    "step": first + count,
                    "steps_total": count,
                    "tokens_trained_total": 1000 * count,
                    "step_resumed": first,
                    "step_saved": 60 if first + count >= 60 else None,
                    "phase_step_seconds_total": 10.0 * count,
                }
                for count in range(last - first + 1)
            },
        )
        end_s = begin_s + 10 * (last - first)
        state = "failed" if job == "7" else "completed"
        telemetry.info(job, begin_s, end_s, state=state)
    books = telemetry.book(HOUR)
    entries = books.read("job", start_ms, start_ms + HOUR * 1000)
    lost = {
        job: (end - since) / 1000
        for job, since, end in lost_time(books.jobs, books.frame("undone", UNDONE))
        .join(books.jobs, on="job")
        .select("job", "from_ms", "end_ms")
        .iter_rows()
    }
    names = ("steps", "steps_replayed", "tokens_trained", "tokens_replayed")
    sums = entries.group_by("job").agg(pl.col(names).sum())
    for job, *made in sums.iter_rows():
        cells = [job, *(f"{count:,}" for count in made), f"{lost.get(job, 0):.0f}"]
        assert f"| {' | '.join(cells)} |" in page

    running = running_intervals(books.jobs, "test", start_ms + HOUR * 1000)
    running = running.select(pl.lit("test").alias("system"), "job", "start", "end")
    (run,) = goodput.of_runs(goodput.of_jobs(entries, running), running, books.jobs).to_dicts()
    told = {
        "productive": "productive_ms", "steps done again": "wasted_ms", "recovery": "recovery_ms",
        "other": "other_ms", "elapsed": "elapsed_ms",
    }  # fmt: skip
    for words, column in told.items():
        assert f"| {words} | {run[column] // 1000} |" in page
    assert f"Its goodput is {100 * run['goodput']:.1f} %." in "\n".join(page)
