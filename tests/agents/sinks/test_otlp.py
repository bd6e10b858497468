import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from wattline_agents.config import AgentConfig, OtlpSettings
from wattline_agents.errors import InputError, UsageError
from wattline_agents.sinks import otlp
from wattline_agents.sinks.otel_data import Points
from wattline_agents.sinks.otel_encode import encode
from wattline_agents.sinks.otel_helper import NotEncoded, encoded
from wattline_agents.sinks.otel_request import Requests
from wattline_agents.sinks.otlp import Encoding, OtlpSink, judged, metrics_address, read_headers
from wattline_agents.sinks.post import Reply
from wattline_agents.wire import Row

AGENT = AgentConfig(system="test", node="n01")
ROW: Row = {"time_unix_ms": 1_790_000_000_000, "device": "GPU-1", "power_watts": 412.25}


class Receiver:
    """Takes exports, or answers what it is told to; `waits` holds back every answer."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.fields: dict[str, str] = {}
        self.answer = b""
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
                for name, value in receiver.fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

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
        encoder = more.pop("encode", encode)  # in this process, where a test is not about that
        settings = OtlpSettings(url, every_seconds=every_seconds, **more)
        made.append(OtlpSink(AGENT, settings, said.append, chance=lambda: 1.0, encode=encoder))
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
    sink = make_sink(receiver.url, encode=encoded)
    sink.accept("device", [ROW], 1000)
    receiver.wait_for(lambda: bool(receiver.exports))
    ((path, fields, request),) = receiver.exports
    assert path == "/v1/metrics"
    assert fields["Content-Type"] == "application/x-protobuf"
    assert fields["User-Agent"].startswith("wattline-agent/")
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
    assert receiver.exports[0][1]["Authorization"] == "Bearer new"
    sink.close()
    assert said[0].startswith(f"otlp: {receiver.url}: HTTP 401")
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
    assert said[0].endswith(": HTTP 400")
    assert capfd.readouterr() == ("", "")


def test_a_receiver_that_is_not_there_is_said_in_few_words_and_asked_ever_less_often(
    make_sink: Any, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    sink = make_sink("http://127.0.0.1:9", every_seconds=0.1)
    sink.accept("device", [ROW], 1000)
    while sink.health().exports_failed == 0:
        sink._stop.wait(0.01)
    assert sink._next - sink._clock.monotonic() > 1.0, "not at the next interval"
    sink.close()
    assert sink.health().exports_failed == 1, "nor at the end"
    assert said == ["otlp: http://127.0.0.1:9: Connection refused"]
    assert capfd.readouterr() == ("", "")


def test_a_fault_in_one_export_is_counted_and_the_next_is_made(
    receiver: Receiver, make_sink: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = make_sink(receiver.url)
    collect = sink._points.collect
    faults = [RuntimeError("a fault\nof the library")]

    def collected() -> Any:
        if faults:
            raise faults.pop()
        return collect()

    monkeypatch.setattr(sink._points, "collect", collected)
    sink.accept("device", [ROW], 1000)
    receiver.wait_for(lambda: bool(receiver.exports))
    assert sink.health().exports_failed == 1
    assert said[0] == "otlp: RuntimeError: a fault of the library"


def test_a_busy_receiver_is_sent_the_same_request_again(
    receiver: Receiver, make_sink: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "_FIRST_WAIT_SECONDS", 0.01)
    receiver.statuses = [503, 429]
    sink = make_sink(receiver.url, every_seconds=30)
    sink.accept("device", [ROW], 1000)
    sink._export()
    assert receiver.tries == 3
    assert powers(receiver) == [412.25]
    assert sink.health().exports_failed == 0
    assert said == []


def test_a_receiver_that_says_when_is_not_asked_before(
    receiver: Receiver, make_sink: Any, said: list[str]
) -> None:
    receiver.statuses, receiver.fields = [503], {"Retry-After": "120"}
    sink = make_sink(receiver.url, every_seconds=10)
    sink.accept("device", [ROW], 1000)
    sink._export()
    assert receiver.tries == 1
    assert 110 < sink._next - sink._clock.monotonic() < 140
    assert sink.health().exports_failed == 1
    assert said == [f"otlp: {receiver.url}: HTTP 503"]


def test_points_that_were_rejected_are_counted_and_not_sent_again(
    receiver: Receiver, make_sink: Any, said: list[str]
) -> None:
    partly = ExportMetricsPartialSuccess(rejected_data_points=3, error_message="too\nold")
    receiver.answer = ExportMetricsServiceResponse(partial_success=partly).SerializeToString()
    sink = make_sink(receiver.url, every_seconds=30)
    sink.accept("device", [ROW], 1000)
    sink._export()
    assert receiver.tries == 1
    assert sink.health().exports_failed == 1
    assert said == [f"otlp: {receiver.url}: 3 points were rejected: too old"]


@pytest.mark.parametrize(
    ("status", "body", "reason", "may_retry", "is_taken"),
    [
        (200, b"", None, False, True),
        (200, b"{}", None, False, True),
        (200, b"\x0a\x00", None, False, True),
        (200, b"\x0a\x06\x12\x04slow", "the receiver warns: slow", False, True),
        (200, b"\x0a\x02\x08\x05", "5 points were rejected: no reason given", False, False),
        (200, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None, False, True),
        (200, b"\x0a\x06\x12\x7fslow", None, False, True),
        (400, b"\x08\x03\x12\x03bad", "HTTP 400: bad", False, False),
        (404, b"<h1>not\x1b here</h1>", "HTTP 404: <h1>not? here</h1>", False, False),
        (429, b"", "HTTP 429", True, False),
        (500, b"", "HTTP 500", False, False),
        (502, b"", "HTTP 502", True, False),
        (504, b"", "HTTP 504", True, False),
    ],
)
def test_an_answer_means_what_the_specification_says(
    status: int, body: bytes, reason: str | None, may_retry: bool, is_taken: bool
) -> None:
    outcome = judged(Reply(status, None, body))
    assert (outcome.reason, outcome.may_retry, outcome.is_taken) == (reason, may_retry, is_taken)


class Encoder:
    """Counts what it is asked to encode; fails while it is told to."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.trouble: str | None = None

    def __call__(self, description: Any) -> Any:
        self.asked.append(sum(len(one[4]) for one in description[3] if one[0] == "hw.power"))
        if self.trouble:
            raise NotEncoded(self.trouble)
        return encode(description)


