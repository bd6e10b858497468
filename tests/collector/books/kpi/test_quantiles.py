from __future__ import annotations

import random

import polars as pl
import pytest

from wattline_collector.kpi.quantiles import (
    GROWTH,
    bound,
    exact,
    histogram,
    median,
    merged,
    of_histogram,
)


@pytest.mark.parametrize(
    ("values", "q", "found"),
    [
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0], 0.5, 1.0),
        (list(range(1, 21)), 0.95, 19),
        (list(range(1, 11)), 0.9, 9),
        ([7.0], 0.01, 7.0),
        ([1.0, 9.0], 1.0, 9.0),
        ([], 0.5, None),
    ],
)
def test_an_exact_quantile_is_a_value_that_was_seen(
    values: list[float], q: float, found: float | None
) -> None:
    assert exact(values, q) == found


@pytest.mark.parametrize(
    ("values", "found"), [([3.0, 1.0, 2.0], 2.0), ([1.0, 2.0, 4.0, 9.0], 3.0), ([], None)]
)
def test_the_median_of_an_even_number_is_between_the_two_in_the_middle(
    values: list[float], found: float | None
) -> None:
    assert median(values) == found


@pytest.mark.parametrize("q", [0.0, 1.5])
def test_what_is_no_quantile_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="not a quantile"):
        exact([1.0], q)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9, 0.95, 0.99, 1.0])
def test_a_histogram_tells_the_bucket_of_the_exact_quantile(q: float) -> None:
    random_ = random.Random(4)
    values = [random_.lognormvariate(5, 2) for _ in range(5000)] + [0.0, 1.0]
    found = of_histogram(histogram(pl.Series(values)), q)
    truth = exact(values, q)
    assert found is not None
    assert truth is not None
    assert found.high is not None
    assert found.low < truth <= found.high * (1 + 1e-6)
    assert found.high <= max(found.low * GROWTH, 1.0) * (1 + 1e-9)


def test_histograms_add_up_however_they_are_split() -> None:
    random_ = random.Random(5)
    values = [random_.expovariate(1e-3) for _ in range(999)]
    whole = histogram(pl.Series(values))
    parts = [histogram(pl.Series(values[low : low + 100])) for low in range(0, 999, 100)]
    random_.shuffle(parts)
    assert merged([merged(parts[:3]), *parts[3:]]).equals(whole)


def test_a_bound_is_in_the_bucket_that_it_ends() -> None:
    bounds = [bound(index) for index in range(200)]
    assert histogram(pl.Series(bounds))["bucket"].to_list() == list(range(200))


def test_nothing_has_no_quantile() -> None:
    empty = histogram(pl.Series([None], dtype=pl.Float64))
    assert empty.is_empty()
    assert of_histogram(merged([empty]), 0.5) is None


def test_a_quantile_of_one_far_bucket_is_not_told_to_begin_at_nothing() -> None:
    found = of_histogram(histogram(pl.Series([1000.0])), 0.5)
    assert found is not None
    assert found.low > 900
