"""One digest for all hourly sums of an hour, and one for its cuts, which the audit trail names.

Figures are read from hourly sums. What an hour's are is written into the trail when the hour is put
into the books, so that whoever reads them later can tell that they still are those, without adding
millions of minutes up again.

The digest is of the values, not of a file: a day's file is written anew with each of its hours. A
column of which an hour knows nothing is left out, so that a program that knows more columns finds
the same digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from wattline_collector.ledger.schema import ENTRIES, HOUR_MS

_HOUR = pl.col("minute").dt.epoch("ms") // HOUR_MS * HOUR_MS

_WIDTH = 8
"""Bytes of a number: all are written as 64 bits, little-endian."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column's rows as bytes.

    Attributes:
        name: Its name.
        known: A byte per row: whether its value is known.
        numbers: Eight bytes per row: its value, or how many bytes of `text` are its value.
        text: The values of all rows, one after another; empty of a column of numbers.
        ends: Where the text of each stretch of rows ends, after a 0.
    """

    name: bytes
    known: bytes
    numbers: memoryview
    text: memoryview
    ends: Sequence[int]


def digests(hourly: Mapping[str, pl.DataFrame]) -> dict[int, str]:
    """The digests of hours.

    Args:
        hourly: Hourly sums by table, or cuts, of one system, as the books keep them.

    Returns:
        By the hour's start in ms: the SHA-256 of its sums, in hex. An hour whose rows do not stand
        together has none.
    """
    made: dict[int, hashlib._Hash] = {}
    scattered: set[int] = set()
    for table in ENTRIES:
        if table not in hourly or hourly[table].is_empty():
            continue
        runs = hourly[table].select(_HOUR.rle().struct.unnest())
        ends = [0, *runs["len"].cum_sum()]
        columns = _columns(hourly[table], ends)
        hours = runs["value"].to_list()
        for place, start_ms in enumerate(hours):
            first, last = ends[place], ends[place + 1]
            whole = made.setdefault(start_ms, hashlib.sha256())
            whole.update(f"{table} {last - first}\n".encode())
            for column in columns:
                if column.known.find(1, first, last) < 0:
                    continue
                whole.update(column.name)
                whole.update(column.known[first:last])
                whole.update(column.numbers[first * _WIDTH : last * _WIDTH])
                if column.ends:
                    whole.update(column.text[column.ends[place] : column.ends[place + 1]])
        scattered.update(start_ms for start_ms in hours if hours.count(start_ms) > 1)
    return {ms: whole.hexdigest() for ms, whole in made.items() if ms not in scattered}


def _columns(frame: pl.DataFrame, ends: Sequence[int]) -> list[_Column]:
    """A frame's columns as bytes, of which the rows from one of the ends to the next are wanted."""
    known = frame.select(pl.all().is_not_null().cast(pl.UInt8)).rechunk()
    found = []
    for name, kind in frame.schema.items():
        text, text_ends = memoryview(b""), []
        if kind == pl.String or isinstance(kind, pl.Enum):
            texts = frame[name].cast(pl.String).fill_null("")
            numbers = texts.str.len_bytes().cast(pl.Int64)
            text = memoryview((texts.str.join("").item() or "").encode())
            so_far = pl.concat([pl.Series([0], dtype=pl.Int64), numbers.cum_sum()])
            text_ends = so_far.gather(list(ends)).to_list()
        else:
            width = pl.Float64 if kind.is_float() else pl.Int64
            numbers = frame[name].to_physical().cast(width).fill_null(0)
        found.append(
            _Column(
                f"{name}\n".encode(), bytes(_bytes(known[name], 1)),
                _bytes(numbers, _WIDTH), text, text_ends,
            )
        )  # fmt: skip
    return found


def _bytes(numbers: pl.Series, width: int) -> memoryview:
    """Numbers, none of them null, as they lie in memory."""
    array: pa.Array = numbers.rechunk().to_arrow()
    values = array.buffers()[1]
    if values is None:
        return memoryview(b"")
    return memoryview(values)[array.offset * width : (array.offset + len(array)) * width]
