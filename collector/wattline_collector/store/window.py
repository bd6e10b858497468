"""The rows of one log, in memory until the log is sealed.

Rows wait as they came, in small chunks with their senders beside them; naming the sender in every
row, and laying chunks together, is done for many at once, when a reader or the seal needs it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from wattline_agents.wire import Header
from wattline_collector.store.seen import Seen

_GATHER = 64
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
        self._large: dict[str, list[pa.Table]] = {}

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
        return list(small) if len(small) >= _GATHER else []

    def gathered(self, table: str, chunks: Sequence[Chunk], rows: pa.Table) -> None:
        """Put these rows in the place of the chunks that `waiting` gave."""
        del self._small[table][: len(chunks)]
        self._large.setdefault(table, []).append(rows)

    def parts(self, table: str) -> tuple[list[pa.Table], list[Chunk]]:
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
