"""Rows of many tables, as a recording of devices and nodes has them, and their way to batches.

A recording is read once. Its rows are encoded as they come and wait in a temporary file, because
their period, their digest and the recording's end are known only when all of it is read; and
nothing may be imported if too much of it is malformed. Who a device or node is (`device_info`,
`node_info`, `job_info`) is kept apart and said again every full hour, as a live agent would.
Devices and nodes count as installed from their first reading to their last, so that nothing is
booked before or after.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from wattline_agents.catalogue import TABLES, Table
from wattline_agents.errors import InputError, WireError
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value, encode
from wattline_collector.imports.recording import BATCH_ROWS, Batch, hourly

SAID_AGAIN = ("node_info", "device_info", "job_info")
"""Tables whose rows say who somebody is."""
_INSTALLED = ("node_info", "device_info")

_IN_MEMORY_BYTES = 32 * 2**20
"""Beyond it rows wait on disk: some 400,000 readings of a device."""
_MOST_BYTES = 8 * 2**30
_MOST_SUBJECTS = 20_000
"""Devices, nodes, processes, ... of one recording."""
_MOST_CHANGES = 200_000
_MOST_SPACINGS = 4_096
"""What a median needs; the spacing of readings does not change much later on."""


@dataclass(slots=True)
class _Said:
    """Who somebody is, and since when."""

    times_ms: list[int] = field(default_factory=list)
    rows: list[dict[str, Value]] = field(default_factory=list)

    def at(self, time_ms: int) -> dict[str, Value]:
        """What was known then; before the first time, what was known first."""
        found = self.rows[0]
        for since, row in zip(self.times_ms, self.rows, strict=True):
            if since > time_ms:
                break
            found = row
        return found


@dataclass(slots=True)
class _Span:
    """From the first reading of a device, or of all of a node, to the last."""

    start_ms: int
    end_ms: int


@dataclass(slots=True)
class _Spacing:
    """How far apart rows of one table of one node are."""

    last_ms: dict[tuple[Value, ...], int] = field(default_factory=dict)
    spacings_ms: list[int] = field(default_factory=list)

    def note(self, key: tuple[Value, ...], time_ms: int) -> None:
        before = self.last_ms.get(key)
        self.last_ms[key] = time_ms
        if before is not None and before < time_ms and len(self.spacings_ms) < _MOST_SPACINGS:
            self.spacings_ms.append(time_ms - before)

    @property
    def period_ms(self) -> int:
        """The median; 0 where nothing was read twice."""
        spacings = sorted(self.spacings_ms)
        return spacings[len(spacings) // 2] if spacings else 0


@dataclass(frozen=True, slots=True)
class _Kept:
    """A batch in the temporary file."""

    node: str
    table: str
    rows: int
    at: int
    size: int


Check = Callable[[Table, bytes], None]
"""Looks at an encoded batch as the store will; raises WireError if it would refuse it."""


class Gathering:
    """Takes rows in as they are read; `close` lets go of what waits on disk."""

    def __init__(self, check: Check) -> None:
        """Begin empty."""
        self._check = check
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)
        self._size = 0
        self._waiting: dict[tuple[str, str], list[Row]] = {}
        self._kept: list[_Kept] = []
        self._said: dict[tuple[str, str, tuple[Value, ...]], _Said] = {}
        self._changes = 0
        self._spacing: dict[tuple[str, str], _Spacing] = {}
        self._nodes: dict[str, None] = {}
        self._spans: dict[tuple[str, str], _Span] = {}
        self._start_ms: int | None = None
        self._end_ms = 0
        self.rows = 0

    def close(self) -> None:
        """Let go of what waits; nothing can be given out any more."""
        self._file.close()

    def add_all(self, node: str, readings: Readings) -> None:
        """Take in the rows of several tables."""
        for table, rows in readings.items():
            for row in rows:
                self.add(node, table, row)

    def add(self, node: str, table: str, row: Row) -> None:
        """Take in one row.

        Raises:
            InputError: The store would refuse it, or there is more than a recording can have.
        """
        time_ms = row["time_unix_ms"]
        assert isinstance(time_ms, int)
        self._start_ms = time_ms if self._start_ms is None else min(self._start_ms, time_ms)
        self._end_ms = max(self._end_ms, time_ms)
        self._nodes.setdefault(node)
        for subject in ("", str(row.get("device") or "")):
            span = self._spans.setdefault((node, subject), _Span(time_ms, time_ms))
            span.start_ms, span.end_ms = min(span.start_ms, time_ms), max(span.end_ms, time_ms)
        key = tuple([row.get(column) for column in TABLES[table].key])
        if table in SAID_AGAIN:
            self._say(node, table, key, row)
            return
        self.rows += 1
        spacing = self._spacing.setdefault((node, table), _Spacing())
        spacing.note(key, time_ms)
        if len(spacing.last_ms) > _MOST_SUBJECTS:
            raise InputError(f"has more than {_MOST_SUBJECTS} subjects of {table}")
        waiting = self._waiting.setdefault((node, table), [])
        waiting.append(row)
        if len(waiting) == BATCH_ROWS:
            self._keep(node, table)

    def finish(self, format: str, system: str) -> Gathered:
        """All that was gathered, ready to be written.

        Raises:
            InputError: The store would refuse some of it, or there is nothing.
        """
        for node, table in list(self._waiting):
            self._keep(node, table)
        if self._start_ms is None:
            raise InputError("holds no reading")
        for node in self._nodes:
            self._said.setdefault((node, "node_info", ()), _Said([self._start_ms], [{}]))
        for (node, table), spacing in self._spacing.items():
            for key in spacing.last_ms if table == "device" else ():
                nobody = _Said([self._start_ms], [{"device": key[0]}])
                self._said.setdefault((node, "device_info", key), nobody)
        digest = hashlib.sha256(repr((system, sorted(self._said.items(), key=repr))).encode())
        for kept in self._kept:
            digest.update(f"{kept.node} {kept.table} {kept.rows}".encode())
            digest.update(self._body(kept))
        source = f"{format}-{digest.hexdigest()[:16]}"
        for (node, table, key), said in self._said.items():
            span = self._span(node, table, key)
            for row in said.rows:
                if table in _INSTALLED:
                    row["installed_from_unix_ms"] = span.start_ms
                    # A moment after the last reading, so that a single one has a duration, too.
                    row["installed_until_unix_ms"] = span.end_ms + 1
                if table == "node_info":
                    row["power_source"] = source
        return Gathered(system, source, self._start_ms, self._end_ms, self.rows, self)

    def batches(self) -> Iterator[Batch]:
        """Who is who first, then the rows in the order in which they came."""
        for node, table, rows in self._identities():
            yield Batch(node, table, 0, len(rows), encode(TABLES[table], rows))
        for kept in self._kept:
            period_ms = self._spacing[kept.node, kept.table].period_ms
            yield Batch(kept.node, kept.table, period_ms, kept.rows, self._body(kept))

    def said_of(self, table: str) -> int:
        """Of how many nodes, devices or jobs it is said who they are."""
        return sum(of == table for _, of, _ in self._said)

    def _say(self, node: str, table: str, key: tuple[Value, ...], row: Row) -> None:
        time_ms = int(row["time_unix_ms"] or 0)
        new = {name: value for name, value in row.items() if name != "time_unix_ms"}
        said = self._said.setdefault((node, table, key), _Said())
        if said.rows and said.rows[-1] == new:
            return
        self._changes += 1
        if self._changes > _MOST_CHANGES or len(self._said) > _MOST_SUBJECTS:
            raise InputError(f"says too often who somebody is ({table})")
        said.times_ms.append(time_ms)
        said.rows.append(new)

    def _span(self, node: str, table: str, key: tuple[Value, ...]) -> _Span:
        """How long a device is there; of a node, and of a job on it, how long the node is."""
        return self._spans[node, str(key[0]) if table == "device_info" else ""]

    def _identities(self) -> Iterator[tuple[str, str, list[Row]]]:
        for table in SAID_AGAIN:
            for node in self._nodes:
                rows: list[Row] = []
                for (of, name, key), said in self._said.items():
                    if (of, name) != (node, table):
                        continue
                    span = self._span(node, table, key)
                    for time_ms in hourly(span.start_ms, span.end_ms):
                        rows.append({"time_unix_ms": time_ms, **said.at(time_ms)})
                        if len(rows) == BATCH_ROWS:
                            yield node, table, rows
                            rows = []
                if rows:
                    yield node, table, rows

    def _keep(self, node: str, table: str) -> None:
        rows = self._waiting.pop((node, table))
        try:
            body = encode(TABLES[table], rows)
            self._check(TABLES[table], body)
        except WireError as error:
            raise InputError(f"{error}: nothing was imported") from error
        if self._size + len(body) > _MOST_BYTES:
            raise InputError(f"makes more than {_MOST_BYTES} bytes of readings")
        self._file.seek(self._size)
        self._file.write(body)
        self._kept.append(_Kept(node, table, len(rows), self._size, len(body)))
        self._size += len(body)

    def _body(self, kept: _Kept) -> bytes:
        self._file.seek(kept.at)
        return self._file.read(kept.size)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A recording of devices and nodes: rows, no run and no job of its own.

    Attributes:
        system: The system it is stored as.
        source: Its name, made of its content.
        start_ms: The time of its first row.
        end_ms: The time of its last row.
        rows: How many rows it has, those that say who somebody is apart.
        gathering: Where they wait.
    """

    system: str
    source: str
    start_ms: int
    end_ms: int
    rows: int
    gathering: Gathering

    def batches(self) -> Iterator[Batch]:
        """All of it."""
        return self.gathering.batches()

    def close(self) -> None:
        """Let go of what waits on disk."""
        self.gathering.close()


def as_the_store_does(now_ms: int) -> Check:
    """The check that the store will make of a batch.

    Args:
        now_ms: The time now: readings of the future are refused.
    """
    from wattline_collector.receive import check, decode

    def look(table: Table, body: bytes) -> None:
        decoded = decode.decode(table, body)
        check.checked(table, decode.typed(decoded.shape, decoded.batches), now_ms)

    return look
