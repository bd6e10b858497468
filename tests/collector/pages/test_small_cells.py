from __future__ import annotations

import pytest

from wattline_collector.pages.small_cells import Cell, hidden


def test_a_cell_of_too_few_projects_is_hidden_and_one_of_enough_is_not() -> None:
    cells = {("FI", "sme"): Cell(10.0, 4), ("DE", "academia"): Cell(90.0, 5)}
    assert hidden(cells) == {("FI", "sme")}


def test_what_could_be_worked_out_from_a_rows_sum_is_hidden_with_it() -> None:
    cells = {
        ("FI", "sme"): Cell(10.0, 1),
        ("FI", "academia"): Cell(500.0, 9),
        ("FI", "start_up"): Cell(40.0, 7),
        ("DE", "start_up"): Cell(60.0, 8),
        ("DE", "academia"): Cell(70.0, 8),
    }
    found = hidden(cells)
    # The smallest of its row goes too, then the one that its column would give away, and so on.
    assert ("FI", "start_up") in found
    for side in (0, 1):
        for line in {place[side] for place in found}:
            whole = [place for place in cells if place[side] == line]
            assert len(found & set(whole)) != 1 or len(whole) == 1


@pytest.mark.parametrize("least", [1, 5])
def test_nothing_is_hidden_where_nothing_is_small(least: int) -> None:
    cells = {(row, column): Cell(1.0, 5) for row in "ab" for column in "xy"}
    assert hidden(cells, least) == frozenset()


def test_an_empty_map_hides_nothing() -> None:
    assert hidden({}) == frozenset()
