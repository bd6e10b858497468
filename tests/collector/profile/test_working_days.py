from collections.abc import Callable
from datetime import date, timedelta

import pytest

from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.working_days import (
    CalendarUnknown,
    WorkingDays,
    working_days,
    working_days_of,
)

YEAR_END = [date(2026, 12, 24), date(2026, 12, 25), date(2026, 12, 28), date(2027, 1, 1)]
"""Thursday, Friday, Monday, Friday."""


@pytest.mark.parametrize(
    ("start", "count", "due"),
    [
        (date(2026, 12, 14), 2, date(2026, 12, 16)),  # Monday to Wednesday
        (date(2026, 12, 17), 2, date(2026, 12, 21)),  # Thursday, over a weekend
        (date(2026, 12, 19), 2, date(2026, 12, 22)),  # Saturday counts as Sunday
        (date(2026, 12, 22), 2, date(2026, 12, 29)),  # over three holidays and a weekend
        (date(2026, 12, 22), 4, date(2026, 12, 31)),
        (date(2026, 12, 22), 10, date(2027, 1, 11)),
    ],
)
def test_a_clock_runs_on_working_days_alone(start: date, count: int, due: date) -> None:
    days = working_days(YEAR_END)
    assert days.after(start, count) == due
    assert days.between(start, due) == count


@pytest.mark.parametrize("start", [date(2026, 12, 10) + timedelta(days=n) for n in range(14)])
@pytest.mark.parametrize("span", [0, 1, 5, 6, 7, 8, 20, 33])
def test_counting_in_weeks_is_counting_day_by_day(start: date, span: int) -> None:
    days = working_days(YEAR_END)
    end = start + timedelta(days=span)
    one_by_one = sum(days.is_working(start + timedelta(days=n)) for n in range(1, span + 1))
    assert days.between(start, end) == one_by_one
    assert days.between(end, start) == -one_by_one


def test_a_holiday_at_a_weekend_is_not_taken_off_twice() -> None:
    saturday = date(2026, 12, 26)
    friday, monday = date(2026, 12, 25), date(2026, 12, 28)
    assert working_days([saturday]).between(friday, monday) == 1


def test_another_week_is_another_count() -> None:
    sunday_to_thursday = WorkingDays(frozenset({6, 0, 1, 2, 3}))
    assert sunday_to_thursday.after(date(2026, 12, 17), 1) == date(2026, 12, 20)


def test_a_year_without_a_holiday_is_not_known() -> None:
    days = working_days(YEAR_END)
    assert days.knows(date(2026, 1, 1), date(2027, 12, 31))
    assert not days.knows(date(2025, 12, 31), date(2026, 1, 1))
    with pytest.raises(CalendarUnknown, match="no holidays of 2028 are known"):
        days.must_know(date(2027, 12, 30), date(2028, 1, 3))


def test_what_never_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="no day on which anybody works"):
        WorkingDays(frozenset())
    with pytest.raises(ValueError, match="at least 1"):
        working_days([]).after(date(2026, 1, 1), 0)
    with pytest.raises(ValueError, match="no such working day"):
        working_days([]).after(date(2026, 1, 1), 10**9)
    with pytest.raises(ValueError, match="more than 20000 days apart"):
        working_days([]).between(date(1, 1, 1), date(9999, 12, 31))


def test_a_factory_has_the_calendars_it_declares(
    profile: Callable[..., FactoryProfile],
) -> None:
    found = profile(
        "[calendar.site]\nholidays=[2026-12-06]\n"
        "[calendar.ju]\nweek=['mon','tue','wed','thu']\nholidays=[2026-05-09]\n"
    )
    site, ju = working_days_of(found), working_days_of(found, "ju")
    assert site is not None
    assert ju is not None
    assert site.is_working(date(2026, 12, 4))
    assert not site.is_working(date(2026, 12, 6))
    assert not ju.is_working(date(2026, 12, 4))
    assert working_days_of(found, "none") is None
    assert working_days_of(profile()) is None
