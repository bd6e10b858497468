from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wattline_reports.exchange.disclosure import table
from wattline_reports.exchange.disclosure.table import TOTAL, Part


def _part(project: str, key: str, *values: float, organisation: str | None = None) -> Part:
    return Part(project, organisation, tuple(key), values)


def test_a_cell_adds_to_itself_to_each_dimension_and_to_all() -> None:
    assert list(table.totals_of(("a", "b"))) == [(TOTAL, TOTAL), ("a", TOTAL), (TOTAL, "b")]
    assert list(table.totals_of(("a",))) == [(TOTAL,)]


def test_parts_add_up_and_contributors_are_counted() -> None:
    cells = table.cells_of(
        [
            _part("p1", "ax", 6.0, organisation="o1"),
            _part("p2", "ax", 3.0, organisation="o1"),
            _part("p3", "ax", 1.0, organisation="o2"),
            _part("p4", "ay", 10.0, organisation="o3"),
            _part("p5", "by", 0.0, organisation="o4"),
        ]
    )
    one = cells["a", "x"]
    assert (one.values, one.projects, one.organisations) == ((10.0,), 3, 2)
    assert (one.one, one.two) == (0.9, 1.0)
    assert cells["a", TOTAL].values == (20.0,)
    assert cells[TOTAL, TOTAL].projects == 4
    assert ("b", "y") not in cells


def test_projects_of_nobody_known_count_as_one_organisation_and_stand_alone_in_dominance() -> None:
    cells = table.cells_of([_part(f"p{n}", "a", 1.0) for n in range(10)])
    assert (cells["a",].projects, cells["a",].organisations) == (10, 1)
    assert (cells["a",].one, cells["a",].two) == (0.1, 0.2)


@pytest.mark.parametrize("part", [_part("p", "a", -1.0), Part("p", None, (TOTAL,), (1.0,))])
def test_what_is_no_part_is_refused(part: Part) -> None:
    with pytest.raises(ValueError, match="not a part"):
        table.cells_of([part])


@given(some.floats(1e-6, 1e15), some.integers(1, 8))
def test_a_rounded_number_is_no_further_off_than_it_says(value: float, digits: int) -> None:
    shown = table.rounded(value, digits)
    assert abs(shown - value) <= table.half_width(shown, digits) * (1 + 1e-9)


def test_counts_are_rounded_to_their_base() -> None:
    assert [table.rounded_count(n, 5) for n in (0, 2, 3, 7, 8, 12, 13)] == [0, 0, 5, 5, 10, 10, 15]
