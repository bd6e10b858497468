from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattline_collector.registers.merge import Merged, kept_schema, merge
from wattline_collector.registers.schema import PROJECTS

EMPTY = kept_schema(PROJECTS).to_frame()


def rows(*projects: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"account": project["project"], **project} for project in projects],
        schema=PROJECTS.schema,
        orient="row",
    )


def into(kept: pl.DataFrame, new: pl.DataFrame, now_ms: int, **more: Any) -> Merged:
    told = {"origin": "csv", "source": f"s{now_ms}", **more}
    return merge(kept, new, PROJECTS, now_ms=now_ms, **told)


def said(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.sort("project", "imported_ms").select(
        "project", "title", "imported_ms", "replaced_ms"
    ).rows()  # fmt: skip


def counts(merged: Merged) -> tuple[int, int, int, int]:
    return merged.added, merged.replaced, merged.unchanged, merged.retired


def test_new_rows_are_added_with_where_and_when_they_came_from() -> None:
    merged = into(EMPTY, rows({"project": "a"}), 1)
    assert counts(merged) == (1, 0, 0, 0)
    assert merged.frame.select("origin", "source", "imported_ms", "replaced_ms").rows() == [
        ("csv", "s1", 1, None)
    ]


def test_the_same_again_changes_nothing() -> None:
    first = into(EMPTY, rows({"project": "a", "title": "x"}, {"project": "b"}), 1)
    again = into(first.frame, rows({"project": "b"}, {"project": "a", "title": "x"}), 2)
    assert counts(again) == (0, 0, 2, 0)
    assert not again.changes_anything
    assert_frame_equal(again.frame, first.frame, check_row_order=False)


def test_a_row_with_the_same_key_replaces_and_the_old_one_is_kept() -> None:
    first = into(EMPTY, rows({"project": "a", "title": "x"}, {"project": "b"}), 1)
    second = into(first.frame, rows({"project": "a", "title": "y"}), 5)
    assert counts(second) == (0, 1, 0, 0)
    assert said(second.frame) == [("a", "x", 1, 5), ("a", "y", 5, None), ("b", None, 1, None)]


def test_what_was_replaced_can_come_back() -> None:
    frame = EMPTY
    for now, title in enumerate(("x", "y", "x"), start=1):
        frame = into(frame, rows({"project": "a", "title": title}), now).frame
    assert said(frame) == [("a", "x", 1, 2), ("a", "y", 2, 3), ("a", "x", 3, None)]


@pytest.mark.parametrize("key", ["system", "account", "valid_from_ms"])
def test_another_key_is_another_row(key: str) -> None:
    value: Any = 7 if key == "valid_from_ms" else "other"
    merged = into(
        into(EMPTY, rows({"project": "a"}), 1).frame, rows({"project": "a", key: value}), 2
    )
    assert counts(merged) == (1, 0, 0, 0)
    assert merged.frame["replaced_ms"].null_count() == 2


def test_a_whole_list_retires_what_it_does_not_name() -> None:
    first = into(EMPTY, rows({"project": "a"}, {"project": "b"}), 1)
    second = into(first.frame, rows({"project": "b"}), 2, is_whole=True)
    assert counts(second) == (0, 0, 1, 1)
    assert said(second.frame) == [("a", None, 1, 2), ("b", None, 1, None)]


def test_a_whole_list_speaks_for_its_origin_alone() -> None:
    first = into(EMPTY, rows({"project": "a"}), 1, origin="http://portal")
    second = into(first.frame, rows({"project": "b"}), 2, is_whole=True)
    assert counts(second) == (1, 0, 0, 0)
    assert second.frame["replaced_ms"].null_count() == 2


def test_an_empty_file_changes_nothing() -> None:
    first = into(EMPTY, rows({"project": "a"}), 1)
    assert not into(first.frame, rows(), 2).changes_anything
