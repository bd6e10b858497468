from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.audit import audit

HOUR = 3600
DAY = 24 * HOUR


def _job(telemetry: Any, start_ms: int, start_s: float = 0, end_s: float | None = None) -> None:
    # A job runs on something: without a node in the books there is no hour to book.
    telemetry.device()
    telemetry.add(
        "job_info",
        [
            {
                "time_unix_ms": start_ms + round((start_s if end_s is None else end_s) * 1000),
                "job": "j",
                "kind": "training",
                "start_unix_ms": start_ms + round(start_s * 1000),
                "end_unix_ms": None if end_s is None else start_ms + round(end_s * 1000),
            }
        ],
        period_ms=0,
    )


def _count(telemetry: Any, start_ms: int, points: dict[float, int], node: str = "n1") -> None:
    telemetry.add(
        "job",
        [
            {"time_unix_ms": start_ms + round(s * 1000), "job": "j", "tokens_trained_total": value}
            for s, value in points.items()
        ],
        node=node,
    )


def _booked(books: Any, start_ms: int) -> pl.DataFrame:
    frame = books.read("job", start_ms, start_ms + 10 * DAY * 1000)
    assert isinstance(frame, pl.DataFrame)
    return frame


def test_the_minutes_of_a_job_add_up_to_its_last_reading_exactly(
    telemetry: Any, start_ms: int
) -> None:
    _job(telemetry, start_ms, 7.7, 3000.3)
    last = 1_207_959_552
    _count(telemetry, start_ms, {7.7 + 13.7 * i: last * i // 218 for i in range(219)})
    booked = _booked(telemetry.book(HOUR), start_ms)
    assert booked["tokens_trained"].sum() == last


def test_what_was_made_before_the_first_row_arrived_is_booked_too(
    telemetry: Any, start_ms: int
) -> None:
    _job(telemetry, start_ms, 0, 600)
    _count(telemetry, start_ms, {300: 3000, 600: 6000})
    books = telemetry.book(HOUR)
    entries = books.minutes("job", books.hours()[0])
    assert entries is not None
    assert entries["tokens_trained"].to_list() == [600] * 10


def test_a_counter_that_began_anew_is_added_on(telemetry: Any, start_ms: int) -> None:
    _job(telemetry, start_ms, 0, 1800)
    _count(telemetry, start_ms, {0: 0, 600: 500, 610: 20, 1200: 300})
    assert _booked(telemetry.book(HOUR), start_ms)["tokens_trained"].sum() == 800


def test_ranks_that_count_on_several_nodes_are_added_up(telemetry: Any, start_ms: int) -> None:
    _job(telemetry, start_ms, 0, 1800)
    _count(telemetry, start_ms, {600: 500, 1200: 1000})
    _count(telemetry, start_ms, {600: 700, 1200: 1400}, node="n2")
    assert _booked(telemetry.book(HOUR), start_ms)["tokens_trained"].sum() == 2400


def test_a_job_over_several_days_is_booked_once(telemetry: Any, start_ms: int) -> None:
    _job(telemetry, start_ms, 0, 2 * DAY)
    _count(telemetry, start_ms, {float(s): 10 * s for s in range(0, 2 * DAY + 1, 600)})
    booked = _booked(telemetry.book(2 * DAY), start_ms)
    assert booked["tokens_trained"].sum() == 10 * 2 * DAY
    assert booked["running_ms"].sum() == 2 * DAY * 1000


def test_a_series_that_fell_silent_for_hours_goes_on_where_it_stood(
    telemetry: Any, start_ms: int
) -> None:
    _job(telemetry, start_ms, 0, DAY)
    _count(telemetry, start_ms, {0: 0, 600: 1000, 20 * HOUR: 5000, DAY: 6000})
    assert _booked(telemetry.book(DAY), start_ms)["tokens_trained"].sum() == 6000


def test_the_reading_before_the_window_is_found_however_old_it_is(
    telemetry: Any, start_ms: int
) -> None:
    _job(telemetry, start_ms, 0, 3 * DAY)
    _count(telemetry, start_ms, {0: 0, 600: 1000})
    telemetry.book(2 * DAY)
    _count(telemetry, start_ms, {2 * DAY + 3 * HOUR: 5000, 3 * DAY: 9000})
    booked = _booked(telemetry.book(3 * DAY), start_ms)
    assert booked["tokens_trained"].sum() == 9000


def test_a_job_that_first_counts_long_after_its_start_is_booked_from_its_start(
    telemetry: Any, start_ms: int
) -> None:
    _job(telemetry, start_ms, 0, 10 * HOUR)
    telemetry.book(4 * HOUR)
    _count(telemetry, start_ms, {5 * HOUR: 5000, 10 * HOUR: 10_000})
    booked = _booked(telemetry.book(10 * HOUR), start_ms)
    assert booked["tokens_trained"].to_list() == [1000] * 10


def test_what_a_job_does_not_count_is_unknown_and_not_zero(telemetry: Any, start_ms: int) -> None:
    _job(telemetry, start_ms, 0, 600)
    _count(telemetry, start_ms, {600: 100})
    booked = _booked(telemetry.book(HOUR), start_ms)
    assert booked["tokens_generated"].null_count() == booked.height


@pytest.mark.parametrize("until_s", [600, 650, HOUR])
def test_a_running_job_ran_until_now(telemetry: Any, start_ms: int, until_s: int) -> None:
    _job(telemetry, start_ms, 0)
    _count(telemetry, start_ms, {float(s): s for s in range(0, until_s + 1, 10)})
    booked = _booked(telemetry.book(until_s), start_ms)
    assert booked["running_ms"].sum() == until_s * 1000


def test_operations_beyond_whole_numbers_are_booked(telemetry: Any, start_ms: int) -> None:
    _job(telemetry, start_ms, 0, 600)
    telemetry.add("job", [{"time_unix_ms": start_ms + 600_000, "job": "j", "flops_total": 3.8e25}])
    books = telemetry.book(HOUR)
    assert _booked(books, start_ms)["flops"].sum() == pytest.approx(3.8e25)
    assert audit(books.root.parent) == []


def _tokens(books: Any, start_ms: int) -> list[int | None]:
    hours = books.read("job", start_ms, start_ms + 4 * HOUR * 1000).sort("minute")
    return list(hours["tokens_trained"])


def test_a_node_of_several_that_fell_silent_is_not_counted_from_nought_again(
    telemetry: Any, start_ms: int
) -> None:
    """Its job counts on by another node meanwhile, and hour after hour is booked by itself."""
    telemetry.device()
    telemetry.samples(last_s=4 * HOUR)
    hourly = {
        "n1": {float(s): {"tokens_trained_total": s} for s in range(0, 4 * HOUR + 1, 60)},
        "n2": {
            float(s): {"tokens_trained_total": 1000 * min(s, 600)}
            for s in (*range(0, 601, 60), *range(9000, 4 * HOUR + 1, 60))
        },
    }
    for hour in range(4):
        low, high = hour * HOUR, (hour + 1) * HOUR
        telemetry.take_dirty = lambda hour=hour: {("test", start_ms + hour * HOUR * 1000)}
        for node, rows in hourly.items():
            telemetry.counts("j", {s: r for s, r in rows.items() if low <= s < high}, node=node)
        books = telemetry.book(high)
    booked = _tokens(books, start_ms)
    assert sum(n or 0 for n in booked) == pytest.approx(4 * HOUR + 600_000, abs=60)
    assert booked[2] == pytest.approx(HOUR, abs=60)


def test_a_node_that_counts_late_is_booked_from_the_start_of_its_job(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.samples(last_s=3 * HOUR)
    for hour in range(3):
        low, high = hour * HOUR, (hour + 1) * HOUR
        telemetry.take_dirty = lambda hour=hour: {("test", start_ms + hour * HOUR * 1000)}
        telemetry.counts(
            "j", {float(s): {"tokens_trained_total": 0} for s in range(low, high, 60)}, node="n1"
        )
        if hour == 2:
            telemetry.counts("j", {9000.0: {"tokens_trained_total": 9000}}, node="n2")
        books = telemetry.book(high)
    assert _tokens(books, start_ms) == [HOUR, HOUR, 1800]


def test_jobs_that_ended_long_ago_are_not_looked_for_again(telemetry: Any, start_ms: int) -> None:
    """Or every booking would read all telemetry there ever was."""
    telemetry.device()
    telemetry.samples(last_s=30 * HOUR)
    telemetry.counts("old", {float(s): {"tokens_trained_total": s} for s in range(0, 600, 60)})
    telemetry.book(29 * HOUR)
    asked: list[tuple[int, int]] = []
    read = telemetry.read

    def watched(table: str, low: int, high: int) -> Any:
        if table == "job" and low < high:
            asked.append((low, high))
        return read(table, low, high)

    telemetry.read = watched
    telemetry.take_dirty = lambda: {("test", start_ms + 29 * HOUR * 1000)}
    telemetry.book(29.5 * HOUR)
    assert asked
    assert min(low for low, _ in asked) >= start_ms + 27 * HOUR * 1000
