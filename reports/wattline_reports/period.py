"""The period a report is asked for, from what a person types."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.period import parse_time

FORMS = "2026, 2026-Q4, 2026-11, 2026-11-03 or 2026-11-03..2026-11-17"


def parse_period(text: str) -> Period:
    """Read a year, quarter, month, day, or FROM..TO; TO is not part of the period.

    Ends of FROM..TO are days (their first moment) or times in ISO 8601; a time without a zone is
    UTC, as everything in Wattline is.

    Raises:
        UsageError: It is none of these, or ends before it starts.
    """
    text = text.strip()
    if ".." in text:
        first, last = (part.strip() for part in text.split("..", 1))
        start, end = parse_time(first, "--period"), parse_time(last, "--period")
        if end <= start:
            raise UsageError(f"--period {text}: ends before it starts; write FROM..TO")
        return Period(start, end)
    try:
        if match := re.fullmatch(r"([0-9]{4})", text):
            year = int(match[1])
            return Period(_day(year, 1, 1), _day(year + 1, 1, 1))
        if match := re.fullmatch(r"([0-9]{4})-?[Qq]([1-4])", text):
            return _months(int(match[1]), 3 * int(match[2]) - 2, 3)
        if match := re.fullmatch(r"([0-9]{4})-([0-9]{2})", text):
            return _months(int(match[1]), int(match[2]), 1)
        if match := re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text):
            start = _day(int(match[1]), int(match[2]), int(match[3]))
            return Period(start, start + timedelta(days=1))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--period {text}: no such date; write {FORMS}") from error
    raise UsageError(f"--period {text[:60]!r} is not a period; write {FORMS}")


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _months(year: int, month: int, count: int) -> Period:
    start = _day(year, month, 1)
    following = year * 12 + month - 1 + count
    return Period(start, _day(following // 12, following % 12 + 1, 1))
