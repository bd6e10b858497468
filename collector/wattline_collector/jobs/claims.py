"""Which devices Slurm says a running job holds: node and index, resolved to the device's UUID.

Slurm tells the index on the node and only while the job runs, and forgets it minutes after. The
index counts the device files of gres.conf, so it is the N of /dev/nvidiaN; on some boards the
driver counts devices in another order. So an index is looked up among the minor numbers that agents
report, and among their own order only where no minor is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.jobs.nodelist import expand, indices

_GPU = re.compile(r"gpu(:[^:,()]+)?:\d{1,6}\(IDX:([0-9,-]*)\)")
_MIG = re.compile(r"\d+g\.\d+gb")
"""Slurm counts MIG instances through, over all boards: their indices are no devices'."""
_BLOCK = re.compile(r"^\s+Nodes=(\S+) CPU_IDs=\S* Mem=\S* GRES=(.*)$", re.MULTILINE)
_FIRST = re.compile(r"^JobId=(\d{1,18}) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Held:
    """Devices of one node that a job holds.

    Attributes:
        job: The job's raw id, without `.N`.
        node: The node, as Slurm calls it.
        indices: Slurm's indices of the devices.
    """

    job: str
    node: str
    indices: tuple[int, ...]


def held_by(job: str, node: str, gres: str) -> list[Held]:
    """What a node's share of a job holds: `gpu:h200:2(IDX:0-1)`; nothing where no index is told."""
    found: list[int] = []
    for match in _GPU.finditer(gres):
        if not match[2] or _MIG.search(match[1] or ""):
            return []
        try:
            found += indices(match[2])
        except InputError:
            return []
    return [Held(job, node, tuple(sorted(set(found))))] if found else []


def read_scontrol(text: str) -> list[Held]:
    """What `scontrol -d show job` says, in the form of several lines per job.

    A job's name stands in this text as its owner wrote it and may look like a part of it. So a job
    that is described twice, or has two answers for one node, is left out.
    """
    found: dict[str, list[Held]] = {}
    contested: set[str] = set()
    for record in re.split(r"\n[ \t]*\n", text):
        ids = _FIRST.findall(record)
        if len(ids) != 1 or ids[0] in found:
            contested.update(ids)
            continue
        job = ids[0]
        mine: dict[str, Held] = {}
        for nodes, gres in _BLOCK.findall(record):
            try:
                names = expand(nodes)
            except InputError:
                contested.add(job)
                continue
            for held in (held for name in names for held in held_by(job, name, gres)):
                if mine.setdefault(held.node, held) != held:
                    contested.add(job)
        found[job] = list(mine.values())
    return [held for job, many in found.items() if job not in contested for held in many]


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of a system by node, from what its agents said of them.

    Attributes:
        by_minor: UUIDs by node and minor number.
        by_index: UUIDs by node and place.
    """

    by_minor: Mapping[tuple[str, int], str]
    by_index: Mapping[tuple[str, int], str]

    @classmethod
    def of(cls, device_info: pl.DataFrame) -> Devices:
        """From rows of table `device_info` of one system, the newest of each device counting."""
        newest = (
            device_info.sort("time_unix_ms", maintain_order=True)
            .group_by("device", maintain_order=True)
            .agg(pl.col("node").last(), pl.col("minor").last(), pl.col("index").last())
        )

        def named(column: str) -> dict[tuple[str, int], str]:
            told = newest.filter(pl.col(column).is_not_null())
            return {
                (node, place): device
                for device, node, place in told.select("device", "node", column).iter_rows()
            }

        return cls(named("minor"), named("index"))

    def at(self, node: str, index: int) -> str | None:
        """The device Slurm means; None where no agent told of it.

        A node that Slurm calls by its long name may be known to its agent by the short one.
        """
        for known in (self.by_minor, self.by_index):
            for name in (node, node.partition(".")[0]):
                if (device := known.get((name, index))) is not None:
                    return device
        return None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of claims: job and device, and how many devices could not be found."""

    devices: tuple[tuple[str, str], ...]
    unresolved: int


def resolve(held: Iterable[Held], devices: Devices) -> Resolved:
    """Find the devices that are meant."""
    found: list[tuple[str, str]] = []
    unresolved = 0
    for one in held:
        for index in one.indices:
            device = devices.at(one.node, index)
            if device is None:
                unresolved += 1
            else:
                found.append((one.job, device))
    return Resolved(tuple(found), unresolved)


def believed(held: Iterable[Held], jobs: pl.DataFrame) -> tuple[list[Held], int]:
    """Those claims that agree with what else is known of the job.

    Args:
        held: Claims.
        jobs: `id`, `node_list` and `gpus` of the jobs that run, from an answer in which names
            cannot pose as anything else.

    Returns:
        Claims of jobs that run, on nodes they have, over as many devices as they got; and how many
        jobs' claims do not agree.
    """
    of_job: dict[str, list[Held]] = {}
    for one in held:
        of_job.setdefault(one.job, []).append(one)
    kept: list[Held] = []
    odd = 0
    for job, node_list, gpus in jobs.select("id", "node_list", "gpus").iter_rows():
        mine = of_job.get(job)
        if not mine:
            continue
        count = sum(len(one.indices) for one in mine)
        try:
            nodes = set(expand(node_list)) if node_list else None
        except InputError:
            nodes = None
        agrees = (gpus is None or count == gpus) and (
            nodes is None or all(one.node in nodes for one in mine)
        )
        if agrees:
            kept += mine
        else:
            odd += 1
    return kept, odd
