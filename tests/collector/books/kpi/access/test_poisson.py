from __future__ import annotations

import pytest

from wattline_collector.kpi.poisson import count_interval


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.68888), (1, 0.02532, 5.57164), (2, 0.24221, 7.22469), (10, 4.79539, 18.39036),
     (100, 81.36399, 121.62679)],
)  # fmt: skip
def test_the_interval_is_that_of_garwood(count: int, low: float, high: float) -> None:
    assert count_interval(count) == pytest.approx((low, high), abs=1e-4)


def test_large_counts_go_on_where_small_ones_end() -> None:
    exact, approximate = count_interval(100), count_interval(101)
    assert approximate[0] - exact[0] == pytest.approx(0.9, abs=0.05)
    # By the quantiles of chi squared with 200 and 202 degrees of freedom.
    assert count_interval(101) == pytest.approx((82.26616, 122.72416), abs=0.01)


@pytest.mark.parametrize(("count", "confidence"), [(-1, 0.95), (1, 0.0), (1, 1.0)])
def test_what_is_no_count_or_confidence_is_refused(count: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no interval"):
        count_interval(count, confidence)
