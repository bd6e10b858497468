"""One agent serves everybody at once, and everybody is told the same numbers.

A real agent reads two GPUs (a stand-in for NVIDIA's library) and this host. A real Prometheus
scrapes it, a real VictoriaMetrics takes its writes, a real OpenTelemetry collector (rotel) takes
its exports and hands them on to a receiver here that decodes them, and a real Wattline collector
takes its batches. What the collector has in its log is compared with what the others tell.
"""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import rotel  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from wattline_agents.arrow import decode
from wattline_agents.catalogue import DEVICE
from wattline_agents.sinks.otel_names import names_of
from wattline_collector.store import log

ROTEL = Path(rotel.__file__).parent / "rotel-agent"
PATIENCE_SECONDS = 90.0
TICKS = 8
SLOWEST_MS = 60_000
"""How far apart the readings are that are made least often."""
SCRAPED_LATE_MS = 3_000
"""A page shows the newest reading, which at one a second may be this old on a busy machine."""

pytestmark = [
    pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name}: apt install {name}")
    for name in ("prometheus", "victoria-metrics")
]

Labels = frozenset[tuple[str, str]]
Series = dict[tuple[str, str], dict[int, float]]
"""(device, column) -> time in milliseconds -> value."""

COLUMNS = {(metric.name, frozenset(metric.labels)): metric.column for metric in DEVICE.metrics}


