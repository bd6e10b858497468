"""What is worked out of samples before they are booked."""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger import intervals

HOUR_MS = 3_600_000


def test_what_is_expected_of_an_hour_follows_the_pace_of_its_own_rows() -> None:
    samples = pl.DataFrame(
        {
            "subject": pl.Series([0, 0, 0], dtype=pl.Int32),
            "time": [60_000, HOUR_MS + 60_000, 3 * HOUR_MS + 2_000],
            "period_ms": [60_000, 60_000, 2_000],
            "energy_joules_total": [1.0, 2.0, 3.0],
            "power_watts": [None, None, None],
        },
        schema_overrides={"power_watts": pl.Float64},
    )
    booked = pl.DataFrame(
        {
            "subject": pl.Series([0, 0, 0, 0, 1], dtype=pl.Int32),
            "minute": [0, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS, 0],
            "period_ms": [2_000, 2_000, 2_000, 2_000, 5_000],
        }
    )
    paced = intervals.with_pace(booked, intervals.paces(samples))
    # The third hour has no rows, and is taken to have gone on as the one before.
    assert paced["period_ms"].to_list() == [60_000, 60_000, 60_000, 2_000, 5_000]
    assert paced["minute"].to_list() == booked["minute"].to_list()
