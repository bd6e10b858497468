from __future__ import annotations

import polars as pl

from wattline_collector.pages import errors
from wattline_collector.pages.buckets import Grid

GRID = Grid(0, 60_000, 10)


def rows(counter: str, *values: tuple[int, int | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "device": ["GPU-1"] * len(values),
            "time_unix_ms": [second * 1000 for second, _ in values],
            **{
                name: pl.Series(
                    [value if name == counter else None for _, value in values], dtype=pl.Int64
                )
                for name in errors.COUNTERS
            },
        }
    )


def test_the_life_of_a_device_and_its_driver_are_not_counted_twice() -> None:
    assert "ecc_uncorrected_volatile_total" in errors.COUNTERS
    assert not any("aggregate" in name or name == "xid_events_total" for name in errors.COUNTERS)


def test_a_counter_that_grew_is_an_event_and_one_that_stood_is_none() -> None:
    found = errors.counted(
        rows("pcie_replays_total", (30, 4), (60, 4), (90, 6), (120, 7), (240, None)), GRID
    )
    assert found == [
        {"device": "GPU-1", "at_ms": 120_000, "kind": "pcie_replays_total", "count": 3}
    ]


def test_a_counter_that_began_anew_tells_what_came_since() -> None:
    found = errors.counted(rows("pcie_replays_total", (30, 9), (90, 0), (150, 2)), GRID)
    assert [(event["at_ms"], event["count"]) for event in found] == [(150_000, 2)]


def test_the_first_reading_tells_nothing_of_the_period() -> None:
    assert errors.counted(rows("pcie_replays_total", (30, 900)), GRID) == []


def test_an_xid_that_is_repeated_happened_once() -> None:
    told = pl.DataFrame(
        {
            "device": ["GPU-1"] * 4,
            "xid": [79, 79, 79, 13],
            "time_unix_ms": [61_000, 120_000, 300_000, 70_000],
            "count_total": [1, 1, 3, 1],
            "last_unix_seconds": [60.0, 60.0, 290.0, None],
        }
    )
    found = errors.numbered(told, GRID)
    assert [(event["xid"], event["at_ms"], event["count"], event["class"]) for event in found] == [
        (79, 60_000, 1, "critical"),
        (13, 70_000, 1, "application"),
        (79, 290_000, 2, "critical"),
    ]


def test_of_very_many_the_newest_are_kept_and_the_others_counted() -> None:
    many = [{"at_ms": at} for at in range(errors.MOST + 7)]
    kept, left_out = errors.newest(list(reversed(many)))
    assert (len(kept), left_out, kept[-1]) == (errors.MOST, 7, many[-1])
