from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from wattline_collector.kpi.declare import TIME
from wattline_collector.kpi.times import cut, named, with_times

HELSINKI = "Europe/Helsinki"
DAY_MS = 86_400_000


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _names(text: str, zone: str) -> dict[str, str]:
    times = pl.Series("at", [datetime.fromisoformat(text)], dtype=pl.Datetime("ms", "UTC"))
    row = named(times, TIME, zone).row(0, named=True)
    return {name: row[name] for name in TIME}


def test_a_moment_is_named_as_people_name_it() -> None:
    assert _names("2026-12-31T23:30+00:00", "UTC") == {
        "hour": "2026-12-31T23:00Z", "day": "2026-12-31", "week": "2026-W53", "month": "2026-12",
        "quarter": "2026-Q4", "year": "2026",
    }  # fmt: skip


def test_the_same_moment_is_of_the_next_year_further_east() -> None:
    assert _names("2026-12-31T23:30+00:00", HELSINKI) == {
        "hour": "2027-01-01T01:00+02:00", "day": "2027-01-01", "week": "2026-W53",
        "month": "2027-01", "quarter": "2027-Q1", "year": "2027",
    }  # fmt: skip


def test_the_hour_that_a_day_has_twice_is_two_hours() -> None:
    twice = [_names(f"2026-10-25T0{hour}:00+00:00", HELSINKI)["hour"] for hour in (0, 1)]
    assert twice == ["2026-10-25T03:00+03:00", "2026-10-25T03:00+02:00"]


def test_a_job_over_midnight_is_in_both_days_each_with_its_part() -> None:
    job = pl.DataFrame(
        {"job": ["1"], "start": [_ms("2026-11-01T22:00Z")], "end": [_ms("2026-11-02T01:00Z")]}
    )
    pieces = cut(job, ["day"], "UTC")
    assert pieces["day"].to_list() == ["2026-11-01", "2026-11-02"]
    assert (pieces["end"] - pieces["start"]).to_list() == [2 * 3_600_000, 3_600_000]


def test_a_day_of_the_factory_begins_at_its_own_midnight_also_when_clocks_change() -> None:
    whole = pl.DataFrame({"start": [_ms("2026-10-24T21:00Z")], "end": [_ms("2026-10-25T22:00Z")]})
    pieces = cut(whole, ["day"], HELSINKI)
    assert pieces["day"].to_list() == ["2026-10-25"]
    assert (pieces["end"] - pieces["start"]).to_list() == [25 * 3_600_000]


def test_what_ends_at_midnight_is_not_in_the_day_after() -> None:
    job = pl.DataFrame({"start": [_ms("2026-11-01T00:00Z")], "end": [_ms("2026-11-02T00:00Z")]})
    assert cut(job, ["month", "day"], "UTC")["day"].to_list() == ["2026-11-01"]


def test_a_row_without_a_time_has_no_name() -> None:
    frame = pl.DataFrame({"start_ms": [None, _ms("2026-11-01T05:10Z")], "job": ["1", "2"]})
    named_too = with_times(frame, "start_ms", ["month", "job"], "UTC")
    assert named_too["month"].to_list() == [None, "2026-11"]
    assert named_too["job"].to_list() == ["1", "2"]


_moments = st.integers(_ms("2026-01-01T00:00Z"), _ms("2027-01-01T00:00Z"))


@given(
    spans=st.lists(st.tuples(_moments, st.integers(1, 45 * DAY_MS)), min_size=1, max_size=4),
    dimensions=st.lists(st.sampled_from(TIME), min_size=1, max_size=3, unique=True),
    zone=st.sampled_from(["UTC", HELSINKI, "Atlantic/Azores"]),
)
def test_pieces_lie_end_to_end_and_each_is_in_one_unit_of_time(
    spans: list[tuple[int, int]], dimensions: list[str], zone: str
) -> None:
    frame = pl.DataFrame(
        [(i, start, start + length) for i, (start, length) in enumerate(spans)],
        schema=["row", "start", "end"], orient="row",
    )  # fmt: skip
    pieces = cut(frame, dimensions, zone)
    for row, start, end in frame.iter_rows():
        mine = pieces.filter(pl.col("row") == row).sort("start")
        assert (mine["start"][0], mine["end"][-1]) == (start, end)
        assert all(a == b for (_, a), (b, _) in pairwise(mine.select("start", "end").iter_rows()))
    last = pieces.with_columns(pl.col("end") - 1).drop(dimensions)
    assert with_times(last, "end", dimensions, zone)[dimensions].equals(pieces[dimensions])
