"""Makes points for OpenTelemetry of the newest rows.

There is one point for a value, with the time at which it was read and exactly as it was read. No
instrument and no view stands between: what is read is already a total or a momentary value, so
there is nothing to aggregate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter

from wattline_agents.catalogue import PREFIX, TABLES, Table, Type
from wattline_agents.clock import Clock
from wattline_agents.columns import ColumnRow, Columns, by_columns
from wattline_agents.config import AgentConfig
from wattline_agents.sinks.exposition import Labels
from wattline_agents.sinks.otel_names import (
    STATUS,
    Instrument,
    Name,
    component_of,
    names_of,
    states,
)
from wattline_agents.sinks.prometheus.latest import Latest
from wattline_agents.wire import Row, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.sinks.otel_request import Filler

_MOST_SUBJECTS = 4_096
"""Of one table between two exports; a node has some hundred processes on its devices at most."""
_MOST_REMEMBERED = 8_192
"""Of all tables, between exports; a counter that is forgotten counts as new when it comes again."""
_MOST_ROWS = 32
"""Of one subject between two exports, with different columns."""
_MOST_SHAPES = 16
"""Sets of columns that rows of one subject have: one for each pace that falls on a tick. In which
order they came is different each time."""
_NS_PER_MS = 1_000_000
_MOST_VALUE = 2.0**63
_FORGET_SECONDS = 7_200.0
"""A counter that did not come for two hours is a new one when it comes again."""

_IDENTITY = (
    ("hw.vendor", "vendor"),
    ("hw.model", "model"),
    ("hw.serial_number", "serial"),
    ("hw.driver_version", "driver"),
    ("hw.firmware_version", "vbios"),
)

_KEY_NAMES = {
    "device": "hw.id",
    "job": "wattline.job",
    "pid": "process.pid",
    "xid": "wattline.xid",
    "source": "wattline.source",
    "domain": "wattline.domain",
}
"""Columns that are keys -> attributes. Bare `job` and `instance` would hide those that Prometheus
makes of the service's name and instance."""

_WHOLE = {
    table.name: frozenset(metric.column for metric in table.metrics if metric.type is Type.INT)
    for table in TABLES.values()
}
"""Table -> columns that are whole numbers."""

_Key = tuple[Value, ...]
_Attributes = dict[str, str | int]


class Series:
    """One column of one subject.

    Attributes:
        name: What it is called.
        shared: What tells it from others of the name, beside the attributes of its name.
        is_whole: Whether its values are whole numbers.
        start_ns: Since when it counts: since it was first seen, or seen to begin anew.
        encoded: What was made of it for requests; None before OpenTelemetry's encoder was asked.
    """

    __slots__ = ("_last", "encoded", "is_counted", "is_whole", "name", "shared", "start_ns")

    def __init__(self, name: Name, shared: dict[str, str | int], is_whole: bool) -> None:
        """Begin without a value.

        Args:
            name: What it is called.
            shared: What tells it from others of the name, beside the attributes of its name.
            is_whole: Whether its values are whole numbers.
        """
        self.name, self.shared, self.is_whole = name, shared, is_whole
        self.is_counted = name.instrument is not Instrument.GAUGE
        self.start_ns = 0
        self.encoded: Filler | None = None
        self._last: int | float = 0

    def note(self, time_ns: int, value: int | float) -> None:
        """Take a new value into account."""
        is_new = not self.start_ns
        if is_new or (value < self._last and self.name.instrument is Instrument.COUNTER):
            self.start_ns = time_ns
        self._last = value


Point = tuple[Series, int, int | float]
"""A series, the time in nanoseconds, and the value: whole where the series is."""

_Get = Callable[[Sequence[Value]], tuple[Value, ...]]
_Plan = list[tuple[Columns, _Get, list[Series]]]
"""Which row, how to get its time and values, and their series."""


