"""Frames of rows as batches: the way they travel, without a look at single rows."""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from wattline_agents.catalogue import Table
from wattline_collector.receive.decode import ARROW

BATCH_ROWS = 4096
"""Some 1.3 MB of jobs: a sixth of what a batch may have."""


def bodies(table: Table, rows: pl.DataFrame) -> Iterator[tuple[int, bytes]]:
    """The rows of a table in its order, as bodies of batches and how many rows each has.

    Args:
        table: Whose rows they are.
        rows: Any of its columns, and maybe others, which are left out.
    """
    wanted = [name for name in table.columns if name in rows.columns]
    for part in rows.select(wanted).iter_slices(BATCH_ROWS):
        # What is null in every row is not sent.
        told = [name for name in wanted if part[name].null_count() < part.height]
        arrays = [part[name].to_arrow().cast(ARROW[table.columns[name]]) for name in told]
        schema = pa.schema([(name, ARROW[table.columns[name]]) for name in told])
        body = io.BytesIO()
        with pa.ipc.new_stream(body, schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
        yield part.height, body.getvalue()
