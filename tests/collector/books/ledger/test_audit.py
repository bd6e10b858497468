from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import UsageError
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books

HOUR = 3600


@pytest.fixture
def books(telemetry: Any, start_ms: int) -> Books:
    """Three hours of two devices, a meter and a job."""
    for gpu in ("gpu0", "gpu1"):
        telemetry.device(gpu)
        telemetry.samples(gpu, last_s=3 * HOUR, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    telemetry.assign("j", 1000, 9000)
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "power_watts": 1500.0}
            for s in range(0, 3 * HOUR + 1, 10)
        ],
    )
    telemetry.add(
        "job",
        [
            {"time_unix_ms": start_ms + s * 1000, "job": "j", "tokens_trained_total": s - 1000}
            for s in range(1000, 9001, 10)
        ],
    )
    booked = telemetry.book(3 * HOUR)
    assert isinstance(booked, Books)
    return booked


def _path(books: Books, table: str, hour: int) -> Path:
    return books.path(table, books.hours()[hour])


def test_untouched_books_balance(books: Books) -> None:
    assert audit(books.root.parent) == []


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("duration_ms", pl.col("duration_ms") + 1),
        ("energy_joules", pl.col("energy_joules") * 1.01),
        ("account", pl.lit("down")),
        ("job", pl.lit("somebody-elses")),
        ("sm_active_ms", pl.col("sm_active_ms") + 5000.0),
        ("minute", pl.col("minute").dt.offset_by("1m")),
    ],
)
def test_an_altered_entry_is_named_by_hour_and_device(
    books: Books, column: str, change: pl.Expr
) -> None:
    path = _path(books, "device", 1)
    entries = pl.read_parquet(path)
    one = (pl.int_range(pl.len()) == 70) & (pl.col("device") == "gpu1")
    altered = entries.with_columns(
        pl.when(one)
        .then(change)
        .otherwise(pl.col(column))
        .cast(entries.schema[column])
        .alias(column)
    )
    assert not altered.equals(entries)
    altered.write_parquet(path)
    found = audit(books.root.parent)
    assert {(finding.hour, finding.subject) for finding in found} == {
        ("2026-11-01T01Z (test)", "device gpu1")
    }


def test_a_removed_entry_is_named(books: Books) -> None:
    path = _path(books, "device", 2)
    entries = pl.read_parquet(path)
    entries.filter(pl.int_range(pl.len()) != 0).write_parquet(path)
    found = [str(finding) for finding in audit(books.root.parent)]
    assert any(line.startswith("2026-11-01T02Z (test)  device gpu0:") for line in found)


@pytest.mark.parametrize("table", ["device", "node", "job"])
def test_a_removed_segment_is_named_by_hour_and_subjects(books: Books, table: str) -> None:
    _path(books, table, 0).unlink()
    found = audit(books.root.parent)
    names = {"device": "devices gpu0, gpu1", "node": "node n1", "job": "job j"}
    assert [(finding.hour, finding.subject) for finding in found] == [
        ("2026-11-01T00Z (test)", names[table])
    ]
    assert "missing" in found[0].problem


def test_an_hour_that_is_gone_altogether_is_named_with_its_devices(books: Books) -> None:
    for table in ("device", "node", "job", "control"):
        _path(books, table, 1).unlink()
    found = audit(books.root.parent)
    assert found[0].hour == "2026-11-01T01Z (test)"
    assert found[0].subject == "devices gpu0, gpu1"


@pytest.mark.parametrize("removed", [["control"], ["control", "device", "node", "job"]])
def test_the_last_hour_is_missed_too(books: Books, removed: list[str]) -> None:
    hour = books.hours()[-1]
    for table in removed:
        books.path(table, hour).unlink()
    found = audit(books.root.parent)
    assert ("2026-11-01T02Z (test)", "devices gpu0, gpu1") in {
        (finding.hour, finding.subject) for finding in found
    }


def test_a_segment_that_is_no_parquet_is_named_without_a_traceback(books: Books) -> None:
    _path(books, "device", 0).write_bytes(b"PAR1 nothing of the kind")
    found = audit(books.root.parent)
    assert found[0].hour == "2026-11-01T00Z (test)"
    assert "cannot be read" in found[0].problem


def test_sums_that_were_altered_are_named(books: Books) -> None:
    path = books.day_path("device", "test", "2026-11-01")
    sums = pl.read_parquet(path)
    sums.with_columns(
        pl.when(pl.int_range(pl.len()) == 0)
        .then(pl.col("energy_joules") * 2)
        .otherwise("energy_joules")
        .alias("energy_joules")
    ).write_parquet(path)
    found = audit(books.root.parent)
    assert [finding.subject for finding in found] == ["device gpu0"]
    assert "sum of its minutes" in found[0].problem


def test_sums_that_are_gone_are_named_with_their_hours_and_devices(books: Books) -> None:
    books.day_path("device", "test", "2026-11-01").unlink()
    (found,) = audit(books.root.parent)
    assert found.hour == "2026-11-01T00Z to 2026-11-01T02Z (test)"
    assert found.subject == "devices gpu0, gpu1"


def test_forged_control_and_entries_are_still_found_by_the_invariants(books: Books) -> None:
    """Someone who also mends the digest still has to explain the meter."""
    hour = books.hours()[0]
    control = books.control(hour)
    assert control is not None
    less = (
        pl.when(pl.col("key") == "gpu0")
        .then(pl.col("energy_joules") - 50)
        .otherwise("energy_joules")
    )
    control.with_columns(less.alias("energy_joules")).write_parquet(books.path("control", hour))
    found = audit(books.root.parent)
    assert [finding.subject for finding in found] == ["device gpu0", "every device"]
    assert "J metered" in found[0].problem
    assert "altered since record 1" in found[1].problem


def test_an_inventory_that_is_gone_is_named(books: Books) -> None:
    (books.root / "inventory.parquet").unlink()
    (found,) = audit(books.root.parent)
    assert found.subject == "devices gpu0, gpu1"
    assert found.problem == "not in the inventory"


def test_a_directory_without_books_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no booked hours"):
        audit(tmp_path)
