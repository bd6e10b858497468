"""The period a report is asked for, from what a person types."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.period import parse_time
from wattline_collector.kpi.view import load, utc
from wattline_collector.ledger.books import Books
from wattline_reports.kinds import ALL, DAY, MONTH, OWN, QUARTER, SPAN, YEAR, Kind
from wattline_reports.words import listed, period_code

EVER = Period(datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
"""No period at all: whatever the time of a thing is, it lies in this."""

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


def default_period(kind: Kind, store: Path, now: datetime) -> Period:
    """The period of a report that was asked for without one.

    All that the store holds, or, where the kind is of calendar periods, the last that is over and
    of which the store holds something; if none is over, the one that runs.

    Raises:
        UsageError: The store holds no books.
    """
    if kind.default == OWN:
        return EVER
    if not kind.needs_store:
        raise UsageError(f"which period? {kind.name} needs --period: {FORMS}")
    span = Books(store).span()
    if span is None:
        view = load(store, None)  # says what the store holds instead
        return view.period
    first, last = utc(span[0]), utc(span[1])
    if kind.default == ALL:
        return Period(first, last)
    months = {YEAR: 12, QUARTER: 3, MONTH: 1}[kind.default]
    found = _calendar(min(last - timedelta(milliseconds=1), now), months)
    before = _calendar(found.start - timedelta(milliseconds=1), months)
    return before if found.end > now and before.end > first else found


def suited(kind: Kind, period: Period) -> Period:
    """The same, if it is one that the kind is made of.

    Raises:
        UsageError: It is not; the message says which there are.
    """
    if form_of(period) in kind.periods:
        return period
    example = {YEAR: "2026", QUARTER: "2026-Q4", MONTH: "2026-11", DAY: "2026-11-03",
               SPAN: "2026-11-03..2026-11-17"}  # fmt: skip
    wanted = listed([f"a {one}" for one in kind.periods if one != SPAN] or ["FROM..TO"])
    raise UsageError(
        f"--period: {kind.name} is of {wanted.replace(' and ', ' or ')}; write "
        f"{' or '.join(example[one] for one in kind.periods)}"
    )


def form_of(period: Period) -> str:
    """Whether a period is a calendar year, quarter, month or day, or any other span."""
    code = period_code(period)
    if "Q" in code:
        return QUARTER
    return {4: YEAR, 7: MONTH, 10: DAY}.get(len(code), SPAN)


def _calendar(time: datetime, months: int) -> Period:
    """The calendar period of so many months that a time is in."""
    return _months(time.year, (time.month - 1) // months * months + 1, months)


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _months(year: int, month: int, count: int) -> Period:
    start = _day(year, month, 1)
    following = year * 12 + month - 1 + count
    return Period(start, _day(following // 12, following % 12 + 1, 1))
