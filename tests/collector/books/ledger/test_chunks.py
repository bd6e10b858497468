from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger import chunks
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Hour
from wattline_collector.ledger.records import INVENTORY
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS

HOUR = 3600
DAY_MS = 24 * HOUR_MS
START_MS = 1_793_491_200_000


def _day(system: str = "s", day: int = 0) -> set[Hour]:
    start = START_MS + day * DAY_MS
    return {Hour(system, start + hour * HOUR_MS) for hour in range(24)}


def _lengths(found: list[chunks.Chunk]) -> list[int]:
    return [len(chunk.hours) for chunk in found]


def test_a_day_is_booked_at_once_where_memory_has_room_for_it() -> None:
    found = chunks.chunks_of(_day() | _day(day=1), {"s": 60_000.0})
    assert _lengths(found) == [24, 24]
    assert {chunk.pieces for chunk in found} == {24 * 60_000}


def test_of_a_large_system_some_hours_are_and_of_a_huge_one_each_alone() -> None:
    assert _lengths(chunks.chunks_of(_day(), {"s": 480_000.0})) == [3] * 8
    assert _lengths(chunks.chunks_of(_day(), {"s": 1e9})) == [1] * 24


def test_hours_of_a_system_that_nobody_described_are_booked_by_the_day() -> None:
    hours = _day("a") | _day("b") - {Hour("b", START_MS + 5 * HOUR_MS)}
    found = chunks.chunks_of(hours, {})
    assert [(chunk.system, len(chunk.hours)) for chunk in found] == [("a", 24), ("b", 5), ("b", 18)]


def test_a_device_counts_by_the_minute_or_by_the_sample_whichever_is_more() -> None:
    periods = [None, 0, 1_000, 10_000, 60_000, 600_000]
    inventory = pl.DataFrame(
        [
            {"system": "s", "kind": "device", "key": str(place), "period_ms": period}
            for place, period in enumerate(periods)
        ]
        + [{"system": "s", "kind": "node", "key": "n", "period_ms": 1}],
        schema=INVENTORY,
    )
    assert chunks.paces(inventory) == {"s": 60 + 60 + 3600 + 360 + 60 + 60}


def test_books_are_the_same_however_many_hours_are_booked_at_once(
    telemetry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.device()
    for first, last in ((0, 2.3 * HOUR), (4.1 * HOUR, 6 * HOUR)):
        telemetry.samples(
            first_s=first, last_s=last, sm_active_ratio=lambda s: 0.0 if s < HOUR else 0.6,
            counter=lambda s: 400 * s,
        )  # fmt: skip
    telemetry.assign("j", 1800, 5 * HOUR)
    whole = _books(telemetry)
    monkeypatch.setattr(chunks, "MOST_PIECES", 1)
    monkeypatch.setattr("wattline_collector.ledger.booking.MOST_AT_ONCE", 1)
    telemetry.path = telemetry.path / "again"
    apart = _books(telemetry)
    for table, entries in whole.items():
        assert entries.equals(apart[table])


def _books(telemetry: Any) -> dict[str, pl.DataFrame]:
    books = telemetry.book(6 * HOUR)
    assert audit(telemetry.path) == []
    end_ms = START_MS + 6 * HOUR_MS
    return {table: books.read(table, START_MS, end_ms) for table in ENTRIES}
