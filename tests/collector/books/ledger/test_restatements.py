"""What changed in an hour that was booked again, by how much, and why."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.books import Books
from wattline_collector.ledger.chain import Sums, Why
from wattline_collector.ledger.restatements import (
    Change,
    Restatement,
    compared,
    reason,
    restatements,
)
from wattline_collector.registers.kept import update
from wattline_collector.registers.schema import OUTAGES
from wattline_collector.store.filenames import REGISTERS_DIR

HOUR = 3600
NONE: set[tuple[str, int]] = set()


@pytest.fixture
def books(telemetry: Any, clock: Any) -> Books:
    telemetry.device()
    telemetry.samples(last_s=6 * HOUR, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    booked = telemetry.book(6 * HOUR, clock)
    assert isinstance(booked, Books)
    telemetry.take_dirty = lambda: NONE
    clock.sleep(1)
    return booked


def _only(telemetry: Any) -> Restatement:
    (found,) = (one for one in restatements(telemetry.path) if one.changes)
    return found


def test_books_that_were_booked_once_have_no_restatements(books: Books) -> None:
    assert list(restatements(books.root.parent)) == []


def test_late_data_is_told_with_what_it_changed(telemetry: Any, clock: Any, start_ms: int) -> None:
    telemetry.device()
    for first, last in ((0, 1.25), (1.75, 6)):
        telemetry.samples(first_s=first * HOUR, last_s=last * HOUR, counter=lambda s: 400 * s)
    telemetry.book(6 * HOUR, clock)
    telemetry.samples(first_s=1.25 * HOUR + 10, last_s=1.75 * HOUR - 10, counter=lambda s: 400 * s)
    telemetry.take_dirty = lambda: {("test", start_ms + HOUR * 1000)}
    clock.sleep(60)
    telemetry.book(6 * HOUR, clock)
    found = _only(telemetry)
    assert str(found.hour) == "2026-11-01T01Z (test)"
    assert (found.before_at_ms, found.at_ms) == (clock.now_ms - 60_000, clock.now_ms)
    assert [str(change) for change in found.changes] == [
        "free (device) +1,800.000 s", "free (device) +720,000.0 J",
        "unobserved (device) -1,800.000 s", "unobserved (device) -720,000.0 J",
    ]  # fmt: skip
    assert reason(found.why) == "late data"


def _outage(telemetry: Any, start_ms: int, clock: Any) -> None:
    rows = pl.DataFrame(
        [{"system": "test", "scope": "system", "start_ms": start_ms + 2 * HOUR * 1000,
          "end_ms": start_ms + 3 * HOUR * 1000, "scheduled": True}],
        schema=OUTAGES.schema,
    )  # fmt: skip
    (telemetry.path / REGISTERS_DIR).mkdir(exist_ok=True)
    update(telemetry.path, OUTAGES, rows, origin="csv", source="x", now_ms=clock.now_ms)


def test_an_outage_that_is_written_down_later(
    books: Books, telemetry: Any, clock: Any, start_ms: int
) -> None:
    _outage(telemetry, start_ms, clock)
    telemetry.book(6 * HOUR, clock)
    found = _only(telemetry)
    assert found.why == (Why.OUTAGES,)
    assert {(one.name, one.unit, one.by) for one in found.changes} == {
        ("free", "ms", -3_600_000), ("free", "J", -1_440_000),
        ("maintenance", "ms", 3_600_000), ("maintenance", "J", 1_440_000),
    }  # fmt: skip


def test_a_state_of_a_node_that_the_scheduler_tells_later(
    books: Books, telemetry: Any, clock: Any, start_ms: int
) -> None:
    telemetry.node_state("down", 2 * HOUR, 3 * HOUR, said_s=6 * HOUR - 1)
    telemetry.take_dirty = lambda: {("test", start_ms + 5 * HOUR * 1000)}
    telemetry.book(6 * HOUR, clock)
    found = _only(telemetry)
    assert found.why == (Why.SCHEDULER,)
    assert {one.name for one in found.changes} == {"free", "down"}


def test_a_holding_that_becomes_known_later(
    books: Books, telemetry: Any, clock: Any, start_ms: int
) -> None:
    telemetry.assign("j", 2 * HOUR, 2.5 * HOUR, said_s=6 * HOUR - 1, method="prolog")
    telemetry.take_dirty = lambda: {("test", start_ms + 5 * HOUR * 1000)}
    telemetry.book(6 * HOUR, clock)
    found = _only(telemetry)
    assert Why.ASSIGNMENT in found.why and Why.LATE not in found.why
    assert {(one.name, one.by) for one in found.changes if one.unit == "ms"} == {
        ("busy", 1_800_000), ("free", -1_800_000),
    }  # fmt: skip


def test_an_end_of_a_job_that_its_scheduler_tells_later(
    telemetry: Any, clock: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.samples(last_s=6 * HOUR, sm_active_ratio=0.8)
    telemetry.assign("j", 0, 3 * HOUR, method="prolog")
    telemetry.book(6 * HOUR, clock)
    clock.sleep(1)
    telemetry.account("j", 0, 2 * HOUR, said_s=6 * HOUR - 1)
    telemetry.take_dirty = lambda: {("test", start_ms + 5 * HOUR * 1000)}
    telemetry.book(6 * HOUR, clock)
    found = _only(telemetry)
    assert str(found.hour) == "2026-11-01T02Z (test)"
    assert found.why == (Why.SCHEDULER,)
    assert {(one.name, one.by) for one in found.changes if one.unit == "ms"} == {
        ("busy", -3_600_000), ("free", 3_600_000),
    }  # fmt: skip


def test_they_can_be_asked_for_by_hour_and_by_when_they_were_made(
    books: Books, telemetry: Any, clock: Any, start_ms: int
) -> None:
    _outage(telemetry, start_ms, clock)
    telemetry.book(6 * HOUR, clock)
    hour, path = start_ms + 2 * HOUR * 1000, telemetry.path
    assert len(list(restatements(path, from_ms=hour, to_ms=hour + 1))) == 1
    assert list(restatements(path, from_ms=hour + 1)) == []
    assert list(restatements(path, to_ms=hour)) == []
    assert len(list(restatements(path, since_ms=clock.now_ms))) == 1
    assert list(restatements(path, since_ms=clock.now_ms + 1)) == []


def test_only_sums_that_differ_by_more_than_rounding_are_told() -> None:
    before: Sums = {
        "device": {"busy": [60_000.0, 100.0], "free": [0.0, None]},
        "tokens": {"trained": [7]},
    }
    after: Sums = {
        "device": {"busy": [60_000.0, 100.4], "free": [0.0, 3.0], "down": [5.0, None]},
        "node": {"busy": [1000.25, None]},
        "tokens": {"trained": [9], "prompt": [0]},
    }
    assert list(compared(before, after)) == [
        Change("device", "down", "ms", None, 5.0),
        Change("device", "free", "J", None, 3.0),
        Change("node", "busy", "ms", None, 1000.25),
        Change("tokens", "trained", "1", 7, 9),
    ]
    assert list(compared(after, after)) == []


def test_the_json_form_is_whole(books: Books, telemetry: Any, clock: Any, start_ms: int) -> None:
    _outage(telemetry, start_ms, clock)
    telemetry.book(6 * HOUR, clock)
    found = _only(telemetry).to_json()
    assert found["system"] == "test" and found["hour"] == "2026-11-01T02:00:00Z"
    assert found["at"] == "2026-11-02T00:00:01Z"
    assert found["instead_of"] == {"record": 3, "at": "2026-11-02T00:00:00Z"}
    assert found["why"] == ["outages-changed"]
    changes = found["changes"]
    assert isinstance(changes, list)
    assert {"table": "device", "name": "free", "unit": "ms", "before": 3_600_000.0,
            "after": None} in changes  # fmt: skip


def test_a_reason_that_is_not_known_here_is_told_as_it_stands() -> None:
    assert reason(["outages-changed", "the-moon"]) == "the register of outages changed, the-moon"
