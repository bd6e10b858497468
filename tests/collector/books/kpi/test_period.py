from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.period import before, compared_with, parse_time, year_ago

HELSINKI = "Europe/Helsinki"


def _period(start: str, end: str) -> Period:
    return Period(*(datetime.fromisoformat(text).astimezone(UTC) for text in (start, end)))


@pytest.mark.parametrize(
    ("period", "previous"),
    [
        (("2026-03-01T00:00Z", "2026-04-01T00:00Z"), ("2026-02-01T00:00Z", "2026-03-01T00:00Z")),
        (("2026-01-01T00:00Z", "2026-04-01T00:00Z"), ("2025-10-01T00:00Z", "2026-01-01T00:00Z")),
        (("2026-01-01T00:00Z", "2027-01-01T00:00Z"), ("2025-01-01T00:00Z", "2026-01-01T00:00Z")),
        (("2026-03-02T00:00Z", "2026-03-09T00:00Z"), ("2026-02-23T00:00Z", "2026-03-02T00:00Z")),
        (("2026-03-01T06:00Z", "2026-03-01T18:00Z"), ("2026-02-28T18:00Z", "2026-03-01T06:00Z")),
    ],
)
def test_the_period_before_is_as_many_months_or_as_long(
    period: tuple[str, str], previous: tuple[str, str]
) -> None:
    assert before(_period(*period), "UTC") == _period(*previous)


def test_a_month_of_the_factory_follows_a_month_of_the_factory() -> None:
    october = _period("2026-10-01T00:00+03:00", "2026-11-01T00:00+02:00")
    assert before(october, HELSINKI) == _period("2026-09-01T00:00+03:00", "2026-10-01T00:00+03:00")


def test_a_year_ago_the_leap_day_was_the_28th() -> None:
    leap = _period("2028-02-29T00:00Z", "2028-03-01T00:00Z")
    assert year_ago(leap, "UTC") == _period("2027-02-28T00:00Z", "2027-03-01T00:00Z")


def test_any_two_times_can_be_compared_with() -> None:
    november = _period("2026-11-01T00:00Z", "2026-12-01T00:00Z")
    assert compared_with("2026-03-01..2026-04-01", november, "UTC") == _period(
        "2026-03-01T00:00Z", "2026-04-01T00:00Z"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("last", "'last' is nothing to compare with: write previous, year-ago or FROM..TO"),
        ("2026-04-01..2026-03-01", "does not end after it starts"),
        ("2026-04-01..soon", "the end of the period to compare with: 'soon' is not a time"),
    ],
)
def test_what_is_no_period_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compared_with(text, _period("2026-11-01T00:00Z", "2026-12-01T00:00Z"), "UTC")


@pytest.mark.parametrize("text", ["previous", "year-ago"])
def test_before_the_first_year_there_is_nothing(text: str) -> None:
    first = Period(datetime(1, 1, 1, tzinfo=UTC), datetime(2, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="there is no time before"):
        compared_with(text, first, "UTC")


def test_a_time_beyond_the_calendar_is_refused_and_no_traceback() -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_time("0001-01-01T00:00+14:00", "--from")