class _Subject:
    """A device, the node, a job, ...: its series, and when it was last heard of."""

    __slots__ = ("_columns", "_series", "_status", "heard")

    def __init__(
        self, table: Table, component: str | None, own: _Attributes, full: _Attributes
    ) -> None:
        """Make the series of all its columns, those included that come later.

        To encode series costs a process each time, whether they are few or many.

        Args:
            table: Whose columns it has.
            component: For `meter`: what it is a meter of.
            own: What every point of it carries.
            full: What those carry that have a name of OpenTelemetry's own.
        """
        whole = _WHOLE[table.name]
        self._series = {
            column: Series(name, full if name.is_convention else own, column in whole)
            for column, name in names_of(table, component).items()
        }
        self._columns = tuple(self._series)
        self._status: dict[str, Series] = {}
        if table.name == "device":
            for state in states(1, None):
                told = {**full, "hw.state": state}
                self._status[state] = Series(STATUS, told, is_whole=True)
        self.heard = 0.0

    def series(self) -> Iterator[Series]:
        """All of it."""
        yield from self._series.values()
        yield from self._status.values()

    def plan(self, rows: Mapping[Columns, ColumnRow]) -> _Plan:
        """Where the newest of every column stands in rows that have such columns."""
        series = self._series
        return [
            (columns, get, [series[name] for name in names])
            for columns, get, names in _places(self._columns, tuple(rows))
        ]

    def status(self, state: str) -> Series:
        """The series that tells whether it is in that state."""
        return self._status[state]


@lru_cache(maxsize=_MOST_SHAPES)
def _places(
    wanted: tuple[str, ...], shape: tuple[Columns, ...]
) -> list[tuple[Columns, _Get, list[str]]]:
    """In which row the newest of every column stands, how to get time and values, and their names.

    Devices are read alike, so it is mostly asked for all of them in a row.

    Args:
        wanted: Columns to look for.
        shape: Those of each row, the newest row last.
    """
    newest = {name: columns for columns in shape for name in columns.names}
    found: list[tuple[Columns, _Get, list[str]]] = []
    for columns in shape:
        names = [name for name in wanted if newest.get(name) is columns]
        if names:
            # The time keeps it a tuple where there is one column alone.
            places = [columns.places[name] for name in ("time_unix_ms", *names)]
            found.append((columns, itemgetter(*places), names))
    return found


