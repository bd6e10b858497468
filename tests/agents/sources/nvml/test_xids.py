"""Each error counted once, however often it is told."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_agents.sources.nvml.xids import XidBook

T0 = 1_790_000_000_000
EVENT, LINE = False, True


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ([(0, EVENT)], 1),
        ([(0, EVENT), (0, EVENT)], 2),
        ([(0, LINE)], 1),
        ([(0, EVENT), (2, LINE)], 1),
        ([(0, LINE), (2, EVENT)], 1),
        ([(0, EVENT), (1, EVENT), (2, LINE), (2, LINE)], 2),
        ([(0, EVENT), (1, LINE), (2, LINE)], 2),
        ([(0, EVENT), (6, LINE)], 2),
        ([(0, EVENT), (4, LINE), (60, EVENT), (61, LINE)], 2),
    ],
)
def test_an_event_and_a_line_near_to_each_other_are_one(
    told: list[tuple[int, bool]], count: int
) -> None:
    book = XidBook()
    for second, from_log in told:
        book.add("GPU-a", 79, T0 + second * 1000, from_log=from_log)
    (row,) = book.rows(T0 + 90_000)
    assert (row["count_total"], book.total("GPU-a")) == (count, count)


def test_numbers_and_devices_are_kept_apart() -> None:
    book = XidBook()
    for device, xid in (("GPU-a", 13), ("GPU-a", 31), ("GPU-b", 13)):
        book.add(device, xid, T0)
    rows: list[Any] = book.rows(T0)
    assert [(row["device"], row["xid"], row["count_total"]) for row in rows] == [
        ("GPU-a", 13, 1),
        ("GPU-a", 31, 1),
        ("GPU-b", 13, 1),
    ]
    assert (book.total("GPU-a"), book.total("GPU-b"), book.total("GPU-c")) == (2, 1, 0)


def test_the_time_of_the_last_is_told() -> None:
    book = XidBook()
    book.add("GPU-a", 13, T0)
    book.add("GPU-a", 13, T0 + 60_500)
    (row,) = book.rows(T0 + 61_000)
    assert row["last_unix_seconds"] == T0 / 1000 + 60.5


def test_only_news_is_sent_until_ten_minutes_have_passed() -> None:
    book = XidBook()
    assert book.rows(T0) == []
    book.add("GPU-a", 13, T0)
    assert len(book.rows(T0 + 1000)) == 1
    assert book.rows(T0 + 2000) == []
    book.add("GPU-b", 48, T0 + 3000)
    assert [row["device"] for row in book.rows(T0 + 3000)] == ["GPU-b"]
    assert len(book.rows(T0 + 600_000)) == 2


def test_a_device_that_shows_numbers_without_end_is_bounded() -> None:
    book = XidBook()
    for xid in range(1000):
        book.add("GPU-a", xid, T0)
    assert len(book.rows(T0)) == 64
