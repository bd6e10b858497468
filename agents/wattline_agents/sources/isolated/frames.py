"""What travels between the agent and a process that reads for it.

Both ends are this version of this package, so it need not be compatible, only small, quick and
bounded: a frame is a kind, a length, and that many bytes. Rows are packed as C numbers. Which
columns a row has and of what type they are (its shape) is sent once and then named by a number. A
null is part of the shape and takes no bytes; one of a column that never had a value is left out, as
that says the same. What arrives is checked all the same: a library that ran wild in the other
process must not take this one along.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

TYPE_CHECKING = False  # `typing` costs a mebibyte, which the reading process need not have
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    Value = int | float | str | None

# To the reading process.
OPEN, READ = 1, 2
# From it.
PART, SHAPE, ROW, FAILED, END, UNREAD = 11, 12, 13, 14, 15, 16

# Why a part failed.
READ_FAILED, RESTART_NEEDED, UNAVAILABLE, BROKEN = 1, 2, 3, 4

MOST_BYTES = 256 * 1024
"""A row takes hundreds of bytes, a list of what to skip a few thousand."""
MOST_SHAPES = 512
"""Shapes kept at a time; devices of a node share a handful, and a null more or less makes one."""
_MOST_SUBJECTS = 1024
MOST_TEXT_BYTES = 256
MOST_MESSAGE_BYTES = 1000

_HEAD = Struct("<BI")
NUMBER = Struct("<H")
_PART = Struct("<d")
_PART_HEAD = Struct(_HEAD.format + _PART.format[1:])
_READ = Struct("<q?d")

_CODES = {int: "q", float: "d", bool: "q", str: "H"}
"""How a value of a type is packed; of a text its length, and the text stands behind all numbers."""
NULL, _LEFT_OUT = "-", "."
"""A null that is told, and one that is not."""


class Garbage(Exception):
    """What arrived is no frame, or not one that can be at this place."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return _HEAD.pack(kind, len(payload)) + payload


def read_command(now_ms: int, describe: bool, skip: Sequence[str], at: float = 0.0) -> bytes:
    """The frame that asks for a reading.

    Args:
        now_ms: Its time.
        describe: Whether info rows are asked for as well.
        skip: Parts to be left out.
        at: When it is to begin, by the monotonic clock, which all processes of a machine share.
    """
    return frame(READ, _READ.pack(now_ms, describe, at) + _texts(skip))


def read_asked(payload: bytes) -> tuple[int, bool, list[str], float]:
    """What `read_command` was given."""
    now_ms, describe, at = _READ.unpack_from(payload)
    return now_ms, describe, split_texts(payload[_READ.size :]), at


def open_command(
    place: str,
    system: str,
    node: str,
    rack: str | None,
    period_seconds: float,
    options: Mapping[str, str],
) -> bytes:
    """The frame that says what to read: `module:class`, and what its configuration holds."""
    pairs = [text for pair in options.items() for text in pair]
    known = "" if rack is None else "r" + rack
    return frame(OPEN, _texts([place, system, node, known, repr(period_seconds), *pairs]))


def open_asked(payload: bytes) -> tuple[str, str, str, str | None, float, dict[str, str]]:
    """What `open_command` was given."""
    place, system, node, known, period, *rest = split_texts(payload)
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    return place, system, node, known[1:] if known else None, float(period), options


def part_frame(name: str, seconds: float) -> bytes:
    """Says which part is about to be read, and the monotonic time at which it begins."""
    data = _cut(name, MOST_TEXT_BYTES)
    return _PART_HEAD.pack(PART, _PART.size + len(data), seconds) + data


def part_told(payload: bytes) -> tuple[str, float]:
    """What `part_frame` was given.

    Raises:
        Garbage: It is no such frame.
    """
    try:
        return str(payload[_PART.size :], "utf-8"), _PART.unpack_from(payload)[0]
    except (StructError, ValueError) as error:
        raise Garbage(f"a part: {error}") from error


def failed_frame(why: int, message: str) -> bytes:
    """Says that the part announced last failed."""
    return frame(FAILED, bytes((why,)) + _cut(message, MOST_MESSAGE_BYTES))


def failed_told(payload: bytes) -> tuple[int, str]:
    """What `failed_frame` was given.

    Raises:
        Garbage: It is no such frame.
    """
    if not payload:
        raise Garbage("a failure without a reason")
    return payload[0], str(payload[1:], "utf-8", "replace")


def unread_frame(names: Sequence[str]) -> bytes:
    """Names all devices that cannot be read, in the place of those named before."""
    return frame(UNREAD, _texts([str(_cut(one, MOST_TEXT_BYTES), "utf-8") for one in names]))


def unread_told(payload: bytes) -> list[str]:
    """What `unread_frame` was given.

    Raises:
        Garbage: It is no such frame.
    """
    try:
        return split_texts(payload)
    except (StructError, ValueError) as error:
        raise Garbage(f"what is not read: {error}") from error


