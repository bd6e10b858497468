"""Tables of jobs that other programs wrote: one job per line, the columns by their names."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.errors import InputError, UsageError
from wattline_collector.imports import files, slurm_options
from wattline_collector.imports.format import Format, Found

if TYPE_CHECKING:
    from wattline_collector.imports.slurm_archive import Piece
    from wattline_collector.jobs.accounts import Damage

_DESCRIPTION = """\
Jobs from a CSV with a header: one job per line. Columns with the usual names are found by
themselves; others are named with --columns, ours first. Times are as 2026-11-21T05:30:00 or seconds
since 1970, durations seconds or D-HH:MM:SS, states Slurm's words in any case, energy joules.

columns: job (needed), user, account, partition, qos, name, state, reason, submit, eligible, start,
  end, elapsed, limit, nodes, node_list, cpus, memory (bytes, or with K, M, G), gpus, gpu_type,
  energy, restarts

examples:
  wattline import jobs-csv jobs.csv --zone America/Denver --store store
  wattline import jobs-csv jobs.csv --columns gpus=accelerators,start=began --store store"""

COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "job": ("job_raw", ("job_id", "jobid", "jobidraw", "id")),
    "user": ("user", ("user_name", "username", "user_id")),
    "account": ("account", ("project", "account_name")),
    "partition": ("partition", ("queue",)),
    "qos": ("qos", ()),
    "name": ("name", ("job_name", "jobname")),
    "state": ("state", ("job_state", "status")),
    "reason": ("reason", ()),
    "submit": ("submit", ("submit_time", "submitted")),
    "eligible": ("eligible", ("eligible_time",)),
    "start": ("start", ("start_time", "started")),
    "end": ("end", ("end_time", "ended", "finish_time")),
    "elapsed": ("elapsed", ("run_time", "elapsed_time", "duration")),
    "limit": ("limit", ("time_limit", "timelimit", "wallclock_req", "walltime")),
    "nodes": ("nodes", ("nnodes", "num_nodes", "node_count", "nodes_req")),
    "node_list": ("node_list", ("nodelist",)),
    "cpus": ("cpus", ("ncpus", "num_cpus", "cores", "processors_req")),
    "memory": ("memory", ("memory_bytes",)),
    "gpus": ("gpus", ("ngpus", "num_gpus", "gpu_num", "gpus_req")),
    "gpu_type": ("gpu_type", ()),
    "energy": ("energy", ("energy_joules",)),
    "restarts": ("restarts", ()),
}
"""Our name of a column: where it goes in `accounts.RAW`, and names others have for it."""


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split(","):
        ours, equals, theirs = part.partition("=")
        if not equals or not theirs or ours not in COLUMNS:
            raise ArgumentTypeError(
                f"{part[:40]!r} is not OURS=THEIRS with one of {', '.join(COLUMNS)}"
            )
        pairs[ours] = theirs
    return pairs


def _configure(parser: ArgumentParser) -> None:
    slurm_options.add_arguments(parser)
    parser.add_argument(
        "--columns", type=_pairs, default={}, metavar="OURS=THEIRS,...",
        help="what columns are called that are not found by themselves",
    )  # fmt: skip
    parser.add_argument("--delimiter", default=",", metavar="CHARACTER", help="if not a comma")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    delimiter: str
    width: int
    columns: Mapping[str, tuple[str, int]]  # ours: their name, and its place
    has_steps: bool = False

    def field(self, raw: str) -> str:
        return next(
            (self.columns[o][0] for o, (r, _) in COLUMNS.items() if r == raw and o in self.columns),
            raw,
        )

    def pieces(self, set_aside: Callable[[Damage, str], None]) -> Iterator[Piece]:
        from wattline_collector.imports.slurm_archive import Piece
        from wattline_collector.jobs.csv_lines import frames

        wanted = {COLUMNS[ours][0]: place for ours, (_, place) in self.columns.items()}
        with files.opened(self.path) as stream:
            lines = files.lines(stream)
            next(lines)
            for frame in frames(lines, self.delimiter, self.width, wanted, set_aside):
                yield Piece(frame)


def read(arguments: Namespace, progress: Callable[[str], None]) -> Found:
    """Look at the header of every file; the rest is read as it is written."""
    if len(arguments.delimiter) != 1:
        raise UsageError("--delimiter: is not one character")
    sources = [_file(path, arguments) for path in arguments.paths]
    read_as = (arguments.delimiter, sorted(arguments.columns.items()))
    others = [
        f"{ours} from {theirs}"
        for ours, (theirs, _) in sources[0].columns.items()
        if theirs.lower() != ours
    ]
    notes = [f"columns read: {', '.join(others)}"] if others else []
    return slurm_options.archive("jobs-csv", arguments, sources, read_as, progress, notes)


def _file(path: Path, arguments: Namespace) -> _File:
    from wattline_collector.jobs.csv_lines import fields

    with files.opened(path) as stream:
        _, first = next(files.lines(stream), (1, b""))
    header = [
        name.strip()
        for name in fields((first or b"").decode("utf-8-sig", "replace"), arguments.delimiter)
    ]
    small = [name.lower() for name in header]
    columns: dict[str, tuple[str, int]] = {}
    for ours, (_, others) in COLUMNS.items():
        if (theirs := arguments.columns.get(ours)) is not None:
            if theirs not in header:
                raise InputError(f"has no column {theirs[:40]!r}", path=path, line=1)
            columns[ours] = (theirs, header.index(theirs))
            continue
        place = next((small.index(name) for name in (ours, *others) if name in small), None)
        if place is not None:
            columns[ours] = (header[place], place)
    if "job" not in columns:
        raise InputError(
            "no column is the job's id; name it with --columns job=NAME", path=path, line=1
        )
    return _File(path, arguments.delimiter, len(header), columns)


FORMAT = Format(
    name="jobs-csv",
    help="jobs from a table with a header",
    description=_DESCRIPTION,
    configure=_configure,
    read=read,
    joins=True,
)
