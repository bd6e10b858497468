from typing import Any

import pytest

from wattline_agents.ticks import Pace, Ticks

T0 = 1_790_000_000_000


class Driven:
    """Sleeps as long as it is told to; the wall clock may be set."""

    def __init__(self, period_seconds: float, start_ms: int) -> None:
        self.ticks = Ticks(period_seconds)
        self.wall, self.monotonic = float(start_ms), 50.0

    def sleep(self, seconds: float) -> None:
        self.wall += seconds * 1000
        self.monotonic += seconds

    def run(self, seconds: float, work_seconds: float = 0.0) -> list[tuple[float, int]]:
        """Monotonic second and number of every tick within that time."""
        found, end = [], self.monotonic + seconds
        while self.monotonic < end - 1e-9:
            left = self.ticks.left(round(self.wall), self.monotonic)
            if left > 0:
                self.sleep(left)
                continue
            number = self.ticks.begin(round(self.wall), self.monotonic)
            found.append((round(self.monotonic - 50, 6), number))
            self.sleep(work_seconds)
            self.ticks.end(round(self.wall), self.monotonic)
        return found


def test_ticks_are_multiples_of_the_period_whenever_it_was_started() -> None:
    driven = Driven(1.0, T0 + 300)
    assert driven.run(4) == [(0, T0 // 1000), *((0.7 + n, T0 // 1000 + 1 + n) for n in range(4))]
    assert driven.ticks.late == 0


@pytest.mark.parametrize("period", [0.1, 0.25, 2.0, 60.0, 3600.0])
def test_nodes_that_started_apart_tick_together(period: float) -> None:
    one, other = Driven(period, T0), Driven(period, T0 + 77)
    one.run(0.077)
    first, second = one.run(5 * period), other.run(5 * period)
    assert [n for _, n in first][-4:] == [n for _, n in second][-4:]
    assert one.wall // 1 % (period * 1000) <= 1
    assert round(other.ticks.left(round(other.wall), other.monotonic), 3) <= period


def test_work_that_takes_longer_than_a_period_leaves_ticks_out() -> None:
    assert [at for at, _ in Driven(1.0, T0).run(10, work_seconds=2.4)] == [0, 3, 6, 9]


def test_a_tick_that_begins_late_is_counted_and_the_next_keeps_its_place() -> None:
    driven = Driven(1.0, T0)
    driven.run(3)
    driven.sleep(0.8)
    assert [at for at, _ in driven.run(2)] == [3.8, 4, 5]
    assert driven.ticks.late == 1


@pytest.mark.parametrize("step_seconds", [-0.3, -5.2, -86_400.0, 0.3, 5.2, 86_400.0])
def test_a_clock_that_is_set_neither_stops_it_nor_makes_a_burst(step_seconds: float) -> None:
    driven = Driven(1.0, T0)
    driven.run(5)
    driven.wall += step_seconds * 1000
    times = [at for at, _ in driven.run(20)]
    gaps = [b - a for a, b in zip([4.0, *times], times, strict=False)]
    assert max(gaps) < 2.01
    assert 19 <= len(times) <= 22
    assert sum(gap < 0.99 for gap in gaps) <= 2
    assert driven.ticks.late == 0, "it was not we who were late"
    assert round(driven.wall) % 1000 == 0, "and it is in step with the new time"


def turns(pace: Pace, numbers: Any) -> list[int]:
    return [number for number in numbers if pace.is_due(number)]


def test_a_pace_is_kept_at_multiples_too() -> None:
    assert turns(Pace(5, 1), range(17, 33)) == [17, 20, 25, 30]
    assert turns(Pace(0, 1), range(17, 20)) == [17, 18, 19]
    assert turns(Pace(2.5, 1), range(17, 27)) == [17, 18, 21, 24]


def test_a_turn_whose_tick_was_left_out_is_taken_at_the_next() -> None:
    assert turns(Pace(5, 1), [17, 19, 22, 23, 25, 38]) == [17, 22, 25, 38]


def test_a_clock_set_back_does_not_stop_a_pace() -> None:
    assert turns(Pace(5, 1), [100, 104, 7, 8, 9, 10]) == [100, 7, 10]


@pytest.mark.parametrize(
    ("every", "period", "expected"),
    [(0, 0.25, 250), (10, 1, 10_000), (10, 7, 14_000), (1, 60, 60_000)],
)
def test_the_period_stated_is_the_one_that_is_kept(
    every: float, period: float, expected: int
) -> None:
    assert Pace(every, period).period_ms == expected


def test_a_pace_may_change() -> None:
    pace = Pace(0, 1)
    pace.change(30)
    assert pace.period_ms == 30_000
