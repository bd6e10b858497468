"""`wattline warning`: nodes that fail more often than their like, and devices that drift."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

_DESCRIPTION = """\
Looks through a store's books and readings for nodes that fail more often than chance allows, and
for devices that drift from their like at the same work. Thin data names nobody.

examples:
  wattline warning --store DIR               the last 28 days
  wattline warning --store DIR --days 60     more of them: rare faults need longer
  wattline warning --store DIR --json        the same for programs
  wattline warning --explain                 what is looked at, and what to do about it"""
MOST_DAYS = 366


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument(
        "--days", type=int, default=28, metavar="N", help="how many days are looked at (28)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print it as JSON")
    form.add_argument(
        "--explain", action="store_true", help="say what is looked at, and what to do about it"
    )


def _run(arguments: Namespace) -> int:
    from wattline_collector.warning.report import explained, report, table

    if arguments.explain:
        print(explained(), end="")
        return 0
    if not 1 <= arguments.days <= MOST_DAYS:
        raise UsageError(f"--days: not from 1 to {MOST_DAYS}: {arguments.days}")
    from wattline_collector.warning.gather import gather

    found = report(gather(arguments.store or default_store(), arguments.days))
    if arguments.json:
        print(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        print(table(found), end="")
    return 0


COMMAND = Command(
    "warning", "which nodes and devices are about to fail", _DESCRIPTION, _configure, _run
)