class OtlpReceiver:
    """Keeps the exports it is sent."""

    def __init__(self) -> None:
        self.exports: list[ExportMetricsServiceRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                request = ExportMetricsServiceRequest()
                request.ParseFromString(body)
                receiver.exports.append(request)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def run_program(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts a program; what it says goes to a file, and it ends with the test."""
    children: list[subprocess.Popen[bytes]] = []

    def run(*words: str) -> None:
        with (tmp_path / f"{Path(words[0]).name}.log").open("wb") as said:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=tmp_path
            )
        children.append(child)

    yield run
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    server = OtlpReceiver()
    yield server
    server.close()


@dataclass
class Everybody:
    """Where to ask what each of them was told.

    Attributes:
        store: The collector's directory.
        collector: Its address.
        prometheus: The address of Prometheus.
        victoria: The address of VictoriaMetrics.
        receiver: What was exported over OTLP.
    """

    store: Path
    collector: str
    prometheus: str
    victoria: str
    receiver: OtlpReceiver
    processes: list[Any] = field(default_factory=list)

    def batches(self) -> Series:
        """What the collector took in."""
        found: Series = defaultdict(dict)
        for path in sorted((self.store / "log").glob("*.log")):
            for record in log.scan(path.read_bytes()):
                if not isinstance(record, log.Record) or record.table != "device":
                    continue
                for row in decode(record.body):
                    for metric in DEVICE.metrics:
                        value = row.get(metric.column)
                        if value is not None:
                            place = (str(row["device"]), metric.column)
                            found[place][int(row["time_unix_ms"] or 0)] = float(value)
        return found

    def scraped(self) -> Series:
        """What Prometheus has, at the times it asked."""
        query = urlencode({"query": '{__name__=~"aif_gpu_.*",node="box"}[60s]'})
        answer = json.loads(fetched(f"{self.prometheus}/api/v1/query?{query}"))
        found: Series = defaultdict(dict)
        for one in answer["data"]["result"]:
            place = column_of(one["metric"], without=("instance", "job"))
            if place is not None:
                found[place] |= {round(at * 1000): float(value) for at, value in one["values"]}
        return found

    def written(self) -> Series:
        """What VictoriaMetrics has."""
        query = urlencode({"match[]": '{__name__=~"aif_gpu_.*"}'})
        found: Series = defaultdict(dict)
        for line in fetched(f"{self.victoria}/api/v1/export?{query}").splitlines():
            one = json.loads(line)
            place = column_of(one["metric"])
            if place is not None:
                found[place] |= dict(zip(one["timestamps"], map(float, one["values"]), strict=True))
        return found

    def exported(self) -> Series:
        """What came through rotel."""
        columns = {
            (name.name, frozenset(name.attributes.items())): column
            for column, name in names_of(DEVICE).items()
        }
        found: Series = defaultdict(dict)
        for request in list(self.receiver.exports):
            for metric in request.resource_metrics[0].scope_metrics[0].metrics:
                for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
                    has = {one.key: one.value.string_value for one in point.attributes}
                    device = has.pop("hw.id", "")
                    told = {key: value for key, value in has.items() if key in TELLING}
                    column = columns.get((metric.name, frozenset(told.items())))
                    if column is not None and device.startswith("GPU-"):
                        value = getattr(point, point.WhichOneof("value"))
                        found[device, column][point.time_unix_nano // 1_000_000] = float(value)
        return found


TELLING = {key for name in names_of(DEVICE).values() for key in name.attributes}
"""Attributes that tell one column from another; the others say who the device is."""


def column_of(labels: Mapping[str, str], without: tuple[str, ...] = ()) -> tuple[str, str] | None:
    """The device and column of a series with Prometheus' name and labels."""
    rest = {name: value for name, value in labels.items() if name not in without}
    name, device = rest.pop("__name__"), rest.pop("device", "")
    assert rest.pop("node") == "box"
    column = COLUMNS.get((name, frozenset(rest.items())))
    return None if column is None else (device, column)


def fetched(url: str, token: str | None = None) -> str:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with urlopen(Request(url, headers=headers), timeout=10) as answer:
        return str(answer.read().decode())


def until(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"not in {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.2)


def answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            fetched(url)
        except (URLError, ConnectionError, TimeoutError):
            return False
        return True

    return ask


def listens(port: int) -> Callable[[], bool]:
    def ask() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    return ask


@pytest.fixture
def everybody(
    start: Callable[..., Any],
    run_program: Callable[..., None],
    free_port: Callable[[], int],
    receiver: OtlpReceiver,
    nvml_stand_in: Any,
    tmp_path: Path,
) -> Everybody:
    store = tmp_path / "store"
    victoria, otlp, grpc, scraper = (free_port() for _ in range(4))
    run_program(
        "victoria-metrics", f"-storageDataPath={tmp_path / 'vm'}",
        f"-httpListenAddr=127.0.0.1:{victoria}", "-influxMeasurementFieldSeparator=_",
        "-search.latencyOffset=0s",
    )  # fmt: skip
    run_program(
        str(ROTEL), "start", "--otlp-http-endpoint", f"127.0.0.1:{otlp}",
        "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--exporter", "otlp",
        "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", receiver.url,
        "--pid-file", str(tmp_path / "rotel.pid"), "--log-file", str(tmp_path / "rotel.log"),
    )  # fmt: skip
    collector = start(
        "collector", "--store", str(store), "--listen", "127.0.0.1:0",
        "--seal-every", "86400", "--book-every", "86400",
    ).wait_for(r"http://[\d.:]+")  # fmt: skip
    until("VictoriaMetrics answers", answers(f"http://127.0.0.1:{victoria}/health"))
    until("rotel listens", listens(otlp))

    config = tmp_path / "agent.toml"
    config.write_text(f"""
        system = "test"
        node = "box"
        sources = ["nvml", "host"]
        [push]
        url = "{collector}"
        token_file = "{store / "tokens" / "write"}"
        every_seconds = 1
        spool = "{tmp_path / "spool"}"
        [prometheus]
        listen = "127.0.0.1:0"
        [otlp]
        endpoint = "http://127.0.0.1:{otlp}"
        every_seconds = 1
        [influx]
        url = "http://127.0.0.1:{victoria}"
        every_seconds = 1
        [job]
        enabled = false
    """)
    agent = start("agent", "--config", str(config), env=nvml_stand_in.environment(devices=2))
    page = agent.wait_for(r"http://[\d.:]+/metrics")
    (tmp_path / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: agent
    static_configs: [{{targets: ["{page.split("/")[2]}"]}}]
""")
    run_program(
        "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'prom'}", f"--web.listen-address=127.0.0.1:{scraper}",
    )  # fmt: skip
    found = Everybody(
        store, collector, f"http://127.0.0.1:{scraper}", f"http://127.0.0.1:{victoria}", receiver
    )
    until("Prometheus is ready", answers(f"{found.prometheus}/-/ready"))
    return found


def test_prometheus_victoriametrics_otlp_and_the_collector_are_told_the_same(
    everybody: Everybody,
) -> None:
    def ticks(series: Series) -> int:
        counts = [len(at) for (_, column), at in series.items() if column == "up"]
        return min(counts) if len(counts) == 2 else 0

    # What comes first need not be what comes last: all of them have been told for a while.
    until("all have readings of both devices", lambda: ticks(everybody.scraped()) >= TICKS)
    for of_one in (everybody.batches, everybody.written, everybody.exported):
        until("all have readings of both devices", lambda of_one=of_one: ticks(of_one()) >= TICKS)  # type: ignore[misc]
    latest = json.loads(fetched(f"{everybody.collector}/v1/latest", token(everybody.store)))
    told = {
        "VictoriaMetrics": everybody.written(),
        "OTLP": everybody.exported(),
        "Prometheus": everybody.scraped(),
    }
    newest = max(at for series in told.values() for times in series.values() for at in times)
    until("the collector has it all", lambda: newest_of(everybody.batches()) > newest)
    truth = everybody.batches()

    columns = {column for _, column in truth}
    assert len(columns) > 40, "power, energy, heat, clocks, links, errors, ..."
    for who, series in told.items():
        assert set(series) == set(truth), f"{who} has every reading of every device"
    for place, values in truth.items():
        for at, value in told["VictoriaMetrics"][place].items():
            # It keeps numbers as decimals of 15 digits or so.
            assert value == pytest.approx(values[at], rel=1e-12), (place, at)
        for at, value in told["OTLP"][place].items():
            assert value == values[at], (place, at)
        for at, value in told["Prometheus"][place].items():
            possible = {v for then, v in values.items() if 0 <= at - then <= SCRAPED_LATE_MS}
            if not possible:  # not read at every tick: the page shows what was read last
                last = max(then for then in values if then <= at)
                assert at - last <= SLOWEST_MS + SCRAPED_LATE_MS, (place, at)
                possible = {values[last]}
            assert value in possible, (place, at)
    assert_live_picture(latest, truth)
    powers = [values for (_, column), values in truth.items() if column == "power_watts"]
    assert all(len(set(values.values())) > 3 for values in powers), "they did move"


def token(store: Path) -> str:
    return (store / "tokens" / "read").read_text().strip()


def newest_of(series: Series) -> int:
    return max(at for times in series.values() for at in times)


def assert_live_picture(latest: Mapping[str, Any], truth: Series) -> None:
    """What the collector answers pages with is what it took in."""
    devices = latest["devices"]
    assert len(devices["device"]) == 2
    for place, device in enumerate(devices["device"]):
        for metric in DEVICE.metrics:
            value = devices[metric.column][place]
            if value is not None:
                assert float(value) in truth[device, metric.column].values(), metric.column
