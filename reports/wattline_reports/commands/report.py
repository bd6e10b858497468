"""`wattline report`: reports as HTML, PDF, XLSX and JSON."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store
from wattline_collector.memory import share_pages
from wattline_reports import waiting
from wattline_reports.kinds import FORMATS, Kind, find, kinds
from wattline_reports.made_file import BYS, HAND, WHYS
from wattline_reports.making import Order, kept, make, written
from wattline_reports.shelf import Shelf, of_store

if TYPE_CHECKING:
    from datetime import datetime

SCHEDULE = "schedule"
"""In place of a kind: reports at their times."""
DEFAULT_FORMATS = ("html", "pdf")

_EXAMPLES = """\
examples:
  wattline report                                              the kinds of report there are
  wattline report review --store DIR                           all that the store holds
  wattline report review --store DIR --period 2026-11          a month
  wattline report review --store DIR --period 2026-Q4          a quarter; 2026 is a year
  wattline report review --store DIR --period 2026-11-03..2026-11-17
                                         days or times in UTC; the end is not part of the period
  wattline report hosting-audit --store DIR --period 2026 --as-of 2027-01-31
                                         as it was told then, whatever was restated since
  wattline report eed --store DIR --period 2026 --out eed-2026.pdf
  wattline report review --store DIR --format html,pdf,xlsx,json
                                         all four have the same figures; the SHA-256 of the JSON
                                         starts with the verification code that the others show
  wattline report review --store DIR --period 2026-11 --keep
                                         kept on the store's shelf, where pages list what was made
  wattline report schedule --template                          reports at their times: a template
  wattline report schedule list --config FILE --store DIR      what is due when
  wattline report schedule run --config FILE --store DIR       make and send what is due, once"""


def _kinds_text() -> str:
    wide = max(len(name) for name in kinds())
    return "\n".join(f"  {name:<{wide}}  {kind.help}" for name, kind in kinds().items())


_OPENING = """\
Make a report from a store's books. The same books always give the same files, byte for byte; each
says on its first page what is missing."""


def _configure(parser: ArgumentParser) -> None:
    parser.description = f"{_OPENING}\n\nkinds:\n{_kinds_text()}\n\n{_EXAMPLES}"
    parser.add_argument(
        "kind", nargs="?", metavar="KIND", help=f"one of: {', '.join(kinds())}; or schedule"
    )
    of = "; ".join(f"{name}: {kind.of.help}" for name, kind in kinds().items() if kind.of)
    parser.add_argument(
        "of", nargs="*", metavar="OF", help=(of and f"what it is of ({of})") or argparse.SUPPRESS
    )
    parser.add_argument(
        "--period",
        metavar="PERIOD",
        help="YYYY, YYYY-Qn, YYYY-MM, YYYY-MM-DD or FROM..TO; default: by the kind, all that the "
        "store holds or the last year that is over",
    )
    parser.add_argument(
        "--as-of", metavar="TIME", help="as it was told then: without what became known since (UTC)"
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE_OR_DIR",
        help="a folder, or a file whose ending is one of the formats; default: out, "
        "or with --keep none",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep it on the shelf of made reports, STORE/reports"
    )
    parser.add_argument(
        "--shelf", type=Path, metavar="DIR", help="keep it on this shelf in place of the store's"
    )
    parser.add_argument("--why", choices=WHYS, default=HAND, help=argparse.SUPPRESS)
    parser.add_argument("--by", choices=BYS, default="", help=argparse.SUPPRESS)
    parser.add_argument(
        "--progress", action="store_true", help="say each step on standard error as it begins"
    )
    parser.add_argument(
        "--format",
        metavar="LIST",
        help=f"any of {', '.join(FORMATS)}, separated by commas; default: "
        f"{','.join(DEFAULT_FORMATS)}",
    )
    flags: dict[str, list[str]] = {}
    for name, kind in kinds().items():
        for option in kind.options:
            flags.setdefault(option.flag, []).append(name)
    for flag, names in flags.items():
        option = next(one for one in kinds()[names[0]].options if one.flag == flag)
        parser.add_argument(
            flag,
            dest=f"own_{option.key}",
            metavar=option.metavar,
            help=f"{', '.join(names)}: {option.help}".replace("%", "%%"),
        )
    times = parser.add_argument_group("schedule")
    times.add_argument(
        "--config", type=Path, metavar="FILE", help="which reports, when, and for whom (TOML)"
    )
    times.add_argument("--template", action="store_true", help="print such a file, explained")
    times.add_argument(
        "--now",
        action="store_true",
        help="do not wait for late data: the last period of each entry, made anew",
    )


def _run(arguments: Namespace) -> int:
    if arguments.kind is None:
        print(f"Kinds of report:\n{_kinds_text()}\n\n`wattline report --help` says how to ask.")
        return 0
    if arguments.progress:
        waiting.say_at_once()
    if arguments.kind == SCHEDULE:
        from wattline_reports.schedule.command import run

        return run(arguments)
    for flag in ("config", "template", "now"):
        if getattr(arguments, flag):
            raise UsageError(f"--{flag} is for `wattline report schedule`; leave it out")
    kind = find(arguments.kind)
    options = _options(kind, arguments)
    _checked_of(kind, arguments.of)
    if kind.instead is not None:
        done = kind.instead(tuple(arguments.of), options)
        if done is not None:
            return done
    keeps = arguments.keep or arguments.shelf is not None
    out: Path = arguments.out or Path("out")
    single, formats = _formats(out, arguments.format)
    as_of = _as_of(arguments.as_of)
    store: Path = arguments.store or (default_store() if kind.needs_store else Path())
    if kind.needs_store and not store.is_dir():
        raise UsageError(
            f"{store} is not a directory, so it holds no store: `wattline import` or `wattline up` "
            "makes one"
        )
    if keeps and not kind.needs_store and arguments.shelf is None:
        raise UsageError(f"{kind.name} is of no store: say on which shelf with --shelf DIR")
    share_pages()
    order = Order(kind, store, formats, arguments.period, as_of, tuple(arguments.of), options)
    finished = make(order)
    report = finished.report
    if not report.statement.good:
        print(f"report: {report.statement.headline}: see the first page", file=sys.stderr)
    if not keeps or arguments.out is not None:
        where = {form: out if single else out / f"{report.name}.{form}" for form in formats}
        files = {where[form]: content for form, content in finished.files.items()}
        for path in written(out, files):
            print(path)
    if keeps:
        shelf = Shelf(arguments.shelf or of_store(store))
        made, new = shelf.put(kept(order, finished, arguments.why, arguments.by), _now())
        if not new:
            print(f"report: made before, with the same figures: {made.id}", file=sys.stderr)
        for path in shelf.paths(made):
            print(path)
    return 0


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _options(kind: Kind, arguments: Namespace) -> dict[str, str]:
    mine = {option.key: option for option in kind.options}
    found = {key: option.default for key, option in mine.items()}
    for name, value in vars(arguments).items():
        key = name.removeprefix("own_")
        if not name.startswith("own_") or value is None:
            continue
        flag = f"--{key.replace('_', '-')}"
        if key not in mine:
            raise UsageError(f"{flag} is not for {kind.name}; leave it out")
        if mine[key].choices and value not in mine[key].choices:
            raise UsageError(f"{flag} {value[:40]!r}: there are {', '.join(mine[key].choices)}")
        found[key] = value
    return found


def _checked_of(kind: Kind, of: list[str]) -> None:
    if kind.of is None:
        if of:
            raise UsageError(f"{kind.name} takes no {of[0][:40]!r}: it is of the whole factory")
    elif not kind.of.least <= len(of) <= kind.of.most:
        wanted = kind.of.metavar if kind.of.most == 1 else f"{kind.of.metavar}..."
        raise UsageError(f"which? `wattline report {kind.name} {wanted}`: {kind.of.help}")


def _formats(out: Path, text: str | None) -> tuple[bool, tuple[str, ...]]:
    """Whether `--out` is one file, and the formats."""
    ending = out.suffix.lstrip(".").lower()
    is_file = ending in FORMATS and not out.is_dir()
    if text is None:
        return is_file, (ending,) if is_file else DEFAULT_FORMATS
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for one in asked:
        if one not in FORMATS:
            raise UsageError(f"--format {one[:20]!r}: there are {', '.join(FORMATS)}")
    if not asked:
        raise UsageError(f"--format is empty: there are {', '.join(FORMATS)}")
    if is_file and asked != [ending]:
        raise UsageError(
            f"--out {out} is one file of format {ending}, and --format is {','.join(asked)}: name "
            "a folder, or leave --format out"
        )
    return is_file, tuple(one for one in FORMATS if one in asked)


def _as_of(text: str | None) -> datetime | None:
    if text is None:
        return None
    from wattline_collector.kpi.period import parse_time

    return parse_time(text, "--as-of")


COMMAND = Command(
    name="report",
    help="write a report as HTML, PDF, XLSX and JSON",
    description=f"{_OPENING}\n\n{_EXAMPLES}",
    configure=_configure,
    run=_run,
)
