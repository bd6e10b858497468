"""`wattline report schedule`: what is due when, and doing it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattline_agents.errors import UsageError
from wattline_agents.nearest import instead
from wattline_collector.default_store import default_store
from wattline_reports.schedule.template import TEMPLATE
from wattline_reports.shelf import Shelf, of_store

if TYPE_CHECKING:
    from wattline_reports.schedule.due import Turn

VERBS = ("list", "run")
_NOT_HERE = ("period", "as_of", "out", "format", "keep")
_HEADS = ("REPORT", "KIND", "PERIOD", "DUE", "STATE")


def run(arguments: Namespace) -> int:
    """Do what the words after `wattline report schedule` say; returns the exit code.

    Raises:
        WattlineError: They say nothing that can be done.
    """
    if arguments.template:
        print(TEMPLATE, end="")
        return 0
    verb = _verb(arguments)
    for name in _NOT_HERE:
        if getattr(arguments, name):
            raise UsageError(f"--{name.replace('_', '-')} is not for a schedule; the file says it")
    if arguments.config is None:
        raise UsageError(
            "which schedule? say --config FILE; `wattline report schedule --template` prints one"
        )
    # What follows needs the books.
    from wattline_reports.schedule import file
    from wattline_reports.schedule.run import House, planned, post
    from wattline_reports.schedule.run import run as run_due

    schedule = file.read(arguments.config)
    store = file.checked_store(arguments.store or default_store())
    house = House(
        store, Shelf(arguments.shelf or of_store(store)), lambda: datetime.now(UTC),
        lambda line: print(f"report: {line}", file=sys.stderr, flush=True), post,
    )  # fmt: skip
    if verb == "list":
        print(table(planned(schedule, house)))
        return 0
    return 1 if run_due(schedule, house, at_once=arguments.now) else 0


def table(turns: Sequence[Turn]) -> str:
    """What is due when, a line each."""
    rows = [_HEADS, *(_row(turn) for turn in turns)]
    wide = [max(len(row[place]) for row in rows) for place in range(len(_HEADS))]
    lines = ("  ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True))
             for row in rows)  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


def _row(turn: Turn) -> tuple[str, ...]:
    entry = turn.entry
    made = "" if turn.made is None else (turn.made.checked_at or turn.made.made_at)[:10]
    said = {
        "made": f"made {made}",
        "due": "due now",
        "to send": f"made {made}, still to be handed over to {len(turn.left)}",
        "not yet": "not yet",
        "no data": "the store holds nothing of it",
    }[turn.state.value]
    kind = " ".join([entry.kind.name, *entry.of])
    return (entry.name, kind[:40], turn.code, f"{turn.due:%Y-%m-%d}", said)


def _verb(arguments: Namespace) -> str:
    words: list[str] = arguments.of
    if len(words) != 1 or words[0] not in VERBS:
        given = words[0][:40] if words else ""
        what = f"{given!r}: {instead(given, VERBS)}" if given else "say list or run"
        raise UsageError(f"schedule {what}; `wattline report schedule --template` prints a file")
    return words[0]