class Points:
    """The newest rows, and the points made of them; rows come from one thread and leave by another.

    A row is exported once. What no row renewed since the last export is left out of the next.
    """

    def __init__(self, agent: AgentConfig, clock: Clock) -> None:
        """Begin with nothing."""
        self._clock, self._node = clock, agent.node
        self._lock = threading.Lock()
        # The newest row of each set of columns; sources read their columns at different paces.
        self._newest: dict[str, dict[_Key, dict[Columns, ColumnRow]]] = {}
        self._told: list[tuple[str, Sequence[Row]]] = []
        self._latest = Latest(clock)
        self._identity: dict[Value, _Attributes] = {}
        self._subjects: dict[tuple[str, _Key], _Subject] = {}
        self._statements: dict[tuple[str, Labels], Series] = {}
        self._stated_version = -1

    def accept(self, table: str, rows: Sequence[Row]) -> None:
        """Keep the rows in place of older ones of the same subjects."""
        key_columns = TABLES[table].key
        with self._lock:
            if not TABLES[table].metrics:
                self._told = [*self._told[-_MOST_SUBJECTS:], (table, rows)]
                return
            subjects = self._newest.setdefault(table, {})
            for row in by_columns(rows):
                key = tuple([row.get(column) for column in key_columns])
                kept = subjects.get(key)
                if kept is None:
                    if len(subjects) < _MOST_SUBJECTS:
                        subjects[key] = {row.columns: row}
                    continue
                # The newest is the last.
                kept.pop(row.columns, None)
                kept[row.columns] = row
                if len(kept) > _MOST_ROWS:
                    del kept[next(iter(kept))]

    def collect(self) -> list[Point]:
        """The points of all that came since the last call."""
        with self._lock:
            newest, self._newest = self._newest, {}
            all_told, self._told = self._told, []
        for table, told in all_told:
            self._latest.put(TABLES[table], told, 0)
            if table == "device_info":
                self._identify(told)
        points: list[Point] = []
        for table, subjects in newest.items():
            for key, rows in subjects.items():
                self._add(points, TABLES[table], key, rows)
        self._add_statements(points)
        self._forget()
        return points

    def unencoded(self) -> list[Series]:
        """Series of all that is known that were not encoded yet, of columns to come as well."""
        stated = self._statements.values()
        members = (one for subject in self._subjects.values() for one in subject.series())
        return [one for one in (*stated, *members) if one.encoded is None]

    def _identify(self, rows: Sequence[Row]) -> None:
        for row in rows:
            device = row["device"]
            identity: _Attributes = {
                name: str(row[column]) for name, column in _IDENTITY if row.get(column) is not None
            }
            if row.get("index") is not None:
                identity["hw.name"] = f"GPU {row['index']}"
            if device in self._identity or len(self._identity) < _MOST_SUBJECTS:
                if self._identity.get(device) != identity:
                    # With other attributes they are other series.
                    self._subjects.pop(("device", (device,)), None)
                self._identity[device] = identity

    def _add(
        self, points: list[Point], table: Table, key: _Key, rows: Mapping[Columns, ColumnRow]
    ) -> None:
        """Add the newest value of every column that is known."""
        subject = self._subjects.get((table.name, key))
        if subject is None:
            subject = self._subjects[table.name, key] = self._subject(table, key)
        subject.heard = self._clock.monotonic()
        for columns, get, members in subject.plan(rows):
            time_ms, *values = get(rows[columns].cells)
            time_ns = int(time_ms or 0) * _NS_PER_MS
            for series, value in zip(members, values, strict=True):
                # What is no number, or none that a point can hold, is left out.
                if value is None or isinstance(value, str):
                    continue
                if not -_MOST_VALUE < value < _MOST_VALUE:
                    continue
                if series.is_whole:
                    value = int(value)
                if series.is_counted:
                    series.note(time_ns, value)
                points.append((series, time_ns, value))
        if table.name == "device":
            _add_status(points, subject, rows.values())

    def _add_statements(self, points: list[Point]) -> None:
        """Add who and what is here, as gauges of value 1 that say it in their attributes."""
        self._latest.refresh()
        if self._stated_version != self._latest.stated:
            self._stated_version = self._latest.stated
            self._learn_statements()
        time_ns = self._clock.unix_ms() * _NS_PER_MS
        points += [(series, time_ns, 1) for series in self._statements.values()]

    def _learn_statements(self) -> None:
        before, self._statements = self._statements, {}
        for one in self._latest.statements():
            place = (one.family, one.labels)
            series = before.get(place)
            if series is None:
                name = Name(PREFIX + one.family, Instrument.GAUGE, "", one.help, {}, False)
                told = {_KEY_NAMES.get(label, label): text for label, text in one.labels if text}
                series = Series(name, {**told}, is_whole=True)
            self._statements[place] = series

    def _subject(self, table: Table, key: _Key) -> _Subject:
        component = component_of(str(key[1])) if table.name == "meter" else None
        own = self._own(table, key)
        full = own | self._component(table, key, component)
        return _Subject(table, component, own, full)

    def _own(self, table: Table, key: _Key) -> _Attributes:
        """What every point of a subject carries."""
        attributes: _Attributes = {}
        if table.name == "node":
            attributes["hw.id"] = self._node
        for column, value in zip(table.key, key, strict=True):
            name = _KEY_NAMES.get(column)
            if value is not None and name is not None:
                attributes[name] = value if isinstance(value, int) else str(value)
        if table.name in ("device", "mig"):
            attributes["hw.type"] = "gpu"
        if table.name == "mig":
            attributes |= {"hw.id": str(key[1]), "hw.parent": str(key[0])}
        return attributes

    def _component(self, table: Table, key: _Key, component: str | None) -> _Attributes:
        """What points with OpenTelemetry's own names carry besides."""
        if table.name == "device":
            return self._identity.get(key[0], {})
        if component is not None:
            return {"hw.id": f"{key[0]}/{key[1]}", "hw.type": component}
        return {}

    def _forget(self) -> None:
        horizon = self._clock.monotonic() - _FORGET_SECONDS
        gone = [place for place, one in self._subjects.items() if one.heard < horizon]
        more = len(self._subjects) - len(gone) - _MOST_REMEMBERED
        if more > 0:
            # Short-lived processes come by the thousand; those heard of longest ago go first.
            gone = sorted(self._subjects, key=lambda place: self._subjects[place].heard)
            gone = gone[: len(self._subjects) - _MOST_REMEMBERED]
        for place in gone:
            del self._subjects[place]


def _add_status(points: list[Point], subject: _Subject, rows: Iterable[ColumnRow]) -> None:
    """Add which state a device is in, if it is known."""
    newest: dict[str, tuple[Value, Value]] = {
        column: (row.get(column), row.get("time_unix_ms"))
        for row in rows
        for column in ("up", "recovery_action")
        if column in row.columns.places
    }
    up, time_ms = newest.get("up", (None, None))
    if not isinstance(up, int | float):
        return
    action, _ = newest.get("recovery_action", (None, None))
    time_ns = int(time_ms or 0) * _NS_PER_MS
    found = states(int(up), int(action) if isinstance(action, int | float) else None)
    for state, one in found.items():
        series = subject.status(state)
        series.note(time_ns, one)
        points.append((series, time_ns, one))
