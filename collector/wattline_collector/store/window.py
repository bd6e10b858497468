"""The rows of one log, in memory until the log is sealed.

Rows wait as they came, in small chunks with their senders beside them; naming the sender in every
row, and laying chunks together, is done for many at once, when a reader or the seal needs it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from wattline_agents.wire import Header
from wattline_collector.store.seen import Seen

Nodes = Set[tuple[str, str]]
"""Who sends: system and node."""

GATHER = 64
"""Chunks laid together at once: by then the cost per chunk no longer falls."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one or more batches of a table, one batch under the other.

    Attributes:
        senders: Header of each batch and how many of the rows are its.
        rows: The columns that came, in the catalogue's types.
        first_ms: The least `time_unix_ms`.
        last_ms: The greatest.
    """

    senders: tuple[tuple[Header, int], ...]
    rows: pa.RecordBatch
    first_ms: int
    last_ms: int

    @classmethod
    def of(cls, senders: Iterable[tuple[Header, int]], rows: pa.RecordBatch) -> Chunk:
        """A chunk of these rows."""
        ends = pc.min_max(rows.column("time_unix_ms")).as_py()
        return cls(tuple(senders), rows, ends["min"], ends["max"])

    def only(self, wanted: Sequence[bool]) -> Chunk:
        """The batches that are wanted, one of them at least."""
        parts: list[pa.RecordBatch] = []
        senders: list[tuple[Header, int]] = []
        start = 0
        for (header, count), keep in zip(self.senders, wanted, strict=True):
            if keep:
                parts.append(self.rows.slice(start, count))
                senders.append((header, count))
            start += count
        return Chunk.of(senders, pa.concat_batches(parts))

    def sent_by(self, nodes: Nodes) -> Chunk | None:
        """What these sent; None where that is nothing."""
        wanted = [(header.system, header.node) in nodes for header, _ in self.senders]
        return self.only(wanted) if any(wanted) else None


@dataclass(frozen=True, slots=True)
class Gathered:
    """Chunks that were laid together.

    Who asks about one node finds its rows by the batches: they are a fortieth of the rows, of
    which a quarter of an hour of a large system has millions.

    Attributes:
        rows: Theirs, with who sent each, as `labelled` has them.
        batches: `system`, `node`, `first` and `count` (of its rows) of every batch, in their order.
    """

    rows: pa.Table
    batches: pa.Table

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> Gathered:
        """Lay chunks together."""
        senders = [sender for chunk in chunks for sender in chunk.senders]
        counts = [count for _, count in senders]
        batches = pa.table(
            {
                "system": pa.array([header.system for header, _ in senders]).dictionary_encode(),
                "node": pa.array([header.node for header, _ in senders]),
                "first": pa.array(accumulate(counts[:-1], initial=0), pa.int32()),
                "count": pa.array(counts, pa.int32()),
            }
        )
        return cls(labelled(chunks), batches)

    def sent_by(self, nodes: Nodes) -> pa.Table:
        """Rows that these sent."""
        names = pa.array({node for _, node in nodes}, pa.string())
        of_names = self.batches.filter(pc.is_in(self.batches["node"], names))
        found = [
            self.rows.slice(batch["first"], batch["count"])
            for batch in of_names.to_pylist()
            if (batch["system"], batch["node"]) in nodes
        ]
        return pa.concat_tables(found or [self.rows.slice(0, 0)])


class Window:
    """What one log holds. Guarded by the store's lock; chunks and tables never change."""

    def __init__(self, log: int) -> None:
        """Start empty."""
        self.log = log
        self.bytes = 0
        self.seen = Seen()
        self.spans: dict[str, tuple[int, int]] = {}
        self.hours: set[tuple[str, int]] = set()
        self._small: dict[str, list[Chunk]] = {}
        self._large: dict[str, list[Gathered]] = {}

    @property
    def tables(self) -> list[str]:
        """Tables that have rows."""
        return list(self.spans)

    def add(self, table: str, chunk: Chunk) -> None:
        """Take rows in."""
        first, last = self.spans.get(table, (chunk.first_ms, chunk.last_ms))
        self.spans[table] = (min(first, chunk.first_ms), max(last, chunk.last_ms))
        self._small.setdefault(table, []).append(chunk)

    def waiting(self, table: str) -> list[Chunk]:
        """Chunks that are worth laying together now; none if they are still few."""
        small = self._small.get(table, [])
        return list(small) if len(small) >= GATHER else []

    def gathered(self, table: str, chunks: Sequence[Chunk], rows: Gathered) -> None:
        """Put these rows in the place of the chunks that `waiting` gave."""
        del self._small[table][: len(chunks)]
        self._large.setdefault(table, []).append(rows)

    def parts(self, table: str) -> tuple[list[Gathered], list[Chunk]]:
        """Rows of a table in the order they came: those laid together, then those not yet."""
        return list(self._large.get(table, ())), list(self._small.get(table, ()))


def labelled(chunks: Sequence[Chunk]) -> pa.Table:
    """Chunks as one table, with who sent each row: columns `system`, `node` and `period_ms`."""
    rows = pa.concat_tables(
        [pa.Table.from_batches([chunk.rows]) for chunk in chunks], promote_options="default"
    ).combine_chunks()
    senders = [sender for chunk in chunks for sender in chunk.senders]
    places = array("i")
    for place, (_, count) in enumerate(senders):
        places.extend(array("i", [place]) * count)
    index = pa.Array.from_buffers(pa.int32(), len(places), [None, pa.py_buffer(places)])
    headers = [header for header, _ in senders]
    return pa.Table.from_arrays(
        [
            pa.array([header.system for header in headers], pa.string()).take(index),
            pa.array([header.node for header in headers], pa.string()).take(index),
            pa.array([header.period_ms for header in headers], pa.int64()).take(index),
            *rows.columns,
        ],
        names=["system", "node", "period_ms", *rows.column_names],
    )
