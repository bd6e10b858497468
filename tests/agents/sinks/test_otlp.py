import gzip
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from wattline_agents.config import AgentConfig, OtlpSettings
from wattline_agents.errors import InputError, UsageError
from wattline_agents.sinks.otlp import OtlpSink, metrics_address, read_headers

AGENT = AgentConfig(system="test", node="n01")
ROW = {"time_unix_ms": 1_790_000_000_000, "device": "GPU-1", "power_watts": 412.25}


class Receiver:
    """Takes exports, or answers what it is told to; `waits` holds back every answer."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.exports: list[tuple[str, dict[str, str], ExportMetricsServiceRequest]] = []
        self.tries = 0
        self.came = threading.Condition()
        self.waits = threading.Event()
        self.waits.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take(self.path, dict(self.headers), body)
                receiver.waits.wait(30)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def take(self, path: str, fields: dict[str, str], body: bytes) -> int:
        if fields.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.came:
            self.tries += 1
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                request = ExportMetricsServiceRequest()
                request.ParseFromString(body)
                self.exports.append((path, fields, request))
            self.came.notify_all()
        return status

    def wait_for(self, holds: Callable[[], bool]) -> None:
        with self.came:
            assert self.came.wait_for(holds, timeout=30)

    def close(self) -> None:
        self.waits.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def make_sink(said: list[str]) -> Iterator[Callable[..., OtlpSink]]:
    made: list[OtlpSink] = []

    def make(url: str, every_seconds: float = 0.01, **more: Any) -> OtlpSink:
        settings = OtlpSettings(url, every_seconds=every_seconds, **more)
        made.append(OtlpSink(AGENT, settings, said.append, chance=lambda: 1.0))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


def powers(receiver: Receiver) -> list[float]:
    return [
        point.as_double
        for _, _, request in receiver.exports
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "hw.power"
        for point in metric.gauge.data_points
    ]


def test_what_arrives_is_what_was_read(receiver: Receiver, make_sink: Any) -> None:
    sink = make_sink(receiver.url)
    sink.accept("device", [ROW], 1000)
    receiver.wait_for(lambda: bool(receiver.exports))
    ((path, fields, request),) = receiver.exports
    assert path == "/v1/metrics"
    assert fields["content-type"] == "application/x-protobuf"
    (scope,) = request.resource_metrics[0].scope_metrics
    (metric,) = scope.metrics
    (point,) = metric.gauge.data_points
    assert (scope.scope.name, metric.name, metric.unit) == ("wattline_agents", "hw.power", "W")
    assert (point.as_double, point.time_unix_nano) == (412.25, 1_790_000_000_000_000_000)
    assert sink.health().exports_failed == 0


def test_exports_can_be_compressed(receiver: Receiver, make_sink: Any) -> None:
    make_sink(receiver.url, gzip=True).accept("device", [ROW], 1000)
    receiver.wait_for(lambda: bool(receiver.exports))
    assert receiver.exports[0][1]["Content-Encoding"] == "gzip"


def test_the_newest_is_exported_when_the_sink_closes(receiver: Receiver, make_sink: Any) -> None:
    sink = make_sink(receiver.url, every_seconds=3600)
    sink.accept("device", [ROW], 1000)
    sink.accept("device", [{**ROW, "power_watts": 7.5}], 1000)
    sink.close()
    assert powers(receiver) == [7.5]


def test_headers_of_the_file_are_sent_and_read_again_after_a_refusal(
    receiver: Receiver, make_sink: Any, tmp_path: Path, said: list[str]
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("# who we are\n\nAuthorization: Bearer old\nX-Site: here\n")
    receiver.statuses = [401]
    sink = make_sink(receiver.url, headers_file=headers)
    headers.write_text("Authorization: Bearer new\n")
    sink.accept("device", [ROW], 1000)
    receiver.wait_for(lambda: receiver.tries == 1)
    while sink.health().exports_failed == 0:
        sink._stop.wait(0.01)
    sink.accept("device", [ROW], 1000)
    receiver.wait_for(lambda: bool(receiver.exports))
    assert receiver.exports[0][1]["authorization"] == "Bearer new"
    sink.close()
    assert said[0].startswith(f"otlp: {receiver.url}: Failed to export metrics batch code: 401")
    assert said[1:] == ["otlp: works again"]


def test_a_failure_is_counted_and_said_once_and_nothing_else_is_logged(
    receiver: Receiver, make_sink: Any, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.statuses = [400] * 3
    sink = make_sink(receiver.url)
    for failed in range(3):
        sink.accept("device", [ROW], 1000)
        while sink.health().exports_failed == failed:
            sink._stop.wait(0.01)
    assert len(said) == 1
    assert "code: 400" in said[0]
    assert capfd.readouterr() == ("", "")


def test_a_receiver_that_is_not_there_is_said_in_few_words_and_not_waited_for(
    make_sink: Any, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    sink = make_sink("http://127.0.0.1:9")
    sink.accept("device", [ROW], 1000)
    while sink._points._newest:
        sink._stop.wait(0.01)
    sink.close()  # in the middle of the SDK's own tries
    assert sink.health().exports_failed == 1
    assert said == ["otlp: http://127.0.0.1:9: Connection refused"]
    assert capfd.readouterr() == ("", "")


def test_a_busy_receiver_is_asked_again_by_the_library(
    receiver: Receiver, make_sink: Any, said: list[str]
) -> None:
    receiver.statuses = [503]
    make_sink(receiver.url).accept("device", [ROW], 1000)
    receiver.wait_for(lambda: bool(receiver.exports))
    assert receiver.tries == 2
    assert powers(receiver) == [412.25]


def test_an_sdk_that_takes_only_what_it_encodes_itself_is_given_that(
    receiver: Receiver, make_sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sink(receiver.url).accept("device", [ROW], 1000)
    receiver.wait_for(lambda: bool(receiver.exports))
    encode = OTLPMetricExporter._export_batch

    def export(self: OTLPMetricExporter, data: Any, **more: Any) -> Any:
        return encode(self, encode_metrics(data))

    monkeypatch.setattr(OTLPMetricExporter, "export", export)
    monkeypatch.delattr(OTLPMetricExporter, "_export_batch")
    make_sink(receiver.url).accept("device", [ROW], 1000)
    receiver.wait_for(lambda: len(receiver.exports) == 2)
    assert receiver.exports[0][2] == receiver.exports[1][2]


def test_without_the_library_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, make_sink: Any
) -> None:
    monkeypatch.delitem(sys.modules, "wattline_agents.sinks.otel_data", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics.export", None)
    with pytest.raises(UsageError, match=r"pip install wattline-agents\[otlp\]"):
        make_sink("http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [("http://h:4318", "http://h:4318/v1/metrics"), ("http://h/otlp/", "http://h/otlp/v1/metrics"),
     ("http://h/v1/metrics", "http://h/v1/metrics")],
)  # fmt: skip
def test_metrics_go_below_the_base_address(endpoint: str, address: str) -> None:
    assert metrics_address(endpoint) == address


@pytest.mark.parametrize("line", ["Bearer abc", ": value", "two words: x", "name: a\x07b"])
def test_a_line_that_is_no_header_is_named_and_not_shown(tmp_path: Path, line: str) -> None:
    path = tmp_path / "headers"
    path.write_text(f"A: b\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_headers(path)
    assert str(caught.value) == f"{path}:2: not NAME: VALUE"


def test_headers_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_headers(tmp_path / "none")
