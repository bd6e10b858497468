from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.lost import lost_time
from wattline_collector.ledger.undone import UNDONE

HOUR = 3600
TOKENS = 1000  # per step


def _train(
    telemetry: Any,
    job: str,
    start_s: int,
    steps: range,
    *,
    every_s: int = 10,
    saved: int | None = None,
    resumed: int | None = None,
    made: int = 0,
    tokens: int = TOKENS,
    last: str | None = None,
    **info: Any,
) -> int:
    """A job that commits a step each few seconds; returns when it ends, in seconds.

    `saved` is the step of its newest checkpoint once it is reached, `made` the steps it counted
    before these.
    """
    begin = steps.start if resumed is None else resumed
    rows = {
        float(start_s + every_s * count): {
            "steps_total": made + count,
            "tokens_trained_total": tokens * (made + count),
            "step": step,
            "step_resumed": begin,
            "step_saved": saved if saved is not None and step >= saved else None,
        }
        for count, step in enumerate((steps.start, *(step + 1 for step in steps)))
    }
    telemetry.counts(job, rows)
    end_s = start_s + every_s * len(steps)
    if last is not None:
        telemetry.info(job, start_s, end_s, state=last, kind="training", **info)
    return end_s


def _sums(books: Books, start_ms: int, job: str | None = None) -> dict[str, Any]:
    entries = books.read("job", start_ms, start_ms + 100 * HOUR * 1000)
    if job is not None:
        entries = entries.filter(pl.col("job") == job)
    names = ("steps", "steps_replayed", "tokens_trained", "tokens_replayed")
    return entries.select(
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)
        for name in names
    ).row(0, named=True)


def _lost(books: Books, start_ms: int) -> list[tuple[Any, ...]]:
    """Job, and the seconds between which its work was for nothing."""
    since, until = (
        ((pl.col(name) - start_ms) / 1000).alias(name) for name in ("from_ms", "until_ms")
    )
    lost = lost_time(books.jobs, books.frame("undone", UNDONE))
    return lost.select("job", since, until).sort("job", "from_ms").rows()


@pytest.fixture
def gpu(telemetry: Any) -> Any:
    telemetry.device()
    return telemetry


def test_steps_done_again_by_the_next_job_of_a_run_stand_apart(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), saved=60, last="node_fail")
    _train(gpu, "7.1", 1500, range(60, 150), last="completed")
    books = gpu.book(HOUR)
    assert _sums(books, start_ms, "7") == {
        "steps": 100, "steps_replayed": 0, "tokens_trained": 100_000, "tokens_replayed": 0,
    }  # fmt: skip
    assert _sums(books, start_ms, "7.1") == {
        "steps": 50, "steps_replayed": 40, "tokens_trained": 50_000, "tokens_replayed": 40_000,
    }  # fmt: skip
    assert audit(books.root.parent) == []


def test_a_restart_from_the_last_step_replays_nothing(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), saved=100, last="timeout")
    _train(gpu, "7.1", 1500, range(100, 150), last="completed")
    assert _sums(gpu.book(HOUR), start_ms)["steps_replayed"] == 0


def test_steps_within_one_row_are_split_by_their_numbers(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 10), last="failed")
    rows = {
        1000.0: {"steps_total": 0, "tokens_trained_total": 0, "step": 4, "step_resumed": 4},
        1080.0: {"steps_total": 8, "tokens_trained_total": 8000, "step": 12, "step_resumed": 4},
    }
    gpu.counts("7.1", rows)
    books = gpu.book(HOUR)
    assert _sums(books, start_ms, "7.1") == {
        "steps": 2, "steps_replayed": 6, "tokens_trained": 2000, "tokens_replayed": 6000,
    }  # fmt: skip
    # The first minute of those eighty seconds is the replayed one.
    minutes = books.minutes("job", books.hours()[0])
    assert minutes is not None
    again = minutes.filter((pl.col("job") == "7.1") & (pl.col("steps_replayed") > 0))
    assert (again["minute"].dt.epoch("s") - start_ms // 1000).to_list() == [960, 1020]
    assert audit(books.root.parent) == []


def test_jobs_of_a_named_run_of_one_owner_go_on_from_one_another(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 50), last="failed", run="llama", user="alice")
    _train(gpu, "8", 600, range(0, 50), last="failed", run="llama", user="mallory")
    _train(gpu, "9", 1200, range(30, 60), last="completed", run="llama", user="alice")
    books = gpu.book(HOUR)
    assert _sums(books, start_ms, "8")["steps_replayed"] == 0
    assert _sums(books, start_ms, "9")["steps_replayed"] == 20


def test_jobs_of_one_name_that_run_side_by_side_share_no_steps(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), last="completed", run="sweep")
    _train(gpu, "8", 100, range(0, 100), last="completed", run="sweep")
    assert _sums(gpu.book(HOUR), start_ms)["steps_replayed"] == 0


def test_a_job_that_goes_back_by_itself_replays_too(gpu: Any, start_ms: int) -> None:
    end = _train(gpu, "7", 0, range(0, 50), saved=30)
    _train(gpu, "7", end + 10, range(30, 80), made=50, last="completed")
    books = gpu.book(HOUR)
    assert _sums(books, start_ms) == {
        "steps": 80, "steps_replayed": 20, "tokens_trained": 80_000, "tokens_replayed": 20_000,
    }  # fmt: skip
    assert _lost(books, start_ms) == [("7", 300.0, 500.0)]


