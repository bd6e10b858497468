"""A digest tells whether the sums of an hour are the ones that were written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wattline_collector.ledger.day_digest import digests
from wattline_collector.ledger.schema import DEVICE, ENTRIES, JOB

START = datetime(2026, 11, 1, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
HOUR_MS = 3_600_000


def _device(*rows: dict[str, object], hour: int = 0) -> pl.DataFrame:
    common = {
        "system": "sim", "minute": START + timedelta(hours=hour), "node": "n1", "account": "busy",
        "duration_ms": 3_600_000,
    }  # fmt: skip
    return pl.DataFrame([common | row for row in rows], schema=DEVICE)


def _digests(device: pl.DataFrame, job: pl.DataFrame | None = None) -> dict[int, str]:
    none = {table: schema.to_frame() for table, schema in ENTRIES.items()}
    return digests(none | {"device": device} | ({} if job is None else {"job": job}))


def _one(*rows: dict[str, object]) -> str:
    return _digests(_device(*rows))[START_MS]


def test_books_without_sums_have_no_digests() -> None:
    assert _digests(DEVICE.to_frame()) == {}


def test_a_digest_is_the_same_wherever_the_hour_stands_in_its_day() -> None:
    first = _device({"device": "a", "energy_joules": 1.5}, {"device": "b"})
    second = _device({"device": "a", "job": "j"}, hour=1)
    alone = {**_digests(first), **_digests(second)}
    assert alone.keys() == {START_MS, START_MS + HOUR_MS}
    assert _digests(pl.concat([first, second])) == alone
    assert _digests(pl.concat([second, first])) == alone


@pytest.mark.parametrize(
    "other",
    [
        {"device": "b"},
        {"node": "n2"},
        {"job": None},
        {"account": "free"},
        {"duration_ms": 3_600_001},
        {"energy_joules": 1.5000000000000002},
        {"energy_joules": None},
        {"energy_method": "counter"},
        {"samples": 0},
        {"temperature_max_celsius": 0.0},
    ],
)
def test_any_other_value_has_another_digest(other: dict[str, object]) -> None:
    row = {"device": "a", "job": "j", "energy_joules": 1.5}
    assert _one(row | other) != _one(row)


def test_names_that_run_together_are_told_apart() -> None:
    one = _one({"device": "a", "job": "x"}, {"device": "bc", "job": "x"})
    assert one != _one({"device": "ab", "job": "x"}, {"device": "c", "job": "x"})


def test_a_table_more_or_less_has_another_digest() -> None:
    device = _device({"device": "a"})
    row = {"system": "sim", "minute": START, "job": "j", "running_ms": 1}
    job = pl.DataFrame([row], schema=JOB)
    assert _digests(device, job) != _digests(device)


def test_a_column_that_says_nothing_does_not_count() -> None:
    """A later program knows more columns, of which nothing is known of earlier hours."""
    device = _device({"device": "a", "energy_joules": 2.0})
    more = device.with_columns(pl.lit(None, dtype=pl.Float64).alias("known_later"))
    assert _digests(more) == _digests(device)


def test_an_hour_whose_rows_do_not_stand_together_has_none() -> None:
    first, second = _device({"device": "a"}), _device({"device": "a"}, hour=1)
    again = _device({"device": "b"})
    assert _digests(pl.concat([first, second, again])).keys() == {START_MS + HOUR_MS}
