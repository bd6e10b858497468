from __future__ import annotations

import csv
import io

import pytest

from wattline_dashboards import exports
from wattline_dashboards.exports import Sheet, as_csv


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_numbers_stay_numbers_and_unknown_is_an_empty_cell() -> None:
    [heads, row] = read(as_csv(Sheet("x", ["power (W)", "note"], [[-1.5, None]])))
    assert (heads, row) == (["power (W)", "note"], ["-1.5", ""])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@sum", "\t=1", "  =1", "\n=1"])
def test_no_text_can_become_a_formula(text: str) -> None:
    [_, [cell]] = read(as_csv(Sheet("x", ["name"], [[text]])))
    assert cell == f"'{text}"


def test_text_is_bounded_and_may_hold_what_csv_is_made_of() -> None:
    [_, [cell, quoted]] = read(as_csv(Sheet("x", ["a", "b"], [["m" * 2_000_000, 'a,"b"\nc']])))
    assert len(cell) == 1000
    assert quoted == 'a,"b"\nc'


def test_rows_past_the_limit_are_counted_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", 2)
    assert read(as_csv(Sheet("x", ["a"], [[1], [2], [3]])))[-1] == [
        "1 more rows are not in this file"
    ]
