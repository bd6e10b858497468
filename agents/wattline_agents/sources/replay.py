"""Plays a recording as if it happened now.

A recording is a text file of JSON lines, or a directory of such files `*.jsonl` that are played in
the order of their names. Each line holds rows of one table, with the catalogue's columns:

    {"table": "device", "rows": [{"time_unix_ms": 1790000000000, "device": "GPU-1", "up": 1}]}

Lines stand in the order of time. `wattline agent --record FILE` writes such a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from wattline_agents.catalogue import TABLES
from wattline_agents.errors import InputError, SourceUnavailable, UsageError, WireError
from wattline_agents.rows import checked_row
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

_MAX_LINE_BYTES = 16 * 1024 * 1024
_ROWS_AT_ONCE = 5_000
"""What one read gives out at full speed: a batch of reasonable size, then the sinks get a turn."""

_OPTIONS = ("path", "speed", "times")


class ReplaySource:
    """Gives out the rows of a recording as their time comes."""

    name = "replay"

    def __init__(self, path: Path, *, as_fast_as_possible: bool = False, to_now: bool = True):
        """Open a recording.

        Args:
            path: The file, or a directory of files.
            as_fast_as_possible: Give out everything at once rather than at the pace it had.
            to_now: Shift all times so that the recording starts now (or, played as fast as
                possible, ends now) instead of keeping the times it was recorded with.

        Raises:
            SourceUnavailable: There is nothing at that path.
            InputError: The recording is empty or its first line is no recording.
        """
        self._files = _files(path)
        self._fast, self._to_now = as_fast_as_possible, to_now
        self._lines = _lines(self._files)
        self._next = next(self._lines, None)
        if self._next is None:
            raise InputError("an empty recording", path=path)
        self._start_ms = _time(self._next[1][0])
        self._began_ms: int | None = None
        self._shift_ms = 0

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; options `path`, `speed` (real or max) and `times` (now or recorded)."""
        config.check_options(cls.name, _OPTIONS)
        path = config.options.get("path")
        if not path:
            raise UsageError("source replay: option path: missing (replay:path=FILE)")
        return cls(
            Path(path),
            as_fast_as_possible=_choice(config, "speed", ("real", "max")) == "max",
            to_now=_choice(config, "times", ("now", "recorded")) == "now",
        )

    @property
    def is_over(self) -> bool:
        """Whether everything was given out."""
        return self._next is None

    def read(self, now_ms: int) -> Readings:
        """The rows whose time has come."""
        if self._began_ms is None:
            self._began_ms = now_ms
            if self._to_now:
                anchor = _last_time(self._files) if self._fast else self._start_ms
                self._shift_ms = now_ms - anchor
        played_ms = now_ms - self._began_ms
        readings: Readings = {}
        given = 0
        while self._next is not None and given < _ROWS_AT_ONCE:
            table, rows = self._next
            if not self._fast and _time(rows[0]) - self._start_ms > played_ms:
                break
            readings.setdefault(table, []).extend(self._shifted(rows))
            given += len(rows)
            self._next = next(self._lines, None)
        return readings

    def describe(self, now_ms: int) -> Readings:
        """Nothing: a recording holds its own info rows."""
        return {}

    def close(self) -> None:
        """Close the file."""
        self._lines = iter(())
        self._next = None

    def _shifted(self, rows: list[dict[str, Value]]) -> Iterator[Row]:
        for row in rows:
            for column, value in row.items():
                # Every time of the catalogue is such a column, so a job's start moves along.
                if column.endswith("unix_ms") and value is not None:
                    row[column] = int(value) + self._shift_ms
            yield row


def _choice(config: SourceConfig, option: str, choices: tuple[str, ...]) -> str:
    value = config.options.get(option, choices[0])
    if value not in choices:
        raise UsageError(
            f"source replay: option {option}: not one of {', '.join(choices)}: {value[:40]!r}"
        )
    return value


def _time(row: dict[str, Value]) -> int:
    return int(row["time_unix_ms"] or 0)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else []
    if not files:
        raise SourceUnavailable(f"no recording at {path} (a .jsonl file or a directory of them)")
    return files


def _last_time(files: list[Path]) -> int:
    return max(max(_time(row) for row in rows) for _, rows in _lines(files))


def _lines(files: list[Path]) -> Iterator[tuple[str, list[dict[str, Value]]]]:
    for path in files:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), 1):
                    if line.strip():
                        yield _parsed(line, path, number)
        except OSError as error:
            raise InputError(error.strerror or str(error), path=path) from error


def _parsed(line: bytes, path: Path, number: int) -> tuple[str, list[dict[str, Value]]]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(f"not JSON: {error}", path=path, line=number) from error
    name = record.get("table") if isinstance(record, dict) else None
    table = TABLES.get(name) if isinstance(name, str) else None
    if table is None:
        raise InputError(f"not one of {', '.join(TABLES)}", path=path, line=number, field="table")
    rows = record.get("rows")
    if not isinstance(rows, list) or not rows:
        raise InputError("not a list of at least one row", path=path, line=number, field="rows")
    try:
        return table.name, [checked_row(table, row) for row in rows]
    except WireError as error:
        raise InputError(str(error), path=path, line=number) from error
