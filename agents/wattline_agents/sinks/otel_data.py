"""Makes OpenTelemetry's own metric points of the newest rows.

There is one point for a value, with the time at which it was read and exactly as it was read. No
instrument and no view stands between: what is read is already a total or a momentary value, so
there is nothing to aggregate.

From one export to the next only numbers and times change. So a request is built of the SDK's data
model and encoded by the SDK once for a set of series, and from then on only filled in, which is a
twentieth of the work of encoding it anew.

Only the chosen sink imports this module, since it needs the library.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wattline_agents import __version__
from wattline_agents.catalogue import PREFIX, TABLES, Table, Type
from wattline_agents.clock import Clock
from wattline_agents.config import AgentConfig
from wattline_agents.sinks.exposition import Labels
from wattline_agents.sinks.otel_names import (
    SCHEMA_URL,
    STATUS,
    VERSION,
    Instrument,
    Name,
    component_of,
    names_of,
    states,
)
from wattline_agents.sinks.prometheus.latest import Latest
from wattline_agents.wire import Row, Value

_MOST_SUBJECTS = 4_096
"""Of one table between two exports; a node has some hundred processes on its devices at most."""
_MOST_ROWS = 32
"""Of one subject between two exports, with different columns."""
_MOST_TEMPLATES = 4
"""Sets of series: columns come at different paces, so a few sets alternate."""
_NS_PER_MS = 1_000_000
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

_Key = tuple[Value, ...]
_Attributes = dict[str, str | int]


@dataclass(slots=True, eq=False)
class Series:
    """One column of one subject.

    Attributes:
        name: What it is called.
        attributes: What tells it from others of the name.
        is_whole: Whether its values are whole numbers.
        start_ns: Since when it counts: since it was first seen, or seen to begin anew.
        last: Its newest value.
    """

    name: Name
    attributes: _Attributes
    is_whole: bool
    start_ns: int = 0
    last: int | float = 0

    def note(self, time_ns: int, value: int | float) -> None:
        """Take a new value into account."""
        is_new = not self.start_ns
        if is_new or (value < self.last and self.name.instrument is Instrument.COUNTER):
            self.start_ns = time_ns
        self.last = value


@dataclass(slots=True)
class _Subject:
    """A device, the node, a job, ...: its series, and when it was last heard of."""

    series: dict[str, Series]
    status: dict[str, Series]
    heard: float = 0.0


Point = tuple[Series, int, int | float]
"""A series, the time in nanoseconds, and the value."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be exported now, in two forms.

    Attributes:
        request: Encoded but for its last step; good until the next export is collected.
        data: The same in the SDK's data model.
    """

    request: ExportMetricsServiceRequest
    points: Sequence[Point]
    resource: Resource
    scope: InstrumentationScope

    @property
    def data(self) -> MetricsData:
        """The same in the SDK's data model, made when asked for."""
        return _data(self.points, self.resource, self.scope)


class Points:
    """The newest rows, and the points made of them; rows come from one thread and leave by another.

    A row is exported once. What no row renewed since the last export is left out of the next.
    """

    def __init__(self, agent: AgentConfig, clock: Clock) -> None:
        """Begin with nothing."""
        self._clock, self._node = clock, agent.node
        self._resource = Resource(
            {
                "host.name": agent.node,
                "service.name": "wattline-agent",
                "service.version": __version__,
                # Who keeps series apart by job and instance alone would else mix all nodes.
                "service.instance.id": f"{agent.system}/{agent.node}",
                "wattline.system": agent.system,
            },
            SCHEMA_URL,
        )
        self._scope = InstrumentationScope(
            "wattline_agents", __version__, SCHEMA_URL, {"wattline.names": VERSION}
        )
        self._lock = threading.Lock()
        self._newest: dict[str, dict[_Key, list[Row]]] = {}
        self._told: list[tuple[str, Sequence[Row]]] = []
        self._latest = Latest(clock)
        self._identity: dict[Value, _Attributes] = {}
        self._subjects: dict[tuple[str, _Key], _Subject] = {}
        self._statements: dict[tuple[str, Labels], Series] = {}
        self._templates: dict[tuple[Series, ...], _Template] = {}

    def accept(self, table: str, rows: Sequence[Row]) -> None:
        """Keep the rows in place of older ones of the same subjects."""
        key_columns = TABLES[table].key
        with self._lock:
            if not TABLES[table].metrics:
                self._told = [*self._told[-_MOST_SUBJECTS:], (table, rows)]
                return
            subjects = self._newest.setdefault(table, {})
            for row in rows:
                key = tuple([row.get(column) for column in key_columns])
                kept = subjects.get(key)
                if kept is None:
                    if len(subjects) < _MOST_SUBJECTS:
                        subjects[key] = [row]
                elif kept[-1].keys() == row.keys():
                    kept[-1] = row
                else:
                    _keep(kept, row)

    def collect(self) -> Export | None:
        """The points of all that came since the last call; None if there are none."""
        with self._lock:
            newest, self._newest = self._newest, {}
            told, self._told = self._told, []
        for table, rows in told:
            self._latest.put(TABLES[table], rows, 0)
            if table == "device_info":
                self._identify(rows)
        points: list[Point] = []
        for table, subjects in newest.items():
            for key, rows in subjects.items():
                self._add(points, TABLES[table], key, rows)
        self._add_statements(points)
        self._forget()
        if not points:
            return None
        for series, time_ns, value in points:
            series.note(time_ns, value)
        request = self._template(points).filled(points)
        return Export(request, points, self._resource, self._scope)

    def _template(self, points: Sequence[Point]) -> _Template:
        key = tuple([series for series, _, _ in points])
        template = self._templates.pop(key, None)
        if template is None:
            template = _Template(points, self._resource, self._scope)
        self._templates[key] = template  # the last is the newest
        if len(self._templates) > _MOST_TEMPLATES:
            del self._templates[next(iter(self._templates))]
        return template

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

    def _add(self, points: list[Point], table: Table, key: _Key, rows: Sequence[Row]) -> None:
        """Add the newest value of every column that is known."""
        subject = self._subjects.get((table.name, key))
        if subject is None:
            subject = self._subjects[table.name, key] = self._subject(table, key)
        subject.heard = self._clock.monotonic()
        newest: dict[str, Value] = {}
        times: dict[str, int] = {}
        for row in rows:
            newest.update(row)
            times |= dict.fromkeys(row, int(row["time_unix_ms"] or 0) * _NS_PER_MS)
        for column, series in subject.series.items():
            value = newest.get(column)
            # What is no finite number is not nought when taken from itself.
            if value is None or isinstance(value, str) or value - value != 0:
                continue
            points.append((series, times[column], value))
        up, action = newest.get("up"), newest.get("recovery_action")
        if subject.status and isinstance(up, int | float):
            found = states(int(up), int(action) if isinstance(action, int | float) else None)
            points += [(subject.status[state], times["up"], one) for state, one in found.items()]

    def _add_statements(self, points: list[Point]) -> None:
        """Add who and what is here, as gauges of value 1 that say it in their attributes."""
        self._latest.refresh()
        time_ns = self._clock.unix_ms() * _NS_PER_MS
        before, self._statements = self._statements, {}
        for one in self._latest.statements():
            place = (one.family, one.labels)
            series = before.get(place)
            if series is None:
                name = Name(PREFIX + one.family, Instrument.GAUGE, "", one.help, {}, False)
                told = {_KEY_NAMES.get(label, label): text for label, text in one.labels if text}
                series = Series(name, {**told}, is_whole=True)
            self._statements[place] = series
            points.append((series, time_ns, 1))

    def _subject(self, table: Table, key: _Key) -> _Subject:
        component = component_of(str(key[1])) if table.name == "meter" else None
        own = self._own(table, key)
        full = own | self._component(table, key, component)
        names = names_of(table, component)
        return _Subject(
            {
                metric.column: Series(
                    (name := names[metric.column]),
                    {**(full if name.is_convention else own), **name.attributes},
                    metric.type is Type.INT,
                )
                for metric in table.metrics
            },
            {
                state: Series(STATUS, {**full, "hw.state": state}, is_whole=True)
                for state in (states(1, None) if table.name == "device" else ())
            },
        )

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
        for place in gone:
            del self._subjects[place]


