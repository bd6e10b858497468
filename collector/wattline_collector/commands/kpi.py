"""`wattline kpi`: figures on the terminal."""

from __future__ import annotations

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from wattline_collector.kpi.figure import Figure, Period

_DESCRIPTION = """\
Figures from a store's books, with the two sums they are made of and their coverage.

examples:
  wattline kpi --store DIR                       every KPI, of all that the store holds
  wattline kpi P02 S10 --store DIR --by job      throughput and tokens per joule, job by job
  wattline kpi U01 --store DIR --from 2026-11-01 --to 2026-12-01
  wattline kpi S10 --explain                     what it is, and how it is computed
  wattline kpi S12 --store DIR --explain         the same, with the figure
  wattline kpi --list"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="KPI ids, e.g. P01 S10; all if none")
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument("--from", dest="start", metavar="TIME", help="start of the period (UTC)")
    parser.add_argument("--to", dest="end", metavar="TIME", help="end of the period (UTC)")
    parser.add_argument("--by", metavar="DIMENSION", help="split by system, node, job or day")
    parser.add_argument(
        "--format", choices=("table", "json", "csv"), default="table", help="default: table"
    )
    parser.add_argument("--explain", action="store_true", help="say what the figures are")
    parser.add_argument("--list", action="store_true", help="list the KPIs there are")
    parser.add_argument(
        "--page", action="store_true", help="print the page of documentation about them"
    )


def _run(arguments: Namespace) -> int:
    from wattline_collector.kpi import registry
    from wattline_collector.kpi.query import figures_with_notes

    if arguments.page:
        from wattline_collector.kpi.page import markdown

        print(markdown(), end="")
        return 0
    ids: list[str] = arguments.ids
    if arguments.list:
        for kpi in registry.REGISTRY.values():
            print(f"{kpi.id:<8}{kpi.name:<34}{kpi.unit:<7}{kpi.formula}")
        return 0
    kpis = [registry.find(id) for id in ids]
    if arguments.explain and not kpis:
        raise UsageError("--explain needs the id of a KPI; `wattline kpi --list` lists them")
    if arguments.store is None and arguments.explain:
        for kpi in kpis:
            print(_explained(registry.explain(kpi.id)))
        return 0
    arguments.store = arguments.store or default_store()
    found, notes = figures_with_notes(arguments.store, ids, _period(arguments), arguments.by)
    if arguments.format == "json":
        print(json.dumps([figure.to_json() for figure in found], indent=1, allow_nan=False))
    elif arguments.format == "csv":
        _write_csv(found)
    elif arguments.explain:
        for figure in found:
            print(_explained(registry.explain(figure.id)))
            print(_defended(figure))
    elif not found:
        print(
            f"nothing in this period to split by {arguments.by}; without --by each KPI says why it "
            "is not known"
        )
    else:
        _write_table(found)
        if not ids:
            for note in notes:
                print(f"note: {note}")
    return 0


def _period(arguments: Namespace) -> Period | None:
    from datetime import UTC, datetime

    from wattline_collector.kpi.figure import Period
    from wattline_collector.kpi.period import parse_time
    from wattline_collector.kpi.view import utc
    from wattline_collector.ledger.books import Books

    if arguments.start is None and arguments.end is None:
        return None
    span = Books(arguments.store).span()
    first, last = (utc(ms) for ms in span) if span else (datetime.now(UTC), datetime.now(UTC))
    start = first if arguments.start is None else parse_time(arguments.start, "--from")
    end = last if arguments.end is None else parse_time(arguments.end, "--to")
    return Period(start, end)


def _number(value: float | int | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - an en dash is how look and typography write "unknown"
    if isinstance(value, int) or abs(value) >= 1e6:
        return f"{value:,.0f}"
    return f"{value:,.5g}" if abs(value) < 1000 else f"{value:,.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"  # noqa: RUF001 - as above


def _write_table(found: Sequence[Figure]) -> None:
    header = ("id", "", "name", "value", "unit", "coverage", "n", "status", "method")
    rows = [
        (
            figure.id,
            " ".join(figure.dims.values()),
            figure.name,
            _number(figure.value),
            figure.unit,
            _percent(figure.coverage),
            str(figure.n),
            figure.status.value,
            figure.note if figure.value is None else figure.method,
        )
        for figure in found
    ]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    right = {3, 5, 6}
    if found:
        ends = found[0].period.to_json()
        print(f"{ends['from']} to {ends['to']}")
    for row in (header, *rows):
        cells = [
            text.rjust(width) if i in right else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
            if width
        ]
        print("  ".join(cells).rstrip())


def _write_csv(found: Sequence[Figure]) -> None:
    columns = (
        "id", "name", "unit", "value", "numerator", "numerator_unit", "denominator",
        "denominator_unit", "n", "coverage", "method", "status", "note", "dims", "from", "to",
    )  # fmt: skip
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for figure in found:
        row = figure.to_json()
        dims = ";".join(f"{name}={value}" for name, value in figure.dims.items())
        writer.writerow(
            {name: row.get(name) for name in columns} | figure.period.to_json() | {"dims": dims}
        )


def _explained(entry: dict[str, object]) -> str:
    over = entry["denominator"]
    lines = [
        f"{entry['id']}  {entry['name']}, in {entry['unit']}",
        f"  formula     {entry['formula']}",
        f"  numerator   {entry['numerator']} ({entry['numerator_unit']})",
        *([f"  denominator {over} ({entry['denominator_unit']})"] if over else []),
        f"  authority   {entry['authority']}",
        *([f"  note        {entry['note']}"] if entry["note"] else []),
    ]
    return "\n".join(lines)


def _defended(figure: Figure) -> str:
    lines = [
        f"  value       {_number(figure.value)} {figure.unit}   ({figure.status.value})",
        f"  above       {_number(figure.numerator)} {figure.numerator_unit}",
        *(
            [f"  below       {_number(figure.denominator)} {figure.denominator_unit}"]
            if figure.denominator_unit
            else []
        ),
        f"  coverage    {_percent(figure.coverage)} of {figure.n}",
        f"  method      {figure.method or '–'}",  # noqa: RUF001 - as above
        *([f"  left out    {figure.note}"] if figure.note else []),
        "",
    ]
    return "\n".join(lines)


COMMAND = Command(
    "kpi", "figures on the terminal: as table, JSON or CSV", _DESCRIPTION, _configure, _run
)