def test_new_series_are_encoded_at_once_where_most_are_new_and_else_once_a_minute(
    clock: Any, said: list[str]
) -> None:
    encoder, points, requests = Encoder(), Points(AGENT, clock), Requests(AGENT)
    encoding = Encoding(requests, encoder, clock, said.append)

    def exported(*devices: int) -> int:
        rows = [{**ROW, "device": f"GPU-{one}"} for one in devices]
        points.accept("device", rows)
        body = encoding.request(points.collect(), points.unencoded)
        request = ExportMetricsServiceRequest()
        request.ParseFromString(bytes(body or b""))
        clock.sleep(10)
        return sum(
            len(metric.gauge.data_points)
            for resource in request.resource_metrics
            for metric in resource.scope_metrics[0].metrics
        )

    assert exported(1) == 1
    assert exported(1, 2, 3, 4) == 4, "a driver that answers late is not waited for"
    assert [exported(1, 2, 3, 4, 5) for _ in range(6)] == [4, 4, 4, 4, 4, 5]
    assert encoder.asked == [1, 3, 1]
    others = [exported(*range(10 * turn, 10 * turn + 10)) for turn in range(1, 8)]
    assert others == [10, 10, 0, 0, 10, 0, 0]


def test_columns_that_come_later_are_encoded_with_those_that_are_there(
    clock: Any, said: list[str]
) -> None:
    encoder, points = Encoder(), Points(AGENT, clock)
    encoding = Encoding(Requests(AGENT), encoder, clock, said.append)
    points.accept("device", [ROW])
    before = encoding.request(points.collect(), points.unencoded)
    points.accept("device", [{**ROW, "temperature_celsius": 50, "recovery_action": 0, "up": 1}])
    after = encoding.request(points.collect(), points.unencoded)
    assert before is not None
    assert after is not None
    assert b"hw.temperature" in after
    assert b"hw.temperature" not in before
    assert encoder.asked == [1]


def test_an_encoder_that_fails_is_said_once_and_tried_again_later(
    clock: Any, said: list[str]
) -> None:
    encoder, points = Encoder(), Points(AGENT, clock)
    encoding = Encoding(Requests(AGENT), encoder, clock, said.append)
    encoder.trouble = "out of memory"
    for _ in range(60):
        points.accept("device", [ROW])
        assert encoding.request(points.collect(), points.unencoded) is None
        assert encoding.is_failing
        clock.sleep(10)
    assert 3 < len(encoder.asked) < 12
    assert said[:1] == ["otlp: new series cannot be encoded: out of memory"]
    encoder.trouble = None
    clock.sleep(1000)
    points.accept("device", [ROW])
    assert encoding.request(points.collect(), points.unencoded) is not None
    assert said[-1] == "otlp: works again"
    assert not encoding.is_failing


def test_an_export_that_cannot_be_encoded_is_counted(
    receiver: Receiver, make_sink: Any, said: list[str]
) -> None:
    encoder = Encoder()
    encoder.trouble = "no"
    sink = make_sink(receiver.url, every_seconds=30, encode=encoder)
    sink.accept("device", [ROW], 1000)
    sink._export()
    assert sink.health().exports_failed == 1
    assert receiver.tries == 0


def test_the_agent_s_process_loads_nothing_of_the_library(receiver: Receiver) -> None:
    code = f"""
import sys
from wattline_agents.config import AgentConfig, OtlpSettings
from wattline_agents.sinks.otlp import OtlpSink
sink = OtlpSink(AgentConfig("s", "n"), OtlpSettings({receiver.url!r}, 3600.0), print)
sink.accept("device", [{ROW!r}], 1000)
sink.close()
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert powers(receiver) == [412.25]
    assert done.stderr == ""
    tops = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"opentelemetry", "google", "requests", "urllib3", "ssl", "http", "email", "logging"}
    assert tops & (heavy | {"wattline_agents"}) == {"wattline_agents"}


def test_without_the_library_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, make_sink: Any
) -> None:
    monkeypatch.setattr(otlp, "is_installed", lambda: False)
    with pytest.raises(UsageError, match=r"pip install --upgrade 'wattline-agents\[otlp\]'"):
        make_sink("http://127.0.0.1:9")


def test_what_is_no_address_is_refused(make_sink: Any) -> None:
    with pytest.raises(UsageError, match="--otlp: not an address"):
        make_sink("http://host:4318?a=b")


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
