"""Keeps the newest value of every column of every subject, for as long as it may be believed.

Sources read their columns at different paces, so a row holds what was read this time and says
nothing of the rest: a column that is missing stays as it was, one that is null is not known any
more. A column that nothing renews is not known either after three of its periods.

A device that does not answer is the exception. What it said last is what one wants to see then, so
it stays for five minutes, beside `up` 0 and an age that grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wattline_agents.catalogue import TABLES, Table
from wattline_agents.clock import Clock
from wattline_agents.sinks.exposition import Columns, Labels, Statement, Subject
from wattline_agents.wire import Row, Value

_PERIODS = 3
_LEAST_SECONDS = 10.0
_LAST_WORDS_SECONDS = 300.0
"""How long the last sample of a device that does not answer is shown."""
_REPEATED_SECONDS = 1_500.0
"""Rows sent on change come again every ten minutes; after two that did not, they are old."""
_MOST_SUBJECTS = 4_096
"""Of one table; a node has some hundred processes on its devices at most."""
_MOST_SHAPES = 64
"""Sets of columns that rows of one subject have: one for each pace that falls on a tick."""

_REPEATED = ("xid",)
"""Tables with metrics whose rows come on change only."""

_SUPERSEDED_BY: Mapping[str, str] = MappingProxyType(
    {"process": "device", "mig": "device", "capability": "source"}
)
"""A reading lists all there are: those of the same device (or source) it does not list are gone."""

_STATEMENTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
    {
        "device_info": (
            "gpu_info",
            "Who a device is.",
            (
                "device", "index", "minor", "vendor", "model", "serial", "pci", "driver", "vbios",
                "source", "mig", "module", "power_mode", "power_scope", "energy_scope",
            ),
        ),
        "node_info": (
            "host_info",
            "Who a node is.",
            ("rack", "partition", "os", "cores", "power_source", "agent_version"),
        ),
        # Never the owner's name: whoever may scrape is not whoever may know.
        "job_info": ("job_info", "What a job is.", ("job", "name", "kind", "project", "state")),
        "assignment": ("gpu_assignment", "Which job holds a device.", ("device", "job")),
        "capability": (
            "gpu_capability_off",
            "What of a device cannot be read, and why.",
            ("source", "device", "column", "reason"),
        ),
    }
)  # fmt: skip
"""Table without metrics -> family, its help, and the columns that are its labels."""

_AGE = "sample_age_seconds"
_AGE_ALONE = Columns((_AGE,))

_Key = tuple[str, ...]


class _Kept:
    """One subject's newest values."""

    __slots__ = ("age", "answered_at", "is_silent", "read", "time_unix_ms", "until", "values")

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.until: dict[str, float] = {}
        """Until when each of its metrics is believed, if nothing renews it."""
        self.read: dict[Columns, int] = {}
        """Columns that came in one row -> the turn in which they did last; the newest is last."""
        self.time_unix_ms: Value = None
        self.is_silent = False
        """Whether it is a device that does not answer."""
        self.answered_at: float | None = None
        """When a row came in which the device answered."""
        self.age: tuple[float, float] | None = None
        """How old the last sample of a silent device was, and when that was, where known."""


class _Stated:
    """One row of a table without metrics."""

    __slots__ = ("labels", "time_unix_ms", "until")

    def __init__(self, labels: Labels, until: float, time_unix_ms: Value) -> None:
        self.labels, self.until, self.time_unix_ms = labels, until, time_unix_ms


