"""Registers, from CSV files and over HTTP: they go beside the telemetry, not into it."""

from __future__ import annotations

import csv
import io
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.clock import SystemClock
from wattline_agents.errors import InputError, UsageError
from wattline_collector.imports.format import Direct, plain_name
from wattline_collector.imports.summary import counted
from wattline_collector.imports.timed import zone_named

if TYPE_CHECKING:
    from wattline_collector.registers.merge import Merged
    from wattline_collector.registers.taken import Taken

Progress = Callable[[str], None]


def _configure_csv(parser: ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="FILE", help="the CSV; it may be .gz")
    _configure_shared(parser)
    parser.add_argument(
        "--whole", action="store_true",
        help="the file is the whole list: rows that earlier files brought and it does not have"
        " no longer hold",
    )  # fmt: skip


def _configure_http(parser: ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="answers a JSON list of projects")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds a token to send along"
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="certificates to trust, if not the system's"
    )
    _configure_shared(parser)


def _configure_shared(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--system", type=plain_name, metavar="NAME", help="the system of rows that name none"
    )
    parser.add_argument(
        "--zone", type=zone_named, metavar="ZONE", default=UTC,
        help="time zone of times that name none, such as Europe/Berlin; UTC if not told",
    )  # fmt: skip
    parser.add_argument(
        "--keep-good", action="store_true",
        help="keep the good rows even if more than one in a hundred is damaged",
    )  # fmt: skip


def import_csv(name: str, arguments: Namespace, progress: Progress) -> int:
    """Bring a register in from a CSV; returns the exit code."""
    from wattline_collector.registers import csv_file, kept
    from wattline_collector.registers.cells import Setting
    from wattline_collector.registers.hook import digest
    from wattline_collector.registers.schema import REGISTERS

    register, path, store = REGISTERS[name], arguments.path, arguments.store
    progress(f"reading {path.name}")
    taken = csv_file.read(path, register, Setting(arguments.zone, arguments.system))
    aside = _set_aside(taken, path)
    if taken.is_mostly_damaged and not arguments.keep_good:
        first = taken.error(taken.damaged[0])
        raise InputError(
            f"{first.reason} ({len(taken.damaged):,} of {len(taken.rows) + len(taken.damaged):,}"
            f" rows are damaged, and nothing was imported; they are in {aside} with what is wrong"
            " with each; --keep-good takes the others)",
            path=first.path, line=first.line, field=first.field,
        )  # fmt: skip
    kept.made(store)
    merged = kept.update(
        store, register, taken.frame, origin="csv", source=digest(path.read_bytes()),
        now_ms=SystemClock().unix_ms(), is_whole=arguments.whole and not taken.damaged,
    )  # fmt: skip
    _say(taken, merged, store)
    if aside is not None:
        print(f"note: what was set aside is in {aside}; correct it there and import that file")
    if arguments.whole and taken.damaged:
        print("note: with damaged rows the list is not whole: no row was retired")
    return 0


def import_http(arguments: Namespace, progress: Progress) -> int:
    """Bring projects in from a program that answers them; returns the exit code."""
    from wattline_collector.fetch import Place
    from wattline_collector.registers import hook, kept

    place = Place(arguments.url, arguments.token_file, arguments.ca_file)
    place.check("URL", "--token-file")
    kept.made(arguments.store)
    progress("asking")
    taken, merged = hook.take(
        arguments.store, place, SystemClock().unix_ms(), zone=arguments.zone,
        system=arguments.system, keeps_good=arguments.keep_good,
    )  # fmt: skip
    _say(taken, merged, arguments.store)
    return 0


def _say(taken: Taken, merged: Merged, store: Path) -> None:
    from wattline_collector.registers import kept

    register = taken.register
    changes = [f"{merged.added:,} new", f"{merged.replaced:,} changed"]
    changes += [f"{merged.retired:,} gone"] if merged.retired else []
    print(f"{register.name}: {', '.join(changes)}, {merged.unchanged:,} as before")
    holds = merged.frame["replaced_ms"].null_count()
    print(f"{counted(holds, 'row')} in {kept.path_of(store, register)}")
    for note in taken.notes():
        print(note if note.startswith(" ") else f"note: {note}")


def _set_aside(taken: Taken, path: Path) -> Path | None:
    """Write the damaged rows to a file beside, with the reasons; None if there is none.

    The file has the header of the original and the reasons in columns of their own, which an
    import passes over: corrected, it can be imported itself.
    """
    from wattline_collector.registers.csv_file import REASON
    from wattline_collector.registers.kept import write_private

    aside = path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.csv')}.damaged.csv")
    if not taken.damaged:
        return None
    text = io.StringIO()
    writer = csv.writer(text, delimiter=taken.delimiter, lineterminator="\n")
    writer.writerow([*taken.header, *REASON])
    width = len(taken.header)
    for damage in taken.damaged:
        cells = list(damage.cells)[:width]
        padded = cells + [""] * (width - len(cells))
        reason = f"{damage.field}: {damage.reason}" if damage.field else damage.reason
        writer.writerow([*padded, damage.line, reason])
    try:
        write_private(aside, text.getvalue().encode())
    except OSError as error:
        raise UsageError(
            f"{aside}: cannot be written, and {len(taken.damaged):,} damaged rows belong there:"
            f" {error.strerror}; copy the file to where you may write"
        ) from error
    return aside


def _format(name: str, help: str, example: str) -> Direct:
    return Direct(
        name=f"{name}-csv",
        help=help,
        description=(
            f"Imports the register of {name} from CSV; `wattline import --template {name}`\n"
            "prints one to fill in. A row with the key of one imported before replaces it; the\n"
            "old one is kept with the time. Damaged rows are set aside in FILE.damaged.csv; where\n"
            "they are more than one in a hundred, nothing is imported unless --keep-good says so.\n"
            "Works beside a running collector.\n\n"
            f"example:\n  wattline import {name}-csv {example} --store store"
        ),
        configure=_configure_csv,
        run=partial(import_csv, name),
    )


PROJECTS_CSV = _format("projects", "projects: who may use how much, under which access mode",
                       "projects.csv")  # fmt: skip
OUTAGES_CSV = _format("outages", "outages and maintenance of systems, partitions, nodes",
                      "outages.csv --zone Europe/Berlin")  # fmt: skip
ACTIVITIES_CSV = _format("activities", "training, support, coordination, results",
                         "activities.csv")  # fmt: skip
METERS_CSV = _format("meters", "meters of the facility: energy, water, heat", "meters-2026.csv")
RESULTS_CSV = _format("results", "benchmarks, evaluations, training runs, challenges",
                      "results.csv")  # fmt: skip
FACTORS_CSV = _format("factors", "carbon of electricity, by zone and year", "factors.csv")
FACTORS_HOURLY_CSV = _format("factors-hourly", "carbon of electricity, by zone and hour",
                             "fi-2026.csv --zone Europe/Helsinki")  # fmt: skip

PROJECTS_HTTP = Direct(
    name="projects-http",
    help="projects from a program that answers a JSON list",
    description=(
        "Imports the register of projects from an address that answers a JSON list of objects\n"
        "with the fields of the CSV. The answer is the whole list: what an earlier one from the\n"
        "same address named and this one does not, no longer holds. For asking again and again\n"
        "see `wattline collector --projects-url`.\n\n"
        "example:\n"
        "  wattline import projects-http https://portal.example/projects --token-file token"
    ),
    configure=_configure_http,
    run=import_http,
)
