from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from wattline_agents.arrow import decode
from wattline_agents.clock import Clock
from wattline_agents.errors import ReadFailed
from wattline_agents.sinks.sink import Health
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Header, Row

START_MS = 1_790_000_000_000


class FakeClock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def unix_ms(self) -> int:
        return START_MS + round((self.seconds - 100.0) * 1000)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class FakeSource:
    """A source that reads what it is told to, or fails."""

    name: str = "fake"
    readings: Readings = field(default_factory=dict)
    described: Readings = field(default_factory=dict)
    error: Exception | None = None
    read_at: list[int] = field(default_factory=list)
    is_closed: bool = False

    def read(self, now_ms: int) -> Readings:
        self.read_at.append(now_ms)
        if self.error is not None:
            raise self.error
        return {
            table: [{**row, "time_unix_ms": now_ms} for row in rows]
            for table, rows in self.readings.items()
        }

    def describe(self, now_ms: int) -> Readings:
        return {
            table: [{**row, "time_unix_ms": now_ms} for row in rows]
            for table, rows in self.described.items()
        }

    def close(self) -> None:
        self.is_closed = True


@dataclass
class ListSink:
    """Keeps what it is given."""

    taken: list[tuple[str, list[Row], int]] = field(default_factory=list)
    own_health: Health = field(default_factory=Health)
    is_closed: bool = False

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        self.taken.append((table, list(rows), period_ms))

    def rows(self, table: str) -> list[Row]:
        return [row for name, rows, _ in self.taken if name == table for row in rows]

    def periods(self, table: str) -> set[int]:
        return {period for name, _, period in self.taken if name == table}

    def health(self) -> Health:
        return self.own_health

    def close(self) -> None:
        self.is_closed = True


@dataclass(frozen=True)
class Received:
    table: str
    header: Header
    rows: list[dict[str, object]]
    fields: Mapping[str, str]


class Collector:
    """A real HTTP server that takes batches, or answers what it is told to."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.most_bytes = 10_000_000
        self.connections = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                collector.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, extra = collector.answer(len(body))
                if status == 204:
                    collector.take(self.path, dict(self.headers), body)
                text = b"" if status == 204 else b'{"error": "told so"}'
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, size: int) -> tuple[int, dict[str, str]]:
        if self.answers:
            return self.answers.pop(0)
        return (413, {}) if size > self.most_bytes else (204, {})

    def take(self, path: str, fields: Mapping[str, str], body: bytes) -> None:
        header = Header.from_http(fields)
        rows: list[dict[str, object]] = [{**row} for row in decode(body)]
        self.received.append(Received(path.rpartition("/")[2], header, rows, fields))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def clock() -> Clock:
    return FakeClock()


@pytest.fixture
def make_source() -> Callable[..., FakeSource]:
    return FakeSource


@pytest.fixture
def make_sink() -> Callable[..., ListSink]:
    return ListSink


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.close()


@pytest.fixture
def said() -> list[str]:
    """Lines meant for a person; pass its `append` as `say`."""
    return []


@pytest.fixture
def lost() -> ReadFailed:
    return ReadFailed("the sensor is gone")


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory whose name is short enough for a Unix socket."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="wl") as name:
        yield Path(name)
