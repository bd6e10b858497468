"""Writes everything to a file of JSON lines, which `--source replay` plays again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import UsageError
from wattline_agents.sinks.disk import DiskTrouble
from wattline_agents.sinks.sink import Health
from wattline_agents.wire import Row


class RecordSink:
    """A recording that grows."""

    def __init__(
        self,
        path: Path,
        say: Callable[[str], None] = lambda message: None,
        clock: Clock | None = None,
    ) -> None:
        """Open the file, to be added to.

        Args:
            path: The file.
            say: Takes the few lines meant for a person.
            clock: Where time comes from.

        Raises:
            UsageError: It cannot be written.
        """
        self._trouble = DiskTrouble(f"record {path}", clock or SystemClock(), say)
        self._left_out = 0
        try:
            # Unbuffered: what does not fit today must not come before what is read tomorrow.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise UsageError(f"--record {path}: {error.strerror or error}") from error

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Add one line, whole or not at all; a disk that takes no more leaves a gap."""
        if self._file.closed:
            return
        try:
            line = {"table": table, "rows": [dict(row) for row in rows]}
            text = json.dumps(line, separators=(",", ":"), allow_nan=False)
            self._write(text.encode() + b"\n")
        except (OSError, ValueError) as error:
            self._left_out += 1
            reason = getattr(error, "strerror", None) or str(error)
            self._trouble.failed(reason, "lines that cannot be written are left out")
            return
        self._trouble.worked(f"{self._left_out} lines were left out")

    def health(self) -> Health:
        """Nothing waits here."""
        return Health()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # what could not be written was said when it was tried
            self._file.close()

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError:
            if written:
                with suppress(OSError):
                    os.ftruncate(
                        self._file.fileno(), os.fstat(self._file.fileno()).st_size - written
                    )
            raise
