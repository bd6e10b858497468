"""`wattline kpi`: figures on the terminal."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from datetime import datetime

    from wattline_collector.kpi.figure import Period
    from wattline_collector.kpi.query import Answer

_DESCRIPTION = """\
Figures from a store's books, with the two sums they are made of and their coverage.

examples:
  wattline kpi --store DIR                       every KPI, of all that the store holds
  wattline kpi P02 S10 --store DIR --by job      throughput and tokens per joule, job by job
  wattline kpi U01 --store DIR --by rack,day     split by both; or --by rack --by day
  wattline kpi U01 --store DIR --from 2026-11-01 --to 2026-12-01
  wattline kpi --store DIR --from 2026-11-01 --to 2026-12-01 --compare previous
  wattline kpi U01 --store DIR --from 2026-01-01 --to 2027-01-01 --as-of 2027-01-31
                                                 as it was told on 31 January
  wattline kpi S10 --explain                     what it is, and how it is computed
  wattline kpi S12 --store DIR --explain         the same, with the figure
  wattline kpi --list"""

_BY = (
    "split by hour, day, week, month, quarter, year; system, partition, rack, node, device, "
    "device_model; job, service, project, user_category, access_mode, participating_state, sector; "
    "several with commas, or given again"
)
_COMPARE = "previous, year-ago or FROM..TO: with the change since, and the profile's targets"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="KPI ids, e.g. P01 S10; all if none")
    parser.add_argument("--store", type=Path, metavar="DIR", help=HELP)
    parser.add_argument("--from", dest="start", metavar="TIME", help="start of the period (UTC)")
    parser.add_argument("--to", dest="end", metavar="TIME", help="end of the period (UTC)")
    parser.add_argument(
        "--as-of", metavar="TIME", help="as it was told then: without what became known since (UTC)"
    )
    parser.add_argument("--by", action="append", metavar="DIMENSION", help=_BY)
    parser.add_argument("--compare", metavar="PERIOD", help=_COMPARE)
    parser.add_argument(
        "--format", choices=("table", "json", "csv"), default="table", help="default: table"
    )
    parser.add_argument("--explain", action="store_true", help="say what the figures are")
    parser.add_argument("--list", action="store_true", help="list the KPIs there are")
    parser.add_argument(
        "--page", action="store_true", help="print the page of documentation about them"
    )


def _run(arguments: Namespace) -> int:
    from wattline_collector.kpi import registry, terminal
    from wattline_collector.kpi.query import ask

    if arguments.page:
        from wattline_collector.kpi.page import markdown

        print(markdown(), end="")
        return 0
    ids: list[str] = arguments.ids
    kpis = {kpi.id: kpi for kpi in map(registry.find, ids)}
    if arguments.list:
        for line in terminal.listing(kpis or registry.REGISTRY):
            print(line)
        return 0
    if arguments.explain and not kpis:
        raise UsageError("--explain needs the id of a KPI; `wattline kpi --list` lists them")
    if arguments.store is None and arguments.explain:
        for id in kpis:
            print(terminal.explained(registry.explain(id)))
        return 0
    arguments.store = arguments.store or default_store()
    answer = ask(
        arguments.store, ids, _period(arguments), arguments.by, arguments.compare,
        as_of=_as_of(arguments),
    )  # fmt: skip
    if arguments.format == "json":
        print(json.dumps(answer.to_json(), indent=1, allow_nan=False))
    elif arguments.format == "csv":
        terminal.write_csv(sys.stdout, answer.figures, answer.compared)
    elif arguments.explain:
        explained = ""
        for figure in answer.figures:
            if figure.id != explained:
                print(terminal.explained(registry.explain(figure.id)))
            explained = figure.id
            print(terminal.defended(figure))
    else:
        _print_table(answer, arguments)
    return 0


def _print_table(answer: Answer, arguments: Namespace) -> None:
    from wattline_collector.kpi import terminal

    if not answer.figures:
        by = ",".join(arguments.by or ())
        print(
            f"nothing in this period to split by {by}; without --by each KPI says why it is not "
            "known"
        )
        return
    print(terminal.heading(answer.period, answer.other))
    # Whoever asks for one by its id is told of it; of all, those without a value say only why.
    is_shown = {
        id(figure) for figure in answer.figures if arguments.ids or figure.value is not None
    }
    shown = [one for one in answer.figures if id(one) in is_shown]
    missing = [one for one in answer.figures if id(one) not in is_shown]
    if answer.compared is None:
        lines = [*terminal.table(shown)]
    else:
        beside = [one for one in answer.compared if id(one.figure) in is_shown]
        lines = [*terminal.compared_table(beside)]
    if not arguments.ids:
        lines += ["", *terminal.unknown(missing, shown)]
    else:
        lines += terminal.remarks(shown)
    for line in lines:
        print(line)
    if not arguments.ids or arguments.compare or arguments.by:
        for note in answer.notes:
            print(f"note: {note}")


def _as_of(arguments: Namespace) -> datetime | None:
    from wattline_collector.kpi.period import parse_time

    return None if arguments.as_of is None else parse_time(arguments.as_of, "--as-of")


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


COMMAND = Command(
    "kpi", "figures on the terminal: as table, JSON or CSV", _DESCRIPTION, _configure, _run
)
