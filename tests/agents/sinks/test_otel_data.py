from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
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
from wattline_agents.catalogue import TABLES, Table, Type
from wattline_agents.config import AgentConfig
from wattline_agents.sinks.otel_data import Point, Points
from wattline_agents.sinks.otel_encode import encode
from wattline_agents.sinks.otel_names import names_of
from wattline_agents.sinks.otel_request import Requests
from wattline_agents.wire import Row

AGENT = AgentConfig(system="test", node="n01")
START_NS = 1_790_000_000_000 * 1_000_000


@dataclass(frozen=True)
class Export:
    """What is exported, as it is sent, and as the SDK's data model has it."""

    request: bytes
    data: MetricsData


class Exports:
    """Points and the requests made of them."""

    def __init__(self, clock: Any) -> None:
        self.points, self.requests = Points(AGENT, clock), Requests(AGENT)
        self.accept = self.points.accept

    def collect(self) -> Export | None:
        points = self.points.collect()
        new = self.points.unencoded()
        if new:
            self.requests.learn(new, encode(self.requests.described(new)))
        request = self.requests.filled(points)
        return None if request is None else Export(bytes(request), self._data(points))

    def _data(self, points: Sequence[Point]) -> MetricsData:
        description = self.requests.described([series for series, _, _ in points])
        numbers = [
            [(one.start_ns, time_ns, value if one.is_whole else float(value))
             for one, time_ns, value in points if one.name.name == metric[0]]
            for metric in description[3]
        ]  # fmt: skip
        return metrics_data(description, numbers)


def metrics_data(description: Any, numbers: Any) -> MetricsData:
    """The description in the SDK's own data model, with these numbers for the points."""
    schema, resource, (scope, version, about), described = description
    metrics = []
    for (name, unit, help, instrument, points), those in zip(described, numbers, strict=True):
        is_gauge = instrument == "gauge"
        members = [
            NumberDataPoint({**shared, **own}, None if is_gauge else start_ns, time_ns, value)  # type: ignore[arg-type]
            for (_, shared, own), (start_ns, time_ns, value) in zip(points, those, strict=True)
        ]
        data = (
            Gauge(members)
            if is_gauge
            else Sum(members, AggregationTemporality.CUMULATIVE, instrument == "counter")
        )
        metrics.append(Metric(name, help, unit, data))
    in_scope = ScopeMetrics(InstrumentationScope(scope, version, schema, about), metrics, schema)
    return MetricsData([ResourceMetrics(Resource(resource, schema), [in_scope], schema)])


@pytest.fixture
def points(clock: Any) -> Exports:
    return Exports(clock)


def row(clock: Any, **more: Any) -> Row:
    return {"time_unix_ms": clock.unix_ms(), "device": "GPU-1", **more}


