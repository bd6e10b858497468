"""Rows of a simulated factory into a store, by the way of all rows: encoded, checked, logged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from wattline_agents.catalogue import DEVICE, JOB, NODE, Table
from wattline_agents.errors import WireError
from wattline_agents.wire import Header
from wattline_collector.receive.intake import Batch, Intake
from wattline_collector.store.store import Store

Body = tuple[Table, str, bytes]
"""A batch's table, the node it comes from, and its bytes."""


class Sender:
    """Sends batches as the agents of one boot would."""

    def __init__(self, store: Store, system: str, boot: str, period_ms: int) -> None:
        """Send to a store, open for writing; the same boot and batches again are ignored."""
        self._store, self._system, self._boot = store, system, boot
        self._period_ms = period_ms
        self._sequences: defaultdict[str, int] = defaultdict(int)
        self._intake = Intake(store)

    @property
    def rows(self) -> int:
        """How many rows were taken in."""
        return self._intake.accepted_rows

    def send(self, bodies: Iterator[Body]) -> None:
        """Send batches, and commit.

        Raises:
            WireError: One was refused.
        """
        batches: list[Batch] = []
        for table, node, body in bodies:
            self._sequences[node] += 1
            period_ms = self._period_ms if table in (DEVICE, NODE, JOB) else 0
            header = Header(self._system, node, self._boot, self._sequences[node], period_ms)
            batches.append(Batch(table.name, header, body))
        for result in self._intake.accept_many(batches):
            if isinstance(result, WireError):
                raise result
        self._store.commit()


def by_node(table: Table, rows: pl.DataFrame, names: tuple[str, ...]) -> Iterator[Body]:
    """One batch per node, of rows that are in order of their nodes.

    Args:
        table: Whose rows they are.
        rows: `node` (a number) and columns of the table.
        names: The nodes' names, by number.
    """
    counts = rows.group_by("node", maintain_order=True).len()
    columns = [name for name in table.columns if name in rows.columns]
    arrow = rows.select(columns).to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    schema = pa.schema(
        (field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
        for field in arrow.schema
    )
    arrow = arrow.cast(schema)
    at = 0
    for node, count in counts.iter_rows():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            stream.write_table(arrow.slice(at, count))
        yield table, names[node], sink.getvalue().to_pybytes()
        at += count
