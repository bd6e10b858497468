"""Answers scrapes with the newest readings, as Prometheus' own library writes them.

Series of a device carry `node` and `device` only; who a device is stands in `aif_gpu_info`, and
which job holds it in `aif_gpu_assignment`, to be joined. What is not known is absent, and a reading
older than three of its periods is not known any more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wattline_agents.catalogue import PREFIX, TABLES, Kind, Metric, Table
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import UsageError
from wattline_agents.sinks.sink import Health
from wattline_agents.wire import Row

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

_PERIODS = 3
_LEAST_SECONDS = 10.0
_INFO_SECONDS = 1_500.0
"""Info rows come every ten minutes; after two that did not come they are stale."""

_DEVICE_LABELS = ("index", "vendor", "model", "pci", "driver", "power_mode", "power_scope")
_INFOS = {
    "device_info": ("gpu_info", "Who a device is.", _DEVICE_LABELS),
    "node_info": ("host_info", "Who a node is.", ("rack", "partition", "os", "agent_version")),
    # Never the owner's name: whoever may scrape is not whoever may know.
    "job_info": ("job_info", "What a job is.", ("name", "kind", "project", "state")),
}


@dataclass(frozen=True, slots=True)
class _Kept:
    row: Row
    until: float


class Latest:
    """The newest row of every subject; given to Prometheus' library as a collector."""

    def __init__(self, node: str, clock: Clock) -> None:
        """Begin empty."""
        self._node, self._clock = node, clock
        self._lock = threading.Lock()
        self._rows: dict[str, dict[tuple[Any, ...], _Kept]] = {name: {} for name in TABLES}

    def put(self, table: Table, rows: Sequence[Row], period_ms: int) -> None:
        """Keep the rows in place of older ones of the same subjects."""
        if period_ms:
            lasts = max(_LEAST_SECONDS, _PERIODS * period_ms / 1000)
        else:
            lasts = _INFO_SECONDS
        until = self._clock.monotonic() + lasts
        kept = self._rows[table.name]
        with self._lock:
            for row in rows:
                key = tuple(row[column] for column in table.key)
                if row.get("end_unix_ms") is not None:
                    kept.pop(key, None)
                else:
                    kept[key] = _Kept(row, until)

    def collect(self) -> Iterator[Family]:
        """Every family that has a value, in the catalogue's order."""
        now = self._clock.monotonic()
        with self._lock:
            for kept in self._rows.values():
                for key in [key for key, one in kept.items() if one.until < now]:
                    del kept[key]
            rows = {name: [one.row for one in kept.values()] for name, kept in self._rows.items()}
        for table in TABLES.values():
            if table.metrics:
                yield from self._families(table, rows[table.name])
        for name, (family, help, labels) in _INFOS.items():
            yield from self._info(family, help, (*TABLES[name].key, *labels), rows[name])
        yield from self._info(
            "gpu_assignment", "Which job holds a device.", ("device", "job"), rows["assignment"]
        )

    def _families(self, table: Table, rows: Sequence[Row]) -> Iterator[Family]:
        families: dict[str, list[Metric]] = {}
        for metric in table.metrics:
            families.setdefault(metric.name, []).append(metric)
        for metrics in families.values():
            family = _family(table, metrics)
            for metric in metrics:
                own = [value for _, value in metric.labels]
                for row in rows:
                    value = row.get(metric.column)
                    if value is not None:
                        subject = [str(row[column]) for column in table.key]
                        family.add_metric([self._node, *subject, *own], float(value))
            if family.samples:
                yield family

    def _info(
        self, name: str, help: str, labels: tuple[str, ...], rows: Sequence[Row]
    ) -> Iterator[Family]:
        from prometheus_client.core import GaugeMetricFamily

        if rows:
            family = GaugeMetricFamily(PREFIX + name, help, labels=("node", *labels))
            for row in rows:
                texts = [row.get(label) for label in labels]
                family.add_metric(
                    [self._node, *("" if text is None else str(text) for text in texts)], 1.0
                )
            yield family


def _family(table: Table, metrics: Sequence[Metric]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    first = metrics[0]
    labels = ("node", *table.key, *(name for name, _ in first.labels))
    kind = CounterMetricFamily if first.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(first.name, _help(metrics), labels=labels)


def _help(metrics: Sequence[Metric]) -> str:
    if len(metrics) == 1:
        return metrics[0].help
    return " ".join(f"{metric.labels[0][1]}: {metric.help}" for metric in metrics)


class PrometheusSink:
    """Serves `/metrics`."""

    def __init__(self, node: str, host: str, port: int, clock: Clock | None = None) -> None:
        """Listen.

        Args:
            node: The label every series carries.
            host: The address to listen at; loopback unless someone decided otherwise.
            port: The port; 0 takes a free one.
            clock: Tells how old a reading is.

        Raises:
            UsageError: The library is not installed, or the address cannot be had.
        """
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError as error:
            raise UsageError(
                "--prometheus needs a library that is not installed: "
                "pip install wattline-agents[prometheus]"
            ) from error
        self.latest = Latest(node, SystemClock() if clock is None else clock)
        registry = CollectorRegistry()
        registry.register(self.latest)
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise UsageError(f"--prometheus {host}:{port}: {error.strerror or error}") from error
        self.host, self.port = host, int(self._server.server_port)

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Keep the newest row of every subject."""
        self.latest.put(TABLES[table], rows, period_ms)

    def health(self) -> Health:
        """Nothing waits here."""
        return Health()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2.0)


def listen_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host, loopback.

    Raises:
        UsageError: It is none of these.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"not HOST:PORT: {text[:60]!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)
