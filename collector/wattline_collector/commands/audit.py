"""`wattline audit`: do the books balance, and where not?"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from wattline_agents.command import Command
from wattline_collector.default_store import HELP, default_store

_DESCRIPTION = """\
Proves that every device-second and every joule is in the books exactly once, and that nothing
written has been altered. Exit code 0: the books balance; 1: they do not, and each place is named.

example:
  wattline audit --store DIR"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--most", type=int, default=50, metavar="N", help="findings listed; default 50"
    )


def _run(arguments: Namespace) -> int:
    from wattline_collector.imports.summary import counted
    from wattline_collector.kpi.view import MS_PER_HOUR
    from wattline_collector.ledger.audit import audit
    from wattline_collector.ledger.books import Books

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\rhour {done} of {total}", end="" if done < total else "\n", file=sys.stderr)

    store: Path = arguments.store or default_store()
    findings = audit(store, progress)
    books = Books(store)
    hours = books.hours()
    if arguments.format == "json":
        print(
            json.dumps(
                {
                    "balanced": not findings,
                    "hours": len(hours),
                    "findings": [asdict(finding) for finding in findings],
                },
                indent=1,
            )
        )
        return 1 if findings else 0
    for finding in findings[: arguments.most]:
        print(finding)
    if len(findings) > arguments.most:
        print(f"... and {len(findings) - arguments.most} more")
    if findings:
        print(
            f"The books do not balance: {counted(len(findings), 'finding')} in "
            f"{counted(len(hours), 'hour')}."
        )
        return 1
    span = books.span()
    control = books.controls(0, span[1] if span else 0)
    devices = control.filter(control["kind"].cast(str) == "device")
    nodes = control.filter(control["kind"].cast(str) == "node")
    print(
        f"The books balance: {counted(len(hours), 'hour')}, "
        f"{counted(devices['key'].n_unique(), 'device')}, "
        f"{devices['duration_ms'].sum() / MS_PER_HOUR:,.3f} device-hours booked of "
        f"{devices['expected_ms'].sum() / MS_PER_HOUR:,.3f} installed; "
        f"{devices['energy_joules'].sum():,.0f} J booked of "
        f"{devices['metered_joules'].sum():,.0f} J metered at the devices, "
        f"{nodes['energy_joules'].sum():,.0f} J of {nodes['metered_joules'].sum():,.0f} J "
        "at the nodes."
    )
    return 0


COMMAND = Command("audit", "do the books balance, and where not", _DESCRIPTION, _configure, _run)