class _Template:
    """A request for a fixed set of series, whose numbers and times are filled in."""

    def __init__(
        self, points: Sequence[Point], resource: Resource, scope: InstrumentationScope
    ) -> None:
        """Let the SDK encode it once."""
        self._request = encode_metrics(_data(points, resource, scope))
        (metrics,) = [one.metrics for one in self._request.resource_metrics[0].scope_metrics]
        self._messages: list[Any] = [None] * len(points)
        for metric, (_, places) in zip(metrics, _by_name(points), strict=True):
            messages = getattr(metric, metric.WhichOneof("data") or "").data_points
            for place, message in zip(places, messages, strict=True):
                self._messages[place] = message

    def filled(self, points: Sequence[Point]) -> ExportMetricsServiceRequest:
        """The request with these points, which are of the series it was made for."""
        for message, (series, time_ns, value) in zip(self._messages, points, strict=True):
            message.time_unix_nano = time_ns
            if series.is_whole:
                message.as_int = int(value)
            else:
                message.as_double = value
            if series.name.instrument is not Instrument.GAUGE:
                message.start_time_unix_nano = series.start_ns
        return self._request


def _keep(kept: list[Row], row: Row) -> None:
    """Add a row with other columns than the one before.

    Sources read their columns at different paces, so rows of one subject have a few sets of
    columns, and the newest of each is needed.
    """
    kept.append(row)
    if len(kept) > _MOST_ROWS:
        kept[:] = list({tuple(one): one for one in kept}.values())[-_MOST_ROWS // 2 :]


def _by_name(points: Sequence[Point]) -> list[tuple[Name, list[int]]]:
    """Which points have which name: points of one name are one metric."""
    places: dict[str, tuple[Name, list[int]]] = {}
    for place, (series, _, _) in enumerate(points):
        places.setdefault(series.name.name, (series.name, []))[1].append(place)
    return list(places.values())


def _data(points: Sequence[Point], resource: Resource, scope: InstrumentationScope) -> MetricsData:
    """The points in the SDK's data model."""
    metrics = []
    for name, places in _by_name(points):
        members = [_number(*points[place]) for place in places]
        data: Gauge | Sum
        if name.instrument is Instrument.GAUGE:
            data = Gauge(members)
        else:
            is_monotonic = name.instrument is Instrument.COUNTER
            data = Sum(members, AggregationTemporality.CUMULATIVE, is_monotonic)
        metrics.append(Metric(name.name, name.help, name.unit, data))
    in_scope = ScopeMetrics(scope, metrics, SCHEMA_URL)
    return MetricsData([ResourceMetrics(resource, [in_scope], SCHEMA_URL)])


def _number(series: Series, time_ns: int, value: int | float) -> NumberDataPoint:
    start_ns: Any = None if series.name.instrument is Instrument.GAUGE else series.start_ns
    number = int(value) if series.is_whole else float(value)
    return NumberDataPoint(series.attributes, start_ns, time_ns, number)
