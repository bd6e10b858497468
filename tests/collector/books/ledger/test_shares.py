from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger import shares
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.schema import ACCOUNT

HOUR = 3600


def _pieces(*durations: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "group": pl.Series([0] * len(durations), dtype=pl.Int32),
            "duration_ms": durations,
            "account": pl.Series(["busy"] * len(durations), dtype=ACCOUNT),
            "rest_account": pl.Series(["free"] * len(durations), dtype=ACCOUNT),
        }
    )


def _members(**parts: float) -> pl.DataFrame:
    return pl.DataFrame(
        [(0, job, share) for job, share in parts.items()],
        schema={"group": pl.Int32, "job": pl.String, "share": pl.Float64},
        orient="row",
    )


@pytest.mark.parametrize(
    ("parts", "duration"),
    [
        ({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, 10_000),
        ({"a": 1 / 7, "b": 2 / 7}, 999),
        ({"a": 0.5, "b": 0.25}, 1),
        ({f"j{i}": 1 / 48 for i in range(48)}, 1_237),
        ({"a": 0.1}, 3),
    ],
)
def test_the_parts_of_a_piece_are_whole_milliseconds_that_add_up(
    parts: dict[str, float], duration: int
) -> None:
    split = shares.split(_pieces(duration, duration), _members(**parts))
    assert split["duration_ms"].sum() == 2 * duration
    assert split["part"].sum() == pytest.approx(2)
    for job, share in parts.items():
        mine = split.filter(pl.col("job").cast(pl.String) == job)["duration_ms"]
        assert all(abs(ms - share * duration) < 1 for ms in mine)
    assert split["counts"].sum() == 2  # the sample that ends a piece counts once


def test_a_part_too_small_for_a_millisecond_has_no_joules_either() -> None:
    split = shares.split(_pieces(10, 1), _members(a=0.97, b=0.03))
    assert split.filter(pl.col("duration_ms") == 0)["part"].to_list() == [0, 0]
    assert split["part"].sum() == pytest.approx(2)


def test_what_is_left_over_goes_to_the_largest_remainders() -> None:
    split = shares.split(_pieces(10), _members(a=0.36, b=0.35, c=0.29)).sort("job")
    # 3.6, 3.5 and 2.9 ms: two whole ones are left after 3 + 3 + 2.
    assert split["duration_ms"].to_list() == [4, 3, 3]


def test_a_piece_nobody_shares_is_left_as_it_is() -> None:
    split = shares.split(_pieces(1000), _members(a=1.0))
    assert split.select("job", "duration_ms", "shared").rows() == [("a", 1000, False)]


def test_jobs_on_a_shared_device_get_time_and_joules_by_share_and_the_rest_is_free(
    telemetry: Any, seconds: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6, counter=lambda s: 400 * s)
    telemetry.assign("small", 0, HOUR, method="kubernetes", share=0.25)
    telemetry.assign("large", 0, 1800, method="kubernetes", share=0.5)
    books = telemetry.book(HOUR)
    assert seconds(books, job="small") == {"busy": 900.0}
    assert seconds(books, job="large") == {"busy": 900.0}
    assert seconds(books, job=None) == {"free": 1800.0}
    assert joules(books, job="small") == {"busy": pytest.approx(0.25 * 400 * HOUR)}
    assert joules(books, job="large") == {"busy": pytest.approx(0.5 * 400 * 1800)}
    assert sum(joules(books).values()) == pytest.approx(400 * HOUR)
    assert audit(books.root.parent) == []


def test_what_was_split_by_share_says_that_it_is_an_estimate(telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6)
    telemetry.assign("part", 0, 1800, share=0.25)
    telemetry.assign("whole", 1800, HOUR)
    books = telemetry.book(HOUR)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    shared = entries.group_by("job").agg(pl.col("shared_ms").sum() / 1000)
    assert dict(shared.iter_rows()) == {"part": 450.0, None: 1350.0, "whole": 0.0}
    sums = books.read("device", start_ms, start_ms + HOUR * 1000)
    assert sums["shared_ms"].sum() == 1_800_000


def test_activity_is_shared_like_time_and_adds_up(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6)
    telemetry.assign("a", 0, HOUR, share=1 / 3)
    telemetry.assign("b", 0, HOUR, share=1 / 3)
    books = telemetry.book(HOUR)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    assert entries["sm_active_ms"].sum() == pytest.approx(0.6 * HOUR * 1000)
    assert entries["samples"].sum() == 360


def test_more_than_all_given_away_is_scaled(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6)
    telemetry.assign("a", 0, HOUR, share=0.9)
    telemetry.assign("b", 0, HOUR, share=0.6)
    books = telemetry.book(HOUR)
    assert seconds(books, job="a") == {"busy": pytest.approx(0.6 * HOUR, abs=0.5)}
    assert seconds(books, job="b") == {"busy": pytest.approx(0.4 * HOUR, abs=0.5)}
    assert sum(seconds(books).values()) == HOUR


@pytest.mark.parametrize("share", [None, 1.0, 0.0, -0.5, 7.0, float("nan")])
def test_no_share_or_none_that_can_be_is_the_whole_device(
    telemetry: Any, seconds: Any, share: float | None
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6)
    telemetry.assign("a", 0, HOUR, share=share)
    assert seconds(telemetry.book(HOUR)) == {"busy": float(HOUR)}


def test_a_whole_claim_and_parts_follow_one_another(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6)
    telemetry.assign("whole", 0, 2000)
    telemetry.assign("part", 1000, HOUR, share=0.5)
    telemetry.assign("next", 3000, HOUR)
    books = telemetry.book(HOUR)
    assert seconds(books, job="whole") == {"busy": 1000.0}
    assert seconds(books, job="part") == {"busy": 1000.0}
    assert seconds(books, job="next") == {"busy": 600.0}


def test_the_idle_limit_of_a_part_is_a_part_of_the_limit(telemetry: Any, seconds: Any) -> None:
    """A seventh of a device that works at two thirds is a tenth of the device."""
    telemetry.device("gpu0")
    telemetry.samples("gpu0", last_s=HOUR, sm_active_ratio=0.04)
    telemetry.assign("part", 0, HOUR, "gpu0", share=1 / 7)
    telemetry.device("gpu1")
    telemetry.samples("gpu1", last_s=HOUR, sm_active_ratio=0.04)
    telemetry.assign("whole", 0, HOUR, "gpu1")
    books = telemetry.book(HOUR)
    assert set(seconds(books, job="part")) == {"busy"}
    assert set(seconds(books, job="whole")) == {"held"}


def test_throttled_time_of_a_shared_device_is_split_too(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(
        last_s=HOUR,
        sm_active_ratio=0.9,
        throttle_power_cap_seconds_total=lambda s: 0.25 * s,
    )
    telemetry.assign("a", 0, HOUR, share=0.5)
    books = telemetry.book(HOUR)
    assert seconds(books, job="a") == {"busy": 1350.0, "slowed": 450.0}
    assert seconds(books, job=None) == {"free": 1800.0}


def test_a_gap_on_a_shared_device_is_unmeasured_for_its_jobs_and_unobserved_for_the_rest(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=1800, sm_active_ratio=0.9)
    telemetry.assign("a", 0, HOUR, share=0.25)
    books = telemetry.book(HOUR)
    assert seconds(books, job="a") == {"busy": 450.0, "unmeasured": 450.0}
    assert seconds(books, job=None) == {"free": 1350.0, "unobserved": 1350.0}


def test_a_nodes_energy_follows_the_shares_of_its_devices(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    for gpu in ("a", "b"):
        telemetry.device(gpu)
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "power_watts": 1000.0}
            for s in range(0, HOUR + 1, 10)
        ],
    )
    telemetry.assign("half", 0, HOUR, "a", share=0.5)
    telemetry.assign("whole", 0, HOUR, "b")
    books = telemetry.book(HOUR)
    assert joules(books, "node", job="half") == {"unmeasured": pytest.approx(250 * HOUR)}
    assert joules(books, "node", job="whole") == {"unmeasured": pytest.approx(500 * HOUR)}
    assert joules(books, "node", job=None) == {"unobserved": pytest.approx(250 * HOUR)}
    assert audit(books.root.parent) == []
