"""`wattline import`: brings recorded data in."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.command import Command
from wattline_agents.errors import UsageError
from wattline_collector.default_store import HELP, default_store

if TYPE_CHECKING:
    from wattline_collector.imports.format import Direct

DESCRIPTION = """\
Brings recorded data into a store, the way live data goes: checked, kept, booked, computed.
A recording becomes a system of its own, so recordings and live systems do not mix. Importing the
same one again changes nothing. Registers (projects, outages, activities, meters, results, factors)
go beside it; --template prints one to fill in.

Malformed lines are counted, named and left out; where they are more than one in a hundred,
nothing is imported. Of jobs' accounting whatever is whole is kept, and it may join a live system.

examples:
  wattline import mlperf-training gpt3.power.tar.gz --log gpt3.mllog.txt.gz --store store
  wattline import mlperf-inference llama2-70b-99.9_Offline --store store
  wattline import nvidia-smi gpus.csv --zone Europe/Berlin --store store
  wattline import rocm-smi cards.json --store store
  wattline import prometheus-text pages/ --store store
  wattline import slurm-sacct jobs.txt --zone Europe/Berlin --store store
  wattline import slurm-json squeue.json --store store
  wattline import jobs-csv jobs.csv --zone America/Denver --store store
  wattline import kubernetes-json cluster.json --store store
  wattline import --template projects -o projects.csv
  wattline import projects-csv projects.csv --store store
  wattline import projects-http https://portal.example/projects --store store
  wattline import outages-csv outages.csv --zone Europe/Berlin --store store
  wattline import activities-csv activities.csv --store store
  wattline import meters-csv meters.csv --store store
  wattline import results-csv results.csv --store store
  wattline import factors-csv factors.csv --store store
  wattline import factors-hourly-csv fi-2026.csv --store store
  wattline kpi S10 S12 P02 --store store"""


class Progress:
    """Says on a stream how far an import is, without flooding it.

    On a terminal one line is rewritten; elsewhere a line follows every few seconds, so that a
    short import says nothing.
    """

    TERMINAL_SECONDS = 0.1
    LOG_SECONDS = 5.0

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        """Start the clock; nothing is said yet."""
        self._stream, self._clock = stream, clock
        self._terminal = stream.isatty()
        self._said = clock.monotonic()
        self._drawn = False

    def __call__(self, step: str) -> None:
        """Say where the import is, unless something was said a moment ago."""
        now = self._clock.monotonic()
        if now - self._said < (self.TERMINAL_SECONDS if self._terminal else self.LOG_SECONDS):
            return
        self._said, self._drawn = now, True
        line = f"import: {step}"
        self._stream.write(f"\r\033[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line off the terminal."""
        if self._drawn and self._terminal:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._drawn = False


def configure(parser: ArgumentParser) -> None:
    """One subcommand per format."""
    from wattline_collector.imports.registry import FORMATS

    parser.add_argument(
        "--template", metavar="REGISTER",
        help="print a CSV to fill in: projects, outages, activities, meters, results, factors or"
        " factors-hourly",
    )  # fmt: skip
    parser.add_argument(
        "-o", dest="template_file", type=Path, metavar="FILE", help="write the template there"
    )
    kinds = parser.add_subparsers(dest="format", metavar="FORMAT", title="formats")
    for name, kind in FORMATS.items():
        one = kinds.add_parser(
            name,
            help=kind.help,
            description=kind.description,
            formatter_class=RawDescriptionHelpFormatter,
        )
        kind.configure(one)
        one.add_argument(
            "--store", type=Path, default=default_store(), metavar="DIR",
            help=f"{HELP}; made if there is none",
        )  # fmt: skip


def run(arguments: Namespace) -> int:
    """Read, store, book and say what was found."""
    if arguments.template is not None:
        return _template(arguments.template, arguments.template_file)
    if arguments.format is None:
        raise UsageError("what is to be imported? `wattline import --help` lists the formats")
    from wattline_collector.imports.format import Direct
    from wattline_collector.imports.registry import FORMATS

    kind = FORMATS[arguments.format]
    if isinstance(kind, Direct):
        return _run_direct(kind, arguments)
    from wattline_collector.memory import keep_pages

    keep_pages()
    from wattline_collector.imports.recording import write
    from wattline_collector.ledger.booking import book
    from wattline_collector.receive.intake import Intake
    from wattline_collector.store.store import Store

    clock = SystemClock()
    began = clock.monotonic()
    progress = Progress(sys.stderr, clock)
    try:
        found = kind.read(arguments, progress)
        recording = found.recording
        with closing(recording), closing(Store.open(arguments.store, write=True)) as store:
            written = write(
                recording, store, Intake(store), lambda step: progress(f"writing {step}"),
                joins=kind.joins,
            )  # fmt: skip
            book(
                store,
                until_ms=clock.unix_ms(),
                progress=lambda done, due: progress(f"booking hour {done} of {due}"),
            )
    finally:
        progress.clear()
    print(found.summary(arguments.store))
    # Where a program reads what was found, the words for people go elsewhere.
    words = sys.stderr if getattr(arguments, "json", False) else sys.stdout
    for note in found.notes:
        print(f"note: {note}" if not note.startswith(" ") else note, file=words)
    if written.rows:
        took = clock.monotonic() - began
        print(f"imported {written.rows:,} rows in {took:.1f} s", file=words)
    elif not written.given:
        print("nothing to import", file=words)
    else:
        print("already in the store: nothing changed", file=words)
    return 0


def _run_direct(kind: Direct, arguments: Namespace) -> int:
    progress = Progress(sys.stderr, SystemClock())
    try:
        return kind.run(arguments, progress)
    finally:
        progress.clear()


def _template(name: str, path: Path | None) -> int:
    from wattline_agents.nearest import instead
    from wattline_collector.registers.schema import REGISTERS
    from wattline_collector.registers.template import template

    if name not in REGISTERS:
        raise UsageError(f"--template: no register {name[:40]!r}; {instead(name, REGISTERS)}")
    text = template(REGISTERS[name])
    if path is None:
        print(text, end="")
        return 0
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"-o: {path} is there already; choose another name") from None
    except OSError as error:
        raise UsageError(f"-o: {path}: {error.strerror}") from error
    return 0


COMMAND = Command(
    name="import",
    help="bring in recorded data",
    description=DESCRIPTION,
    configure=configure,
    run=run,
)
