from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from wattline_collector import tables


@pytest.fixture
def answer() -> dict[str, Any]:
    return {
        "time_unix_ms": 7,
        "devices": pl.DataFrame(
            {"device": ["a", "b"], "power_watts": [1.5, None], "index": [0, 1]}
        ),
        "nodes": pl.DataFrame({"node": ["n1"]}),
        "jobs": pl.DataFrame(schema={"job": pl.String, "devices": pl.Int64}),
        "totals": {"devices": 2, "power_watts": None},
    }


def test_tables_and_what_stands_beside_them_come_back(answer: dict[str, Any]) -> None:
    back = tables.unpacked(tables.packed(answer))
    assert set(back) == set(answer)
    for name, value in answer.items():
        if isinstance(value, pl.DataFrame):
            frame = pl.from_arrow(back[name])
            assert isinstance(frame, pl.DataFrame)
            assert frame.equals(value)
            assert frame.schema == value.schema
        else:
            assert back[name] == value


def test_a_column_of_nulls_is_left_out_and_an_infinity_is_unknown(answer: dict[str, Any]) -> None:
    answer["devices"] = pl.DataFrame(
        {"device": ["a", "b"], "clock": [None, None], "watts": [math.inf, 2.0]}
    )
    back = tables.unpacked(tables.packed(answer))["devices"]
    assert back.to_pydict() == {"device": ["a", "b"], "watts": [None, 2.0]}


def test_what_is_broken_or_cut_short_is_said(answer: dict[str, Any]) -> None:
    body = tables.packed(answer)
    for broken in (b"", b"{}", body[:100], body[: len(body) // 2], b"\x00" * 64):
        with pytest.raises(ValueError, match="live tables"):
            tables.unpacked(broken)
