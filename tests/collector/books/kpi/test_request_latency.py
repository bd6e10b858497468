from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HOUR = 3600
SERVES = {"tokens_generated_total": 10.0, "requests_total": 1.0}


def _histogram(
    factory: Any, job: str, buckets: Mapping[float | None, int], *, kind: str = "first_token",
    start_s: int = 0, end_s: int = HOUR, engine: str = "e",
) -> None:  # fmt: skip
    """An engine's buckets, cumulative, at the end of a time in which they grew evenly."""
    rows = [
        {
            "time_unix_ms": factory.hours(second / HOUR, 1e3).start.timestamp() * 1000,
            "job": job, "engine": engine, "kind": kind, "le_seconds": bound,
            "latency_count_total": round(count * (second - start_s) / (end_s - start_s)),
        }
        for second in range(start_s, end_s + 1, 600)
        for bound, count in buckets.items()
    ]  # fmt: skip
    rows = [row | {"time_unix_ms": round(row["time_unix_ms"])} for row in rows]
    factory.telemetry.add("latency", rows)


def _serve(factory: Any, job: str, device: str, end_s: int = HOUR, **info: Any) -> None:
    factory.device(device, until_s=end_s)
    factory.job(job, 0, end_s, device, rates=SERVES, kind="inference", **info)


def test_a_quantile_is_the_bucket_that_it_lies_in(factory: Any) -> None:
    _serve(factory, "s", "a")
    _histogram(factory, "s", {0.1: 600, 0.5: 960, 1.0: 1080, None: 1200})
    factory.book(HOUR)
    half = factory.one("P06", kind="first_token", quantile="p50")
    assert (half.low, half.value, half.high) == (0, 100, 100)
    most = factory.one("P06", kind="first_token", quantile="p99")
    assert (most.value, most.status) == (None, Status.UNKNOWN)
    assert most.note == "longer than the last bucket of an engine, 1000.0 ms"
    assert (half.n, half.coverage, half.unit) == (1200, 1, "ms")
    assert factory.one("P06", kind="first_token", quantile="p95").value is None


def test_engines_that_served_nobody_say_so(factory: Any) -> None:
    _serve(factory, "s", "a")
    _histogram(factory, "s", {0.1: 0, None: 0})
    factory.book(HOUR)
    (figure,) = factory.figures("P06")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)
    assert figure.note == "no request of this period came to its end"


def test_buckets_of_several_engines_are_added_up_and_never_their_quantiles(factory: Any) -> None:
    _serve(factory, "quick", "a")
    _serve(factory, "slow", "b")
    _histogram(factory, "quick", {0.1: 1140, 0.5: 1200, None: 1200})
    _histogram(factory, "slow", {0.1: 0, 0.5: 60, None: 60})
    factory.book(HOUR)
    # 1,140 of 1,260 were within 0.1 s: 90.5 %.
    assert factory.one("P06", kind="first_token", quantile="p50").value == 100
    assert factory.one("P06", kind="first_token", quantile="p95").value == 500
    slow = factory.one("P06", job="slow", kind="first_token", quantile="p50")
    assert (slow.low, slow.value) == (100, 500)


def test_engines_with_other_bounds_widen_the_answer_and_are_not_lost(factory: Any) -> None:
    _serve(factory, "fine", "a")
    _serve(factory, "coarse", "b")
    _histogram(factory, "fine", {0.1: 600, 0.2: 1200, 0.4: 1200, None: 1200})
    _histogram(factory, "coarse", {0.4: 1200, None: 1200})
    factory.book(HOUR)
    # All of the coarse one's may have been within 0.1 s, or all just within 0.4 s.
    half = factory.one("P06", kind="first_token", quantile="p50")
    assert (half.low, half.value, half.n) == (0, 200, 2400)
    most = factory.one("P06", kind="first_token", quantile="p99")
    assert (most.low, most.value) == (100, 400)


def test_hours_and_services_can_be_told_apart(factory: Any) -> None:
    _serve(factory, "s", "a", 2 * HOUR, name="chat")
    for start_s, engine, bound in ((0, "first", 0.1), (HOUR, "second", 0.5)):
        _histogram(
            factory, "s", {bound: 60, 2.0: 60, None: 60}, start_s=start_s, engine=engine,
            end_s=start_s + HOUR,
        )  # fmt: skip
    factory.book(2 * HOUR)
    by_hour = [
        figure.value for figure in factory.figures("P06", by="hour")
        if figure.dims["quantile"] == "p50"
    ]  # fmt: skip
    assert by_hour == [100, 500]
    assert factory.one("P06", service="chat", kind="first_token", quantile="p99").value == 500


def test_services_whose_engines_tell_nothing_lower_the_coverage(factory: Any) -> None:
    _serve(factory, "tells", "a")
    _serve(factory, "silent", "b")
    _histogram(factory, "tells", {0.1: 60, None: 60})
    factory.book(HOUR)
    figure = factory.one("P06", kind="first_token", quantile="p50")
    assert figure.coverage == pytest.approx(0.5)
    assert figure.status is Status.PARTIAL


def test_nothing_told_is_unknown_and_says_how_it_could_be(factory: Any) -> None:
    _serve(factory, "silent", "a")
    factory.book(HOUR)
    (figure,) = factory.figures("P06")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)
    assert "no engine" in figure.note
    assert factory.figures("P06", by="job") == []
