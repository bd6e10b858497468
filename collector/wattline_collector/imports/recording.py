"""A recorded run, and the way of everything that was recorded into the store.

A recording of a run knows the power of whole nodes and what one job made; nothing of single
devices. So its devices get an identity and an assignment and no readings: their time is
`unmeasured`, their node's energy is the job's. They count as installed for as long as the recording
lasts, so that nothing is booked before or after. The readings around the run stay: the ledger clips
them, and books what lies outside the run to no job.
"""

from __future__ import annotations

import hashlib
import re
import statistics
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Protocol

from wattline_agents import catalogue
from wattline_agents.errors import UsageError
from wattline_agents.wire import Header, Row, encode

if TYPE_CHECKING:
    from wattline_collector.receive.intake import Intake
    from wattline_collector.store.store import Store

HOUR_MS = 3_600_000
LEAST_MS = 631_152_000_000  # 1990
MOST_MS = 4_102_444_800_000  # 2100
MOST_WATTS = 10_000_000
"""No node draws ten megawatts; what says so is no reading."""

BATCH_ROWS = 4096
"""Rows per batch: some 70 kB, and 3 batches for an hour of one node at one reading a second."""
_COMMIT_BATCHES = 64
"""Batches between two commits: a few megabytes that may have to be written again."""
_SEAL_BYTES = 256 * 1024 * 1024
"""What is not sealed is held in memory, at a few times its size."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one table of one node, encoded as they travel.

    Attributes:
        node: Whose they are.
        table: The name of their table.
        period_ms: How far apart rows of one subject are as a rule; 0 where there is no schedule.
        rows: How many they are.
        body: What is sent.
    """

    node: str
    table: str
    period_ms: int
    rows: int
    body: bytes


