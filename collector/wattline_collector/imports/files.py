"""Reading files that others wrote: bounded in size, never unpacked to disk, never trusted.

A compressed file of a few kilobytes can hold terabytes. So everything is read as a stream, every
stream counts what it gave, and a tar header that claims more than an archive of power readings
could need is refused before anything of it is read.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from wattline_agents.errors import InputError

MAX_BYTES = 4 * 2**30
"""Unpacked bytes of one file: 64 nodes for an hour are 15 MB, so this is 1,000 nodes for a day."""
MAX_MEMBER_BYTES = 256 * 2**20
"""Unpacked bytes of one member: one node at one reading a second for three weeks."""
MAX_MEMBERS = 20_000
"""Members of one archive: one per node, and no system has more nodes."""
MAX_LINE_BYTES = 4 * 2**20
"""Longest line kept; the inference logs have one of 150 kB."""
MAX_HEADER_BYTES = 1024 * 1024
"""Longest header of a member: an extended one is read into memory whole, whatever its size."""

_GZIP = b"\x1f\x8b"
_READ_AHEAD = 64 * 1024
"""`tarfile` reads in records of 10 kB, whatever it looks for."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if it is gzip's; what its name ends in does not matter.

    Raises:
        InputError: There is no such file, it is a directory, or it may not be read; and later,
            from the stream itself, when the compressed data is damaged or too long.
    """
    try:
        raw = path.open("rb")
    except FileNotFoundError:
        raise InputError("no such file", path=path) from None
    except IsADirectoryError:
        raise InputError("is a directory; a file is needed", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    with raw:
        packed = raw.peek(2)[:2] == _GZIP
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if packed else raw)
        with io.BufferedReader(_Bounded(stream, path, MAX_BYTES)) as bounded:
            yield cast(IO[bytes], bounded)


def lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of every line; None in place of a line too long to keep."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) < MAX_LINE_BYTES or line.endswith(b"\n"):
            yield number, line
            continue
        while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield number, None


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and stream of every plain file in a tar archive, in its order, one at a time.

    The name is the archive's word and nothing more: match it, show it, never open it.

    Raises:
        InputError: The file is no tar archive, ends early, or claims an absurd size.
    """
    with opened(path) as stream:
        archive_stream = _Bounded(stream, path, MAX_BYTES)
        archive_stream.allow(MAX_HEADER_BYTES)
        try:
            with tarfile.open(fileobj=cast(IO[bytes], archive_stream), mode="r|") as archive:
                count = 0
                while (member := archive.next()) is not None:
                    count += 1
                    if count > MAX_MEMBERS:
                        raise InputError(f"has more than {MAX_MEMBERS} members", path=path)
                    if not 0 <= member.size <= MAX_MEMBER_BYTES:
                        raise InputError(
                            f"member {shown(member.name)!r} claims {member.size} bytes; "
                            f"at most {MAX_MEMBER_BYTES} are read",
                            path=path,
                        )
                    # What is left of this member, and the header of the next.
                    archive_stream.allow(member.size + MAX_HEADER_BYTES)
                    if not member.isreg() or member.issparse():
                        continue
                    content = archive.extractfile(member)
                    if content is not None:
                        place = Path(f"{path}:{shown(member.name)}")
                        bounded = _Bounded(content, place, MAX_MEMBER_BYTES)
                        yield member.name, cast(IO[bytes], io.BufferedReader(bounded))
        except (tarfile.TarError, ValueError, RecursionError) as error:
            # The last two come from headers that were made to confuse.
            raise InputError(f"is not a whole tar archive: {error}", path=path) from error


def shown(name: str) -> str:
    """A name from a file, fit to stand in a message: printable and short."""
    return "".join(c if c.isprintable() else "?" for c in name)[:120]


class _Bounded(io.RawIOBase):
    """A stream that ends with a clear error where it is damaged or longer than it may be."""

    def __init__(self, stream: IO[bytes], place: Path, limit: int) -> None:
        super().__init__()
        self._stream, self._place, self._limit = stream, place, limit
        self._left = limit
        self._allowed: int | None = None

    def allow(self, size: int) -> None:
        """Give no more than that, and what is read ahead, until this is called again."""
        self._allowed = size + _READ_AHEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            chunk = self._stream.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.ReadError) as error:
            raise InputError(
                f"ends early or is damaged (was the copy cut off?): {error}", path=self._place
            ) from error
        if self._allowed is not None:
            self._allowed -= len(chunk)
            if self._allowed < 0:
                raise InputError("holds a header of absurd size", path=self._place)
        self._left -= len(chunk)
        if self._left < 0:
            raise InputError(f"unpacks to more than {self._limit} bytes", path=self._place)
        buffer[: len(chunk)] = chunk
        return len(chunk)
