"""One Arrow IPC stream to rows of a catalogue table, safe against any bytes.

Nothing is decoded before its size is known: message headers are looked at by hand first, because
Arrow would follow a compressed buffer's claimed length into memory, and because a batch's schema
is nearly always one seen before, so that it need not be parsed again. Values are never touched one
by one; batches of one schema are typed and checked together.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from wattline_agents.catalogue import TABLES, Table, Type
from wattline_agents.errors import WireError
from wattline_agents.wire import MAX_BODY_BYTES, MAX_ROWS

ARROW: dict[Type, pa.DataType] = {
    Type.INT: pa.int64(),
    Type.FLOAT: pa.float64(),
    Type.TEXT: pa.string(),
}

_MAX_MESSAGES = 1024
"""Record batches in one stream; a sender has no reason for more than a few."""
_MAX_METADATA = 16 * 1024
"""Four times the schema of the widest table; what is remembered of them stays under 64 MiB."""

_CONTINUATION = 0xFFFFFFFF
_SCHEMA, _RECORD_BATCH = 1, 3  # MessageHeader in Arrow's Message.fbs
_START = struct.Struct("<Ii")
_I32, _U32, _U16, _I64 = (struct.Struct(code) for code in ("<i", "<I", "<H", "<q"))


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A schema that batches of a table came with, found fit.

    The same schema gives the same object (`_shape` remembers it), so shapes compare by identity.

    Attributes:
        table: The table.
        schema: As it was sent.
        places: Where the columns to keep stand in it, in the catalogue's order.
        typed: The kept columns with the catalogue's types.
    """

    table: str
    schema: pa.Schema
    places: tuple[int, ...]
    typed: pa.Schema


@dataclass(frozen=True, slots=True)
class Decoded:
    """The batches of one stream; their memory is the body's."""

    shape: Shape
    batches: tuple[pa.RecordBatch, ...]
    rows: int


