"""`wattline job`: one job, running or finished, and what its owner could change."""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattline_agents.clock import SystemClock
from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from wattline_collector.advice.evaluate import Advice
    from wattline_collector.efficiency.report import JobReport
    from wattline_collector.efficiency.terminal.ink import Ink
    from wattline_collector.kpi.figure import Period

NOT_THERE = 3
"""Exit code for a job that is not there, or not the caller's."""

_DESCRIPTION = """\
One job: whether it used what it was given, and what to change. Works for running and finished
jobs, with whatever is known of them: accounting alone, telemetry alone, or both.

examples:
  wattline job 123456                            from the store of this machine
  wattline job 123_4 --store DIR                 a task of an array; 123+1 and namespace/pod too
  wattline job 123456 --period 2026-11-01T08:00..2026-11-01T12:00
  wattline job 123456 --collector URL --token-file FILE
  wattline job 123456 --json                     for programs
  wattline job --rules FILE --check              check a site's rules
  wattline job --list-rules                      the rules as a page of documentation

On the store people see their own jobs; root and the store's owner see all. Over HTTP the read
token sees all. Exit code 3: no such job, or not yours."""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="the job: 123, 123_4, 123+1, ns/pod")
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument("--collector", metavar="URL", help="ask a collector instead of a store")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds the collector's read token"
    )
    parser.add_argument("--system", metavar="NAME", help="where it ran, if several have the id")
    parser.add_argument("--period", metavar="FROM..TO", help="only this part of its time (UTC)")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="the site's rules and prices")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--width", type=int, metavar="COLUMNS", help="default: the terminal's")
    parser.add_argument("--ascii", action="store_true", help="no character beyond ASCII")
    parser.add_argument("--check", action="store_true", help="check --rules FILE and end")
    parser.add_argument("--list-rules", action="store_true", help="print all rules, as Markdown")


def _run(arguments: Namespace) -> int:
    if arguments.list_rules or arguments.check:
        return _rules(arguments)
    if not arguments.id:
        raise UsageError("which job? give its id, such as `wattline job 123456`")
    if arguments.collector is not None:
        return _ask(arguments)
    return _look(arguments)


def _rules(arguments: Namespace) -> int:
    """Print the rules, or say that a site's are in order."""
    from wattline_collector.advice.page import markdown
    from wattline_collector.advice.read import advisor

    if arguments.check and arguments.rules is None:
        raise UsageError("--check needs --rules FILE")
    rules = advisor(arguments.rules).rules
    if arguments.list_rules:
        print(markdown(rules), end="")
    else:
        print(f"{arguments.rules}: in order; with it there are {len(rules)} rules")
    return 0


def _look(arguments: Namespace) -> int:
    """Answer from a store on this machine."""
    from wattline_collector.access import viewer_of_store
    from wattline_collector.efficiency.answer import answer, judged
    from wattline_collector.efficiency.find import NotThere
    from wattline_collector.efficiency.gather import Question

    store = arguments.store or default_store()
    question = Question(
        id=arguments.id,
        viewer=viewer_of_store(store),
        now_ms=SystemClock().unix_ms(),
        system=arguments.system,
        period=_period(arguments.period),
    )
    try:
        found, advice = judged(store, question, rules=arguments.rules)
    except NotThere as error:
        return _not_there(str(error))
    if arguments.json:
        _print_json(answer(found, advice))
    else:
        _print_page(arguments, found, advice)
    return 0


def _ask(arguments: Namespace) -> int:
    """Answer from a collector; it looks by itself, with its own rules."""
    from wattline_collector.access import read_token
    from wattline_collector.client import Collector, Refused

    if arguments.store is not None:
        raise UsageError("--store and --collector: give one of them")
    if arguments.rules is not None:
        raise UsageError("--rules: a collector answers by its own; leave it out with --collector")
    token = None if arguments.token_file is None else read_token(arguments.token_file)
    period = _period(arguments.period)
    start, end = (None, None) if period is None else (period.start, period.end)
    try:
        found = Collector(arguments.collector, token).job(
            arguments.id, arguments.system, start, end
        )
    except Refused as error:
        if error.status == 404:
            return _not_there(str(error))
        raise
    if arguments.json:
        _print_json(found)
        return 0
    from wattline_collector.efficiency.answer import read_answer

    _print_page(arguments, *read_answer(found))
    return 0


def _not_there(message: str) -> int:
    print(f"wattline: {message}", file=sys.stderr)
    return NOT_THERE


def _print_page(arguments: Namespace, found: JobReport, advice: Advice) -> None:
    from wattline_collector.efficiency.terminal.page import page

    print("\n".join(page(found, advice, _ink(arguments))))


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


def _ink(arguments: Namespace) -> Ink:
    from wattline_collector.efficiency.terminal.ink import Ink

    width = arguments.width
    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns
    ink = Ink.of(sys.stdout, width, os.environ)
    if not arguments.ascii:
        return ink
    return Ink(ink.width, ink.colour, ink.true_colour, unicode=False)


def _period(text: str | None) -> Period | None:
    """FROM..TO; either may be left out."""
    from wattline_collector.kpi.figure import Period
    from wattline_collector.kpi.period import parse_time

    if text is None:
        return None
    first, dots, last = text.partition("..")
    if not dots or not (first or last):
        raise UsageError(f"--period {text[:60]!r}: write FROM..TO; either may be left out")
    from datetime import UTC

    start = parse_time(first, "--period") if first else datetime(1990, 1, 1, tzinfo=UTC)
    end = parse_time(last, "--period") if last else datetime(2100, 1, 1, tzinfo=UTC)
    if end <= start:
        raise UsageError(f"--period {text[:60]}: ends before it starts; write FROM..TO")
    return Period(start, end)


COMMAND = Command(
    "job", "one job: what it used, what it made, what to change", _DESCRIPTION, _configure, _run
)
