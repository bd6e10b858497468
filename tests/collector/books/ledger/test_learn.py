from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import UsageError
from wattline_collector.jobs.condense import ACCOUNTED, NODE_STATES
from wattline_collector.ledger import booking
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books

HOUR = 3600


def _job(books: Books, key: str = "j") -> dict[str, Any]:
    return books.jobs.filter(pl.col("job") == key).row(0, named=True)


def test_what_a_scheduler_accounts_for_is_believed_before_the_agent(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.info("j", 10, 500, state="completed", project="mine", user="someone", name="run")
    telemetry.account(
        "j", 0, 520, said_s=600, state="out_of_memory", account="p200", user="alice", name="job.sh"
    )
    job = _job(telemetry.book(HOUR))
    assert (job["start_ms"], job["end_ms"]) == (start_ms, start_ms + 520_000)
    assert (job["state"], job["project"], job["user"]) == ("out_of_memory", "p200", "alice")
    assert job["name"] == "run"


def test_accounting_that_runs_behind_does_not_wake_a_job_that_ended(telemetry: Any) -> None:
    telemetry.device()
    telemetry.account("j", 0, None, said_s=100, state="running")
    telemetry.info("j", 0, 500, state="completed")
    assert _job(telemetry.book(HOUR))["state"] == "completed"


def test_a_job_only_its_scheduler_knows_appears_and_no_minute_is_booked_of_it(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.account("cpu", 0, 3000, said_s=3100)
    telemetry.account("waits", None, None, said_s=3100, state="pending")
    books = telemetry.book(HOUR)
    assert _job(books, "cpu")["end_ms"] == start_ms + 3_000_000
    assert _job(books, "waits")["state"] == "pending"
    assert books.read("job", start_ms, start_ms + HOUR * 1000).is_empty()
    assert books.frame("accounting", ACCOUNTED).height == 2


def test_an_end_that_comes_late_takes_back_time_the_job_was_thought_to_run(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.counts("j", {float(s): {"tokens_trained_total": s} for s in range(0, 3 * HOUR, 60)})
    books = telemetry.book(4 * HOUR)
    ran = books.read("job", start_ms, start_ms + 4 * HOUR * 1000)["running_ms"].sum()
    assert ran == (3 * HOUR - 60 + 90) * 1000
    telemetry.account("j", 0, 1.5 * HOUR, said_s=4 * HOUR)
    books = telemetry.book(4 * HOUR + 60)
    ran = books.read("job", start_ms, start_ms + 5 * HOUR * 1000)["running_ms"].sum()
    assert ran == 1.5 * HOUR * 1000
    assert audit(books.root.parent) == []


def test_an_archive_of_jobs_without_devices_books_nothing_and_audits_clean(
    telemetry: Any,
) -> None:
    for day in range(3):
        telemetry.account(f"j{day}", day * 24 * HOUR, day * 24 * HOUR + 60, said_s=day * 24 * HOUR)
    books = telemetry.book(100 * HOUR)
    assert books.hours() == []
    assert books.jobs.height == 3
    assert audit(books.root.parent) == []


def test_an_archive_beside_a_system_that_is_measured_leaves_its_books_alone(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR)
    telemetry.add(
        "accounting",
        [{"system": "old", "time_unix_ms": 1_500_000_000_000, "job": "1", "state": "completed"}],
        node="slurm",
    )
    books = telemetry.book(HOUR)
    assert {hour.system for hour in books.hours()} == {"test"}
    assert seconds(books) == {"free": float(HOUR)}
    assert audit(books.root.parent) == []


def test_states_of_nodes_and_models_are_kept(telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.node_state("drain", 0, None, said_s=100)
    telemetry.node_state("drain", 0, 900, said_s=1000)
    for second, layers in ((0, 12), (600, 32)):
        row = {"time_unix_ms": start_ms + second * 1000, "job": "j", "layers": layers}
        telemetry.add("job_model", [row], period_ms=0)
    books = telemetry.book(HOUR)
    states = books.frame("node_states", NODE_STATES)
    assert states["end_ms"].to_list() == [start_ms + 900_000]
    assert books.models.select("job", "layers").rows() == [("j", 32)]


def test_hours_that_a_broken_off_booking_did_not_come_to_are_booked_the_next_time(
    telemetry: Any, seconds: Any, start_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.device()
    telemetry.samples(last_s=5 * HOUR, sm_active_ratio=0.5)
    telemetry.assign("j", 0, 4 * HOUR, method="prolog")
    telemetry.book(5 * HOUR)
    telemetry.account("j", 0, HOUR, said_s=5 * HOUR)
    telemetry.take_dirty = lambda: {("test", start_ms + 5 * HOUR * 1000)}

    def fails(*_: object) -> None:
        raise UsageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(booking, "_write", fails)
        with pytest.raises(UsageError):
            telemetry.book(5 * HOUR + 60)
    telemetry.take_dirty = set
    assert seconds(telemetry.book(5 * HOUR + 120), job="j") == {"busy": float(HOUR)}


@pytest.mark.parametrize("start_s", [-1_793_491_200, -(10**12), 10**12])
def test_times_nobody_can_mean_open_no_hours(telemetry: Any, seconds: Any, start_s: int) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR)
    telemetry.assign("j", start_s, start_s + 10, said_s=10)
    telemetry.account("k", start_s, start_s + 10, said_s=10)
    telemetry.node_state("down", start_s, start_s + 10, said_s=10)
    assert seconds(telemetry.book(HOUR)) == {"free": float(HOUR)}
