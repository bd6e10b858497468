"""`wattline report`: reports as HTML, PDF, XLSX and JSON."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store
from wattline_reports import waiting
from wattline_reports.kinds import FORMATS, Kind, find, kinds

if TYPE_CHECKING:
    from datetime import datetime

    from wattline_reports.asked import Asked
    from wattline_reports.document import Report

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
                                         starts with the verification code that the others show"""


def _kinds_text() -> str:
    wide = max(len(name) for name in kinds())
    return "\n".join(f"  {name:<{wide}}  {kind.help}" for name, kind in kinds().items())


_OPENING = """\
Make a report from a store's books. The same books always give the same files, byte for byte; each
says on its first page what is missing."""


def _configure(parser: ArgumentParser) -> None:
    parser.description = f"{_OPENING}\n\nkinds:\n{_kinds_text()}\n\n{_EXAMPLES}"
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"one of: {', '.join(kinds())}")
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
        default=Path("out"),
        metavar="FILE_OR_DIR",
        help="a folder, or a file whose ending is one of the formats; default: out",
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


def _run(arguments: Namespace) -> int:
    if arguments.kind is None:
        print(f"Kinds of report:\n{_kinds_text()}\n\n`wattline report --help` says how to ask.")
        return 0
    kind = find(arguments.kind)
    options = _options(kind, arguments)
    _checked_of(kind, arguments.of)
    if kind.instead is not None:
        done = kind.instead(tuple(arguments.of), options)
        if done is not None:
            return done
    single, formats = _formats(arguments.out, arguments.format)
    as_of = _as_of(arguments.as_of)
    store: Path = arguments.store or (default_store() if kind.needs_store else Path())
    if kind.needs_store and not store.is_dir():
        raise UsageError(
            f"{store} is not a directory, so it holds no store: `wattline import` or `wattline up` "
            "makes one"
        )
    report = _built(kind, store, arguments.period, as_of, tuple(arguments.of), options)
    with waiting.said("report", "setting the pages"):
        files = {form: _rendered(report, kind, form) for form in formats}
    if not report.statement.good:
        print(f"report: {report.statement.headline}: see the first page", file=sys.stderr)
    out: Path = arguments.out
    where = {
        form: out if single else out / f"{report.name}.{form}" for form in formats
    }  # fmt: skip
    for path in _written(out, {where[form]: content for form, content in files.items()}):
        print(path)
    return 0


def _built(
    kind: Kind,
    store: Path,
    period: str | None,
    as_of: datetime | None,
    of: tuple[str, ...],
    options: dict[str, str],
) -> Report:
    from datetime import UTC, datetime

    from wattline_reports.asked import Asked, checked
    from wattline_reports.period import default_period, parse_period, suited

    if period is None:
        span = default_period(kind, store, datetime.now(UTC))
    else:
        span = suited(kind, parse_period(period))
    asked: Asked = Asked(
        kind=kind, store=store, period=span, as_of=as_of, of=of, options=options,
        said=lambda what: waiting.said("report", what),
        counted=lambda what: waiting.counted("report", what),
    )  # fmt: skip
    return kind.build(checked(asked))


def _rendered(report: Report, kind: Kind, form: str) -> bytes:
    if form == "html":
        from wattline_reports.render import html

        return html.render(report, kind)
    if form == "pdf":
        from wattline_reports.render import pdf

        return pdf.render(report, kind)
    if form == "xlsx":
        from wattline_reports.render import xlsx

        return xlsx.render(report)
    from wattline_reports.render import machine

    return machine.render(report)


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


def _written(out: Path, files: dict[Path, bytes]) -> list[Path]:
    """Write the files, each whole or not at all."""
    paths = []
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.parent / f".{path.name}.{os.getpid()}"
            partial.write_bytes(content)
            partial.replace(path)
            paths.append(path)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot write there: {error.strerror}") from error
    return paths


COMMAND = Command(
    name="report",
    help="write a report as HTML, PDF, XLSX and JSON",
    description=f"{_OPENING}\n\n{_EXAMPLES}",
    configure=_configure,
    run=_run,
)
