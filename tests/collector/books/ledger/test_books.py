from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.kpi.view import load
from wattline_collector.ledger import books, scanned
from wattline_collector.ledger.books import Books, load_all
from wattline_collector.ledger.schema import DEVICE, HOUR_MS

SCHEMA = pl.Schema({"job": pl.String(), "ms": pl.Int64(), "later": pl.Float64()})


def _written(path: Path, **columns: list[object]) -> Path:
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_many_files_are_read_in_their_order(tmp_path: Path) -> None:
    first = _written(tmp_path / "b.parquet", job=["x"], ms=[1], later=[0.5])
    second = _written(tmp_path / "a.parquet", job=["y", "x"], ms=[2, 3], later=[1.5, 2.5])
    found = load_all([first, second], SCHEMA)
    assert found.schema == SCHEMA
    assert found.rows() == [("x", 1, 0.5), ("y", 2, 1.5), ("x", 3, 2.5)]
    assert load_all([first, second], SCHEMA, pl.col("job") == "x")["ms"].to_list() == [1, 3]
    assert load_all([], SCHEMA).schema == SCHEMA


def test_a_column_that_an_earlier_program_did_not_know_is_null(tmp_path: Path) -> None:
    old = _written(tmp_path / "old.parquet", job=["x"], ms=[1])
    new = _written(tmp_path / "new.parquet", job=["y"], ms=[2], later=[0.5])
    assert load_all([old, new], SCHEMA)["later"].to_list() == [None, 0.5]


def test_a_column_of_an_earlier_kind_is_read_as_it_is_now(tmp_path: Path) -> None:
    small = pl.DataFrame({"job": ["x"], "ms": [1], "later": [None]}, schema_overrides={
        "ms": pl.Int32(), "later": pl.Float64()})  # fmt: skip
    small.write_parquet(tmp_path / "small.parquet")
    new = _written(tmp_path / "new.parquet", job=["y"], ms=[2], later=[0.5])
    assert load_all([tmp_path / "small.parquet", new], SCHEMA)["ms"].to_list() == [1, 2]


def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "sim[1]").mkdir()
    path = _written(tmp_path / "sim[1]" / "00.parquet", job=["x"], ms=[1], later=[0.5])
    assert load_all([path], SCHEMA).height == 1


def test_of_many_files_the_damaged_one_is_named(tmp_path: Path) -> None:
    good = _written(tmp_path / "good.parquet", job=["x"], ms=[1], later=[0.5])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"bad\.parquet: cannot be read"):
        load_all([good, tmp_path / "bad.parquet"], SCHEMA)


def test_an_inventory_that_was_lost_is_named(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=3600)
    damaged = telemetry.book(3600)
    (damaged.root / "inventory.parquet").unlink()
    with pytest.raises(InputError, match=r"inventory\.parquet: says nothing of"):
        damaged.span()


@pytest.fixture
def booked(telemetry: Any) -> Books:
    """Three hours of a device, on two days."""
    telemetry.device()
    telemetry.samples(first_s=22 * 3600, last_s=25 * 3600, sm_active_ratio=0.5)
    found = telemetry.book(25 * 3600)
    assert isinstance(found, Books)
    return found


PARTS = [(0, 24), (21.5, 24.75), (22.25, 22.5), (23.0, 25.0), (22.75, 23.25)]
"""Hours of which one has a whole day, some have whole hours, and some have none."""


@pytest.mark.parametrize(("first", "last"), PARTS)
def test_what_is_scanned_is_what_is_read(
    booked: Books, start_ms: int, first: float, last: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = [start_ms + round(hour * HOUR_MS) for hour in (first, last)]
    read = booked.read("device", *bounds)
    assert read.height
    assert booked.scan("device", *bounds).collect().equals(read)
    monkeypatch.setattr(scanned, "AT_ONCE_BYTES", 0)
    found = booked.scan("device", *bounds).collect()
    assert found.sort("minute").equals(read.sort("minute"))


def test_a_large_period_is_not_read_before_it_is_asked_for(
    booked: Books, start_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = (start_ms, start_ms + 25 * HOUR_MS)
    (at_hand,) = booked.scan("device", *bounds).parts
    assert "SCAN" not in at_hand.explain()
    monkeypatch.setattr(scanned, "AT_ONCE_BYTES", 0)
    (of_a_day,) = booked.scan("device", *bounds).parts
    assert "PROJECT 1/19 COLUMNS" in of_a_day.select("duration_ms").explain()


def test_books_of_an_earlier_program_are_scanned_with_nulls(
    booked: Books, start_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanned, "AT_ONCE_BYTES", 0)
    (first, _) = sorted((booked.root / "hours/device").glob("*/*.parquet"))
    pl.read_parquet(first).drop("shared_ms", "busy_ms").write_parquet(first)
    bounds = (start_ms, start_ms + 25 * HOUR_MS)
    found = booked.scan("device", *bounds).collect()
    assert found.schema == DEVICE
    assert found.sort("minute").equals(booked.read("device", *bounds).sort("minute"))


def test_a_damaged_file_is_named_before_it_is_scanned(
    booked: Books, start_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanned, "AT_ONCE_BYTES", 0)
    (first, _) = sorted((booked.root / "hours/device").glob("*/*.parquet"))
    first.write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=rf"{first.name}: cannot be read"):
        booked.scan("device", start_ms, start_ms + 25 * HOUR_MS)


def test_a_file_whose_values_are_damaged_is_named_by_who_asks_for_them(
    booked: Books, start_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanned, "AT_ONCE_BYTES", 0)
    (first, _) = sorted((booked.root / "hours/device").glob("*/*.parquet"))
    view = load(booked.root.parent, None)
    content = bytearray(first.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    first.write_bytes(content)
    with pytest.raises(InputError, match=rf"{first.name}: cannot be read"):
        _ = view.totals


def test_a_file_that_is_replaced_while_it_is_read_is_one_or_the_other(tmp_path: Path) -> None:
    path, schema = tmp_path / "facts.parquet", pl.Schema({"name": pl.String(), "n": pl.Int64()})
    drafts = []
    for rows in (3, 4000):
        draft = tmp_path / f"{rows}"
        pl.DataFrame(
            {"name": [f"job-{n}" * 9 for n in range(rows)], "n": range(rows)}
        ).write_parquet(draft)
        drafts.append(draft.read_bytes())
    path.write_bytes(drafts[0])
    done = threading.Event()

    def replace_it() -> None:
        while not done.is_set():
            for content in drafts:
                draft = tmp_path / "draft"
                draft.write_bytes(content)
                draft.replace(path)

    thread = threading.Thread(target=replace_it)
    thread.start()
    try:
        assert {books.load(path, schema).height for _ in range(300)} <= {3, 4000}
    finally:
        done.set()
        thread.join()
