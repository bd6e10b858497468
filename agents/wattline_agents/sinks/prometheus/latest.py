"""Keeps the newest value of every column of every subject, for as long as it may be believed.

Sources read their columns at different paces, so a row holds what was read this time and says
nothing of the rest: a column that is missing stays as it was, one that is null is not known any
more. A column that nothing renews is not known either after three of its periods.

A device that does not answer is the exception. What it said last is what one wants to see then, so
it stays for five minutes, beside `up` 0 and an age that grows. The age grows as well where nothing
comes of a device and nobody calls it down, as when it waits behind one that hangs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from wattline_agents.catalogue import TABLES, Table
from wattline_agents.clock import Clock
from wattline_agents.columns import ColumnRow, Columns, by_columns, columns_of
from wattline_agents.sinks.exposition import Labels, Reading, Readings, Statement, Subject
from wattline_agents.wire import Row, Value

_PERIODS = 3
_LEAST_SECONDS = 10.0
_SOON_SECONDS = 5.0
"""What ends within this time is looked at together with what ends now."""
_LAST_WORDS_SECONDS = 300.0
"""How long the last sample of a device that does not answer is shown."""
_INSTANCE_SECONDS = 45.0
"""Instances are read in turn, and what moves slowly of them every fifteen seconds."""
_REPEATED_SECONDS = 1_500.0
"""Rows sent on change come again every ten minutes; after two that did not, they are old."""
_MOST_SUBJECTS = 4_096
"""Of one table; a node has some hundred processes on its devices at most."""
_MOST_SHAPES = 64
"""Sets of columns that rows of one subject have: one for each pace that falls on a tick."""
_MOST_READINGS = 12
"""Of one subject, before what is newer elsewhere is left out of them."""

_REPEATED = ("xid",)
"""Tables with metrics whose rows come on change only."""

_LATE_PERIODS = 1.5
"""A row that is older than so many periods is late: one more has not come in time."""

_WHOLE = ("capability",)
"""Tables that are always told as a whole: what is not told again is gone."""
_SUPERSEDED_BY: Mapping[str, str] = MappingProxyType({"process": "device"})
"""A reading lists all there are: those of the same device it does not list are gone.

