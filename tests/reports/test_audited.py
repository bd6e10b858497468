"""What a report says of the proof of its books: which hours were checked, and what was found."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from wattline_collector.kpi.figure import Period
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.chain import chain_path
from wattline_reports.audited import Audited, audited

HOUR = timedelta(hours=1)


@pytest.fixture
def store(factory_store: Path, tmp_path: Path) -> Path:
    """A copy of a store of a few hours, to be damaged."""
    shutil.copytree(factory_store, tmp_path / "store")
    return tmp_path / "store"


def _hours(store: Path) -> list[Hour]:
    hours = Books(store).hours()
    assert len(hours) >= 3
    return hours


def _of(store: Path, first: int, last: int) -> Audited:
    """The proof of the hours from one up to another."""
    hours = _hours(store)
    return audited(store, Period(hours[first].time, hours[last - 1].time + HOUR))


def _alter(store: Path, hour: Hour) -> None:
    path = Books(store).path("device", hour)
    entries = pl.read_parquet(path)
    entries.with_columns(pl.col("energy_joules") * 1.5).write_parquet(path)


def test_the_hours_that_were_checked_are_said(store: Path) -> None:
    hours = _hours(store)
    proof = _of(store, 0, 2)
    assert proof.balanced
    assert proof.to_json()["checked_hours"] == {
        "count": 2,
        "first": f"{hours[0].time:%Y-%m-%dT%H:%M:%SZ}",
        "last": f"{hours[1].time:%Y-%m-%dT%H:%M:%SZ}",
        "added_up_again": 0,
    }
    assert proof.checked().startswith("Checked: 2\u00a0hours, of which the first began at ")
    assert proof.checked().endswith("The sums of 2 are those that the audit trail names.")


def test_sums_that_were_added_up_again_are_said(store: Path) -> None:
    hour = _hours(store)[0]
    path = Books(store).day_path("device", hour.system, hour.day)
    sums = pl.read_parquet(path)
    first = pl.col("minute") == hour.time
    slightly = pl.when(first).then(pl.col("energy_joules") + 1e-7).otherwise("energy_joules")
    sums.with_columns(slightly.alias("energy_joules")).write_parquet(path)
    proof = _of(store, 0, 2)
    assert proof.balanced
    assert proof.added_up == 1
    assert "The sums of 1 are those that the audit trail names; those of 1 were added up" in (
        proof.checked()
    )


def test_an_altered_entry_is_a_finding_of_its_period_alone(store: Path) -> None:
    _alter(store, _hours(store)[1])
    assert not _of(store, 1, 2).balanced
    assert "an entry was altered" in _of(store, 1, 2).findings[0]
    assert _of(store, 0, 1).balanced
    assert _of(store, 2, 3).balanced


def test_an_altered_trail_is_a_finding_of_every_period(store: Path) -> None:
    path = chain_path(Books(store).root, _hours(store)[0].system)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    for place in range(3):
        assert not _of(store, place, place + 1).balanced


def test_a_period_without_an_hour_was_not_checked(store: Path) -> None:
    then = datetime(1999, 1, 1, tzinfo=UTC)
    proof = audited(store, Period(then, then + HOUR))
    assert not proof.balanced
    assert proof.checked() == "No hour was checked."
    assert proof.to_json()["checked_hours"] == {
        "count": 0, "first": None, "last": None, "added_up_again": 0,
    }  # fmt: skip
