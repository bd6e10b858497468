from __future__ import annotations

from datetime import UTC, date, datetime

from wattline_collector.kpi.buckets import buckets, day_of, midnight_ms


def at(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def test_a_period_is_cut_at_the_factorys_months_and_clipped_at_its_ends() -> None:
    found = buckets(["month"], at(2026, 2, 10), at(2026, 4, 2), "Europe/Helsinki")
    assert [dict(one.names) for one in found] == [
        {"month": "2026-02"}, {"month": "2026-03"}, {"month": "2026-04"},
    ]  # fmt: skip
    assert [one.start_ms for one in found] == [
        at(2026, 2, 10), at(2026, 2, 28, 22), at(2026, 3, 31, 21),
    ]  # fmt: skip
    assert found[1].hours == 743  # clocks went forward
    assert found[-1].end_ms == at(2026, 4, 2)


def test_without_a_dimension_of_time_it_is_the_whole() -> None:
    (found,) = buckets(["system"], 0, 3_600_000, "UTC")
    assert (found.names, found.hours) == ({}, 1)
    assert buckets(["day"], 5, 5, "UTC") == []


def test_a_day_begins_at_its_own_midnight() -> None:
    assert day_of(at(2026, 3, 1, 23), "Europe/Helsinki") == date(2026, 3, 2)
    assert midnight_ms(date(2026, 3, 2), "Europe/Helsinki") == at(2026, 3, 1, 22)
