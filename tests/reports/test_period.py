from __future__ import annotations

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period, iso
from wattline_reports.period import parse_period
from wattline_reports.words import period_code, period_name


@pytest.mark.parametrize(
    ("text", "start", "end", "name", "code"),
    [
        ("2026", "2026-01-01", "2027-01-01", "2026", "2026"),
        ("2026-Q1", "2026-01-01", "2026-04-01", "first quarter of 2026", "2026-Q1"),
        ("2026-q4", "2026-10-01", "2027-01-01", "fourth quarter of 2026", "2026-Q4"),
        ("2026Q3", "2026-07-01", "2026-10-01", "third quarter of 2026", "2026-Q3"),
        ("2026-11", "2026-11-01", "2026-12-01", "November 2026", "2026-11"),
        ("2026-12", "2026-12-01", "2027-01-01", "December 2026", "2026-12"),
        ("2024-02-29", "2024-02-29", "2024-03-01", "29 February 2024", "2024-02-29"),
        (
            "2026-11-03..2026-11-17", "2026-11-03", "2026-11-17",
            "3 November 2026 to 16 November 2026", "2026-11-03_2026-11-16",
        ),
        ("2026-11-01..2026-12-01", "2026-11-01", "2026-12-01", "November 2026", "2026-11"),
        (" 2026-11-03 .. 2026-11-04 ", "2026-11-03", "2026-11-04", "3 November 2026",
         "2026-11-03"),
    ],
)  # fmt: skip
def test_a_period_is_read_as_people_write_it(
    text: str, start: str, end: str, name: str, code: str
) -> None:
    period = parse_period(text)
    assert (iso(period.start)[:10], iso(period.end)[:10]) == (start, end)
    assert period_name(period).replace("\u00a0", " ") == name
    assert period_code(period) == code


def test_times_may_carry_a_zone_and_are_utc_without_one() -> None:
    period = parse_period("2026-11-03T06:00..2026-11-03T14:30+02:00")
    assert period.to_json() == {"from": "2026-11-03T06:00:00Z", "to": "2026-11-03T12:30:00Z"}
    assert period_name(period).replace("\u00a0", " ") == "3 November 2026, 06:00 to 12:30 UTC"
    assert period_code(period) == "20261103T060000Z_20261103T123000Z"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-13", "no such date"),
        ("2026-00", "no such date"),
        ("2025-02-29", "no such date"),
        ("9999", "no such date"),
        ("0000-01", "no such date"),
        ("2026-Q5", "not a period"),
        ("last month", "not a period"),
        ("", "not a period"),
        ("2026-11-05..2026-11-01", "ends before it starts"),
        ("2026-11-05..2026-11-05", "ends before it starts"),
        ("2026-11..2026-12", "is not a time"),
        ("..2026-11-05", "is not a time"),
        ("2026-11-05..", "is not a time"),
        ("2026\n-11", "not a period"),
        ("٢٠٢٦", "not a period"),
    ],
)
def test_what_is_no_period_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        parse_period(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_whole_month_is_named_the_same_however_it_was_asked_for() -> None:
    month, days = parse_period("2026-02"), parse_period("2026-02-01..2026-03-01")
    assert isinstance(month, Period)
    assert month == days
