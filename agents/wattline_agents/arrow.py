"""Arrow's stream format, as far as a batch needs it: columns of three types, written and read.

A library for all of Arrow takes megabytes on every node, for the few hundred bytes that a batch has
beside its numbers. What is written here any reader of Arrow reads.

A stream is a message that names the columns, one for each batch of rows, and an end. A message is
its length, its metadata as a flatbuffer, and the buffers it speaks of: of each column which values
are there, of texts where each ends, and the values. All is little-endian and stands at multiples
of eight bytes. Names and numbers of fields are those of Arrow's Message.fbs and Schema.fbs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from struct import Struct, calcsize, pack, pack_into, unpack_from
from struct import error as StructError

from wattline_agents.catalogue import Type
from wattline_agents.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.wire import Value

    Column = tuple[str, Type, Sequence[Value]]

_CONTINUATION = 0xFFFFFFFF
_START = Struct("<II")
_PAIR = Struct("<qq")
_ROOT = 8
"""Where a flatbuffer begins behind what says where its root is, so that all stands as it must."""

# Places of fields in the tables Message, Schema, Field, Int, FloatingPoint and RecordBatch.
_VERSION, _HEADER_TYPE, _HEADER, _BODY_LENGTH = 0, 1, 2, 3
_FIELDS = 1
_NAME, _NULLABLE, _TYPE_TYPE, _TYPE, _DICTIONARY, _CHILDREN = 0, 1, 2, 3, 4, 5
_BIT_WIDTH, _IS_SIGNED = 0, 1
_PRECISION = 0
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = 0, 1, 2, 3

_V5, _DOUBLE = 4, 2
_SCHEMA, _RECORD_BATCH = 1, 3
_KINDS = {Type.INT: 2, Type.FLOAT: 3, Type.TEXT: 5}
_TYPES = {kind: type_ for type_, kind in _KINDS.items()}
_CODES = {Type.INT: "q", Type.FLOAT: "d"}


def encode(columns: Sequence[Column], rows: int) -> bytes:
    """A stream of one batch.

    Args:
        columns: Name, type and values of each; a value is of that type, or None.
        rows: How many values each has.

    Raises:
        WireError: A value is not of its column's type.
    """
    nodes: list[int] = []
    buffers: list[int] = []
    body: list[bytes] = []
    size = 0
    for name, type_, values in columns:
        nulls = values.count(None)
        nodes += [rows, nulls]
        try:
            parts = [_validity(values) if nulls else b"", *_buffers(type_, values, nulls)]
        except (StructError, AttributeError) as error:
            raise WireError(f"{name}: a value is not {type_.name.lower()}: {error}") from error
        for part in parts:
            buffers += [size, len(part)]
            body += [part, bytes(-len(part) % 8)]
            size += len(part) + -len(part) % 8
    schema = _schema(tuple([(name, type_) for name, type_, _values in columns]))
    batch = _record_batch(rows, nodes, buffers, size)
    return b"".join([schema, batch, *body, _START.pack(_CONTINUATION, 0)])


def decode(stream: bytes) -> list[dict[str, Value]]:
    """The rows of a stream that has no other columns than `encode` writes.

    Raises:
        WireError: It is none, is cut short, or has something else in it.
    """
    try:
        return _decoded(stream)
    except (StructError, IndexError, ValueError) as error:
        raise WireError(f"not a stream of rows: {error}") from error


# Writing.


def _validity(values: Sequence[Value]) -> bytes:
    """A bit for each value, from the lowest on: whether it is there."""
    bits = "".join(["0" if value is None else "1" for value in reversed(values)])
    return int(bits, 2).to_bytes((len(values) + 7) // 8, "little")


def _buffers(type_: Type, values: Sequence[Value], nulls: int) -> Iterator[bytes]:
    if type_ is not Type.TEXT:
        if nulls:
            values = [0 if value is None else value for value in values]
        yield pack(f"<{len(values)}{_CODES[type_]}", *values)
        return
    texts: list[bytes] = []
    ends, end = [0], 0
    for text in values:
        # What cannot be written as UTF-8 came from outside, and must not cost the whole batch.
        data = b"" if text is None else text.encode(errors="replace")  # type: ignore[union-attr]
        texts.append(data)
        end += len(data)
        ends.append(end)
    yield pack(f"<{len(ends)}i", *ends)
    yield b"".join(texts)


@lru_cache(maxsize=256)
def _schema(columns: tuple[tuple[str, Type], ...]) -> bytes:
    """The message that names columns; those of one table are mostly the same."""
    out = _Flatbuffer()
    schema = out.message(_SCHEMA, 0)
    table = out.table((_FIELDS, "I", 0))
    out.refer(schema, table[-1])
    out.align(4)
    out.refer(table[_FIELDS], out.end)
    out.append("I", len(columns))
    places = out.end
    out.append(f"{len(columns)}I", *[0] * len(columns))
    fields = []
    for place, (_name, type_) in enumerate(columns):
        field = out.table(
            (_NAME, "I", 0), (_TYPE, "I", 0), (_CHILDREN, "I", 0), (_NULLABLE, "?", True),
            (_TYPE_TYPE, "B", _KINDS[type_]),
        )  # fmt: skip
        out.refer(places + 4 * place, field[-1])
        fields.append(field)
    # What is the same for several columns stands once. References point forward, so it comes last.
    types = {
        Type.INT: out.table((_BIT_WIDTH, "i", 64), (_IS_SIGNED, "?", True))[-1],
        Type.FLOAT: out.table((_PRECISION, "h", _DOUBLE))[-1],
        Type.TEXT: out.table()[-1],
    }
    out.align(4)
    no_children = out.end
    out.append("I", 0)
    for field, (name, type_) in zip(fields, columns, strict=True):
        out.refer(field[_TYPE], types[type_])
        out.refer(field[_CHILDREN], no_children)
        out.align(4)
        out.refer(field[_NAME], out.end)
        data = name.encode()
        out.append(f"I{len(data)}sx", len(data), data)
    return out.framed()


def _record_batch(
    rows: int, nodes: Sequence[int], buffers: Sequence[int], body_bytes: int
) -> bytes:
    """The message before the buffers.

    Args:
        rows: How many there are.
        nodes: Rows and nulls of each column.
        buffers: Where each buffer begins and how long it is.
        body_bytes: How long all of them are, with what fills them up.
    """
    out = _Flatbuffer()
    header = out.message(_RECORD_BATCH, body_bytes)
    table = out.table((_LENGTH, "q", rows), (_NODES, "I", 0), (_BUFFERS, "I", 0))
    out.refer(header, table[-1])
    for field, pairs in ((_NODES, nodes), (_BUFFERS, buffers)):
        out.align(8, 4)
        out.refer(table[field], out.end)
        out.append(f"I{len(pairs)}q", len(pairs) // 2, *pairs)
    return out.framed()


class _Flatbuffer:
    """Written from its root on: what a field refers to comes behind it."""

    def __init__(self) -> None:
        self._out = bytearray(_ROOT)
        # Lists of where fields stand: tables whose fields are the same share one.
        self._lists: dict[bytes, int] = {}

    @property
    def end(self) -> int:
        """Where what comes next will stand."""
        return len(self._out)

    def align(self, unit: int, behind: int = 0) -> None:
        """Fill up, so that what stands so many bytes behind the end is at a multiple of a unit."""
        self._out += bytes(-(self.end + behind) % unit)

    def append(self, layout: str, *values: object) -> None:
        """Write numbers, or a text, with nothing between them."""
        self._out += pack("<" + layout, *values)

    def refer(self, at: int, place: int) -> None:
        """Let the field that stands there refer to a place behind it."""
        pack_into("<I", self._out, at, place - at)

    def table(self, *fields: tuple[int, str, object]) -> dict[int, int]:
        """Write a table.

        Args:
            fields: The place of each in the table's declaration, how it is written, and its value.

        Returns:
            Where each stands; under -1 where the table stands.
        """
        # The largest first, from a multiple of eight on: so none needs anything before it.
        fields = tuple(sorted(fields, key=lambda field: -calcsize(field[1])))
        offsets = [0] * (1 + max([place for place, _, _ in fields], default=-1))
        layout, size = "<i", 4
        for place, code, _value in fields:
            offsets[place], size = size, size + calcsize(code)
            layout += code
        found = pack(f"<{2 + len(offsets)}H", 4 + 2 * len(offsets), size, *offsets)
        known = self._lists.get(found)
        if known is None:
            self.align(2)
            known = self._lists[found] = self.end
            self._out += found
        self.align(8, 4)
        at = self.end
        self._out += pack(layout, at - known, *[value for _, _, value in fields])
        return {-1: at} | {place: at + offsets[place] for place, _, _ in fields}

    def message(self, kind: int, body_bytes: int) -> int:
        """Write the root, a Message; where its reference to what it is about stands."""
        root = self.table(
            (_BODY_LENGTH, "q", body_bytes), (_HEADER, "I", 0), (_VERSION, "h", _V5),
            (_HEADER_TYPE, "B", kind),
        )  # fmt: skip
        self.refer(0, root[-1])
        return root[_HEADER]

    def framed(self) -> bytes:
        """As it stands in a stream."""
        self.align(8)
        return _START.pack(_CONTINUATION, self.end) + bytes(self._out)


# Reading.


def _decoded(stream: bytes) -> list[dict[str, Value]]:
    columns: list[tuple[str, Type]] | None = None
    rows: list[dict[str, Value]] = []
    at = 0
    while at < len(stream):
        mark, length = _START.unpack_from(stream, at)
        if mark != _CONTINUATION:
            raise ValueError(f"no message at byte {at}")
        if length == 0:
            break
        at += _START.size
        message = _Table(stream[at : at + length])
        at += length
        kind, size = message.number(_HEADER_TYPE, "B"), message.number(_BODY_LENGTH, "q")
        body = stream[at : at + size]
        if size < 0 or len(body) < size:
            raise ValueError("it is cut short")
        at += size
        header = message.table(_HEADER)
        if kind == _SCHEMA and columns is None:
            columns = _columns(header)
        elif kind == _RECORD_BATCH and columns is not None:
            rows += _rows(header, columns, body)
        else:
            raise ValueError(f"a message of kind {kind}")
    if columns is None:
        raise ValueError("its columns are missing")
    return rows


def _columns(schema: _Table) -> list[tuple[str, Type]]:
    found = []
    for field in schema.tables(_FIELDS):
        name, kind = field.text(_NAME), field.number(_TYPE_TYPE, "B")
        type_, told = _TYPES.get(kind), field.table(_TYPE)
        is_known = {
            Type.INT: told.number(_BIT_WIDTH, "i") == 64 and told.number(_IS_SIGNED, "?"),
            Type.FLOAT: told.number(_PRECISION, "h") == _DOUBLE,
            Type.TEXT: True,
        }
        if type_ is None or not is_known[type_] or field.place(_DICTIONARY):
            raise ValueError(f"column {name[:40]!r} is of a type that is not read here")
        found.append((name, type_))
    return found


def _rows(
    batch: _Table, columns: Sequence[tuple[str, Type]], body: bytes
) -> list[dict[str, Value]]:
    count = batch.number(_LENGTH, "q")
    nodes, buffers = batch.pairs(_NODES), batch.pairs(_BUFFERS)
    if batch.place(_COMPRESSION) or not 0 <= count <= 8 * len(body) or len(nodes) != len(columns):
        raise ValueError("a batch that is not read here")
    parts = iter(buffers)

    def buffer() -> bytes:
        start, size = next(parts, (0, -1))
        if start < 0 or size < 0 or start + size > len(body):
            raise ValueError("a buffer outside its batch")
        return body[start : start + size]

    found: dict[str, Sequence[Value]] = {}
    for (name, type_), (_count, nulls) in zip(columns, nodes, strict=True):
        there = buffer()
        values: Sequence[Value]
        if type_ is Type.TEXT:
            ends = unpack_from(f"<{count + 1}i", buffer()) if count else (0,)
            text = buffer()
            values = [str(text[start:end], "utf-8") for start, end in pairwise(ends)]
        else:
            values = unpack_from(f"<{count}{_CODES[type_]}", buffer())
        if nulls:
            values = [
                value if there[place >> 3] >> (place & 7) & 1 else None
                for place, value in enumerate(values)
            ]
        found[name] = values
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


class _Table:
    """A table of a flatbuffer, the root if not told otherwise."""

    def __init__(self, buffer: bytes, at: int | None = None) -> None:
        self._buffer = buffer
        self._at = self._read("I", 0) if at is None else at
        self._list = self._at - self._read("i", self._at)
        self._list_bytes = self._read("H", self._list)

    def place(self, field: int) -> int:
        """Where a field stands; 0: it has its default."""
        if 4 + 2 * field >= self._list_bytes:
            return 0
        offset = self._read("H", self._list + 4 + 2 * field)
        return self._at + offset if offset else 0

    def number(self, field: int, code: str) -> int:
        """A number; 0 is the default of all that are read here."""
        at = self.place(field)
        return self._read(code, at) if at else 0

    def table(self, field: int) -> _Table:
        """What the field refers to."""
        return _Table(self._buffer, self._referred(self.place(field)))

    def tables(self, field: int) -> list[_Table]:
        """What a list of tables refers to."""
        at, count = self._vector(field)
        places = (at + 4 * place for place in range(count))
        return [_Table(self._buffer, self._referred(place)) for place in places]

    def text(self, field: int) -> str:
        """A text."""
        at, size = self._vector(field)
        return str(self._buffer[at : at + size], "utf-8")

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A list of two numbers each."""
        at, count = self._vector(field)
        return [
            (int(first), int(second))
            for first, second in _PAIR.iter_unpack(self._buffer[at : at + count * _PAIR.size])
        ]

    def _vector(self, field: int) -> tuple[int, int]:
        place = self.place(field)
        if not place:
            return 0, 0
        at = self._referred(place)
        count = self._read("I", at)
        if count > len(self._buffer) or count < 0:
            raise ValueError("a list longer than what it is in")
        return at + 4, count

    def _referred(self, at: int) -> int:
        return at + self._read("I", at)

    def _read(self, code: str, at: int) -> int:
        if at < 0:  # counted from the end, it would be inside
            raise ValueError("a place before the beginning")
        return int(unpack_from("<" + code, self._buffer, at)[0])
