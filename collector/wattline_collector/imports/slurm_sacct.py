"""Archives of `sacct`: what sites keep of their jobs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.errors import InputError, UsageError
from wattline_collector.imports import files, slurm_options
from wattline_collector.imports.format import Format, Found

if TYPE_CHECKING:
    from wattline_collector.imports.slurm_archive import Piece
    from wattline_collector.jobs.accounts import Damage
    from wattline_collector.jobs.sacct import Layout

_DESCRIPTION = """\
Jobs as Slurm accounted for them, from `sacct --parsable2` with a header and any of its fields (-p
and other delimiters too), or from the 26 fields without header that Open XDMoD's shredder writes.

Steps are folded into their jobs, never counted as jobs. Every run of a requeued job is a job. Jobs
that were cancelled before they started are kept and counted, and use nothing. Records that cannot
be used are set aside, counted and named by file and line; the others are kept.

What is printed is read back from the store: days are UTC, and hours are split at midnight.

Ask sacct for it like this, on a machine that thinks in UTC:
  TZ=UTC sacct --allusers --duplicates --parsable2 --starttime 2026-01-01 --endtime 2026-02-01 \\
    --format JobIDRaw,JobID,User,Account,Partition,QOS,State,ExitCode,Submit,Eligible,Start,End,\\
ElapsedRaw,Suspended,TimelimitRaw,NNodes,NCPUS,NodeList,AllocTRES,ReqTRES,ConsumedEnergyRaw,\\
TRESUsageInTot,Reason,JobName > jobs.txt

examples:
  wattline import slurm-sacct jobs.txt --store store
  wattline import slurm-sacct 2025-*.txt.gz --zone Europe/Berlin --system jupiter --store store
  wattline import slurm-sacct phillips.log --format sacct-26 --store store"""


def _configure(parser: ArgumentParser) -> None:
    slurm_options.add_arguments(parser)
    parser.add_argument(
        # `format` is the word after `wattline import`.
        "--format", dest="layout", default="auto", metavar="FIELDS",
        help="auto (by the header), sacct-26, or the fields of a file without header, as "
        "JobIDRaw,User,...",
    )  # fmt: skip
    parser.add_argument(
        "--delimiter", default="|", metavar="TEXT",
        help="between the fields of a file without header (%(default)s)",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    layout: Layout
    has_header: bool
    has_steps: bool = True

    def field(self, raw: str) -> str:
        return self.layout.shown(raw)

    def pieces(self, set_aside: Callable[[Damage, str], None]) -> Iterator[Piece]:
        from wattline_collector.imports.slurm_archive import Piece
        from wattline_collector.jobs.sacct import Reader

        reader = Reader(self.layout, set_aside)
        with files.opened(self.path) as stream:
            lines = files.lines(stream)
            if self.has_header:
                next(lines)
            for frame in reader.frames(lines):
                yield Piece(frame)


def read(arguments: Namespace, progress: Callable[[str], None]) -> Found:
    """Look at the beginning of every file; the rest is read as it is written."""
    sources = [_file(path, arguments) for path in arguments.paths]
    read_as = (arguments.layout, arguments.delimiter)
    return slurm_options.archive("slurm-sacct", arguments, sources, read_as, progress)


def _file(path: Path, arguments: Namespace) -> _File:
    from wattline_collector.jobs.sacct import SACCT_26, Layout, layout_of

    told: str = arguments.layout
    if told != "auto":
        if not arguments.delimiter:
            raise UsageError("--delimiter: is empty")
        names = SACCT_26 if told == "sacct-26" else tuple(told.split(","))
        with files.opened(path):
            pass  # so that a file that is not there is said before anything is read
        _check(names)
        return _File(path, Layout(arguments.delimiter, names), False)
    with files.opened(path) as stream:
        number, first = next(files.lines(stream), (1, b""))
    text = (first or b"").decode("utf-8", "replace")
    if (layout := layout_of(text)) is not None:
        return _File(path, layout, True)
    if text.count("|") == len(SACCT_26) - 1:
        return _File(path, Layout("|", SACCT_26), False)
    raise InputError(
        "has no header that names JobID; name the fields with --format JobIDRaw,User,...",
        path=path, line=number,
    )  # fmt: skip


def _check(names: tuple[str, ...]) -> None:
    from wattline_collector.jobs.sacct import FIELDS

    if not {"jobid", "jobidraw"} & {name.lower() for name in names}:
        raise UsageError("--format: names neither JobIDRaw nor JobID")
    if not any(name.lower() in FIELDS for name in names):
        raise UsageError("--format: names no field of sacct's")


FORMAT = Format(
    name="slurm-sacct",
    help="jobs from sacct's archives",
    description=_DESCRIPTION,
    configure=_configure,
    read=read,
    joins=True,
)
