from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.audit import audit

HOUR = 3600


def test_every_second_of_an_hour_is_booked_once(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR + 60, sm_active_ratio=0.8)
    telemetry.assign("j", 600, 1800)
    booked = seconds(telemetry.book(HOUR))
    assert booked == {"free": 2400.0, "busy": 1200.0}


def test_a_job_that_starts_within_a_minute_is_cut_to_the_millisecond(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.8)
    telemetry.assign("j", 100.123, 200.5)
    assert seconds(telemetry.book(HOUR))["busy"] == pytest.approx(100.377)


def test_a_hole_between_samples_is_unobserved_and_inside_a_job_unmeasured(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=600, sm_active_ratio=0.8)
    telemetry.samples(first_s=1200, last_s=HOUR, sm_active_ratio=0.8)
    telemetry.assign("j", 900, HOUR)
    booked = seconds(telemetry.book(HOUR))
    assert booked == {"free": 600.0, "unobserved": 300.0, "unmeasured": 300.0, "busy": 2400.0}


def test_two_lost_samples_are_no_hole(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=600)
    telemetry.samples(first_s=630, last_s=HOUR)
    assert seconds(telemetry.book(HOUR)) == {"free": 3600.0}


def test_a_joule_across_a_hole_is_known_from_the_counter(telemetry: Any, joules: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=600, counter=lambda s: 400 * s)
    telemetry.samples(first_s=1200, last_s=HOUR, counter=lambda s: 400 * s)
    booked = joules(telemetry.book(HOUR))
    assert booked["unobserved"] == pytest.approx(400 * 600)
    assert sum(booked.values()) == pytest.approx(400 * HOUR)


def test_without_a_counter_power_is_integrated_but_not_across_a_long_hole(
    telemetry: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=600, watts=300.0)
    telemetry.samples(first_s=1200, last_s=HOUR, watts=300.0)
    booked = joules(telemetry.book(HOUR))
    assert booked["unobserved"] is None
    assert booked["free"] == pytest.approx(300 * 3000)


