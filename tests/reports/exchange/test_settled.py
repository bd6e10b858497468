from __future__ import annotations

import math
import random

import pytest

from wattline_reports.exchange.disclosure.table import rounded
from wattline_reports.exchange.settled import settled


@pytest.mark.parametrize("value", [None, True, 7, "text", 12345678901234567890])
def test_what_is_no_fraction_stays_as_it_is(value: object) -> None:
    assert settled(value) is value


def test_nine_digits_are_left() -> None:
    assert settled(1234.567890123) == 1234.56789
    assert settled(-2 / 3 * 1e-7) == -6.66666667e-8


def test_a_sum_is_the_same_in_whatever_order_it_was_added() -> None:
    # Sums that lie half-way between two numbers of nine digits: whole watts and milliseconds do.
    dice = random.Random(5)
    for whole in range(100_000_005, 100_010_005, 10):
        wanted = whole / 10_000.0 * 10.0
        for _ in range(3):
            near = wanted
            for _ in range(dice.randrange(5)):
                near = math.nextafter(near, math.inf if dice.random() < 0.5 else -math.inf)
            assert settled(near) == settled(wanted), repr(near)


def test_hours_of_three_digits_do_not_hang_on_the_last_bit() -> None:
    for value in (1234.5e3, 0.12345, 99.95, 1.005):
        for near in (math.nextafter(value, 0), value, math.nextafter(value, math.inf)):
            assert rounded(near, 3) == rounded(value, 3)
