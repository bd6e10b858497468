"""`wattline audit`: do the books balance, what was restated, and how does their trail end?"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

_DESCRIPTION = """\
Proves that every device-second and every joule is in the books exactly once, that nothing written
has been altered, and that the audit trail holds. Exit code 0: the books balance; 1: they do not,
and each place is named.

examples:
  wattline audit --store DIR
  wattline audit --restatements --from 2026-01-01 --to 2027-01-01
                                    hours of the year that were booked again: what changed, and why
  wattline audit --restatements --since 2027-01-31
                                    what was restated since a report was handed in
  wattline audit --head --format json > heads.json
                                    the digest that stands for all the books, to publish or sign
  wattline audit --published heads.json
                                    the same proof, and that nothing before then was rewritten"""

_BALANCED = ("kind", "key", "duration_ms", "expected_ms", "energy_joules", "metered_joules")
"""Of the control of every hour: what is added up when the books balance."""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--most", type=int, default=50, metavar="N", help="findings listed; default 50"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--restatements", action="store_true", help="list what was booked again, and why"
    )
    what.add_argument("--head", action="store_true", help="print the digest of the audit trail")
    what.add_argument(
        "--published", type=Path, metavar="FILE", help="heads printed before; they must still hold"
    )
    parser.add_argument("--from", dest="start", metavar="TIME", help="first hour of restatements")
    parser.add_argument("--to", dest="end", metavar="TIME", help="first hour no longer listed")
    parser.add_argument("--since", metavar="TIME", help="restated at that time or later")


def _run(arguments: Namespace) -> int:
    store: Path = arguments.store or default_store()
    for option, name in (("start", "--from"), ("end", "--to"), ("since", "--since")):
        if getattr(arguments, option) is not None and not arguments.restatements:
            raise UsageError(f"{name} goes with --restatements; the audit is of all hours")
    if arguments.restatements:
        return _restatements(store, arguments)
    if arguments.head:
        return _head(store, arguments.format)
    return _audit(store, arguments)


def _audit(store: Path, arguments: Namespace) -> int:
    from wattline_collector.memory import share_pages

    share_pages()
    from wattline_collector.imports.summary import counted
    from wattline_collector.kpi.view import MS_PER_HOUR
    from wattline_collector.ledger.audit import audit
    from wattline_collector.ledger.books import Books
    from wattline_collector.ledger.chain_audit import notes, read_published

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\rhour {done} of {total}", end="" if done < total else "\n", file=sys.stderr)

    published = None if arguments.published is None else read_published(arguments.published)
    findings = audit(store, progress, published)
    books = Books(store)
    hours = books.hours()
    told = notes(store)
    if arguments.format == "json":
        print(
            json.dumps(
                {
                    "balanced": not findings,
                    "hours": len(hours),
                    "findings": [asdict(finding) for finding in findings],
                    "notes": told,
                },
                indent=1,
            )
        )
        return 1 if findings else 0
    for finding in findings[: arguments.most]:
        print(finding)
    if len(findings) > arguments.most:
        print(f"... and {len(findings) - arguments.most} more")
    for note in told:
        print(f"note: {note}")
    if findings:
        print(
            f"The books do not balance: {counted(len(findings), 'finding')} in "
            f"{counted(len(hours), 'hour')}."
        )
        return 1
    span = books.span()
    control = books.controls(0, span[1] if span else 0, _BALANCED)
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


def _restatements(store: Path, arguments: Namespace) -> int:
    from wattline_collector.imports.summary import counted
    from wattline_collector.ledger.restatements import moment, reason, restatements

    found = restatements(
        store,
        from_ms=_ms(arguments.start, "--from"),
        to_ms=_ms(arguments.end, "--to"),
        since_ms=_ms(arguments.since, "--since"),
    )
    if arguments.format == "json":
        print(json.dumps([one.to_json() for one in found], indent=1, allow_nan=False))
        return 0
    listed = same = 0
    hours = set()
    for one in found:
        if not one.changes:
            same += 1
            continue
        listed += 1
        hours.add(one.hour)
        if listed > arguments.most:
            continue
        print(f"{moment(one.at_ms)}  {one.hour}  {reason(one.why)}")
        for change in one.changes:
            print(f"    {change}")
    if listed > arguments.most:
        print(f"... and {listed - arguments.most} more; --most N lists N")
    print(
        f"{counted(listed, 'restatement')} of {counted(len(hours), 'hour')}; "
        f"{same} more changed no sum."
    )
    return 0


def _head(store: Path, form: str) -> int:
    from wattline_collector.ledger.chain_audit import heads

    found = heads(store)
    if not found:
        raise UsageError(
            f"{store} has no audit trail: it begins when something is booked, by `wattline import` "
            "or the collector"
        )
    if form == "json":
        print(json.dumps({"heads": [head.to_json() for head in found]}, indent=1))
        return 0
    for head in found:
        said = head.to_json()
        print(f"{head.system}  record {head.number} of {said['at']}  sha256:{head.digest}")
    return 0


def _ms(text: str | None, option: str) -> int | None:
    from wattline_collector.kpi.period import parse_time

    return None if text is None else round(parse_time(text, option).timestamp() * 1000)


COMMAND = Command("audit", "do the books balance, and where not", _DESCRIPTION, _configure, _run)
