"""Sealed rows: Parquet files of one table and one UTC day, sorted by subject and time.

Sorted, a column's neighbours are one device's neighbours in time, which is what makes deltas small.
The encoding is chosen per column by what it holds: differences for times, counts and decimals,
byte streams for floats that are none, a dictionary for names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from wattline_agents.catalogue import Table, Type
from wattline_agents.errors import InputError
from wattline_collector.store import filenames
from wattline_collector.store.log import make_directory, sync_directory
from wattline_collector.store.manifest import Segment

DAY_MS = 86_400_000
_ROW_GROUP = 65_536
"""Large enough for the encodings, small enough to skip; measured flat from 32 k to 370 k rows."""
_MERGED = 2_000_000
"""Rows of a merged segment, at most: half a gigabyte while it is written."""
_SMALL = _MERGED // 8
"""Rows of a segment that is still merged; each row is so written a few times at most."""
_SAMPLE = 512
_PLACES = (0, 1, 2, 3, 4, 6, 9)
"""Decimal places that sensors and their units come with: milliwatts, millionths, nanoseconds."""
_DECIMAL = 10**17
"""Below it the scaled number surely has the 18 digits that eight bytes hold."""

POLARS: dict[Type, pl.DataType] = {
    Type.INT: pl.Int64(),
    Type.FLOAT: pl.Float64(),
    Type.TEXT: pl.String(),
}


def schema(table: Table) -> dict[str, pl.DataType]:
    """Columns of a table's rows as they are read, in order."""
    sender: dict[str, pl.DataType] = {
        "system": pl.String(),
        "node": pl.String(),
        "period_ms": pl.Int64(),
    }
    return sender | {column: POLARS[type] for column, type in table.columns.items()}


def order(table: Table) -> list[str]:
    """What makes a row unique, and the order rows are kept in."""
    return ["system", "node", *table.key, "time_unix_ms"]


def whole(table: Table, rows: pl.DataFrame, columns: Collection[str] | None = None) -> pl.DataFrame:
    """Rows with exactly the table's columns, or those wanted; what is absent is null."""
    present = rows.columns
    return rows.select(
        (pl.col(name) if name in present else pl.lit(None)).cast(type).alias(name)
        for name, type in schema(table).items()
        if columns is None or name in columns
    )


def in_order(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows sorted, the first of those with one key kept: sent twice in two batches is still one."""
    keys = order(table)
    rows = rows.sort(keys, maintain_order=True, nulls_last=False)
    again = pl.all_horizontal(pl.col(key).eq_missing(pl.col(key).shift(1)) for key in keys)
    first = pl.int_range(pl.len()) == 0
    return rows.filter(first | ~again)


def day_of(time_ms: int) -> str:
    """The UTC day, as in a path."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d")


def write(store: Path, table: Table, rows: pl.DataFrame, log: int, part: str = "") -> list[Segment]:
    """Write rows durably, a file per day; a file that is there from a try before is replaced."""
    time = pl.col("time_unix_ms")
    first_ms, last_ms = rows.select(time.min(), time.max().alias("last")).row(0)
    days = []
    for start_ms in range(first_ms - first_ms % DAY_MS, last_ms + 1, DAY_MS):
        day = rows.filter(time.is_between(start_ms, start_ms + DAY_MS, closed="left"))
        if day.height:
            days.append(day)
    return [_write_day(store, table, in_order(table, day), log, part) for day in days]


def _write_day(store: Path, table: Table, rows: pl.DataFrame, log: int, part: str) -> Segment:
    first_ms, last_ms = rows.select(
        pl.col("time_unix_ms").min(), pl.col("time_unix_ms").max().alias("last")
    ).row(0)
    day = day_of(first_ms)
    file = filenames.segment_name(table.name, day, log, part)
    data = _parquet(rows)
    path = store / file
    make_directory(path.parent)
    unfinished = path.with_suffix(filenames.UNFINISHED_SUFFIX)
    with unfinished.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(path)
    sync_directory(path.parent)
    return Segment(
        file=file,
        table=table.name,
        day=day,
        rows=rows.height,
        bytes=data.size,
        first_ms=first_ms,
        last_ms=last_ms,
        sha256=hashlib.sha256(data).hexdigest(),
        order=log,
    )


