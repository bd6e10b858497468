"""Lines of a file that grows, is cut short, or is moved away for a new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from wattline_agents.job.logs import MOST_LINE

_MOST_PART = 4 * MOST_LINE
"""Bytes of a line without an end that are kept; characters have at most four."""
_READ_BYTES = 65_536


class Lines:
    """Cuts bytes into lines, also at the returns a progress bar draws itself with."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._part = b""

    def take(self, data: bytes) -> Iterator[str]:
        """The lines that are whole now."""
        *whole, part = (self._part + data).replace(b"\r", b"\n").split(b"\n")
        # Of a line without an end only its beginning is ever looked at.
        self._part = part[:_MOST_PART]
        for line in whole:
            if line:
                yield line[:_MOST_PART].decode(errors="replace")

    def rest(self) -> Iterator[str]:
        """The last line, if it was never ended."""
        part, self._part = self._part, b""
        if part:
            yield part.decode(errors="replace")


class Tail:
    """What is new in a file since the last look."""

    def __init__(self, *, from_end: bool = False) -> None:
        """Look at nothing yet.

        Args:
            from_end: Leave out what the file holds at the first look.
        """
        self._file: BinaryIO | None = None
        self._lines = Lines()
        self._from_end = from_end

    def read(self, path: Path) -> Iterator[str]:
        """The lines that came since; none where the file is not there (yet, or for a moment)."""
        if self._file is not None:
            yield from self._new()
            if not self._is_still(path):
                yield from self.rest()
                self.close()
        if self._file is None and self._open(path):
            yield from self._new()
        self._from_end = False

    def rest(self) -> Iterator[str]:
        """The last line, if it was never ended."""
        return self._lines.rest()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, path: Path) -> bool:
        try:
            self._file = path.open("rb", buffering=0)
        except OSError:
            return False
        if self._from_end:
            self._file.seek(0, os.SEEK_END)
        return True

    def _is_still(self, path: Path) -> bool:
        """Whether the file of that name is still the one that is open."""
        assert self._file is not None
        try:
            now, own = path.stat(), os.fstat(self._file.fileno())
        except OSError:
            return True  # moved, and no new one there yet: it may still be written to
        return (now.st_dev, now.st_ino) == (own.st_dev, own.st_ino)

    def _new(self) -> Iterator[str]:
        assert self._file is not None
        try:
            if os.fstat(self._file.fileno()).st_size < self._file.tell():
                self._lines = Lines()  # cut short: it begins again
                self._file.seek(0)
            while data := self._file.read(_READ_BYTES):
                yield from self._lines.take(data)
        except OSError:
            return  # a network's file system that is away; the next look reads on
