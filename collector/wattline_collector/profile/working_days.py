"""Counting working days across weekends and holidays.

The day something happens does not count, the day it is due does: an application of Monday with a
clock of two working days is due on Wednesday. What happens on a day off counts as happening on the
next working day's eve, so an application of Saturday is due on Tuesday.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.service import Calendar
from wattline_collector.profile.schema.words import DAYS

_DAY = timedelta(days=1)

MOST_DAYS = 20_000
"""Half a century: what is further apart is a slip of the pen, and is not counted day by day."""


class CalendarUnknown(ValueError):
    """Holidays of a year in question are not known, so neither is the number of working days."""


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """A week and its exceptions.

    Attributes:
        week: Days of the week on which people work; 0 is Monday.
        holidays: Days on which they do not.
    """

    week: frozenset[int] = frozenset(range(5))
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a week without a working day, in which nothing would ever be due."""
        if not self.week:
            raise ValueError("no day on which anybody works")

    @classmethod
    def of(cls, calendar: Calendar) -> WorkingDays:
        """Those of a calendar of the profile."""
        days = frozenset(DAYS.index(name) for name in calendar.week)
        return cls(days, frozenset(calendar.holidays))

    @property
    def years(self) -> frozenset[int]:
        """The years whose holidays are known: those with at least one."""
        return frozenset(day.year for day in self.holidays)

    def knows(self, first: date, last: date) -> bool:
        """Whether the holidays of all years from one day to another are known."""
        return self.years.issuperset(range(first.year, last.year + 1))

    def is_working(self, day: date) -> bool:
        """Whether people work on that day."""
        return day.weekday() in self.week and day not in self.holidays

    def between(self, start: date, end: date) -> int:
        """Working days after `start`, up to and with `end`; 0 on the same day.

        Before `start` they are negative, so `between(a, b) == -between(b, a)`.

        Raises:
            ValueError: The days are more than half a century apart.
        """
        if end < start:
            return -self.between(end, start)
        span = (end - start).days
        if span > MOST_DAYS:
            raise ValueError(f"{start} and {end} are more than {MOST_DAYS} days apart")
        weeks, rest = divmod(span, 7)
        last = (start + timedelta(days=7 * weeks + offset) for offset in range(1, rest + 1))
        working = weeks * len(self.week) + sum(day.weekday() in self.week for day in last)
        return working - sum(
            start < day <= end and day.weekday() in self.week for day in self.holidays
        )

    def after(self, start: date, count: int) -> date:
        """The day on which `count` working days have passed since `start`.

        Args:
            start: The day something happened.
            count: How many working days, at least 1.

        Raises:
            ValueError: The count is not from 1, or no such day comes within half a century.
        """
        if count < 1:
            raise ValueError(f"{count} working days: at least 1")
        day = start
        for _ in range(MOST_DAYS):
            day += _DAY
            if self.is_working(day):
                count -= 1
                if count == 0:
                    return day
        raise ValueError(f"no such working day within {MOST_DAYS} days of {start}")

    def must_know(self, first: date, last: date) -> None:
        """Make sure that the holidays of a time are known.

        Raises:
            CalendarUnknown: Those of a year in it are not; names the year.
        """
        missing = sorted(set(range(first.year, last.year + 1)) - self.years)
        if missing:
            raise CalendarUnknown(f"no holidays of {', '.join(map(str, missing[:5]))} are known")


def working_days_of(profile: FactoryProfile, calendar: str | None = None) -> WorkingDays | None:
    """The working days of a factory.

    Args:
        profile: The factory.
        calendar: Which of its calendars; the first if not told.

    Returns:
        None where the profile has no such calendar.
    """
    if calendar is None:
        calendar = next(iter(profile.calendars), None)
    found = None if calendar is None else profile.calendars.get(calendar)
    return None if found is None else WorkingDays.of(found)


def working_days(holidays: Iterable[date]) -> WorkingDays:
    """Monday to Friday, less holidays."""
    return WorkingDays(holidays=frozenset(holidays))
