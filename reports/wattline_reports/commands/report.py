"""`wattline report`: reports as HTML and PDF."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store
from wattline_reports import waiting

KINDS = ("review",)
FORMATS = ("html", "pdf", "json")

_DESCRIPTION = """\
Make a report from a store's books.

kinds:
  review   the EuroHPC coordination review: what the factory made, where its GPU-hours and energy
           went, and how far the figures can be trusted. Says on its first page whether the books
           balance. The same books always give the same files, byte for byte.

examples:
  wattline report review --store DIR                           all that the store holds
  wattline report review --store DIR --period 2026-11          a month
  wattline report review --store DIR --period 2026-Q4          a quarter; 2026 is a year
  wattline report review --store DIR --period 2026-11-03..2026-11-17
                                         days or times in UTC; the end is not part of the period
  wattline report review --store DIR --format pdf --out review
  wattline report review --store DIR --format html,pdf,json
                                         json: the figures themselves, whose SHA-256 the report
                                         shows as its verification code"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"one of: {', '.join(KINDS)}")
    parser.add_argument(
        "--period",
        metavar="PERIOD",
        help="YYYY, YYYY-Qn, YYYY-MM, YYYY-MM-DD or FROM..TO; default: all that the store holds",
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="where to write; default: out"
    )
    parser.add_argument(
        "--format",
        default="html,pdf",
        metavar="LIST",
        help=f"any of {', '.join(FORMATS)}, separated by commas; default: html,pdf",
    )


def _run(arguments: Namespace) -> int:
    if arguments.kind not in KINDS:
        asked = "which report?" if arguments.kind is None else f"no report {arguments.kind[:40]!r};"
        raise UsageError(f"{asked} there is {', '.join(KINDS)}: `wattline report review --help`")
    formats = _formats(arguments.format)
    store: Path = arguments.store or default_store()
    if not store.is_dir():
        raise UsageError(
            f"{store} is not a directory, so it holds no store: `wattline import` or `wattline up` "
            "makes one"
        )
    for path in _review(store, arguments.period, arguments.out, formats):
        print(path)
    return 0


def _formats(text: str) -> tuple[str, ...]:
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for one in asked:
        if one not in FORMATS:
            raise UsageError(f"--format {one[:20]!r}: there are {', '.join(FORMATS)}")
    if not asked:
        raise UsageError(f"--format is empty: there are {', '.join(FORMATS)}")
    return tuple(one for one in FORMATS if one in asked)


def _review(store: Path, period: str | None, out: Path, formats: Sequence[str]) -> list[Path]:
    from wattline_collector.kpi import query, registry
    from wattline_collector.ledger.audit import audit
    from wattline_reports import findings, source
    from wattline_reports.period import parse_period
    from wattline_reports.render import html, pdf
    from wattline_reports.review import build

    asked = None if period is None else parse_period(period)
    with waiting.said("report", "computing the figures"):
        overview = query.overview(store, asked)
    if not overview.devices and not overview.nodes:
        raise UsageError(f"{store} holds nothing {_when(overview.period.to_json())}{_held(store)}")
    found = findings.within(
        audit(store, progress=waiting.counted("report", "auditing hours")), overview.period
    )
    figures = source.settled({**overview.to_json(), source.FINDINGS: found})
    review = build(figures, registry.explain)
    renderings: dict[str, Callable[[], bytes]] = {
        "html": lambda: html.render(review),
        "pdf": lambda: pdf.render(review),
        "json": lambda: source.canonical(figures),
    }
    with waiting.said("report", "setting the pages"):
        files = {f"{review.name}.{form}": renderings[form]() for form in formats}
    if not review.statement.good:
        print(f"report: {review.statement.headline}: see the first page", file=sys.stderr)
    return _written(out, files)


def _when(period: dict[str, str]) -> str:
    return f"from {period['from']} to {period['to']}"


def _held(store: Path) -> str:
    from wattline_collector.kpi.figure import Period
    from wattline_collector.kpi.view import utc
    from wattline_collector.ledger.books import Books

    span = Books(store).span()
    if span is None:
        return ""
    return f"; it holds what happened {_when(Period(utc(span[0]), utc(span[1])).to_json())}"


def _written(out: Path, files: dict[str, bytes]) -> list[Path]:
    """Write the files, each whole or not at all."""
    paths = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = out / name
            partial = out / f".{name}.{os.getpid()}"
            partial.write_bytes(content)
            partial.replace(path)
            paths.append(path)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot write there: {error.strerror}") from error
    return paths


COMMAND = Command(
    name="report",
    help="write a report as HTML and PDF",
    description=_DESCRIPTION,
    configure=_configure,
    run=_run,
)