def series(export: Export | None) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Name, attributes and point of everything.

    Both forms say the same: what was filled in is what the SDK would encode anew.
    """
    assert export is not None
    data, sent = export.data, ExportMetricsServiceRequest()
    sent.ParseFromString(export.request)
    assert sent == encode_metrics(data)
    (resource,) = data.resource_metrics
    for metric in resource.scope_metrics[0].metrics:
        assert isinstance(metric.data, Sum | Gauge)
        for point in metric.data.data_points:
            assert point.attributes is not None
            yield metric.name, dict(point.attributes), point


def point(data: Export | None, name: str) -> Any:
    (found,) = [one for named, _, one in series(data) if named == name]
    return found


def test_a_point_has_the_value_and_the_time_of_its_row(points: Exports, clock: Any) -> None:
    points.accept(
        "device", [row(clock, power_watts=412.3000000000001, memory_used_bytes=2**53 + 1)]
    )
    clock.sleep(7)
    data = points.collect()
    power = point(data, "hw.power")
    assert (power.value, power.time_unix_nano) == (412.3000000000001, START_NS)
    assert power.start_time_unix_nano is None
    assert power.attributes == {"hw.id": "GPU-1", "hw.type": "gpu"}
    memory = point(data, "hw.gpu.memory.usage")
    assert memory.value == 2**53 + 1
    assert isinstance(memory.value, int)


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.metrics], ids=lambda t: t.name)
def test_every_column_of_the_catalogue_arrives_under_its_name(
    points: Exports, clock: Any, table: Table
) -> None:
    given: dict[str, Any] = {"time_unix_ms": clock.unix_ms()}
    given |= {
        field.column: 7 if field.type is Type.INT else "package-0"
        for field in table.fields
        if field.column in table.key
    }
    values = {
        metric.column: place if metric.type is Type.INT else place + 0.5
        for place, metric in enumerate(table.metrics, 1000)
    }
    points.accept(table.name, [given | values])
    data = points.collect()
    found = {one.value: (name, has) for name, has, one in series(data) if one.value >= 1000}
    names = names_of(table, "cpu" if table.name == "meter" else None)
    assert len(found) == len(table.metrics)
    for column, value in values.items():
        name, has = found[value]
        assert name == names[column].name
        assert has.items() >= names[column].attributes.items()


def test_the_resource_says_who_exports(points: Exports, clock: Any) -> None:
    points.accept("device", [row(clock, up=1)])
    data = points.collect()
    assert data is not None
    assert dict(data.data.resource_metrics[0].resource.attributes) == {
        "host.name": "n01",
        "service.name": "wattline-agent",
        "service.version": __version__,
        "service.instance.id": "test/n01",
        "wattline.system": "test",
    }


def test_who_a_device_is_stands_on_the_points_that_follow_a_convention(
    points: Exports, clock: Any
) -> None:
    info = {"index": 3, "vendor": "nvidia", "model": "H100", "serial": "165", "driver": "580.1",
            "vbios": "96.0"}  # fmt: skip
    points.accept("device_info", [row(clock, **info)])
    points.accept("device", [row(clock, power_watts=1.0, sm_active_ratio=0.5)])
    data = points.collect()
    assert point(data, "hw.power").attributes == {
        "hw.id": "GPU-1",
        "hw.type": "gpu",
        "hw.name": "GPU 3",
        "hw.vendor": "nvidia",
        "hw.model": "H100",
        "hw.serial_number": "165",
        "hw.driver_version": "580.1",
        "hw.firmware_version": "96.0",
    }
    assert point(data, "aif_gpu_sm_active_ratio").attributes == {"hw.id": "GPU-1", "hw.type": "gpu"}
    about = point(data, "aif_gpu_info")
    assert about.value == 1
    assert about.attributes["model"] == "H100"


def test_the_owner_of_a_job_is_not_told(points: Exports, clock: Any) -> None:
    told = {"time_unix_ms": clock.unix_ms(), "job": "42", "name": "train", "user": "jane"}
    points.accept("job_info", [told])
    data = points.collect()
    assert point(data, "aif_job_info").attributes == {"wattline.job": "42", "name": "train"}


def test_a_counter_keeps_its_start_until_it_begins_anew(points: Exports, clock: Any) -> None:
    starts = []
    for joules in (100.0, 250.0, 250.0, 10.0, 20.0):
        points.accept("device", [row(clock, energy_joules_total=joules)])
        energy = point(points.collect(), "hw.energy")
        assert energy.value == joules
        starts.append((energy.start_time_unix_nano - START_NS) // 1_000_000_000)
        clock.sleep(10)
    assert starts == [0, 0, 0, 30, 30]


def test_what_is_in_use_may_shrink_without_a_new_start(points: Exports, clock: Any) -> None:
    for used in (100, 50):
        points.accept("device", [row(clock, memory_used_bytes=used)])
        memory = point(points.collect(), "hw.gpu.memory.usage")
        assert memory.start_time_unix_nano == START_NS
        clock.sleep(10)


def test_a_counter_not_heard_of_for_hours_starts_anew(points: Exports, clock: Any) -> None:
    points.accept("xid", [{**row(clock, count_total=3), "xid": 79}])
    points.collect()
    clock.sleep(3 * 3600)
    points.collect()
    points.accept("xid", [{**row(clock, count_total=3), "xid": 79}])
    again = point(points.collect(), "aif_gpu_xid_total")
    assert again.start_time_unix_nano == again.time_unix_nano
    assert again.attributes == {"hw.id": "GPU-1", "wattline.xid": 79}


def test_sums_are_cumulative_and_only_counters_are_monotonic(points: Exports, clock: Any) -> None:
    points.accept("device", [row(clock, up=1, energy_joules_total=1.0, memory_used_bytes=1)])
    data = points.collect()
    assert data is not None
    sums = {
        metric.name: metric.data
        for metric in data.data.resource_metrics[0].scope_metrics[0].metrics
        if isinstance(metric.data, Sum)
    }
    assert {name: one.is_monotonic for name, one in sums.items()} == {
        "hw.energy": True,
        "hw.gpu.memory.usage": False,
        "hw.status": False,
    }
    temporalities = {one.aggregation_temporality for one in sums.values()}
    assert temporalities == {AggregationTemporality.CUMULATIVE}


def test_columns_read_at_different_paces_all_leave_with_their_own_times(
    points: Exports, clock: Any
) -> None:
    points.accept("device", [row(clock, power_watts=1.0, temperature_celsius=50.0)])
    clock.sleep(1)
    points.accept("device", [row(clock, power_watts=2.0)])
    data = points.collect()
    power, heat = point(data, "hw.power"), point(data, "hw.temperature")
    assert (power.value, power.time_unix_nano - START_NS) == (2.0, 1_000_000_000)
    assert (heat.value, heat.time_unix_nano - START_NS) == (50.0, 0)


def test_a_row_leaves_once_and_what_is_not_known_not_at_all(points: Exports, clock: Any) -> None:
    assert points.collect() is None
    points.accept("device", [row(clock, power_watts=None, busy_ratio=float("nan"))])
    assert points.collect() is None
    points.accept("device", [row(clock, power_watts=1.0)])
    assert points.collect() is not None
    assert points.collect() is None


def test_what_no_point_can_hold_is_left_out(points: Exports, clock: Any) -> None:
    values: dict[str, Any] = {"processes": 2**63, "power_watts": 10**400, "xid_events_total": 3}
    points.accept("device", [row(clock, **values)])
    assert [name for name, _, _ in series(points.collect())] == ["hw.errors"]


def test_processes_that_come_and_go_by_the_thousand_are_not_all_remembered(
    points: Exports, clock: Any
) -> None:
    for turn in range(5):
        points.accept(
            "process",
            [row(clock, pid=4_000 * turn + pid, memory_used_bytes=1) for pid in range(4_000)],
        )
        points.accept("device", [row(clock, energy_joules_total=1.0)])
        clock.sleep(10)
        points.collect()
    assert len(points.points._subjects) == 8_192
    assert ("device", ("GPU-1",)) in points.points._subjects


def test_only_the_newest_rows_are_kept(points: Exports, clock: Any) -> None:
    for watts in range(1000):
        points.accept("device", [row(clock, power_watts=float(watts))])
        clock.sleep(0.1)
    points.accept("process", [{**row(clock, cpu_seconds_total=1.0), "pid": n} for n in range(9999)])
    found = list(series(points.collect()))
    assert [one.value for name, _, one in found if name == "hw.power"] == [999.0]
    assert sum(name == "aif_process_cpu_seconds_total" for name, _, _ in found) == 4_096


def test_the_whole_node_has_names_of_its_own(points: Exports, clock: Any) -> None:
    node = {"power_watts": 900.0, "energy_joules_total": 5.0, "cpu_user_seconds_total": 7.0}
    points.accept("node", [{"time_unix_ms": clock.unix_ms(), **node}])
    meters = [("rapl", "package-0", 200.0), ("cray", "node", 900.0), ("cray", "accel0", 300.0)]
    points.accept(
        "meter",
        [{"time_unix_ms": clock.unix_ms(), "source": source, "domain": domain, "power_watts": watts}
         for source, domain, watts in meters],
    )  # fmt: skip
    data = points.collect()
    assert point(data, "hw.host.power").attributes == {"hw.id": "n01"}
    assert point(data, "hw.host.energy").value == 5.0
    assert point(data, "system.cpu.time").attributes["cpu.mode"] == "user"
    assert point(data, "hw.power").attributes == {
        "hw.id": "rapl/package-0",
        "hw.type": "cpu",
        "wattline.source": "rapl",
        "wattline.domain": "package-0",
    }
    others = [has["wattline.domain"] for name, has, _ in series(data)
              if name == "aif_host_meter_power_watts"]  # fmt: skip
    assert others == ["node", "accel0"]


def test_a_mig_instance_is_a_part_of_its_device(points: Exports, clock: Any) -> None:
    points.accept("mig", [{**row(clock, sm_active_ratio=0.25), "instance": "MIG-7"}])
    found = point(points.collect(), "aif_mig_sm_active_ratio")
    assert found.attributes == {"hw.id": "MIG-7", "hw.type": "gpu", "hw.parent": "GPU-1"}


@pytest.mark.parametrize(
    ("columns", "state"),
    [({"up": 1, "recovery_action": 0}, "ok"), ({"up": 1, "recovery_action": 1}, "degraded"),
     ({"up": 0}, "failed")],
)  # fmt: skip
def test_a_device_s_status_is_one_of_three(
    points: Exports, clock: Any, columns: dict[str, int], state: str
) -> None:
    points.accept("device", [row(clock, **columns)])
    data = points.collect()
    found = {has["hw.state"]: one.value for name, has, one in series(data) if name == "hw.status"}
    assert found == {one: int(one == state) for one in ("ok", "degraded", "failed")}
    assert point(data, "aif_gpu_up").value == columns["up"], "and nothing is lost"


def test_a_request_filled_in_again_is_what_would_be_encoded_anew(
    points: Exports, clock: Any
) -> None:
    columns = ["power_watts", "energy_joules_total", "memory_used_bytes", "temperature_celsius"]
    for turn in range(12):
        # Sets of columns alternate, more of them than are remembered.
        some = {column: turn * 10 for column in columns[: 1 + turn % 4]}
        points.accept("device", [row(clock, **some), {**row(clock, **some), "device": "GPU-2"}])
        if turn == 6:
            points.accept("device_info", [row(clock, model="H100")])
        found = list(series(points.collect()))
        values = {one.value for name, _, one in found if name != "aif_gpu_info"}
        assert values == {turn * 10}
        clock.sleep(10)


def test_a_device_that_gets_a_name_is_another_series(points: Exports, clock: Any) -> None:
    for model in (None, "H100", "H200"):
        if model:
            points.accept("device_info", [row(clock, model=model)])
        points.accept("device", [row(clock, energy_joules_total=1.0)])
        energy = point(points.collect(), "hw.energy")
        assert energy.attributes.get("hw.model") == model
        assert energy.start_time_unix_nano == energy.time_unix_nano
        clock.sleep(10)