def test_a_counter_that_was_reset_loses_no_more_than_one_interval(
    telemetry: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(
        last_s=HOUR, watts=400.0, counter=lambda s: 400 * s if s < 1800 else 400 * (s - 1800)
    )
    # The interval of the reset is taken from power.
    assert joules(telemetry.book(HOUR))["free"] == pytest.approx(400 * HOUR)


@pytest.mark.parametrize(
    ("after", "known_s"),
    [(50.0, HOUR), (700e6 - 5, HOUR - 10)],
    ids=["began at nought", "slipped back by a little"],
)
def test_a_counter_that_slips_back_is_not_booked_as_if_it_had_begun_at_nought(
    telemetry: Any, joules: Any, after: float, known_s: float
) -> None:
    telemetry.device()
    telemetry.samples(
        last_s=HOUR,
        watts=None,
        counter=lambda s: 700e6 + 100 * s if s < 1800 else after + 100 * (s - 1800),
    )
    books = telemetry.book(HOUR)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    assert entries["energy_ms"].sum() == known_s * 1000
    whole = 100 * (HOUR - 10) + (after if known_s == HOUR else 0)
    assert joules(books)["free"] == pytest.approx(whole)


def test_a_lost_device_is_down_whoever_holds_it(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=1000, sm_active_ratio=0.8)
    telemetry.samples(first_s=1010, last_s=HOUR, up=0, watts=None)
    telemetry.assign("j", 0, 2000)
    booked = seconds(telemetry.book(HOUR))
    assert booked == {"busy": 1000.0, "down": 2600.0}


def test_idle_for_longer_than_the_grace_time_is_held_from_its_first_second(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=lambda s: 0.0 if 1000 < s <= 1700 else 0.7)
    telemetry.assign("j", 0, HOUR)
    assert seconds(telemetry.book(HOUR)) == {"busy": 2900.0, "held": 700.0}


def test_idle_for_less_than_the_grace_time_is_working(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=lambda s: 0.0 if 1000 < s <= 1500 else 0.7)
    telemetry.assign("j", 0, HOUR)
    assert seconds(telemetry.book(HOUR)) == {"busy": 3600.0}


def test_an_idle_stretch_is_held_on_both_sides_of_the_hour(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=2 * HOUR, sm_active_ratio=lambda s: 0.0 if 3300 < s <= 4000 else 0.7)
    telemetry.assign("j", 0, 2 * HOUR)
    assert seconds(telemetry.book(2 * HOUR))["held"] == 700.0


def test_a_device_that_only_tells_whether_it_is_busy_is_judged_by_that(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, busy_ratio=lambda s: 0.0 if s > 1800 else 1.0)
    telemetry.assign("j", 0, HOUR)
    assert seconds(telemetry.book(HOUR)) == {"busy": 1800.0, "held": 1800.0}


def test_an_assigned_device_without_activity_counters_is_unmeasured(
    telemetry: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR)
    telemetry.assign("j", 0, HOUR)
    assert seconds(telemetry.book(HOUR)) == {"unmeasured": 3600.0}


def test_throttled_time_is_slowed_and_reasons_that_overlap_count_once(
    telemetry: Any, seconds: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(
        last_s=HOUR,
        sm_active_ratio=0.8,
        counter=lambda s: 400 * s,
        throttle_thermal_seconds_total=lambda s: 0.25 * s,
        throttle_power_cap_seconds_total=lambda s: 0.2 * s,
    )
    telemetry.assign("j", 0, HOUR)
    books = telemetry.book(HOUR)
    assert seconds(books) == {"busy": 2700.0, "slowed": 900.0}
    assert joules(books)["slowed"] == pytest.approx(400 * 900)


def test_slowed_time_too_short_for_a_millisecond_leaves_its_joules_to_the_busy_rest(
    telemetry: Any, seconds: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(
        last_s=HOUR,
        sm_active_ratio=0.8,
        counter=lambda s: 600 * s,
        throttle_power_cap_seconds_total=lambda s: 4e-5 * s,  # 0.4 ms in ten seconds
    )
    telemetry.assign("j", 0, HOUR)
    books = telemetry.book(HOUR)
    assert seconds(books) == {"busy": 3600.0}
    assert joules(books)["busy"] == pytest.approx(600 * HOUR)
    assert audit(books.root.parent) == []


def test_free_time_is_never_slowed(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, throttle_thermal_seconds_total=lambda s: 0.5 * s)
    assert seconds(telemetry.book(HOUR)) == {"free": 3600.0}


def test_a_device_that_falls_silent_is_unobserved_until_it_is_heard_of_again(
    telemetry: Any, seconds: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, counter=lambda s: 100 * s)
    telemetry.samples(first_s=10 * HOUR, last_s=11 * HOUR, counter=lambda s: 100 * s)
    books = telemetry.book(11 * HOUR)
    assert seconds(books) == {"free": 2.0 * HOUR, "unobserved": 9.0 * HOUR}
    # Nine hours of silence, and still every joule is known and in its own hours.
    assert joules(books)["unobserved"] == pytest.approx(100 * 9 * HOUR)


def test_joules_of_a_silence_become_known_when_the_device_speaks_again(
    telemetry: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, counter=lambda s: 100 * s)
    assert joules(telemetry.book(9 * HOUR))["unobserved"] is None
    telemetry.samples(first_s=10 * HOUR, last_s=11 * HOUR, counter=lambda s: 100 * s)
    assert joules(telemetry.book(11 * HOUR))["unobserved"] == pytest.approx(100 * 9 * HOUR)


def test_joules_of_a_device_that_was_lost_for_a_day_become_known_when_it_is_back(
    telemetry: Any, joules: Any, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, counter=lambda s: 100 * s)
    telemetry.samples(first_s=HOUR + 60, last_s=26 * HOUR, every_s=60, watts=None, up=0)
    told = joules(telemetry.book(26 * HOUR))
    assert told == {"free": pytest.approx(100 * HOUR), "down": None}
    telemetry.samples(first_s=26 * HOUR + 10, last_s=27 * HOUR, counter=lambda s: 100 * s)
    books = telemetry.book(27 * HOUR)
    assert seconds(books)["down"] == 25 * HOUR
    assert sum(joules(books).values()) == pytest.approx(100 * 27 * HOUR)


def test_a_silence_that_begins_and_ends_without_a_reading_of_energy_loses_none(
    telemetry: Any, joules: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR - 20, counter=lambda s: 100 * s)
    telemetry.samples(first_s=HOUR - 10, last_s=HOUR, watts=None, up=0)
    telemetry.book(6 * HOUR)
    telemetry.samples(first_s=6 * HOUR, last_s=6 * HOUR + 10, watts=None, up=0)
    telemetry.samples(first_s=6 * HOUR + 20, last_s=7 * HOUR, counter=lambda s: 100 * s)
    assert sum(joules(telemetry.book(7 * HOUR)).values()) == pytest.approx(100 * 7 * HOUR)


def test_booking_again_gives_the_same_entries(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=2 * HOUR, sm_active_ratio=0.8, counter=lambda s: 333.3 * s)
    telemetry.assign("j", 100, 5000)
    books = telemetry.book(2 * HOUR)
    first = [books.minutes("device", hour) for hour in books.hours()]
    again = telemetry.book(2 * HOUR)
    second = [again.minutes("device", hour) for hour in again.hours()]
    assert len(first) == 2
    for one, other in zip(first, second, strict=True):
        assert one is not None and other is not None
        assert one.equals(other)


def test_a_late_batch_reopens_its_hour(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=1000)
    telemetry.samples(first_s=2000, last_s=2 * HOUR)
    assert seconds(telemetry.book(2 * HOUR))["unobserved"] == 1000.0
    telemetry.samples(first_s=1000, last_s=2000)
    assert "unobserved" not in seconds(telemetry.book(2 * HOUR))


def test_an_open_hour_is_booked_up_to_now_and_completed_later(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=1795)
    assert seconds(telemetry.book(1800)) == {"free": 1800.0}
    assert sum(seconds(telemetry.book(HOUR + 10)).values()) == HOUR + 10


def test_hours_in_which_nothing_came_are_booked_as_unobserved(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=600)
    booked = seconds(telemetry.book(30 * HOUR))
    assert booked == {"free": 600.0, "unobserved": 30.0 * HOUR - 600}


def test_an_open_assignment_is_believed_for_a_while_only(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.5)
    telemetry.assign("j", 600, None, said_s=1000)
    assert seconds(telemetry.book(HOUR))["busy"] == 490.0


def test_the_later_of_two_jobs_on_a_device_ends_the_earlier(telemetry: Any, seconds: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.5)
    telemetry.assign("first", 0, None, said_s=1000)
    telemetry.assign("second", 1010, 2000)
    books = telemetry.book(HOUR)
    assert seconds(books, job="first") == {"busy": 1010.0}
    assert seconds(books, job="second") == {"busy": 990.0}


def test_a_device_counts_only_while_it_is_installed(
    telemetry: Any, seconds: Any, start_ms: int
) -> None:
    telemetry.device(
        installed_from_unix_ms=start_ms + 600_000, installed_until_unix_ms=start_ms + 1_800_000
    )
    telemetry.samples(first_s=600, last_s=1800)
    assert seconds(telemetry.book(5 * HOUR)) == {"free": 1200.0}


def test_a_sampling_period_that_was_changed_counts_from_then_on(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR)
    telemetry.book(HOUR)
    telemetry.samples(first_s=HOUR + 30, last_s=2 * HOUR, every_s=30)
    books = telemetry.book(2 * HOUR)
    entries = books.minutes("device", books.hours()[1])
    assert entries is not None
    assert entries["samples_expected"].sum() == pytest.approx(120)


def test_samples_are_counted_and_expected(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=1800)
    telemetry.samples(first_s=2400, last_s=HOUR)
    books = telemetry.book(HOUR)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    # One every ten seconds; the first is the start of the first interval and ends none.
    assert entries["samples"].sum() == 180 + 121
    assert entries["samples_expected"].sum() == pytest.approx(360)


def test_an_hour_keeps_its_joules_where_a_job_starts_across_its_end(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(first_s=5, last_s=7205, watts=300.0)
    telemetry.assign("j", HOUR + 2, 7000)
    books = telemetry.book(7200)
    for hour in books.hours()[:2]:
        control = books.control(hour)
        assert control is not None
        known = control.filter(pl.col("kind") == "device")
        assert known["energy_joules"].item() == pytest.approx(known["metered_joules"].item())
    assert audit(books.root.parent) == []


def test_the_reading_that_ends_a_hole_is_no_maximum_of_the_hole(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=600, watts=100.0)
    telemetry.samples(first_s=1200, last_s=HOUR, watts=500.0)
    books = telemetry.book(HOUR)
    entries = books.minutes("device", books.hours()[0])
    assert entries is not None
    hole = entries.filter(pl.col("account") == "unobserved").sort("minute")
    assert hole["power_max_watts"].to_list() == [None] * 9 + [500.0]


def test_late_rows_before_a_silence_of_hours_move_its_energy(telemetry: Any, start_ms: int) -> None:
    """The counter stood still from the last of them on; nothing of it is used in the silence."""

    def counter(second: float) -> float:
        return 300.0 * min(second, HOUR)

    telemetry.device()
    telemetry.samples(last_s=1800, counter=counter)
    telemetry.samples(first_s=4 * HOUR, last_s=5 * HOUR, counter=counter)
    telemetry.book(5 * HOUR)
    telemetry.samples(first_s=1800, last_s=HOUR - 10, counter=counter)
    telemetry.take_dirty = lambda: {("test", start_ms)}
    books = telemetry.book(5 * HOUR)
    entries = books.read("device", start_ms, start_ms + 5 * HOUR * 1000)
    hours = entries.group_by("minute").agg(pl.col("energy_joules").sum()).sort("minute")
    assert hours["energy_joules"][0] == pytest.approx(300 * (HOUR - 10), abs=10)
    assert hours["energy_joules"].sum() == pytest.approx(300 * HOUR)
    assert audit(books.root.parent) == []


@pytest.mark.parametrize(("falls_silent_s", "speaks_s"), [(-540, 1800), (-10, 1000), (-1200, 1800)])
@pytest.mark.parametrize("bookings", [1, 3])
def test_a_silence_across_midnight_loses_no_joules(
    telemetry: Any, joules: Any, falls_silent_s: int, speaks_s: int, bookings: int
) -> None:
    """Hours are booked a day at a time, and a day sees a quarter of an hour of the next."""
    midnight = 24 * HOUR
    telemetry.device()
    telemetry.samples(
        first_s=22 * HOUR, last_s=midnight + falls_silent_s, counter=lambda s: 400 * s
    )
    telemetry.samples(first_s=midnight + speaks_s, last_s=26 * HOUR, counter=lambda s: 400 * s)
    for _ in range(bookings):
        books = telemetry.book(26 * HOUR)
    assert sum(value or 0 for value in joules(books).values()) == pytest.approx(400 * 4 * HOUR)


@pytest.mark.parametrize("together", [True, False])
def test_power_counts_until_a_counter_begins_however_hours_are_booked(
    telemetry: Any, joules: Any, together: bool
) -> None:
    """A driver that learns to count tells nothing of the time before; its power still does."""
    telemetry.device()
    telemetry.samples(last_s=2 * HOUR, watts=300.0)
    if not together:
        telemetry.book(2 * HOUR)
    telemetry.samples(
        first_s=2 * HOUR + 10, last_s=4 * HOUR, watts=300.0, counter=lambda s: 300 * s + 7
    )
    books = telemetry.book(4 * HOUR)
    assert joules(books) == {"free": pytest.approx(300 * 4 * HOUR)}
