from __future__ import annotations

import pytest

from wattline_collector.capability.commercial_guard import Alarm, guard, union_hours


@pytest.mark.parametrize(
    ("percent", "alarm"),
    [
        (0.0, Alarm.NONE),
        (14.99, Alarm.NONE),
        (15.0, Alarm.EARLY),
        (18.0, Alarm.URGENT),
        (19.99, Alarm.URGENT),
        (20.0, Alarm.LIMIT),
        (20.01, Alarm.OVER),
        (21.0, Alarm.OVER),
    ],
)
def test_levels_are_told_and_a_planted_21_percent_alarms(percent: float, alarm: Alarm) -> None:
    found = guard(percent * 1234.5, 123_450.0)
    assert found.share == pytest.approx(percent / 100)
    assert found.alarm is alarm


def test_the_denominator_is_the_unions_total_and_not_what_it_used() -> None:
    # 1,000 GPUs for a year, half of it the Union's; it used a tenth, a third of that commercial.
    total = union_hours(1000 * 8760.0, 0.5)
    assert total == 4_380_000
    found = guard(146_000.0, total)
    assert found.alarm is Alarm.NONE
    assert found.share == pytest.approx(1 / 30)
    assert found.hours_left == pytest.approx(0.2 * 4_380_000 - 146_000)


def test_a_year_that_will_end_over_the_limit_is_forecast() -> None:
    found = guard(100.0, 600.0, union_year_hours=1000.0, elapsed_share=0.4)
    assert found.forecast_share == pytest.approx(0.25)
    assert found.alarm is Alarm.EARLY


@pytest.mark.parametrize("total", [None, 0.0])
def test_without_a_total_there_is_no_share_and_no_alarm(total: float | None) -> None:
    found = guard(10.0, total)
    assert (found.share, found.alarm, found.hours_left) == (None, None, None)


def test_hours_that_nobody_knows_are_not_known() -> None:
    assert union_hours(None, 0.5) is None
    assert union_hours(100.0, None) is None
    with pytest.raises(ValueError, match="not a share"):
        union_hours(100.0, 50.0)


def test_hours_or_levels_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="not hours"):
        guard(-1.0, 10.0)
    with pytest.raises(ValueError, match="rise"):
        guard(1.0, 10.0, levels=(0.2, 0.18, 0.15))
