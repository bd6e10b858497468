"""Energy as the integral of power."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from wattline_agents.sources.integral import Integral

SECOND = 1_000_000
START = 1_790_000_000 * SECOND


def test_a_constant_power_is_its_product_with_time() -> None:
    integral = Integral()
    for second in range(11):
        integral.add(START + second * SECOND, 400_000)
    assert (integral.joules, integral.seconds) == (4000.0, 10.0)


def test_a_line_is_integrated_exactly() -> None:
    integral = Integral()
    integral.extend([0, SECOND, 3 * SECOND], [100_000, 300_000, 700_000])
    assert integral.joules == pytest.approx(200 + 2 * 500)
    assert integral.seconds == 3


def test_one_reading_is_no_energy() -> None:
    integral = Integral()
    integral.add(START, 400_000)
    assert (integral.joules, integral.seconds) == (0.0, 0.0)


def test_it_does_not_matter_how_readings_are_handed_over() -> None:
    times = [START + step * 20_000 for step in range(500)]
    powers = [round(300_000 + 200_000 * math.sin(step / 30)) for step in range(500)]
    whole, parts, single = Integral(), Integral(), Integral()
    whole.extend(times, powers)
    for at in range(0, 500, 37):
        parts.extend(times[at : at + 37], powers[at : at + 37])
    for time, power in zip(times, powers, strict=True):
        single.add(time, power)
    assert parts.joules == pytest.approx(whole.joules, rel=1e-12)
    assert single.joules == pytest.approx(whole.joules, rel=1e-12)
    assert whole.seconds == pytest.approx(9.98)
    exact = sum((a + b) / 2 * 0.02 for a, b in pairwise(powers)) / 1000
    assert whole.joules == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("late_us", [0, 900, 3_000, 15_000])
def test_times_count_as_they_are_when_they_are_not_regular(late_us: int) -> None:
    # Power jumps in the middle, so a reading that comes late there changes the energy.
    times = [START + step * 20_000 for step in range(51)]
    powers = [100_000] * 25 + [900_000] * 26
    for place in range(20, 30):
        times[place] += late_us
    integral = Integral()
    integral.add(times[0], powers[0])
    integral.extend(times[1:], powers[1:])
    readings = zip(pairwise(times), pairwise(powers), strict=True)
    exact = sum((t1 - t0) * (p0 + p1) / 2e9 for (t0, t1), (p0, p1) in readings)
    # Up to a twentieth of a step they are taken for regular: 800 W for so long.
    most = 800e-6 * late_us if late_us < 1_000 else 0.0
    assert integral.joules == pytest.approx(exact, abs=most + 1e-9)
    assert integral.seconds == 1.0


def test_a_reading_missing_among_regular_ones_is_seen() -> None:
    times = [START + step * 20_000 for step in range(51) if step not in (11, 12, 13)]
    powers = [500_000 if START < time <= START + 200_000 else 100_000 for time in times]
    integral, singly = Integral(), Integral()
    integral.extend(times[:1], powers[:1])
    integral.extend(times[1:], powers[1:])
    for time, power in zip(times, powers, strict=True):
        singly.add(time, power)
    assert integral.joules == pytest.approx(singly.joules, rel=1e-12)


def test_nothing_is_assumed_over_a_gap() -> None:
    integral = Integral(gap_seconds=3)
    integral.extend([0, SECOND], [100_000, 100_000])
    integral.extend([10 * SECOND, 11 * SECOND], [500_000, 500_000])
    assert (integral.joules, integral.seconds) == (600.0, 2.0)


def test_a_gap_within_what_is_handed_over_is_one_too() -> None:
    integral = Integral(gap_seconds=3)
    integral.extend([0, SECOND, 10 * SECOND, 11 * SECOND], [100_000] * 4)
    assert (integral.joules, integral.seconds) == (200.0, 2.0)


@pytest.mark.parametrize("times", [[SECOND, SECOND], [SECOND, 0], [0], [SECOND // 2, SECOND]])
def test_readings_that_are_not_later_are_left_out(times: list[int]) -> None:
    integral = Integral()
    integral.extend([0, SECOND], [100_000, 100_000])
    integral.extend(times, [900_000] * len(times))
    assert (integral.joules, integral.seconds) == (100.0, 1.0)
    integral.add(2 * SECOND, 100_000)
    assert integral.seconds == 2.0


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    integral = Integral()
    integral.add(START + 3600 * SECOND, 100_000)
    integral.add(START, 100_000)
    integral.add(START + SECOND, 100_000)
    assert (integral.joules, integral.seconds) == (100.0, 1.0)


def test_over_a_pause_nothing_is_joined() -> None:
    integral = Integral()
    integral.extend([0, SECOND], [100_000, 100_000])
    integral.pause()
    integral.extend([2 * SECOND, 3 * SECOND], [100_000, 100_000])
    assert (integral.joules, integral.seconds) == (200.0, 2.0)


def test_nothing_handed_over_changes_nothing() -> None:
    integral = Integral()
    integral.add(0, 100_000)
    integral.extend([], [])
    integral.add(SECOND, 100_000)
    assert integral.joules == 100.0
