"""Periods as people write them, and the periods they compare them with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period

PREVIOUS, YEAR_AGO = "previous", "year-ago"


def parse_time(text: str, what: str) -> datetime:
    """A moment in ISO 8601: `2026-11-01`, `2026-11-01T06:00`, with `Z` or an offset; UTC if none.

    Raises:
        UsageError: It is not one; the message names `what` was asked for.
    """
    try:
        time = datetime.fromisoformat(text.strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{what}: {text[:40]!r} is not a time; write 2026-11-01 or 2026-11-01T06:00Z"
        ) from error


def compared_with(text: str, period: Period, zone: str) -> Period:
    """The period that another is compared with.

    Args:
        text: `previous`, `year-ago`, or FROM..TO.
        period: What it is compared with.
        zone: Whose calendar months count.

    Raises:
        UsageError: It is none of these, or does not end after it starts.
    """
    text = text.strip()
    try:
        if text == PREVIOUS:
            return before(period, zone)
        if text == YEAR_AGO:
            return year_ago(period, zone)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"there is no time before {period.to_json()['from']}") from error
    start, dots, end = text.partition("..")
    if not dots:
        raise UsageError(
            f"{text[:40]!r} is nothing to compare with: write {PREVIOUS}, {YEAR_AGO} or "
            "FROM..TO, as 2026-10-01..2026-11-01"
        )
    found = Period(
        parse_time(start, "the start of the period to compare with"),
        parse_time(end, "the end of the period to compare with"),
    )
    if found.end <= found.start:
        raise UsageError(f"{text[:60]!r}: the period to compare with does not end after it starts")
    return found


def before(period: Period, zone: str) -> Period:
    """The period before: as many calendar months where it is of whole months, else as long."""
    for calendar in (zone, "UTC"):
        months = _months(period, calendar)
        if months:
            return Period(_shifted(period.start, -months, calendar), period.start)
    return Period(period.start - (period.end - period.start), period.start)


def year_ago(period: Period, zone: str) -> Period:
    """The same dates of the year before; 28 February for the 29th."""
    return Period(_shifted(period.start, -12, zone), _shifted(period.end, -12, zone))


def _months(period: Period, zone: str) -> int:
    """How many calendar months it is; 0 where it is not of whole ones."""
    start, end = (at.astimezone(ZoneInfo(zone)) for at in (period.start, period.end))
    first = [(at.day, at.time()) == (1, datetime.min.time()) for at in (start, end)]
    return (end.year - start.year) * 12 + end.month - start.month if all(first) else 0


def _shifted(at: datetime, months: int, zone: str) -> datetime:
    local = at.astimezone(ZoneInfo(zone))
    count = local.year * 12 + local.month - 1 + months
    first = local.replace(year=count // 12, month=count % 12 + 1, day=1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(local.day, last.day)).astimezone(UTC)
