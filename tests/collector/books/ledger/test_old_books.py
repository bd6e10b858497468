"""Books that were written before shares, accounting and phases were known."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi.query import overview
from wattline_collector.ledger import control
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books, sha256
from wattline_collector.ledger.inventory import ASSIGNMENTS
from wattline_collector.ledger.records import JOBS
from wattline_collector.ledger.schema import ENTRIES, JOB

HOUR = 3600
NEW = {
    "device": ["shared_ms"],
    "node": [],
    "job": JOB.names()[JOB.names().index("tokens_replayed") :],
}
"""The columns that were not known then."""


@pytest.fixture
def old(telemetry: Any) -> Books:
    """Two hours of a device and a job, as an earlier program left them."""
    telemetry.device()
    telemetry.samples(last_s=2 * HOUR, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    telemetry.assign("j", 0, 5000)
    telemetry.counts(
        "j", {float(s): {"tokens_trained_total": s, "step": s} for s in range(0, 5001, 10)}
    )
    books = telemetry.book(2 * HOUR)
    assert isinstance(books, Books)
    rmtree(books.root / "chain")
    for hour in books.hours():
        stated = books.control(hour)
        assert stated is not None
        for table, names in NEW.items():
            path = books.path(table, hour)
            _without(path, names)
            sums = control.booked(table, pl.read_parquet(path)).select("key", now="checksum")
            mine = pl.col("kind") == table
            stated = stated.join(sums, on="key", how="left").with_columns(
                pl.when(mine).then("now").otherwise("checksum").alias("checksum"),
                pl.when(mine)
                .then(pl.lit(sha256(path)))
                .otherwise("file_sha256")
                .alias("file_sha256"),
            )
            stated = stated.drop("now")
        stated.write_parquet(books.path("control", hour))
    for table, names in NEW.items():
        _without(books.day_path(table, "test", "2026-11-01"), names)
    _without(books.root / "jobs.parquet", JOBS.names()[JOBS.names().index("run") :])
    _without(books.root / "assignments.parquet", ["share"])
    for name in ("accounting", "node_states", "models", "undone", "outages"):
        (books.root / f"{name}.parquet").unlink(missing_ok=True)
    return books


def _without(path: Path, names: list[str]) -> None:
    pl.read_parquet(path).drop(names).write_parquet(path)


def test_they_are_read_with_nulls_for_what_was_not_known(old: Books, start_ms: int) -> None:
    for table, schema in ENTRIES.items():
        entries = old.read(table, start_ms, start_ms + 2 * HOUR * 1000)
        assert entries.schema == schema
    device = old.read("device", start_ms, start_ms + 2 * HOUR * 1000)
    assert device["shared_ms"].null_count() == device.height > 0
    assert old.jobs.schema == JOBS
    assert old.frame("assignments", ASSIGNMENTS)["share"].null_count() == 1


def test_they_still_balance(old: Books) -> None:
    assert audit(old.root.parent) == []


def test_an_altered_row_of_them_is_still_traced_to_its_device(old: Books) -> None:
    path = old.path("device", old.hours()[0])
    entries = pl.read_parquet(path)
    changed = pl.when(pl.int_range(pl.len()) == 3).then(pl.col("duration_ms") + 1)
    entries.with_columns(changed.otherwise("duration_ms").alias("duration_ms")).write_parquet(path)
    (found,) = audit(old.root.parent)
    assert found.subject == "device gpu0"


def test_figures_are_computed_from_them(old: Books) -> None:
    told = overview(old.root.parent)
    assert {figure.id: figure.value for figure in told.figures}["P01"] == 5000


def test_booking_goes_on_behind_them(old: Books, telemetry: Any, seconds: Any) -> None:
    telemetry.samples(first_s=2 * HOUR, last_s=3 * HOUR, counter=lambda s: 400 * s)
    telemetry.take_dirty = lambda: {("test", old.hours()[-1].start_ms + HOUR * 1000)}
    books = telemetry.book(3 * HOUR)
    assert sum(seconds(books).values()) == 3 * HOUR
    assert audit(books.root.parent) == []
    first = books.minutes("device", books.hours()[0])
    # The hours before were left as they were, but for the one the new rows reach into.
    assert first is not None and first["shared_ms"].null_count() == first.height
