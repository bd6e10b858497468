from __future__ import annotations

import polars as pl

from wattline_collector.ledger.overlay import joined, overlay


def _frame(*rows: tuple[str, int, int, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["device", "start", "end", "rank", "job"], orient="row")


def _told(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return frame.select("device", "start", "end", "job").sort("device", "start", "job").rows()


def test_intervals_that_are_apart_stay_as_they_are() -> None:
    claims = _frame(("a", 0, 10, 1, "x"), ("a", 10, 20, 0, "y"), ("b", 5, 15, 3, "z"))
    assert _told(overlay(claims, "device")) == _told(claims)


def test_a_better_one_in_the_middle_leaves_both_ends_to_the_other() -> None:
    claims = _frame(("a", 0, 100, 4, "low"), ("a", 30, 60, 0, "high"))
    assert _told(overlay(claims, "device")) == [
        ("a", 0, 30, "low"), ("a", 30, 60, "high"), ("a", 60, 100, "low"),
    ]  # fmt: skip


def test_those_of_one_rank_stand_beside_each_other() -> None:
    claims = _frame(("a", 0, 100, 1, "x"), ("a", 50, 150, 1, "y"), ("a", 0, 200, 2, "z"))
    assert _told(overlay(claims, "device")) == [
        ("a", 0, 50, "x"), ("a", 50, 100, "x"), ("a", 50, 100, "y"), ("a", 100, 150, "y"),
        ("a", 150, 200, "z"),
    ]  # fmt: skip


def test_one_device_does_not_cut_another() -> None:
    claims = _frame(("a", 0, 100, 1, "x"), ("a", 40, 60, 0, "y"), ("b", 0, 100, 1, "z"))
    assert ("b", 0, 100, "z") in _told(overlay(claims, "device"))


def test_a_later_interval_inside_a_long_one_is_seen_behind_a_short_one() -> None:
    claims = _frame(("a", 0, 100, 1, "x"), ("a", 10, 20, 2, "y"), ("a", 30, 40, 0, "z"))
    assert _told(joined(overlay(claims, "device"), "device")) == [
        ("a", 0, 30, "x"), ("a", 30, 40, "z"), ("a", 40, 100, "x"),
    ]  # fmt: skip


def test_neighbours_that_differ_in_nothing_are_laid_together() -> None:
    pieces = _frame(("a", 0, 10, 1, "x"), ("a", 10, 20, 1, "x"), ("a", 25, 30, 1, "x"))
    assert _told(joined(pieces, "device")) == [("a", 0, 20, "x"), ("a", 25, 30, "x")]


def test_nothing_overlaid_is_nothing() -> None:
    nothing = _frame(("a", 0, 10, 1, "x")).clear()
    assert overlay(nothing, "device").is_empty()
    assert joined(nothing, "device").is_empty()