Not so of instances: NVML's are read one after the other, and a reading lists those of its turn.
"""

STATEMENTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
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
_AGE_ALONE = columns_of((_AGE,))

_Key = tuple[str, ...]


class _Lasts:
    """For how long metrics that are read together are believed.

    Attributes:
        seconds: How long each is.
        first: How long the first to go is.
    """

    __slots__ = ("first", "seconds")

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds, self.first = seconds, min(seconds.values(), default=math.inf)


_NONE_LASTS = _Lasts({})


class _Kept(Reading):
    """Columns that came in one row, and how long they are believed."""

    __slots__ = ("at", "floor", "is_silent", "lasts", "period")

    def __init__(
        self,
        columns: Columns,
        cells: Sequence[Value],
        period: float,
        lasts: _Lasts,
        *,
        is_silent: bool,
    ) -> None:
        super().__init__(columns, cells)
        self.period, self.is_silent = period, is_silent
        self.at = 0.0
        """When they were read."""
        self.floor = -math.inf
        """Until when they are believed in any case."""
        self.lasts = lasts

    def get(self, name: str) -> Value:
        """The value of a column; None also where there is no such column."""
        place = self.columns.places.get(name)
        return None if place is None else self.cells[place]

    def old(self, now: float) -> frozenset[str]:
        """The columns that are not believed any more."""
        if now < self.floor:
            return frozenset()
        return frozenset(
            column for column, seconds in self.lasts.seconds.items() if self.at + seconds <= now
        )


class _Known:
    """What is known of one subject."""

    __slots__ = ("age", "answered_at", "ends", "is_silent", "late", "newest", "readings")

    def __init__(self) -> None:
        self.ends = 0.0
        """Before this none of its readings ends."""
        self.late: tuple[float, float] | None = None
        """When the row came whose age grows now because none came after it, and its age then."""
        self.readings: Readings[_Kept] = Readings()
        self.newest: _Kept | None = None
        self.is_silent = False
        """Whether it is a device that does not answer."""
        self.answered_at: float | None = None
        """When a row came in which the device answered."""
        self.age: tuple[float, float] | None = None
        """How old the last sample of a silent device was, and when that was, where known."""

    @property
    def time_unix_ms(self) -> Value:
        """The time of its newest row."""
        return None if self.newest is None else self.newest.get("time_unix_ms")


class _Stated:
    """One row of a table without metrics."""

    __slots__ = ("labels", "time_unix_ms", "until")

    def __init__(self, labels: Labels, until: float, time_unix_ms: Value) -> None:
        self.labels, self.until, self.time_unix_ms = labels, until, time_unix_ms


class Latest:
    """The newest of everything.

    Attributes:
        turn: Grows whenever something is read.
        version: Grows when there are other subjects or lines than before.
        stated: Grows when there are other statements than before.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin empty."""
        self.turn = self.version = self.stated = 0
        self._clock = clock
        self._known: dict[str, dict[_Key, _Known]] = {
            name: {} for name, table in TABLES.items() if table.metrics
        }
        self._stated: dict[str, dict[_Key, _Stated]] = {name: {} for name in STATEMENTS}
        self._lasts: dict[tuple[Columns, float, bool], _Lasts] = {}
        self._firsts: dict[tuple[_Lasts, ...], tuple[float, ...]] = {}
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
            if table.name in _WHOLE:
                self.clear(table.name)
            self._state(table, rows, now)
        else:
            self._keep(table, rows, period_ms / 1000, now)
        by = _SUPERSEDED_BY.get(table.name)
        if by is not None:
            self._supersede(table, by, rows)
        self._next_expiry = min(self._next_expiry, now + _LEAST_SECONDS)

    def clear(self, table: str) -> None:
        """Forget all statements of a table."""
        self._stated[table].clear()
        self.stated += 1

    def refresh(self) -> None:
        """Forget what is too old, and let those grow older that do not answer."""
        now = self._clock.monotonic()
        if now >= self._next_expiry:
            self._expire(now)
        self.turn += 1
        for known in self._known["device"].values():
            if known.newest is not None and not known.is_silent:
                self._grow(known, known.newest, now)
            elif known.age is not None:
                age, at = known.age
                reading = known.readings.get(_AGE_ALONE)
                if reading is None:
                    reading = self._reading("device", known, _AGE_ALONE, 0.0)
                    self.version += 1
                    # It stays as long as anything else does, and keeps nothing there by itself.
                    reading.lasts = _NONE_LASTS
                reading.cells = (age + now - at,)
                known.readings.renew(reading, self.turn)

    def _grow(self, known: _Known, newest: _Kept, now: float) -> None:
        """Where the next row is late, count on from the age that the newest one told."""
        if now - newest.at <= _LATE_PERIODS * newest.period or newest.period <= 0:
            return
        if known.late is None or known.late[0] != newest.at:
            age = newest.get(_AGE)
            if not isinstance(age, int | float):
                return
            known.late = newest.at, age
        at, age = known.late
        # The row is others' as well, and is not to be changed.
        cells = list(newest.cells)
        cells[newest.columns.places[_AGE]] = round(age + now - at, 3)
        newest.cells = cells
        known.readings.renew(newest, self.turn)

    def subjects(self) -> list[Subject]:
        """Everything that has values; these stay the newest as long as `version` is the same."""
        return [
            Subject(TABLES[name], tuple(zip(TABLES[name].key, key, strict=True)), one.readings)
            for name, known in self._known.items()
            for key, one in known.items()
        ]

    def statements(self) -> list[Statement]:
        """Everything that is so."""
        return [
            Statement(*STATEMENTS[name][:2], one.labels)
            for name, stated in self._stated.items()
            for one in stated.values()
        ]

    def _keep(self, table: Table, rows: Sequence[Row], period: float, now: float) -> None:
        subjects, turn = self._known[table.name], self.turn
        is_device = table.name == "device"
        for row in by_columns(rows):
            if is_device:
                key: _Key = (_text(row.get("device")),)
            else:
                key = tuple([_text(row.get(column)) for column in table.key])
            known = subjects.get(key)
            if known is None:
                if len(subjects) >= _MOST_SUBJECTS:
                    continue
                known = subjects[key] = _Known()
                self.version += 1
            if is_device:
                if known.is_silent or row.get("up") == 0:
                    row = self._as_it_answers(known, row, now)
                else:
                    known.answered_at = now
            columns, reading = row.columns, known.newest
            # A subject's rows have the same columns, mostly: the new one takes the old one's place.
            if reading is None or reading.columns is not columns or reading.period != period:
                reading = known.newest = self._reading(table.name, known, columns, period)
                known.ends = min(known.ends, now + reading.lasts.first)
            reading.cells, reading.at = row.cells, now
            known.readings.renew(reading, turn)

    def _reading(self, table: str, known: _Known, columns: Columns, period: float) -> _Kept:
        """The place of a reading of these columns."""
        reading, is_silent = known.readings.get(columns), known.is_silent
        if reading is None or reading.period != period or reading.is_silent != is_silent:
            if len(known.readings) >= _MOST_READINGS:
                self._tidy(table, known, to_few=True)
            lasts = self._lasts_of(table, columns, period, is_silent)
            reading = _Kept(columns, (), period, lasts, is_silent=is_silent)
            known.readings[columns] = reading
        return reading

    def _tidy(self, table: str, known: _Known, *, to_few: bool) -> None:
        """Leave out of readings what is too old; with `to_few`, also what is newer elsewhere."""
        now = self._clock.monotonic()
        newer: set[str] = set()
        gone: set[str] = set()
        newest_first = sorted(known.readings.values(), key=_turn, reverse=True)
        known.readings.clear()
        for reading in newest_first:
            own = [name for name in reading.columns.names if name not in newer]
            newer.update(own)
            old = reading.old(now)
            gone.update(old.intersection(own))
            # What has ended in a newer reading must not come back from an older one.
            if to_few or not gone.isdisjoint(reading.columns.names):
                reading = self._reduced(table, known, reading, own, old)
            # A newer reading of the same columns has taken its place.
            if reading.lasts.seconds and reading.columns not in known.readings:
                known.readings[reading.columns] = reading

    def _reduced(
        self, table: str, known: _Known, reading: _Kept, own: Sequence[str], old: frozenset[str]
    ) -> _Kept:
        """What of a reading is its own and not too old."""
        kept = [name for name in own if name not in old]
        if len(kept) < len(own):
            self.version += 1
        if len(kept) == len(reading.cells):
            return reading
        if known.newest is reading:
            known.newest = None
        columns = columns_of(tuple(kept))
        cells = [reading.get(name) for name in kept]
        lasts = self._lasts_of(table, columns, reading.period, reading.is_silent)
        rest = _Kept(columns, cells, reading.period, lasts, is_silent=reading.is_silent)
        rest.turn, rest.at, rest.floor = reading.turn, reading.at, reading.floor
        return rest

    def _lasts_of(self, table: str, columns: Columns, period: float, is_silent: bool) -> _Lasts:
        """For how many seconds each metric among the columns is believed, and the first to go."""
        known = self._lasts.get((columns, period, is_silent))
        if known is None:
            if len(self._lasts) >= _MOST_SHAPES * len(self._known):
                self._lasts.clear()
            known = _Lasts(_lasts(TABLES[table], columns.names, period, is_silent))
            self._lasts[columns, period, is_silent] = known
        return known

    def _as_it_answers(self, known: _Known, row: ColumnRow, now: float) -> ColumnRow:
        """What of a device's row counts; when it falls silent, its last sample stays for longer."""
        if row.get("up") != 0:
            if known.is_silent:
                self._answers_again(known, now)
            known.answered_at = now
            return row
        if not known.is_silent:
            known.is_silent, known.newest = True, None
            for reading in known.readings.values():
                reading.floor = now + _LAST_WORDS_SECONDS
            if known.answered_at is not None:
                known.age = (0.0, known.answered_at)
        age = row.get(_AGE)
        if isinstance(age, int | float):
            known.age = (age, now)
        # Its age is not what the row says, but grows from there.
        told = row.as_dict()
        told.pop(_AGE, None)
        return ColumnRow.of({name: value for name, value in told.items() if value is not None})

    def _answers_again(self, known: _Known, now: float) -> None:
        """What it does not say anew soon is not known any more."""
        known.is_silent, known.age, known.newest = False, None, None
        known.ends = 0.0
        if known.readings.pop(_AGE_ALONE, None) is not None:
            self.version += 1
        for reading in known.readings.values():
            reading.at, reading.floor = now, -math.inf
            reading.lasts = self._lasts_of("device", reading.columns, 0.0, False)
            reading.is_silent = False

    def _state(self, table: Table, rows: Sequence[Row], now: float) -> None:
        stated = self._stated[table.name]
        columns = STATEMENTS[table.name][2]
        for row in rows:
            key = tuple([_text(row.get(column)) for column in table.key])
            before = stated.get(key)
            if row.get("end_unix_ms") is not None:
                if before is not None:
                    del stated[key]
                    self.stated += 1
                continue
            if before is None and len(stated) >= _MOST_SUBJECTS:
                continue
            labels = tuple([(column, _text(row.get(column))) for column in columns])
            if before is None or before.labels != labels:
                self.stated += 1
            stated[key] = _Stated(labels, now + _REPEATED_SECONDS, row.get("time_unix_ms"))

    def _supersede(self, table: Table, by: str, rows: Sequence[Row]) -> None:
        """Forget what a newer reading of the same device or source does not list."""
        times = {_text(row.get(by)): row.get("time_unix_ms") for row in rows}
        at = table.key.index(by)
        there = self._known[table.name]
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
        for name, subjects in self._known.items():
            for key, known in [*subjects.items()]:
                if known.ends <= now + _SOON_SECONDS and not self._lasts_on(name, known, now):
                    del subjects[key]
                    self.version += 1
                    continue
                self._next_expiry = min(self._next_expiry, known.ends)
        for stated in self._stated.values():
            for key in [key for key, one in stated.items() if one.until <= now]:
                del stated[key]
                self.stated += 1
            for one in stated.values():
                self._next_expiry = min(self._next_expiry, one.until)

    def _lasts_on(self, table: str, known: _Known, now: float) -> bool:
        """Leave out of a subject what has ended; whether anything is left."""
        known.ends = self._ends(known.readings.values())
        if known.ends <= now:
            self._tidy(table, known, to_few=False)
            known.ends = self._ends(known.readings.values())
        return any(one.lasts.seconds for one in known.readings.values())

    def _ends(self, readings: Iterable[_Kept]) -> float:
        """When the first metric is not believed any more that is in no newer reading."""
        newest_first = sorted(readings, key=_turn, reverse=True)
        order = tuple([one.lasts for one in newest_first])
        firsts = self._firsts.get(order)
        if firsts is None:
            if len(self._firsts) >= _MOST_SHAPES * len(self._known):
                self._firsts.clear()
            firsts = self._firsts[order] = _firsts(order)
        together = zip(newest_first, firsts, strict=True)
        return min([max(one.at + first, one.floor) for one, first in together], default=math.inf)


def _turn(reading: Reading) -> int:
    return reading.turn


def _firsts(newest_first: Sequence[_Lasts]) -> tuple[float, ...]:
    """For how long the first metric of each reading is believed that is in no newer one."""
    newer: set[str] = set()
    firsts = []
    for lasts in newest_first:
        own = lasts.seconds.keys() - newer
        firsts.append(min([lasts.seconds[name] for name in own], default=math.inf))
        newer |= own
    return tuple(firsts)


def _lasts(table: Table, columns: _Key, period: float, is_silent: bool) -> dict[str, float]:
    """For how many seconds each of the columns that are metrics is believed."""
    least = _LEAST_SECONDS
    if table.name in _REPEATED:
        least = _REPEATED_SECONDS
    elif table.name == "mig":
        least = _INSTANCE_SECONDS
    elif is_silent:
        least = _LAST_WORDS_SECONDS
    return {
        metric.column: max(least, _PERIODS * max(metric.every_seconds, period))
        for metric in table.metrics
        if metric.column in columns
    }


def _text(value: Value) -> str:
    return value if type(value) is str else "" if value is None else str(value)
