from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Flask

from wattline_dashboards import times
from wattline_dashboards.times import Bounds, bounds, long_time, parsed, short_time

NOW = datetime(2026, 11, 21, 14, 5, 33, 123, tzinfo=UTC)


def test_a_preset_starts_on_an_hour_and_is_open_to_the_present() -> None:
    hour = datetime(2026, 11, 21, 14, tzinfo=UTC)
    assert bounds("24h", NOW) == Bounds(hour - timedelta(hours=24), None)
    assert bounds("7d", NOW) == Bounds(hour - timedelta(days=7), None)


def test_a_long_preset_starts_on_a_day_of_the_site() -> None:
    assert bounds("30d", NOW) == Bounds(datetime(2026, 10, 22, tzinfo=UTC), None)
    there = bounds("30d", NOW, zone=ZoneInfo("Europe/Helsinki"))
    assert there == Bounds(datetime(2026, 10, 21, 21, tzinfo=UTC), None)


def test_custom_dates_are_whole_days_the_last_one_included() -> None:
    assert bounds("custom", NOW, "2026-11-01", "2026-11-02") == Bounds(
        datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    )


def test_all_and_what_nobody_knows_leave_the_bounds_to_the_store() -> None:
    assert bounds("all", NOW) == Bounds(None, None)
    assert bounds("custom", NOW, "yesterday", None) == Bounds(None, None)


def test_times_are_read_and_written_in_utc() -> None:
    assert parsed("2026-11-01T00:30:00+02:00") == datetime(2026, 10, 31, 22, 30, tzinfo=UTC)
    assert long_time("2026-11-01T06:00:00Z") == "1 Nov 2026 06:00"
    assert short_time("2026-11-01T06:00:00Z") == "1 Nov 06:00"
    assert short_time("soon") is None


def test_days_and_months_are_named_in_the_readers_language() -> None:
    at = date(2026, 3, 1)
    assert (times.day(at), times.month(at)) == ("1 Mar", "Mar 2026")
    with Flask("a page").test_request_context(headers={"Accept-Language": "de"}):
        assert (times.day(at), times.month(at)) == ("1. Mär", "Mär 2026")
        assert times.day_and_year(at) == "1. Mär 2026"
