from __future__ import annotations

import pytest

from wattline_collector.capability.scaling import Point, scaling


def test_efficiency_is_against_the_fewest_devices() -> None:
    found = scaling([Point(64, 720_000.0), Point(8, 100_000.0), Point(512, 5_120_000.0)])
    assert [(one.devices, one.base, one.efficiency) for one in found] == [
        (8, 8, 1.0),
        (64, 8, pytest.approx(0.9)),
        (512, 8, pytest.approx(0.8)),
    ]


def test_several_rates_of_one_size_are_averaged() -> None:
    first, second = scaling([Point(8, 90.0), Point(8, 110.0), Point(16, 180.0)])
    assert first.tokens_per_second == 100.0
    assert second.efficiency == pytest.approx(0.9)


@pytest.mark.parametrize("points", [[Point(8, 100.0)], [Point(8, 0.0), Point(16, 10.0)]])
def test_there_is_no_efficiency_without_something_to_compare_with(points: list[Point]) -> None:
    assert all(one.efficiency is None for one in scaling(points))


def test_nothing_measured_is_nothing() -> None:
    assert scaling([]) == []


@pytest.mark.parametrize("point", [Point(0, 1.0), Point(8, -1.0), Point(8, float("nan"))])
def test_what_is_no_rate_is_refused(point: Point) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        scaling([point])
