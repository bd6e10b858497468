from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline_collector.warning.exact import adjusted, at_least, beyond


def by_hand(count: int, of: int, chance: float) -> float:
    terms = (math.comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(count, of + 1))
    return math.fsum(terms)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.001, 0.999))
def test_the_tail_is_the_sum_of_its_terms(count: int, of: int, chance: float) -> None:
    expected = by_hand(count, of, chance) if count <= of else 0.0
    assert at_least(count, of, chance) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_vectors_from_tables_of_the_binomial() -> None:
    assert at_least(8, 10, 0.5) == pytest.approx(56 / 1024)
    assert at_least(1, 5, 0.2) == pytest.approx(1 - 0.8**5)
    assert at_least(3, 3, 0.1) == pytest.approx(1e-3)


def test_thousands_of_events_need_no_patience() -> None:
    assert at_least(5_000, 1_000_000, 0.005) == pytest.approx(0.5, abs=0.01)
    assert 0 < at_least(40, 10_000, 1 / 1000) < 1e-10


@pytest.mark.parametrize(("count", "of", "chance"), [(-1, 1, 0.5), (1, -1, 0.5), (1, 1, 1.5)])
def test_what_is_no_chance_is_refused(count: int, of: int, chance: float) -> None:
    with pytest.raises(ValueError, match="not a chance"):
        at_least(count, of, chance)


def test_edges() -> None:
    assert at_least(0, 0, 0.0) == 1.0
    assert at_least(1, 5, 0.0) == 0.0
    assert at_least(5, 5, 1.0) == 1.0
    assert at_least(6, 5, 0.5) == 0.0


def test_deviations_of_a_normal() -> None:
    assert beyond(1.96) == pytest.approx(0.05, abs=1e-4)
    assert beyond(-1.96) == beyond(1.96)


def test_holm_by_hand() -> None:
    assert adjusted([0.01, 0.04, 0.001], 4) == pytest.approx([0.03, 0.08, 0.004])


def test_an_adjusted_chance_is_never_under_that_of_a_surer_one() -> None:
    assert adjusted([0.010, 0.011], 2) == pytest.approx([0.02, 0.02])
    assert adjusted([0.9], 10) == [1.0]


def test_more_chances_than_tests_are_refused() -> None:
    with pytest.raises(ValueError, match="2 chances of 1"):
        adjusted([0.1, 0.1], 1)
