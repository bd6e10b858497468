"""Writes everything to a file of JSON lines, which `--source replay` plays again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_agents.sinks.sink import Health
from wattline_agents.wire import Row


class RecordSink:
    """A recording that grows."""

    def __init__(self, path: Path, say: Callable[[str], None] = lambda message: None) -> None:
        """Open the file, to be added to.

        Raises:
            UsageError: It cannot be written.
        """
        self._path, self._say = path, say
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--record {path}: {error.strerror or error}") from error

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Add one line; a disk that takes no more ends the recording and not the agent."""
        if self._file.closed:
            return
        try:
            line = {"table": table, "rows": [dict(row) for row in rows]}
            self._file.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")
            self._file.flush()
        except (OSError, ValueError) as error:
            self._say(f"record {self._path}: {error}; the recording ends here")
            self.close()

    def health(self) -> Health:
        """Nothing waits here."""
        return Health()

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError:
            pass  # what could not be written was said when it was tried