class Latest:
    """The newest of everything.

    Attributes:
        turn: Grows whenever something is read.
        version: Grows when there are other subjects, statements or lines than before.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin empty."""
        self.turn = self.version = 0
        self._clock = clock
        self._kept: dict[str, dict[_Key, _Kept]] = {
            name: {} for name, table in TABLES.items() if table.metrics
        }
        self._stated: dict[str, dict[_Key, _Stated]] = {name: {} for name in _STATEMENTS}
        self._columns: dict[tuple[str, tuple[str, ...]], Columns] = {}
        self._lasts: dict[tuple[Columns, float, bool], dict[str, float]] = {}
        self._next_expiry = math.inf

    def put(self, table: Table, rows: Sequence[Row], period_ms: int) -> None:
        """Take rows of a table.

        Args:
            table: Whose columns they have.
            rows: The newest of their subjects.
            period_ms: How far apart such rows are; 0 where there is no schedule.
        """
        now = self._clock.monotonic()
        self.turn += 1
        if table.name in self._stated:
            self._state(table, rows, now)
        else:
            self._keep(table, rows, period_ms / 1000, now)
        by = _SUPERSEDED_BY.get(table.name)
        if by is not None:
            self._supersede(table, by, rows)
        self._next_expiry = min(self._next_expiry, now + _LEAST_SECONDS)

    def refresh(self) -> None:
        """Forget what is too old, and let those grow older that do not answer."""
        now = self._clock.monotonic()
        if now >= self._next_expiry:
            self._expire(now)
        self.turn += 1
        for kept in self._kept["device"].values():
            if kept.age is not None:
                age, at = kept.age
                kept.values[_AGE] = age + now - at
                kept.read[_AGE_ALONE] = self.turn

    def subjects(self) -> list[Subject]:
        """Everything that has values; these stay the newest as long as `version` is the same."""
        return [
            Subject(
                TABLES[name], tuple(zip(TABLES[name].key, key, strict=True)), one.values, one.read
            )
            for name, kept in self._kept.items()
            for key, one in kept.items()
        ]

    def statements(self) -> list[Statement]:
        """Everything that is so."""
        return [
            Statement(*_STATEMENTS[name][:2], one.labels)
            for name, stated in self._stated.items()
            for one in stated.values()
        ]

    def _keep(self, table: Table, rows: Sequence[Row], period: float, now: float) -> None:
        subjects = self._kept[table.name]
        until: dict[tuple[Columns, bool], dict[str, float]] = {}
        for row in rows:
            key = tuple([_text(row.get(column)) for column in table.key])
            kept = subjects.get(key)
            if kept is None:
                if len(subjects) >= _MOST_SUBJECTS:
                    continue
                kept = subjects[key] = _Kept()
                self.version += 1
            if table.name == "device":
                row = self._as_it_answers(kept, row, now)
            kept.values.update(row)
            kept.time_unix_ms = row.get("time_unix_ms")
            columns = self._columns_of(table, row)
            # Rows of one reading have the same columns, mostly: so this is worked out once.
            believed = until.get((columns, kept.is_silent))
            if believed is None:
                believed = self._until(table, columns, period, now, kept.is_silent)
                until[columns, kept.is_silent] = believed
            kept.until.update(believed)
            kept.read.pop(columns, None)
            kept.read[columns] = self.turn
            if len(kept.read) > _MOST_SHAPES:
                del kept.read[next(iter(kept.read))]

    def _columns_of(self, table: Table, row: Row) -> Columns:
        names = tuple(row)
        columns = self._columns.get((table.name, names))
        if columns is None:
            if len(self._columns) >= _MOST_SHAPES * len(self._kept):
                self._columns.clear()
            columns = self._columns[table.name, names] = Columns(names)
        return columns

    def _until(
        self, table: Table, columns: Columns, period: float, now: float, is_silent: bool
    ) -> dict[str, float]:
        """Until when columns that were read now are believed."""
        lasts = self._lasts.get((columns, period, is_silent))
        if lasts is None:
            if len(self._lasts) >= _MOST_SHAPES * len(self._kept):
                self._lasts.clear()
            lasts = _lasts(table, columns.names, period, is_silent)
            self._lasts[columns, period, is_silent] = lasts
        return {column: now + seconds for column, seconds in lasts.items()}

    def _as_it_answers(self, kept: _Kept, row: Row, now: float) -> Row:
        """What of a device's row counts; when it falls silent, its last sample stays for longer."""
        if row.get("up") != 0:
            if kept.is_silent:
                kept.is_silent, kept.age = False, None
                lasts = _lasts(TABLES["device"], tuple(kept.until), 0.0, False)
                kept.until = {
                    column: min(until, now + lasts[column]) for column, until in kept.until.items()
                }
            kept.answered_at = now
            return row
        if not kept.is_silent:
            kept.is_silent = True
            most = now + _LAST_WORDS_SECONDS
            kept.until = {column: max(until, most) for column, until in kept.until.items()}
            if kept.answered_at is not None:
                kept.age = (0.0, kept.answered_at)
        age = row.get(_AGE)
        if isinstance(age, int | float):
            kept.age = (age, now)
        return {column: value for column, value in row.items() if value is not None}

    def _state(self, table: Table, rows: Sequence[Row], now: float) -> None:
        stated = self._stated[table.name]
        columns = _STATEMENTS[table.name][2]
        for row in rows:
            key = tuple([_text(row.get(column)) for column in table.key])
            before = stated.get(key)
            if row.get("end_unix_ms") is not None:
                if before is not None:
                    del stated[key]
                    self.version += 1
                continue
            if before is None and len(stated) >= _MOST_SUBJECTS:
                continue
            labels = tuple([(column, _text(row.get(column))) for column in columns])
            if before is None or before.labels != labels:
                self.version += 1
            stated[key] = _Stated(labels, now + _REPEATED_SECONDS, row.get("time_unix_ms"))

    def _supersede(self, table: Table, by: str, rows: Sequence[Row]) -> None:
        """Forget what a newer reading of the same device or source does not list."""
        times = {_text(row.get(by)): row.get("time_unix_ms") for row in rows}
        at = table.key.index(by)
        there: dict[_Key, _Kept] | dict[_Key, _Stated]
        there = self._stated[table.name] if table.name in self._stated else self._kept[table.name]
        gone = [
            key
            for key, one in there.items()
            if key[at] in times and one.time_unix_ms != times[key[at]]
        ]
        for key in gone:
            del there[key]
            self.version += 1

    def _expire(self, now: float) -> None:
        self._next_expiry = math.inf
        for subjects in self._kept.values():
            for key in [key for key, kept in subjects.items() if self._is_old(kept, now)]:
                del subjects[key]
                self.version += 1
        for stated in self._stated.values():
            for key in [key for key, one in stated.items() if one.until <= now]:
                del stated[key]
                self.version += 1
            for one in stated.values():
                self._next_expiry = min(self._next_expiry, one.until)

    def _is_old(self, kept: _Kept, now: float) -> bool:
        """Forget columns that are too old; whether none is left."""
        if min(kept.until.values(), default=now) <= now:
            for column in [column for column, until in kept.until.items() if until <= now]:
                del kept.until[column]
                kept.values[column] = None
                self.version += 1
        self._next_expiry = min(self._next_expiry, *kept.until.values(), math.inf)
        return not kept.until


def _lasts(table: Table, columns: _Key, period: float, is_silent: bool) -> dict[str, float]:
    """For how many seconds each of the columns that are metrics is believed."""
    least = _LEAST_SECONDS
    if table.name in _REPEATED:
        least = _REPEATED_SECONDS
    elif is_silent:
        least = _LAST_WORDS_SECONDS
    return {
        metric.column: max(least, _PERIODS * max(metric.every_seconds, period))
        for metric in table.metrics
        if metric.column in columns
    }


def _text(value: Value) -> str:
    return "" if value is None else str(value)
