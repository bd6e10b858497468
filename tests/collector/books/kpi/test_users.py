from __future__ import annotations

import pytest

from wattline_collector.kpi.users import gini, lorenz


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([1, 1, 1, 1], 0.0),
        ([0, 0, 0, 1], 0.75),
        ([1, 2, 3, 4], 0.25),
        ([4, 3, 2, 1], 0.25),
        ([5], 0.0),
        ([], None),
        ([0, 0], None),
    ],
)
def test_gini_of_known_distributions(hours: list[float], expected: float | None) -> None:
    found = gini(hours)
    assert found == (None if expected is None else pytest.approx(expected))


def test_gini_is_the_mean_of_all_differences() -> None:
    hours = [3.0, 17.0, 0.0, 4.5, 88.0]
    pairs = sum(abs(a - b) for a in hours for b in hours)
    assert gini(hours) == pytest.approx(pairs / (2 * len(hours) * sum(hours)))


@pytest.mark.parametrize("hours", [[-1.0, 2.0], [float("nan")]])
def test_hours_that_are_none_are_refused(hours: list[float]) -> None:
    with pytest.raises(ValueError, match="negative"):
        gini(hours)


def test_the_lorenz_curve_ends_with_all_of_it() -> None:
    assert lorenz([3, 1]) == [(0.0, 0.0), (0.5, 0.25), (1.0, 1.0)]
    assert lorenz([0.0]) == []
