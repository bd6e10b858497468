"""When a report is due: decided without a clock, a disk or a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattline_collector.kpi.figure import Period
from wattline_reports.kinds import find
from wattline_reports.made_file import File, Key, Made
from wattline_reports.schedule import due
from wattline_reports.schedule.due import State, turns
from wattline_reports.schedule.file import Entry

HELD = Period(datetime(2026, 9, 20, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC))
ENTRY = Entry("monthly", find("review"), "month", 5, 3, ("html", "pdf"), {"variant": "public"}, (),
              Path("/srv/reports"), ("a@b.eu",))  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def none(_key: Key) -> Made | None:
    return None


def states(now: str, entry: Entry = ENTRY, held: Period | None = HELD) -> dict[str, str]:
    return {turn.code: turn.state.value for turn in turns(entry, at(now), held, none)}


def made(when: str, *, forms: tuple[str, ...] = ("html", "pdf"), **more: object) -> Made:
    files = tuple(File(form, f"x.{form}", 1, "0" * 64) for form in forms)
    one = Made("id", due.key_of(ENTRY, "2026-11"), "Review", "x", "00", when, "schedule", "", True,
               1.0, files)  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type]


def state_of(one: Made, now: str = "2026-12-10") -> due.Turn:
    found = turns(ENTRY, at(now), HELD, lambda key: one if key == one.key else None)
    return next(turn for turn in found if turn.code == "2026-11")


def test_a_period_is_due_when_it_is_over_and_late_data_had_their_days() -> None:
    assert states("2026-12-05T23:59:59")["2026-11"] == "not yet"
    assert states("2026-12-06T00:00:00")["2026-11"] == "due"
    assert states("2026-12-06")["2026-12"] == "not yet"


def test_what_was_missed_is_made_up_for_but_not_without_end() -> None:
    found = states("2027-03-10")
    assert [code for code, state in found.items() if state == "due"] == [
        "2026-12", "2027-01", "2027-02",
    ]  # fmt: skip
    assert list(states("2027-03-10", replace(ENTRY, catch_up=1))) == ["2027-02", "2027-03"]


def test_a_period_of_which_nothing_is_held_is_not_made() -> None:
    found = states("2026-11-20")
    assert found == {"2026-08": "no data", "2026-09": "due", "2026-10": "due", "2026-11": "not yet"}
    assert set(states("2026-11-20", held=None).values()) == {"no data", "not yet"}


@pytest.mark.parametrize(
    ("every", "now", "codes"),
    [
        ("quarter", "2027-01-06", ["2026-Q2", "2026-Q3", "2026-Q4", "2027-Q1"]),
        ("year", "2027-01-06", ["2024", "2025", "2026", "2027"]),
        ("month", "2027-01-06", ["2026-10", "2026-11", "2026-12", "2027-01"]),
    ],
)
def test_quarters_and_years_are_those_of_the_calendar(
    every: str, now: str, codes: list[str]
) -> None:
    assert list(states(now, replace(ENTRY, every=every))) == codes


def test_a_long_wait_leaves_several_periods_not_yet_due() -> None:
    found = states("2027-03-10", replace(ENTRY, wait_days=60))
    assert [code for code, state in found.items() if state == "not yet"] == [
        "2027-01", "2027-02", "2027-03",
    ]  # fmt: skip


def test_what_is_on_the_shelf_and_was_handed_over_is_done() -> None:
    receivers = due.receivers(ENTRY)
    assert state_of(made("2026-12-06T06:00:00Z", delivered=receivers)).state is State.DONE
    turn = state_of(made("2026-12-06T06:00:00Z", delivered=receivers[:1]))
    assert (turn.state, turn.left) == (State.TO_SEND, receivers[1:])


def test_what_was_made_before_late_data_were_in_is_made_again() -> None:
    early = made("2026-12-02T06:00:00Z", delivered=due.receivers(ENTRY))
    assert state_of(early).state is State.TO_MAKE
    checked = replace(early, checked=1, checked_at="2026-12-07T06:00:00Z")
    assert state_of(checked).state is State.DONE


def test_a_report_that_lacks_a_form_is_made_again() -> None:
    assert state_of(made("2026-12-06T06:00:00Z", forms=("html",))).state is State.TO_MAKE


def test_at_once_means_the_last_period_anew_and_no_other() -> None:
    done = made("2026-12-06T06:00:00Z", delivered=due.receivers(ENTRY))
    found = turns(ENTRY, at("2026-12-10"), HELD, lambda _: done, at_once=True)
    assert [(turn.code, turn.state.value) for turn in found] == [
        ("2026-11", "due"), ("2026-12", "not yet"),
    ]  # fmt: skip
    first_day = turns(ENTRY, at("2026-12-01"), HELD, none, at_once=True)
    assert first_day[0].code == "2026-11"


def test_the_shelf_holds_no_address() -> None:
    assert "a@b.eu" not in "".join(due.receivers(ENTRY))
    assert due.mailbox("a@b.eu") != due.mailbox("c@b.eu")
