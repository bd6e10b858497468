"""The days of a period, those of which nothing is known included."""

from __future__ import annotations

from datetime import date, timedelta

from wattline_reports.charts import days_of
from wattline_reports.source import Day, Source


def calendar(source: Source) -> list[tuple[date, Day | None]]:
    """Every UTC day the period touches, with what is known of it."""
    last = (source.period.end - timedelta(microseconds=1)).date()
    known = {day.day: day for day in source.days}
    return [(day, known.get(day)) for day in days_of(source.period.start.date(), last)]


def part_days(source: Source) -> str:
    """A warning for a picture of days whose first or last is not a whole one; else nothing."""
    start, end = source.period.start, source.period.end
    if any(time.hour or time.minute or time.second or time.microsecond for time in (start, end)):
        return "; the first or last is part of a day"
    return ""