def _parquet(rows: pl.DataFrame) -> pa.Buffer:
    rows = rows.with_columns(
        _as_decimal(rows[name]) for name, type in rows.schema.items() if type == pl.Float64
    )
    encodings = {
        name: "BYTE_STREAM_SPLIT" if type == pl.Float64 else "DELTA_BINARY_PACKED"
        for name, type in rows.schema.items()
        if type != pl.String
    }
    out = pa.BufferOutputStream()
    pq.write_table(
        rows.to_arrow(compat_level=pl.CompatLevel.oldest()),
        out,
        row_group_size=_ROW_GROUP,
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name, type in rows.schema.items() if type == pl.String],
        column_encoding=encodings,
        store_decimal_as_integer=True,
        store_schema=False,
    )
    return out.getvalue()


def _as_decimal(values: pl.Series) -> pl.Series:
    """Floats as decimals with as few places as they have, if none changes; else as they are.

    Sensors count in whole watts, hundredths, millionths or nanoseconds, and such numbers have
    small differences, where their binary fractions look like noise: a third of the bytes. Any
    reader of Parquet still sees the true values.

    Most columns of no few decimals are told by a sample. Where the sample misleads, those values
    that did not fit are the next one: a quiet device's whole watts say nothing of the others'.
    """
    most = values.abs().max()
    if not isinstance(most, float):
        return values  # all null
    known = values.drop_nulls()
    sample = known.gather_every(max(1, known.len() // _SAMPLE))
    for places in _PLACES:
        if not most * 10**places < _DECIMAL:
            break
        kind = pl.Decimal(18, places)
        if _changed(sample, kind).len():
            continue
        sample = _changed(known, kind)
        if sample.is_empty():
            return values.cast(kind)
    return values


def _changed(values: pl.Series, kind: pl.Decimal) -> pl.Series:
    """Those that are others after being held like that."""
    return values.filter(values.cast(kind).cast(pl.Float64) != values)


def mergeable(many: Sequence[Segment]) -> list[list[Segment]]:
    """Runs of small segments of one table and day, neighbours in order, each fit for one file.

    A file stays small enough to be merged in memory, and short enough in time that a query of an
    hour does not read a day.
    """
    runs: list[list[Segment]] = [[]]
    rows = 0
    for segment in sorted(many, key=lambda segment: segment.order):
        small = segment.rows <= _SMALL
        if runs[-1] and (not small or rows + segment.rows > _MERGED):
            runs.append([])
            rows = 0
        if small:
            runs[-1].append(segment)
            rows += segment.rows
    return [run for run in runs if len(run) > 1]


def read(
    store: Path,
    table: Table,
    segments: Sequence[Segment],
    start_ms: int,
    end_ms: int,
    columns: Collection[str] | None = None,
    only: pl.Expr | None = None,
) -> list[pl.DataFrame]:
    """Rows of a time out of each segment, in the segments' order.

    Args:
        store: The store's directory.
        table: Of which they are.
        segments: Which.
        start_ms: First time included.
        end_ms: First time after.
        columns: Which; all if None.
        only: Of these rows alone, by columns that every row has: what is sorted away from them is
            not even read.

    Raises:
        FileNotFoundError: A segment was merged into another since the list was made.
        InputError: A segment is damaged.
    """
    return [_read(store, table, segment, start_ms, end_ms, columns, only) for segment in segments]


def _read(
    store: Path,
    table: Table,
    segment: Segment,
    start_ms: int,
    end_ms: int,
    columns: Collection[str] | None,
    only: pl.Expr | None,
) -> pl.DataFrame:
    wanted = pl.col("time_unix_ms").is_between(start_ms, end_ms, closed="left")
    path = store / segment.file
    try:
        scan = pl.scan_parquet(path, glob=False)
        rows = scan.filter(wanted if only is None else wanted & only)
        if columns is not None:
            rows = rows.select(cs.by_name(*columns, require_all=False))
        found = rows.collect()
    except pl.exceptions.PolarsError as error:
        raise InputError("damaged segment; restore it from a copy", path=path) from error
    return whole(table, found, columns)
