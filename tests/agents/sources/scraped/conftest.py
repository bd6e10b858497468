import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from wattline_agents.errors import ReadFailed


class Exporter:
    """A real HTTP server with one page."""

    def __init__(self) -> None:
        self.body = b"up 1\n"
        self.status = 200
        self.fields: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        # Called in place of the usual answer, with what writes to the socket.
        self.instead: Callable[[Callable[[bytes], object]], None] | None = None
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.asked.append((self.path, dict(self.headers)))
                if exporter.instead is not None:
                    exporter.instead(self.wfile.write)
                    return
                self.send_response(exporter.status)
                for name, value in exporter.fields.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(exporter.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/metrics"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    server = Exporter()
    yield server
    server.close()


@dataclass
class FakeAddress:
    """Pages one after the other; the last one stays."""

    pages: list[str] = field(default_factory=list)
    url: str = "http://node:9/metrics"

    def get(self) -> str:
        if not self.pages:
            raise ReadFailed(f"{self.url}: nobody there")
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


@pytest.fixture
def address() -> Callable[..., FakeAddress]:
    return lambda *pages: FakeAddress(list(pages))


@pytest.fixture
def unused_url() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}/metrics"
