"""Periods a page can ask about, and times as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from babel import Locale

from wattline_dashboards.language import N_, _, language

PRESETS = (
    ("24h", N_("24 hours"), timedelta(hours=24)),
    ("7d", N_("7 days"), timedelta(days=7)),
    ("30d", N_("30 days"), timedelta(days=30)),
    ("365d", N_("A year"), timedelta(days=365)),
)
"""Periods that end now: id, name, length."""

ALL, CUSTOM = "all", "custom"
DEFAULT = "7d"

_UTC = ZoneInfo("UTC")
_LONG = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A period to ask for; null is the store's own start or end."""

    start: datetime | None
    end: datetime | None


def bounds(
    period: str,
    now: datetime,
    first: str | None = None,
    last: str | None = None,
    zone: ZoneInfo = _UTC,
) -> Bounds:
    """What a choice means now; dates of a custom period are whole days, the last one included.

    Days are those of `zone`, the site's own.

    A preset is open to the present: what was booked a second ago is in it. Its start is a whole
    hour, of a long one a whole day, so that pages opened at about the same time ask the same
    question: that of a year is worth answering once.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    for id, _name, length in PRESETS:
        if id == period:
            first_moment = hour - length
            if length > _LONG:
                local = first_moment.astimezone(zone).date()
                first_moment = datetime.combine(local, time(), zone).astimezone(UTC)
            return Bounds(first_moment, None)
    if period == CUSTOM:
        return Bounds(_midnight(first, zone), _midnight(last, zone, days=1))
    return Bounds(None, None)


def parsed(iso: str | None) -> datetime | None:
    """A time in ISO 8601; null where there is none, or none we can read."""
    try:
        time_read = datetime.fromisoformat(iso) if iso else None
    except ValueError:
        return None
    if time_read is None:
        return None
    return time_read.astimezone(UTC) if time_read.tzinfo else time_read.replace(tzinfo=UTC)


def month_name(at: date) -> str:
    """`Nov`, in the reader's language."""
    return _month_names(language())[at.month - 1]


@cache
def _month_names(code: str) -> tuple[str, ...]:
    names = Locale(code).months["stand-alone"]["abbreviated"]
    return tuple(str(names[place]) for place in range(1, 13))


def day(at: date) -> str:
    """`1 Nov`."""
    return _("{day} {month}").format(day=at.day, month=month_name(at))


def month(at: date) -> str:
    """`Nov 2026`."""
    return f"{month_name(at)} {at.year}"


def day_and_year(at: date) -> str:
    """`1 Nov 2026`."""
    return f"{day(at)} {at.year}"


def long_time(iso: str | None) -> str | None:
    """`1 Nov 2026 14:05`."""
    when = parsed(iso)
    return None if when is None else f"{day_and_year(when)} {when:%H:%M}"


def short_time(iso: str | None) -> str | None:
    """`1 Nov 14:05`."""
    when = parsed(iso)
    return None if when is None else f"{day(when)} {when:%H:%M}"


def _midnight(day: str | None, zone: ZoneInfo, days: int = 0) -> datetime | None:
    try:
        asked = date.fromisoformat(day[:10]) + timedelta(days=days) if day else None
        return None if asked is None else datetime.combine(asked, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
