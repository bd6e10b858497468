"""Which hours a batch touches: what must be booked again."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from wattline_collector.store.window import Chunk

HOUR_MS = 3_600_000

_UNBOOKED = frozenset({"agent"})
"""Tables the ledger does not read."""


def touched(table: str, chunk: Chunk) -> set[tuple[str, int]]:
    """(system, start of the hour) of every row's time.

    What a row says about other hours (a job that started yesterday) is for the ledger to find.
    """
    if table in _UNBOOKED:
        return set()
    first, last = chunk.first_ms // HOUR_MS, chunk.last_ms // HOUR_MS
    if first == last:
        return {(header.system, first * HOUR_MS) for header, _ in chunk.senders}
    return {(system, hour) for system, times in _by_system(chunk) for hour in _hours(times)}


def _by_system(chunk: Chunk) -> Iterator[tuple[str, pa.Array]]:
    times = chunk.rows.column("time_unix_ms")
    systems = {header.system for header, _ in chunk.senders}
    if len(systems) == 1:
        yield systems.pop(), times
        return
    start = 0
    for header, count in chunk.senders:
        yield header.system, times.slice(start, count)
        start += count


def _hours(times: pa.Array) -> list[int]:
    hours = pc.unique(pc.divide(times, HOUR_MS)).to_pylist()
    return [hour * HOUR_MS for hour in hours]
