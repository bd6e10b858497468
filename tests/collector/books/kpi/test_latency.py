from __future__ import annotations

import polars as pl
import pytest

from wattline_collector.kpi.latency import (
    Quantile,
    buckets,
    mean_seconds,
    newest,
    quantile,
    total,
)

TEN = ((0.1, 2), (0.5, 9), (1.0, 9), (None, 10))


@pytest.mark.parametrize(
    ("q", "text"),
    [
        (0.1, "<= 0.1 s"),
        (0.2, "<= 0.1 s"),
        (0.21, "0.1-0.5 s"),
        (0.9, "0.1-0.5 s"),
        (0.91, "> 1 s"),
        (1.0, "> 1 s"),
    ],
)
def test_a_quantile_is_the_bucket_it_lies_in(q: float, text: str) -> None:
    found = quantile(TEN, q)
    assert str(found) == text
    assert str(quantile(reversed(TEN), q)) == text


def test_beyond_the_last_bound_nobody_knows_how_far() -> None:
    assert quantile(TEN, 0.95) == Quantile(1.0, None)
    assert Quantile(1.0, None).is_beyond
    assert not Quantile(0.1, 0.5).is_beyond


def test_of_nothing_there_is_no_quantile_and_no_mean() -> None:
    assert quantile([], 0.5) is None
    assert quantile([(1.0, 0), (None, 0)], 0.5) is None
    assert mean_seconds(0.0, 0) is None
    assert mean_seconds(None, 5) is None
    assert mean_seconds(3.0, 2) == 1.5


@pytest.mark.parametrize("q", [0, -0.1, 1.1, float("nan")])
def test_what_is_no_quantile_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="not a quantile"):
        quantile(TEN, q)


def rows(*said: tuple[int, str, float | None, int, float | None]) -> pl.DataFrame:
    """Rows of table `latency` of one job: time, engine, bound, count, sum."""
    return pl.DataFrame(
        [
            {
                "system": "s",
                "node": "n",
                "time_unix_ms": time,
                "job": "j",
                "engine": engine,
                "kind": "request",
                "le_seconds": bound,
                "latency_count_total": count,
                "latency_seconds_total": seconds,
            }
            for time, engine, bound, count, seconds in said
        ],
        schema_overrides={"le_seconds": pl.Float64, "latency_seconds_total": pl.Float64},
    )


def test_what_was_said_last_counts() -> None:
    frame = rows((1, "a", None, 200, 1000.0), (2, "a", None, 220, 1100.0))
    assert buckets(newest(frame), "j", "request") == ((None, 220),)


def test_engines_add_up_at_the_bounds_they_share() -> None:
    frame = rows(
        (1, "a", 0.5, 1, None),
        (1, "a", 1.0, 2, None),
        (1, "a", None, 3, 3.0),
        (1, "b", 1.0, 20, None),
        (1, "b", None, 30, 30.0),
    )
    assert buckets(newest(frame), "j", "request") == ((1.0, 22), (None, 33))
    assert total(newest(frame), "j", "request") == (33.0, 33)


def test_a_job_that_nobody_timed_has_no_total() -> None:
    assert total(newest(rows((1, "a", None, 3, 3.0))), "other", "request") == (None, None)