def decode(table: Table, body: bytes) -> Decoded:
    """Read one stream; its buffers are not looked into yet (`typed` does, for many at once).

    Raises:
        WireError: It is no Arrow IPC stream, is too large, has compressed buffers or dictionaries,
            or has columns the table lacks or of another type.
    """
    if len(body) > MAX_BODY_BYTES:
        raise WireError(f"{table.name}: body over {MAX_BODY_BYTES} bytes")
    try:
        return _decode(table, body)
    except (struct.error, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # pyarrow reports a malformed stream as ArrowInvalid or OSError, and a column's name that
        # is not UTF-8 only when it is looked at.
        raise WireError(f"{table.name}: not an Arrow IPC stream: {_first_line(error)}") from error


def _decode(table: Table, body: bytes) -> Decoded:
    mark, length = _START.unpack_from(body, 0)
    position = 8 + length
    if mark != _CONTINUATION or not 0 < length <= _MAX_METADATA or position > len(body):
        raise WireError(f"{table.name}: not an Arrow IPC stream: no schema at its start")
    shape = _shape(table.name, body[:position])
    whole = pa.py_buffer(body)
    batches: list[pa.RecordBatch] = []
    rows = 0
    while position < len(body):
        mark, length = _START.unpack_from(body, position)
        if mark != _CONTINUATION or not 0 <= length <= _MAX_METADATA:
            raise WireError(f"{table.name}: not an Arrow IPC stream: no message at {position}")
        if length == 0:
            break
        kind, count, compressed, body_length = _message(body[position + 8 : position + 8 + length])
        if kind != _RECORD_BATCH:
            raise WireError(f"{table.name}: dictionaries are not accepted, send plain columns")
        if compressed:
            raise WireError(f"{table.name}: compressed buffers are not accepted")
        size = 8 + length + body_length
        if body_length < 0 or position + size > len(body):
            raise WireError(f"{table.name}: the stream ends inside a message")
        rows += count
        if count < 0 or rows > MAX_ROWS or len(batches) == _MAX_MESSAGES:
            raise WireError(f"{table.name}: over {MAX_ROWS} rows or {_MAX_MESSAGES} messages")
        message = pa.ipc.read_message(whole.slice(position, size))
        batches.append(pa.ipc.read_record_batch(message, shape.schema))
        position += size
    if rows == 0:
        raise WireError(f"{table.name}: no row")
    return Decoded(shape, tuple(batches), rows)


@lru_cache(maxsize=4096)
def _message(metadata: bytes) -> tuple[int, int, bool, int]:
    """Of a message's metadata: kind, rows, whether buffers are compressed, bytes of its body.

    Remembered, because batches of one agent differ in their values and hardly in their layout.
    Read from the flatbuffer by hand (fields of Message.fbs and RecordBatch: header_type 1, header
    2, bodyLength 3; length 0, compression 3). Arrow verifies the same bytes again when it reads.
    """
    root = int(_U32.unpack_from(metadata, 0)[0])
    kind_at = _field(metadata, root, 1)
    header_at = _field(metadata, root, 2)
    length_at = _field(metadata, root, 3)
    kind = metadata[kind_at] if kind_at else 0
    body_length = int(_I64.unpack_from(metadata, length_at)[0]) if length_at else 0
    if kind != _RECORD_BATCH or not header_at:
        return kind, 0, False, body_length
    batch = header_at + int(_U32.unpack_from(metadata, header_at)[0])
    count_at = _field(metadata, batch, 0)
    count = int(_I64.unpack_from(metadata, count_at)[0]) if count_at else 0
    return kind, count, bool(_field(metadata, batch, 3)), body_length


def _field(metadata: bytes, table: int, index: int) -> int:
    """Where a flatbuffer table's field stands; 0 if it is left out."""
    vtable = table - int(_I32.unpack_from(metadata, table)[0])
    if table < 0 or vtable < 0:
        raise struct.error("offset outside the message")
    if 4 + 2 * index >= int(_U16.unpack_from(metadata, vtable)[0]):
        return 0
    offset = int(_U16.unpack_from(metadata, vtable + 4 + 2 * index)[0])
    at = table + offset if offset else 0
    if at >= len(metadata):
        raise struct.error("offset outside the message")
    return at


@lru_cache(maxsize=256)
def _shape(name: str, prefix: bytes) -> Shape:
    table = TABLES[name]
    if _message(prefix[8:])[0] != _SCHEMA:
        raise WireError(f"{name}: not an Arrow IPC stream: its first message is no schema")
    schema = pa.ipc.read_schema(pa.py_buffer(prefix))
    known = table.columns
    names = schema.names
    if unknown := [column for column in names if column not in known]:
        raise WireError(f"{name}: no column {', '.join(sorted({_shown(c) for c in unknown}))}")
    if len(set(names)) != len(names):
        raise WireError(f"{name}: a column is there twice")
    if missing := [column for column in table.required if column not in names]:
        raise WireError(f"{name}: column {', '.join(missing)} is missing")
    for field in schema:
        if not _fits(field.type, known[field.name]):
            raise WireError(
                f"{name}.{field.name}: type {_shown(str(field.type))}, expected {known[field.name]}"
            )
    # A column of Arrow's null type says only that nothing is known, as one left out does.
    present = {field.name for field in schema if not pa.types.is_null(field.type)}
    if absent := [column for column in table.required if column not in present]:
        raise WireError(f"{name}.{absent[0]}, row 0: null, and it is required")
    kept = [column for column in known if column in present]
    return Shape(
        name,
        schema,
        tuple(names.index(column) for column in kept),
        pa.schema([(column, ARROW[known[column]]) for column in kept]),
    )


def _fits(type: pa.DataType, wanted: Type) -> bool:
    if pa.types.is_null(type):
        return True
    if wanted is Type.TEXT:
        return bool(
            pa.types.is_string(type)
            or pa.types.is_large_string(type)
            or pa.types.is_string_view(type)
        )
    if wanted is Type.INT:
        return bool(pa.types.is_integer(type))
    return bool(pa.types.is_float32(type) or pa.types.is_float64(type) or pa.types.is_integer(type))


def typed(shape: Shape, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of one shape under each other as one, with the catalogue's columns and types.

    Raises:
        WireError: Buffers are inconsistent, text is not UTF-8, or a number does not fit.
    """
    try:
        if len(batches) == 1:
            whole = batches[0]
            whole.validate(full=True)  # before anything follows an offset a sender made up
        else:
            rows = pa.Table.from_batches(batches, shape.schema)
            rows.validate(full=True)
            whole = rows.combine_chunks().to_batches()[0]
        if whole.schema.equals(shape.typed):
            return whole
        columns = whole.columns
        return pa.RecordBatch.from_arrays(
            [
                columns[place].cast(field.type)
                for place, field in zip(shape.places, shape.typed, strict=True)
            ],
            schema=shape.typed,
        )
    except (pa.ArrowException, OSError) as error:
        raise WireError(f"{shape.table}: {_first_line(error)}") from error


def without_nan(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with null in place of NaN: both say "not known", and one word is enough."""
    columns = [
        pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
        if pa.types.is_float64(column.type)
        else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def _shown(text: str) -> str:
    """A name made up by a sender, fit to be shown."""
    return ascii(text[:60])


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:200]
