"""The append log: batches as they came in, made durable in groups.

A record is `WLr1`, its length and CRC-32, and its payload: one line that names the batch, and the
body. The mark lets recovery find the next record behind a damaged one, so that one bad sector
costs the record it hit and not all that follow.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wattline_agents.errors import WattlineError
from wattline_agents.wire import MAX_BODY_BYTES, Header

MARK = b"WLr1"
_HEAD = struct.Struct("<4sII")
_MOST = MAX_BODY_BYTES + 4096


class NotDurable(WattlineError):
    """The disk did not take what was appended; it is kept in memory and tried again."""


@dataclass(frozen=True, slots=True)
class Record:
    """A batch in the log, and where it stands."""

    table: str
    header: Header
    body: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a log that are no record, with good records behind them."""

    offset: int
    data: bytes


def encode(table: str, header: Header, body: bytes) -> bytes:
    """A record; names hold no tab and no newline, `wire.checked_name` saw to that."""
    line = (
        f"{table}\t{header.system}\t{header.node}\t{header.boot}\t{header.sequence}"
        f"\t{header.period_ms}\t{header.catalogue}\n"
    ).encode()
    crc = zlib.crc32(body, zlib.crc32(line))
    return b"".join((_HEAD.pack(MARK, len(line) + len(body), crc), line, body))


def scan(data: bytes) -> Iterator[Record | Damage | int]:
    """The records of a log in order, what is damaged between them, and last where they end.

    The end is less than the length of `data` when the tail is torn: bytes of a write that was cut
    short, which nobody was told is durable.
    """
    position = 0
    while position < len(data):
        found = _record_at(data, position)
        if found is None:
            after = _next_record(data, position + 1)
            if after is None:
                break
            yield Damage(position, data[position:after])
            position = after
            continue
        record, position = found
        yield record
    yield position


def _record_at(data: bytes, position: int) -> tuple[Record, int] | None:
    start = position + _HEAD.size
    if start > len(data):
        return None
    mark, length, crc = _HEAD.unpack_from(data, position)
    end = start + length
    if mark != MARK or length > _MOST or end > len(data):
        return None
    payload = data[start:end]
    if zlib.crc32(payload) != crc:
        return None
    line, newline, body = payload.partition(b"\n")
    words = line.decode("ascii", "replace").split("\t")
    if not newline or len(words) != 7:
        return None
    table, system, node, boot, sequence, period_ms, catalogue = words
    header = Header(system, node, boot, int(sequence), int(period_ms), int(catalogue))
    return Record(table, header, body, position), end


def _next_record(data: bytes, position: int) -> int | None:
    while (at := data.find(MARK, position)) >= 0:
        if _record_at(data, at) is not None:
            return at
        position = at + 1
    return None


class LogFile:
    """One log, open for appending. Not thread-safe: the store calls it under its file lock."""

    def __init__(self, path: Path) -> None:
        """Create the file, empty, and make its name durable."""
        self.path = path
        self.size = 0
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o640)
        sync_directory(path.parent)

    def write(self, records: Sequence[bytes]) -> None:
        """Append and wait until the disk has it.

        Raises:
            NotDurable: It does not; nothing counts as appended, and the same records are to be
                written again: after a failed fsync the kernel may have dropped the pages, so only
                a new write at the same place says anything.
        """
        data = memoryview(b"".join(records))
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self.size + done)
            os.fdatasync(self._file)
        except OSError as error:
            raise NotDurable(f"{self.path}: cannot be written: {error.strerror}") from error
        self.size += len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable: a file's fsync does not say its name is there."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, durably; nothing happens if it is there."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode=0o750, exist_ok=True)
    sync_directory(path.parent)


def truncate(path: Path, size: int) -> None:
    """Cut a torn tail off, durably."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())
