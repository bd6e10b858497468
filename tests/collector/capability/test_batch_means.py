from __future__ import annotations

import math
import random
from statistics import fmean

import pytest

from wattline_collector.capability.batch_means import mean_of, student_t


@pytest.mark.parametrize(
    ("q", "freedom", "table"),
    # Two-sided 95 % and 99 %, as every table of Student's t has them.
    [(0.975, 9, 2.2622), (0.975, 19, 2.0930), (0.975, 29, 2.0452), (0.995, 29, 2.7564),
     (0.95, 9, 1.8331), (0.975, 1000, 1.9623)],
)  # fmt: skip
def test_students_t_is_that_of_the_tables(q: float, freedom: int, table: float) -> None:
    assert student_t(q, freedom) == pytest.approx(table, rel=5e-4)
    assert student_t(1 - q, freedom) == pytest.approx(-table, rel=5e-4)


@pytest.mark.parametrize(("q", "freedom"), [(0.975, 2), (0.0, 9), (1.0, 9)])
def test_students_t_is_not_given_where_it_would_be_wrong(q: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        student_t(q, freedom)


def ar1(random_: random.Random, n: int, likeness: float, mean: float = 1.0) -> list[float]:
    """Values of variance 0.01, each of which is like the one before."""
    value, values = 0.0, []
    for _ in range(n):
        value = likeness * value + random_.gauss(0, 0.1 * math.sqrt(1 - likeness**2))
        values.append(mean + value)
    return values


def test_the_error_of_independent_values_is_their_deviation_over_the_root_of_their_number() -> None:
    errors = [mean_of(ar1(random.Random(seed), 3000, 0.0)).error for seed in range(20)]
    known = [error for error in errors if error is not None]
    assert len(known) >= 18
    assert fmean(known) == pytest.approx(0.1 / math.sqrt(3000), rel=0.1)


@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.9])
def test_the_interval_holds_the_mean_as_often_as_it_says(likeness: float) -> None:
    held = told = 0
    for seed in range(200):
        mean = mean_of(ar1(random.Random(seed), 2000, likeness))
        half = mean.half_width(0.95)
        if half is not None:
            told += 1
            held += abs(mean.value - 1.0) <= half
    assert told > 150
    # 95 %, give or take two standard errors of 200 draws.
    assert 0.90 <= held / told <= 0.99


def test_likeness_that_outlasts_the_window_gives_no_interval() -> None:
    drift = [1.0 + i / 1000 for i in range(1000)]
    mean = mean_of(drift)
    assert mean.value == pytest.approx(1.4995)
    assert (mean.error, mean.half_width(0.95)) == (None, None)
    assert "measure longer" in mean.why


def test_few_values_have_a_mean_and_no_interval() -> None:
    mean = mean_of([1.0, 2.0, 3.0])
    assert (mean.value, mean.error) == (2.0, None)
    assert "too few" in mean.why


def test_values_that_are_all_the_same_are_sure() -> None:
    assert mean_of([0.5] * 100).half_width(0.95) == 0.0


def test_the_mean_of_few_values_to_come_is_less_sure() -> None:
    mean = mean_of(ar1(random.Random(1), 1000, 0.0))
    ever, next_thousand = mean.half_width(0.95), mean.half_width(0.95, ahead=1000)
    assert ever is not None
    assert next_thousand == pytest.approx(ever * math.sqrt(2))
    with pytest.raises(ValueError, match="nothing to come"):
        mean.half_width(0.95, ahead=0)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_what_has_no_mean_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite values"):
        mean_of(values)
