"""Doing what is due: make, keep, copy, send; one that fails does not stop the others."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from wattline_agents.errors import UsageError, WattlineError
from wattline_collector.alerts.notify.mail import send
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import utc
from wattline_collector.ledger.books import Books
from wattline_reports.made_file import SCHEDULE, Made
from wattline_reports.making import Order, kept, make, written
from wattline_reports.schedule.due import State, Turn, mailbox, turns
from wattline_reports.schedule.file import Schedule
from wattline_reports.schedule.letter import letter
from wattline_reports.shelf import Shelf, prepare

Say = Callable[[str], None]

_LOCK = "schedule.lock"


@dataclass(frozen=True, slots=True)
class House:
    """Where reports are made and kept, and how the outside is told.

    Attributes:
        store: The store's directory.
        shelf: The shelf.
        now: The time.
        say: Takes lines for whoever waits.
        post: Hands a letter to the mail server of the schedule.
    """

    store: Path
    shelf: Shelf
    now: Callable[[], datetime]
    say: Say
    post: Callable[[Schedule, EmailMessage], None]


def post(schedule: Schedule, message: EmailMessage) -> None:
    """Hand a letter to the schedule's mail server.

    Raises:
        WattlineError: It did not take it.
    """
    assert schedule.mail is not None  # the file was refused otherwise
    send(schedule.mail.server, message)


def held(store: Path) -> Period | None:
    """What the store holds."""
    span = Books(store).span()
    return None if span is None else Period(utc(span[0]), utc(span[1]))


def planned(schedule: Schedule, house: House, *, at_once: bool = False) -> list[Turn]:
    """All turns of all entries, in the file's order."""
    span, now = held(house.store), house.now()
    return [
        turn
        for entry in schedule.entries
        for turn in turns(entry, now, span, house.shelf.newest, at_once=at_once)
    ]


def run(schedule: Schedule, house: House, *, at_once: bool = False) -> int:
    """Do what is due.

    Returns:
        How many reports could not be made, or not be handed over.

    Raises:
        UsageError: Another run is at it, or the shelf cannot be used.
    """
    failed = done = 0
    with _alone(house.shelf.directory):
        for turn in planned(schedule, house, at_once=at_once):
            if turn.state not in (State.TO_MAKE, State.TO_SEND):
                continue
            name = f"{turn.entry.name} {turn.code}"
            try:
                _do(turn, schedule, house, name)
                done += 1
            except WattlineError as error:
                failed += 1
                house.say(f"{name}: failed: {error}")
            except Exception as error:  # a fault of ours in one must not hold up the others
                failed += 1
                house.say(f"{name}: failed: {type(error).__name__}: {str(error)[:200]}")
    if not done and not failed:
        house.say("nothing is due")
    return failed


def _do(turn: Turn, schedule: Schedule, house: House, name: str) -> None:
    made, left = turn.made, turn.left
    if turn.state is State.TO_MAKE:
        made, left = _make(turn, house, name)
    assert made is not None
    problems = []
    for receiver in left:
        try:
            _hand_over(made, receiver, turn, schedule, house)
        except WattlineError as error:
            problems.append(str(error))  # the next one may be reached
        else:
            made = house.shelf.delivered(made, receiver)
            house.say(f"{name}: {'copied' if receiver.startswith('folder') else 'sent'}")
    if problems:
        raise WattlineError("; ".join(problems) + "; the next run tries again")


def _make(turn: Turn, house: House, name: str) -> tuple[Made, tuple[str, ...]]:
    entry = turn.entry
    house.say(f"{name}: making it")
    order = Order(
        entry.kind, house.store, entry.formats, turn.code, None, entry.of, entry.options
    )  # fmt: skip
    finished = make(order)
    made, new = house.shelf.put(kept(order, finished, SCHEDULE), house.now())
    took = f"{finished.seconds:.0f} s"
    house.say(f"{name}: {'made' if new else 'made before, with the same figures'} ({took})")
    for path in house.shelf.paths(made):
        house.say(f"{name}: {path}")
    return made, tuple(one for one in turn.left if one not in made.delivered)


def _hand_over(made: Made, receiver: str, turn: Turn, schedule: Schedule, house: House) -> None:
    entry = turn.entry
    files = {form: house.shelf.content(made, form) for form in entry.formats}
    if receiver.startswith("folder "):
        assert entry.folder is not None
        paths = {entry.folder / f"{made.name}.{form}": data for form, data in files.items()}
        written(entry.folder, paths, "folder")
        return
    assert schedule.mail is not None
    address = next(one for one in entry.mail if mailbox(one) == receiver)
    house.post(schedule, letter(made, files, address, schedule.mail.sender, house.now()))


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Only one run at a time: two would send the same letter twice."""
    try:
        prepare(directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(directory / _LOCK, flags, 0o640)
    except OSError as error:
        raise UsageError(f"{directory}: cannot write there: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"{directory}: another run of a schedule is at it; wait") from error
        yield
    finally:
        os.close(descriptor)
