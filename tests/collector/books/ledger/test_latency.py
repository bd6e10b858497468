from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.books import Books

HOUR = 3600


def _page(
    telemetry: Any,
    second: float,
    buckets: Mapping[float | None, int],
    *,
    engine: str = "e1",
    seconds: float | None = None,
    kind: str = "first_token",
    start_ms: int,
) -> None:
    """One engine's histogram at one time."""
    telemetry.add(
        "latency",
        [
            {
                "time_unix_ms": start_ms + round(second * 1000),
                "job": "j",
                "engine": engine,
                "kind": kind,
                "le_seconds": bound,
                "latency_count_total": count,
                "latency_seconds_total": seconds if bound is None else None,
            }
            for bound, count in buckets.items()
        ],
    )


@pytest.fixture
def page(telemetry: Any, start_ms: int) -> Any:
    telemetry.device()
    telemetry.info("j", 0)

    def page(second: float, buckets: Mapping[float | None, int], **more: Any) -> None:
        _page(telemetry, second, buckets, start_ms=start_ms, **more)

    return page


def _told(books: Books, start_ms: int) -> dict[float | None, int]:
    found = books.latency(start_ms, start_ms + 10 * HOUR * 1000)
    sums = found.group_by("le_seconds", maintain_order=True).agg(pl.col("count").sum())
    return dict(sums.iter_rows())


def test_buckets_count_what_they_grew_by_hour_by_hour(
    telemetry: Any, page: Any, start_ms: int
) -> None:
    for second in range(15, 2 * HOUR, 15):
        page(second, {0.1: second // 15, 1.0: second // 5, None: second // 5}, seconds=0.5 * second)
    found = telemetry.book(2 * HOUR).latency(start_ms, start_ms + 2 * HOUR * 1000)
    assert found.select("le_seconds", "count").rows() == [
        (0.1, 240), (1.0, 720), (None, 720), (0.1, 239), (1.0, 717), (None, 717),
    ]  # fmt: skip
    assert found["seconds"].drop_nulls().to_list() == [pytest.approx(1800), pytest.approx(1792.5)]


def test_a_histogram_that_began_anew_is_added_on_as_a_whole(
    telemetry: Any, page: Any, start_ms: int
) -> None:
    page(15, {0.1: 5, 1.0: 5, None: 10})
    # No bucket but the last ran backwards; the others began anew all the same.
    page(30, {0.1: 6, 1.0: 7, None: 8})
    assert _told(telemetry.book(HOUR), start_ms) == {0.1: 11, 1.0: 12, None: 18}


def test_engines_are_added_up_at_the_bounds_they_share(
    telemetry: Any, page: Any, start_ms: int
) -> None:
    page(15, {0.1: 1, 0.5: 2, None: 3}, engine="e1")
    page(15, {0.1: 10, 0.7: 20, None: 30}, engine="e2")
    assert _told(telemetry.book(HOUR), start_ms) == {0.1: 11, None: 33}


def test_an_old_jobs_first_reading_only_says_where_it_stood(
    telemetry: Any, page: Any, start_ms: int
) -> None:
    page(3 * HOUR, {0.1: 1_000_000, None: 2_000_000})
    page(3 * HOUR + 15, {0.1: 1_000_001, None: 2_000_003})
    assert _told(telemetry.book(4 * HOUR), start_ms) == {0.1: 1, None: 3}


def test_the_first_reading_after_a_long_silence_only_says_where_it_stands(
    telemetry: Any, page: Any, start_ms: int
) -> None:
    page(15, {None: 2})
    page(30, {None: 5})
    page(2000, {None: 500})
    page(2015, {None: 501})
    assert _told(telemetry.book(HOUR), start_ms) == {None: 6}


def test_an_hour_that_has_none_any_more_keeps_none(
    telemetry: Any, page: Any, start_ms: int
) -> None:
    page(15, {0.1: 1, None: 1})
    assert _told(telemetry.book(HOUR), start_ms) == {0.1: 1, None: 1}
    telemetry.sent["latency"].clear()
    assert _told(telemetry.book(HOUR), start_ms) == {}
