"""What a kilowatt-hour costs at a time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.money import Tariff, Window
from wattline_collector.profile.schema.words import DAYS, HOLIDAY

_MINUTES_PER_DAY = 1440


def tariff_on(profile: FactoryProfile, day: date) -> Tariff | None:
    """The tariff that holds on a day, in the factory's own time; None where none does."""
    for tariff in profile.tariffs.values():
        if (tariff.since or date.min) <= day <= (tariff.until or date.max):
            return tariff
    return None


def euro_per_kwh(profile: FactoryProfile, when: datetime) -> float | None:
    """The price of energy at a moment; None where no tariff says it.

    Args:
        profile: Whose price.
        when: The moment, with its time zone.
    """
    local = when.astimezone(ZoneInfo(profile.time_zone))
    tariff = tariff_on(profile, local.date())
    if tariff is None:
        return None
    holidays = _holidays(profile) if _knows_holidays(tariff) else frozenset()
    for window in tariff.windows.values():
        if _is_in(window, local, holidays):
            return window.euro_per_kwh
    return tariff.euro_per_kwh


def overlapping(tariff: Tariff) -> tuple[str, str] | None:
    """Two windows that hold at the same minute of the week; None if no two do."""
    taken: dict[int, str] = {}
    for id, window in tariff.windows.items():
        for minute in _minutes(window):
            first = taken.setdefault(minute, id)
            if first != id:
                return first, id
    return None


def _holidays(profile: FactoryProfile) -> frozenset[date]:
    first = next(iter(profile.calendars.values()), None)
    return frozenset() if first is None else frozenset(first.holidays)


def _knows_holidays(tariff: Tariff) -> bool:
    return any(HOLIDAY in window.days for window in tariff.windows.values())


def _is_in(window: Window, local: datetime, holidays: frozenset[date]) -> bool:
    """Whether a window is open: it began today, or yesterday and goes on over midnight."""
    now = _minute(local.time())
    begins, ends = _span(window)
    today, yesterday = local.date(), local.date() - timedelta(days=1)
    return (_day(today, holidays) in window.days and begins <= now < ends) or (
        _day(yesterday, holidays) in window.days and begins <= now + _MINUTES_PER_DAY < ends
    )


def _day(day: date, holidays: frozenset[date]) -> str:
    return HOLIDAY if day in holidays else DAYS[day.weekday()]


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _span(window: Window) -> tuple[int, int]:
    """First minute and the one after the last, from the midnight before it begins."""
    begins, ends = _minute(window.begins), _minute(window.ends)
    return begins, ends if ends > begins else ends + _MINUTES_PER_DAY


def _minutes(window: Window) -> set[int]:
    """Its minutes of the week. Holidays stand behind the week: they may fall on any day of it."""
    begins, ends = _span(window)
    week = 7 * _MINUTES_PER_DAY
    found = set()
    for name in window.days:
        if name == HOLIDAY:
            found |= {week + minute for minute in range(begins, min(ends, _MINUTES_PER_DAY))}
            continue
        start = DAYS.index(name) * _MINUTES_PER_DAY
        found |= {(start + minute) % week for minute in range(begins, ends)}
    return found
