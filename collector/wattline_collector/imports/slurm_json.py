"""Slurm's JSON, kept in files."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_collector.imports import files, slurm_options
from wattline_collector.imports.format import Format, Found

if TYPE_CHECKING:
    from wattline_collector.imports.slurm_archive import Piece
    from wattline_collector.jobs.accounts import Damage

_DESCRIPTION = """\
Jobs from `sacct --json`, `squeue --json`, `scontrol show job --json` or an answer of slurmrestd,
and states of nodes from `sinfo --json`, of Slurm 21.08 to 24.11. Their layout changes from version
to version and a job takes some 9 kB of it, so archives are better kept as `sacct --parsable2`.

examples:
  wattline import slurm-json jobs.json --store store
  wattline import slurm-json squeue.json sinfo.json --system jupiter --store store"""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    has_steps: bool = True

    def field(self, raw: str) -> str:
        return raw

    def pieces(self, set_aside: Callable[[Damage, str], None]) -> Iterator[Piece]:
        from wattline_agents.clock import SystemClock
        from wattline_collector.imports.slurm_archive import Piece
        from wattline_collector.jobs import slurm_json
        from wattline_collector.jobs.events import nodes_now

        with files.opened(self.path) as stream:
            body = stream.read(slurm_json.MOST_BYTES + 1)
        answer = slurm_json.read(body, self.path)
        now_ms = answer.time_ms or SystemClock().unix_ms()
        yield Piece(answer.records, nodes_now(answer.nodes, now_ms))


def read(arguments: Namespace, progress: Callable[[str], None]) -> Found:
    """Take note of the files; each is read when it is written."""
    sources = [_File(path) for path in arguments.paths]
    return slurm_options.archive("slurm-json", arguments, sources, None, progress)


FORMAT = Format(
    name="slurm-json",
    help="jobs and states of nodes from Slurm's JSON",
    description=_DESCRIPTION,
    configure=slurm_options.add_arguments,
    read=read,
    joins=True,
)
