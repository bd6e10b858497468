from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.ledger.books import load_all

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
    books = telemetry.book(3600)
    (books.root / "inventory.parquet").unlink()
    with pytest.raises(InputError, match=r"inventory\.parquet: says nothing of"):
        books.span()