class Recorded(Protocol):
    """Anything recorded that can be written to a store."""

    @property
    def system(self) -> str:
        """The system it is stored as."""
        ...

    @property
    def source(self) -> str:
        """Names it by its content; the same content has the same name, wherever it lies."""
        ...

    def batches(self) -> Iterator[Batch]:
        """All of it, in the same order always; `node_info` of every node names `source`."""
        ...

    def close(self) -> None:
        """Let go of what it holds; called once it is written, or not going to be."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """One node's power over time, in order of time.

    Attributes:
        name: Its name in the recording.
        times_ms: When each reading was taken, Unix milliseconds, each later than the one before.
        watts: What the whole node drew then.
    """

    name: str
    times_ms: Sequence[int]
    watts: Sequence[float]

    @property
    def period_ms(self) -> int:
        """How far apart its readings are as a rule; holes in a recording do not change that."""
        return round(statistics.median(b - a for a, b in pairwise(self.times_ms)))

    @classmethod
    def of(cls, name: str, readings: Iterable[tuple[int, float]]) -> Node:
        """Put two or more readings in order; of two at one time the first counts, as in a store."""
        first: dict[int, float] = {}
        for time_ms, watts in readings:
            first.setdefault(time_ms, watts)
        times = array("q", sorted(first))
        return cls(name, times, array("d", (first[time] for time in times)))

    def joules(self, start_ms: int, end_ms: int) -> float:
        """Energy between two moments: trapezoids between readings, cut at both ends.

        Before the first reading and after the last nothing is known, and nothing is added.
        """
        total = 0.0
        for (t0, t1), (p0, p1) in zip(pairwise(self.times_ms), pairwise(self.watts), strict=True):
            low, high = max(t0, start_ms), min(t1, end_ms)
            if low < high:
                slope = (p1 - p0) / (t1 - t0)
                middle = p0 + slope * ((low + high) / 2 - t0)
                total += middle * (high - low) / 1000
        return total


@dataclass(frozen=True, slots=True)
class Job:
    """The run that was recorded.

    Attributes:
        key: Its key, unique in its system.
        name: What it ran.
        kind: `training` or `inference`.
        state: `completed` or `failed`.
        start_ms: When it began.
        end_ms: When it ended.
        counters: What it had made by when: rows of table `job` without the key, in order of time,
            the first at its start.
    """

    key: str
    name: str
    kind: str
    state: str
    start_ms: int
    end_ms: int
    counters: tuple[Row, ...]

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return (self.end_ms - self.start_ms) / 1000


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded run.

    Attributes:
        format: The format it came in.
        system: The system it is stored as.
        nodes: Its nodes.
        job: Its job.
        devices_per_node: Accelerators in each node.
        model: Their product name, if the recording says.
    """

    format: str
    system: str
    nodes: tuple[Node, ...]
    job: Job
    devices_per_node: int
    model: str | None

    @property
    def start_ms(self) -> int:
        """When it begins: with the run, or with the first reading before it."""
        return min(self.job.start_ms, *(node.times_ms[0] for node in self.nodes))

    @property
    def end_ms(self) -> int:
        """When it ends: a moment after the last of run and readings."""
        return max(self.job.end_ms, *(node.times_ms[-1] for node in self.nodes))

    @property
    def joules(self) -> float:
        """Energy of all nodes during the run."""
        return sum(node.joules(self.job.start_ms, self.job.end_ms) for node in self.nodes)

    @property
    def readings(self) -> int:
        """How many readings it has."""
        return sum(len(node.times_ms) for node in self.nodes)

    @property
    def source(self) -> str:
        """Names it by its content; the same recording has the same name, wherever it lies."""
        digest = hashlib.sha256()
        for part in (self.system, self.devices_per_node, self.model, self.job):
            digest.update(repr(part).encode())
        for node in self.nodes:
            digest.update(node.name.encode())
            digest.update(array("q", node.times_ms).tobytes())
            digest.update(array("d", node.watts).tobytes())
        return f"{self.format}-{digest.hexdigest()[:16]}"

    def batches(self) -> Iterator[Batch]:
        """Its rows node by node; the first node speaks for the job."""
        for count, node in enumerate(self.nodes, start=1):
            for table, period_ms, every in _tables(self, node, first=count == 1):
                for chunk in _chunks(every):
                    body = encode(catalogue.TABLES[table], chunk)
                    yield Batch(node.name, table, period_ms, len(chunk), body)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a recording: how many of its batches and rows were new to the store.

    Attributes:
        batches: New batches.
        rows: Rows in them.
        given: Rows of all its batches.
    """

    batches: int
    rows: int
    given: int


def write(
    recording: Recorded,
    store: Store,
    intake: Intake,
    progress: Callable[[str], None] = lambda _: None,
    *,
    joins: bool = False,
) -> Written:
    """Send a recording's rows the way live data goes.

    Every batch is named by the recording's content and its place, so writing it again, or after
    an attempt that was broken off, adds what is missing and nothing twice.

    Args:
        recording: What to write.
        store: Where to; holds `intake`'s batches and is committed every few megabytes.
        intake: Checks each batch against the catalogue.
        progress: Is told how far it is.
        joins: Whether it may be added to a system that has other data.

    Raises:
        UsageError: The store holds other data under this system.
    """
    source = recording.source
    if not joins:
        _refuse_other_data(store, recording.system, source)
    batches = rows = written = 0
    for sequence, batch in enumerate(recording.batches(), start=1):
        written += batch.rows
        progress(f"{batch.node}, {written:,} rows")
        header = Header(recording.system, batch.node, source, sequence, batch.period_ms)
        if intake.accept(batch.table, header, batch.body):
            batches, rows = batches + 1, rows + batch.rows
        if sequence % _COMMIT_BATCHES == 0:
            store.commit()
            if store.unsealed_bytes > _SEAL_BYTES:
                store.seal()
    store.commit()
    store.seal()
    return Written(batches, rows, written)


def name_of(file_name: str) -> str:
    """A name for a recording, made of the name of its file: of the characters that names have."""
    stem = re.sub(r"(\.power)?(\.tar|\.tgz|\.txt|\.gz)*\Z", "", file_name)
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", stem).strip("-._+")
    return plain[:96] or "run"


def _refuse_other_data(store: Store, system: str, source: str) -> None:
    span = store.span("node_info")
    if span is None:
        return
    known = store.read("node_info", span[0], span[1] + 1)
    # Plain Python over a few thousand rows, so that this module needs no frame library to import.
    for row in known.select("system", "power_source").iter_rows():
        if row[0] == system and row[1] != source:
            raise UsageError(
                f"{store.path} already holds other data as system {system!r}; "
                "give this recording a name of its own with --system NAME"
            )


def _tables(
    recording: Recording, node: Node, first: bool
) -> Iterator[tuple[str, int, Iterable[Row]]]:
    """The tables of one node: name, sampling period and rows; the first one speaks for the job."""
    job = recording.job
    marks = list(hourly(recording.start_ms, recording.end_ms))
    held = list(hourly(job.start_ms, job.end_ms))
    installed = {
        "installed_from_unix_ms": recording.start_ms,
        "installed_until_unix_ms": recording.end_ms,
    }
    devices = [
        (index, f"{job.key}-{node.name}-gpu{index}") for index in range(recording.devices_per_node)
    ]
    yield (
        "node_info",
        0,
        ({"time_unix_ms": time, "power_source": recording.source, **installed} for time in marks),
    )
    yield "device_info", 0, (
        {
            "time_unix_ms": time, "device": device, "index": index, "model": recording.model,
            "source": recording.source, **installed,
        }
        for time in marks for index, device in devices
    )  # fmt: skip
    yield "assignment", 0, (
        {
            "time_unix_ms": time, "device": device, "job": job.key, "method": "recording",
            "start_unix_ms": job.start_ms, "end_unix_ms": job.end_ms,
        }
        for time in held for _, device in devices
    )  # fmt: skip
    yield (
        "node",
        node.period_ms,
        (
            {"time_unix_ms": time, "power_watts": watts}
            for time, watts in zip(node.times_ms, node.watts, strict=True)
        ),
    )
    if first:
        yield "job_info", 0, (_job_info(job, time) for time in held)
        yield "job", 0, ({**row, "job": job.key} for row in job.counters)


def _job_info(job: Job, time_ms: int) -> Mapping[str, int | str | None]:
    ended = time_ms >= job.end_ms
    return {
        "time_unix_ms": time_ms,
        "job": job.key,
        "name": job.name,
        "kind": job.kind,
        "state": job.state if ended else "running",
        "start_unix_ms": job.start_ms,
        "end_unix_ms": job.end_ms if ended else None,
    }


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while chunk := list(islice(rest, BATCH_ROWS)):
        yield chunk


def hourly(start_ms: int, end_ms: int) -> Iterator[int]:
    """Start, every full hour between, and end, if it is another.

    A live agent repeats such rows every few minutes; once an hour is what whoever books a single
    hour must find in it.
    """
    yield start_ms
    yield from range((start_ms // HOUR_MS + 1) * HOUR_MS, end_ms, HOUR_MS)
    if end_ms > start_ms:
        yield end_ms