@pytest.mark.parametrize("book_between", [False, True])
def test_a_step_lost_hours_ago_is_still_known_to_be_done_again(
    gpu: Any, start_ms: int, book_between: bool
) -> None:
    # Goes back after half an hour, and takes until long after the look to come as far again.
    end = _train(gpu, "7", 0, range(0, 180), saved=60)
    if book_between:
        gpu.book(HOUR)
    again = _train(gpu, "7", end + 60, range(60, 240), made=180, every_s=60, last="completed")
    books = gpu.book(again + 60)
    assert _sums(books, start_ms)["steps_replayed"] == 120
    first = [books.minutes("job", hour) for hour in books.hours()]
    gpu.book(again + 60)
    second = [books.minutes("job", hour) for hour in books.hours()]
    for one, other in zip(first, second, strict=True):
        assert one is not None and other is not None and one.equals(other)
    assert audit(books.root.parent) == []


def test_ranks_that_tell_the_step_a_little_later_do_not_look_like_going_back(
    gpu: Any, start_ms: int
) -> None:
    rows = {float(s): {"step": s // 10, "steps_total": s // 10} for s in range(0, 1000, 10)}
    gpu.counts("7", rows)
    gpu.counts("7", {s + 1: {"step": max(0, int(s) // 10 - 1)} for s in rows}, node="n2")
    books = gpu.book(HOUR)
    assert _sums(books, start_ms)["steps_replayed"] == 0
    assert books.frame("undone", UNDONE).is_empty()


def test_tokens_of_every_rank_are_replayed_with_the_steps(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 50), last="failed")
    _train(gpu, "7.1", 1000, range(40, 60), last="completed")
    tokens = {1000.0 + 10 * i: {"tokens_trained_total": 500 * i} for i in range(21)}
    gpu.counts("7.1", tokens, node="n2")
    books = gpu.book(HOUR)
    assert _sums(books, start_ms, "7.1")["tokens_replayed"] == 10 * (1000 + 500)


def test_a_job_that_does_not_say_where_it_went_on_from_is_not_thought_to_start_anew(
    gpu: Any, start_ms: int
) -> None:
    _train(gpu, "7", 0, range(0, 100), last="timeout")
    _train(gpu, "7.1", 1500, range(100, 150), resumed=0, last="completed")
    books = gpu.book(HOUR)
    assert _sums(books, start_ms)["steps_replayed"] == 0
    assert _lost(books, start_ms) == []


def test_a_job_that_tells_no_steps_replays_nobody_knows_what(gpu: Any, start_ms: int) -> None:
    gpu.counts("7", {float(s): {"tokens_trained_total": 10 * s} for s in range(0, 600, 10)})
    assert _sums(gpu.book(HOUR), start_ms)["tokens_replayed"] is None


def test_what_an_earlier_job_committed_that_is_heard_of_late_reopens_the_later_ones_hours(
    gpu: Any, start_ms: int
) -> None:
    _train(gpu, "7.1", 5 * HOUR, range(60, 150), last="completed")
    books = gpu.book(8 * HOUR)
    assert _sums(books, start_ms, "7.1")["steps_replayed"] == 0
    _train(gpu, "7", 0, range(0, 100), saved=60, last="failed")
    gpu.take_dirty = lambda: {("test", start_ms)}
    books = gpu.book(8 * HOUR)
    assert _sums(books, start_ms, "7.1")["steps_replayed"] == 40
    assert audit(books.root.parent) == []


# Work thrown away


def test_work_after_the_step_that_was_gone_on_from_is_lost(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), saved=60, last="node_fail")
    _train(gpu, "7.1", 1500, range(60, 150), last="completed")
    assert _lost(gpu.book(HOUR), start_ms) == [("7", 600.0, None)]


def test_a_run_that_goes_on_from_an_older_checkpoint_loses_more(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), saved=60, last="timeout")
    _train(gpu, "7.1", 1500, range(20, 30), last="failed")
    _train(gpu, "7.2", 2000, range(20, 80), last="completed")
    # The second job's work was done again as well, all of it.
    assert _lost(gpu.book(HOUR), start_ms) == [("7", 200.0, None), ("7.1", None, None)]


def test_a_failed_job_loses_what_came_after_its_newest_checkpoint(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), saved=60, last="failed")
    assert _lost(gpu.book(HOUR), start_ms) == [("7", 600.0, None)]


def test_a_failed_job_that_never_saved_loses_all(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), last="failed")
    gpu.info("quiet", 0, 100, state="failed")
    assert _lost(gpu.book(HOUR), start_ms) == [("7", None, None), ("quiet", None, None)]


def test_a_failed_job_that_all_was_kept_of_loses_nothing(gpu: Any, start_ms: int) -> None:
    _train(gpu, "7", 0, range(0, 100), saved=100, last="failed")
    _train(gpu, "7.1", 1500, range(100, 150), last="completed")
    assert _lost(gpu.book(HOUR), start_ms) == []


@pytest.mark.parametrize("state", ["completed", "timeout", "cancelled", "preempted"])
def test_a_job_that_did_not_fail_loses_only_what_is_seen_to_be_done_again(
    gpu: Any, start_ms: int, state: str
) -> None:
    _train(gpu, "7", 0, range(0, 100), saved=60, last=state)
    assert _lost(gpu.book(HOUR), start_ms) == []


def test_more_tokens_are_done_again_than_32_bits_hold(gpu: Any, start_ms: int) -> None:
    tokens = 3 * 10**9
    _train(gpu, "7", 0, range(0, 100), saved=60, tokens=tokens, last="node_fail")
    _train(gpu, "7.1", 1300, range(60, 150), resumed=60, tokens=tokens, last="completed")
    found = _sums(gpu.book(HOUR), start_ms, "7.1")
    assert found["tokens_replayed"] == 40 * tokens
    assert found["tokens_trained"] == 50 * tokens
