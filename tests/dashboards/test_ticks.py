"""Labels beside axes."""

from __future__ import annotations

import pytest

from wattline_dashboards.figures import ticks


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("2.00\u2009GHz", "2\u2009GHz"),
        ("1.50\u2009TB", "1.5\u2009TB"),
        ("50.0\u2009%", "50\u2009%"),
        ("100\u2009%", "100\u2009%"),
        ("0\u2009W", "0\u2009W"),
        ("1.08", "1.08"),
        ("20\u2009000\u2009GPU-h", "20\u2009000\u2009GPU-h"),
    ],
)
def test_a_round_value_has_no_digits_that_say_nothing(written: str, plain: str) -> None:
    assert ticks.plain(written) == plain


@pytest.mark.parametrize(
    ("low", "high"), [(1.06, 1.12), (0.0, 1.0), (-3.0, 4.0), (99.2, 99.9), (1e-6, 3e-6)]
)
def test_ticks_between_two_values_are_round_and_few(low: float, high: float) -> None:
    found = ticks.between(low, high)
    assert 2 <= len(found) <= 4
    assert all(low <= one <= high for one in found)
    assert all(float(f"{one:.3g}") == pytest.approx(one, rel=1e-12) for one in found)


def test_a_scale_without_a_length_has_its_one_value() -> None:
    assert ticks.between(2.0, 2.0) == [2.0]