class Splitter:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are whole now: kind and payload.

        Raises:
            Garbage: A length no frame has.
        """
        data = self._rest + data
        place, size = 0, len(data)
        while size - place >= _HEAD.size:
            kind, length = _HEAD.unpack_from(data, place)
            if length > MOST_BYTES:
                raise Garbage(f"a frame of {length} bytes")
            end = place + _HEAD.size + length
            if end > size:
                break
            yield kind, data[place + _HEAD.size : end]
            place = end
        self._rest = data[place:]


class _Shape:
    """How rows of one table are packed that have the same columns, and the same of them null."""

    __slots__ = ("nulls", "number", "packed", "size", "texts")

    def __init__(self, number: int, codes: str) -> None:
        """Number it; there is a code for each column."""
        self.number = number
        # From the end, so that taking one out does not move the next.
        self.nulls = tuple(p for p in range(len(codes) - 1, -1, -1) if codes[p] in "-.")
        codes = codes.replace(NULL, "").replace(_LEFT_OUT, "")
        self.texts = tuple(p for p, code in enumerate(codes) if code == "H")
        self.packed = Struct(_HEAD.format + NUMBER.format[1:] + codes)
        self.size = self.packed.size - _HEAD.size

    def row(self, values: list[Any]) -> bytes | None:
        """The frame of a row of these columns; None if it is of another shape.

        Raises:
            StructError: It is of another shape, or a number is too large.
        """
        for place in self.nulls:
            if values.pop(place) is not None:
                return None
        tail = b""
        for place in self.texts:
            text = values[place]
            if type(text) is not str:
                return None
            data = _cut(text, MOST_TEXT_BYTES)
            values[place] = len(data)
            tail += data
        return self.packed.pack(ROW, self.size + len(tail), self.number, *values) + tail


class _Subject:
    """What rows a device has in a table.

    Attributes:
        known: Columns that ever had a value.
        shapes: The last shape of rows with these columns.
    """

    __slots__ = ("known", "shapes")

    def __init__(self) -> None:
        """It had none yet."""
        self.known: set[str] = set()
        self.shapes: dict[tuple[str, ...], _Shape] = {}

    def codes(self, row: Mapping[str, Value]) -> str:
        """A code for each column of a row.

        Raises:
            KeyError: A value is of no type that a row can hold.
        """
        found = {column for column, value in row.items() if value is not None}
        if not found <= self.known:
            self.known |= found
            self.shapes.clear()  # their nulls may have been left out, and are to be told now
        known = self.known
        return "".join(
            [
                _CODES[type(value)]
                if value is not None
                else (NULL if column in known else _LEFT_OUT)
                for column, value in row.items()
            ]
        )


class Packer:
    """Makes frames of rows."""

    def __init__(self) -> None:
        """Begin without shapes."""
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._subjects: dict[tuple[str, Value], _Subject] = {}

    def row(self, table: str, row: Mapping[str, Value]) -> bytes:
        """One row, and before it its shape if it is new.

        Raises:
            ValueError: A value is of no type a row can hold, or a number is too large.
        """
        # A device's rows of the same columns are alike: the last one's shape is tried before types
        # are looked at. A whole number fits where a broken one was; it is the same number there.
        place = table, row.get("device")
        subject = self._subjects.get(place)
        if subject is None:
            if len(self._subjects) >= _MOST_SUBJECTS:
                self._subjects.clear()
            subject = self._subjects[place] = _Subject()
        columns = tuple(row)
        shape = subject.shapes.get(columns)
        if shape is not None:
            try:
                made = shape.row(list(row.values()))
            except StructError:
                made = None
            if made is not None:
                return made
        try:
            codes = subject.codes(row)
        except KeyError as error:
            raise ValueError(f"{table}: a value of type {error.args[0].__name__}") from error
        key = (table, codes, *columns)
        shape, new = self._shapes.get(key), b""
        if shape is None:
            new, shape = self._learn(key)
        subject.shapes[columns] = shape
        try:
            return new + (shape.row(list(row.values())) or b"")
        except StructError as error:
            raise ValueError(f"{table}: {error}") from error

    def _learn(self, key: tuple[str, ...]) -> tuple[bytes, _Shape]:
        # Numbers begin again when there are too many; the other end overwrites its own likewise.
        if len(self._shapes) >= MOST_SHAPES:
            self._shapes.clear()
            for subject in self._subjects.values():
                subject.shapes.clear()
        table, codes, *columns = key
        shape = self._shapes[key] = _Shape(len(self._shapes), codes)
        # Nulls behind all others, so that values and columns follow each other alike.
        told = [one for one in zip(columns, codes, strict=True) if one[1] not in "-."]
        told += [one for one in zip(columns, codes, strict=True) if one[1] == NULL]
        data = _texts([table, "".join([code for _, code in told]), *[column for column, _ in told]])
        return frame(SHAPE, NUMBER.pack(shape.number) + data), shape


def _texts(texts: Sequence[str]) -> bytes:
    parts = [text.encode("utf-8", "replace") for text in texts]
    return b"".join([NUMBER.pack(len(part)) + part for part in parts])


def split_texts(data: bytes) -> list[str]:
    """Texts that stand one behind the other.

    Raises:
        ValueError: The last is cut short, or one is not UTF-8.
        struct.error: As little is left as a length takes.
    """
    texts, place = [], 0
    while place < len(data):
        (length,) = NUMBER.unpack_from(data, place)
        place += NUMBER.size
        if place + length > len(data):
            raise ValueError("a text cut short")
        texts.append(str(data[place : place + length], "utf-8"))
        place += length
    return texts


def _cut(text: str, most: int) -> bytes:
    data = text.encode("utf-8", "replace")
    # Bytes of a character that was cut in half go, too.
    return data if len(data) <= most else data[:most].decode("utf-8", "ignore").encode()
