"""What is due when: decided from the time, the shelf and what the store holds, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from wattline_collector.kpi.figure import Period
from wattline_reports.kinds import MONTH, QUARTER, YEAR
from wattline_reports.made_file import Key, Made
from wattline_reports.making import chosen
from wattline_reports.period import parse_period
from wattline_reports.schedule.file import Entry

_MONTHS = {MONTH: 1, QUARTER: 3, YEAR: 12}

Newest = Callable[[Key], Made | None]
"""Looks on the shelf."""


class State(StrEnum):
    """How far a report of a period is."""

    DONE = "made"
    TO_MAKE = "due"
    TO_SEND = "to send"
    NOT_YET = "not yet"
    NOTHING = "no data"


@dataclass(frozen=True, slots=True)
class Turn:
    """A report of one period.

    Attributes:
        entry: Which report.
        code: The period as people write it: `2026-11`.
        period: The same as times.
        due: When it is made.
        state: How far it is.
        made: What is on the shelf of it.
        left: To whom it is still to be handed over.
    """

    entry: Entry
    code: str
    period: Period
    due: datetime
    state: State
    made: Made | None = None
    left: tuple[str, ...] = ()


def turns(
    entry: Entry, now: datetime, span: Period | None, newest: Newest, *, at_once: bool = False
) -> list[Turn]:
    """The periods of an entry that are over, as many as are made up for, and the one that runs.

    Args:
        entry: Which report.
        now: The time, UTC.
        span: What the store holds; None: nothing.
        newest: Looks on the shelf.
        at_once: Whether nobody waits for late data, and the last period is made anew.

    Returns:
        The oldest first.
    """
    wait = timedelta(days=0 if at_once else entry.wait_days)
    running = _place(now, entry.every)
    found: list[Turn] = []
    for place in range(running, running - 80, -1):
        code = _code(place, entry.every)
        period = parse_period(code)
        due = period.end + wait
        if due > now:
            found.append(Turn(entry, code, period, due, State.NOT_YET))
        elif sum(turn.state is not State.NOT_YET for turn in found) < entry.catch_up:
            found.append(_turn(entry, code, period, due, span, newest, at_once=at_once))
            if at_once:
                break
        else:
            break
    return found[::-1]


def _turn(
    entry: Entry,
    code: str,
    period: Period,
    due: datetime,
    span: Period | None,
    newest: Newest,
    *,
    at_once: bool,
) -> Turn:
    if span is None or period.end <= span.start or period.start >= span.end:
        return Turn(entry, code, period, due, State.NOTHING)
    made = newest(key_of(entry, code))
    if made is None or at_once or not _is_of_then(made, entry, due):
        return Turn(entry, code, period, due, State.TO_MAKE, made, receivers(entry))
    left = tuple(one for one in receivers(entry) if one not in made.delivered)
    return Turn(entry, code, period, due, State.TO_SEND if left else State.DONE, made, left)


def _is_of_then(made: Made, entry: Entry, due: datetime) -> bool:
    """Whether it has all its forms, and was made, or checked, when late data were in."""
    at = datetime.fromisoformat(made.checked_at or made.made_at)
    return at >= due and all(made.file(form) is not None for form in entry.formats)


def key_of(entry: Entry, code: str) -> Key:
    """What the shelf calls a report of that period."""
    return Key(entry.kind.name, code, entry.of, chosen(entry.kind, entry.options))


def receivers(entry: Entry) -> tuple[str, ...]:
    """All that it is handed over to, as the shelf calls them."""
    folder = () if entry.folder is None else (f"folder {str(entry.folder)[-200:]}",)
    return (*folder, *(mailbox(address) for address in entry.mail))


def mailbox(address: str) -> str:
    """What the shelf calls a mail box: whose it is stands in the schedule alone."""
    return f"mail {sha256(address.encode()).hexdigest()[:16]}"


def _place(now: datetime, every: str) -> int:
    """The number of the calendar period that a time is in."""
    return (now.year * 12 + now.month - 1) // _MONTHS[every]


def _code(place: int, every: str) -> str:
    if every == YEAR:
        return f"{place:04d}"
    if every == QUARTER:
        return f"{place // 4:04d}-Q{place % 4 + 1}"
    return f"{place // 12:04d}-{place % 12 + 1:02d}"
