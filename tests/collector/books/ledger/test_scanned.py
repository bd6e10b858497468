from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.ledger import scanned
from wattline_collector.ledger.scanned import Scanned, parted


def _entries(*jobs: str) -> pl.LazyFrame:
    return pl.LazyFrame({"job": jobs, "ms": list(range(len(jobs)))})


def test_what_is_asked_of_each_part_stands_in_the_order_of_the_parts() -> None:
    entries = Scanned((_entries("x", "y"), _entries("y"), _entries("x", "x")))
    assert entries.collect()["job"].to_list() == ["x", "y", "y", "x", "x"]
    sums = entries.collect(lambda part: part.select(pl.len()))
    assert sums.to_series().to_list() == [2, 1, 2]


def test_a_change_is_made_to_every_part() -> None:
    entries = Scanned((_entries("x", "y"), _entries("y")))
    mine = entries.each(lambda part: part.filter(pl.col("job") == "y"))
    assert mine.collect()["job"].to_list() == ["y", "y"]
    assert entries.collect().height == 3


def test_entries_at_hand_are_one_part() -> None:
    entries = _entries("x").collect()
    at_hand = Scanned.of(entries)
    assert at_hand.collect().equals(entries)
    assert len(at_hand.parts) == 1
    assert at_hand.at_hand


def test_more_entries_come_last() -> None:
    entries = Scanned((_entries("x", "y"), _entries("y"))).with_more(_entries("z").collect())
    assert entries.collect()["job"].to_list() == ["x", "y", "y", "z"]
    assert len(entries.parts) == 2
    assert not entries.at_hand


def test_what_was_replaced_while_it_was_read_is_read_again_once(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    path.write_bytes(b"PAR1 no")
    checked: list[bool] = []

    def mend() -> None:
        checked.append(True)
        _entries("x").collect().write_parquet(path)

    schema = _entries("x").collect_schema()
    entries = Scanned((pl.scan_parquet(path, schema=schema),), check=mend)
    assert entries.collect()["job"].to_list() == ["x"]
    assert checked == [True]


def test_a_file_that_cannot_be_read_is_named_and_not_tried_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    path.write_bytes(b"PAR1 no")

    def named() -> None:
        raise InputError("cannot be read", path=path)

    schema = _entries("x").collect_schema()
    with pytest.raises(InputError, match=r"one\.parquet: cannot be read"):
        Scanned((pl.scan_parquet(path, schema=schema),), check=named).collect()


def test_files_are_parted_by_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanned, "PART_BYTES", 10)
    paths = []
    for name, size in (("a", 4), ("b", 6), ("c", 1), ("d", 30), ("e", 0), ("f", 10)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(bytes(size))
    found = [[path.name for path in part] for part in parted(paths)]
    assert found == [["a", "b"], ["c"], ["d"], ["e", "f"]]
    assert list(parted([])) == []
