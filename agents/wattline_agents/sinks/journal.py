"""Rows that wait to fill a batch, written down so that they survive an agent that is killed.

While the collector answers, nothing is written: rows are in memory for some seconds and then
delivered. While it is away, or while the spool is being emptied, each batch that still fills up is
also here, a line for every addition, under the name (boot and sequence) it will be sent by. So an
agent that finds lines at its start makes the batches of them, and a batch that had reached the
spool after all has no second effect.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from wattline_agents.errors import WireError
from wattline_agents.rows import checked_row
from wattline_agents.sinks.disk import DiskTrouble
from wattline_agents.wire import Header, Row, table_named

LOSS = "what does not fit is dropped and counted"
_MOST_BYTES = 16 * 1024 * 1024
"""Far more than any node reads between two batches."""


@dataclass(slots=True)
class OpenBatch:
    """A batch that rows are still added to."""

    table: str
    header: Header
    rows: list[Row] = field(default_factory=list)


class Journal(Protocol):
    """Remembers what open batches hold."""

    def add(self, batch: OpenBatch, rows: Sequence[Row]) -> None:
        """Write down that these rows were added to that batch."""
        ...

    def clear(self) -> None:
        """All of it is elsewhere now."""
        ...

    def read(self) -> list[OpenBatch]:
        """What was written down, in the order batches were begun."""
        ...


class NoJournal:
    """For a spool that does not outlive the process."""

    def add(self, batch: OpenBatch, rows: Sequence[Row]) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""

    def read(self) -> list[OpenBatch]:
        """Nothing."""
        return []


class FileJournal:
    """One file of JSON lines. What cannot be written is at risk as it would be without."""

    def __init__(self, path: Path, trouble: DiskTrouble | None = None) -> None:
        """Nothing is opened before there is something to write or read.

        Args:
            path: The file.
            trouble: Is told what cannot be written, and what can.
        """
        self._path, self._trouble = path, trouble
        self._bytes = 0

    def add(self, batch: OpenBatch, rows: Sequence[Row]) -> None:
        """Write down that these rows were added to that batch."""
        line = {"table": batch.table, "header": asdict(batch.header), "rows": list(map(dict, rows))}
        start: int | None = None
        try:
            content = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
            if self._bytes + len(content) <= _MOST_BYTES:
                with self._path.open("ab") as file:
                    start = file.tell()
                    file.write(content)
                self._bytes += len(content)
        except OSError as error:
            if start is not None:
                with suppress(OSError):
                    os.truncate(self._path, start)  # half a line would spoil the next one
            if self._trouble is not None:
                self._trouble.failed(error.strerror or str(error), LOSS)
        except ValueError:
            pass  # no number: said when the batch is made

    def clear(self) -> None:
        """All of it is elsewhere now."""
        if self._bytes:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._bytes = 0

    def read(self) -> list[OpenBatch]:
        """What was written down, in the order batches were begun.

        A line that cannot be read is left out: it is the last one, which a kill cut short.
        """
        try:
            with self._path.open("rb") as file:
                content = file.read(_MOST_BYTES)
        except OSError:
            return []
        self._bytes = len(content)
        batches: dict[tuple[str, int], OpenBatch] = {}
        for line in content.splitlines():
            try:
                entry = json.loads(line)
                table = table_named(str(entry["table"]))
                header = Header(**entry["header"])
                rows = [checked_row(table, row) for row in entry["rows"]]
                batch = OpenBatch(table.name, header)
                batches.setdefault((header.boot, header.sequence), batch).rows.extend(rows)
            except (ValueError, KeyError, TypeError, RecursionError, WireError):
                continue
        return list(batches.values())
