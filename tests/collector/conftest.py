from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
from starlette.applications import Starlette

from wattline_agents.catalogue import TABLES
from wattline_agents.wire import Header, Row, encode
from wattline_collector.access import Access, Right
from wattline_collector.api import application
from wattline_collector.config import Settings
from wattline_collector.receive.intake import Batch
from wattline_collector.service import Service
from wattline_collector.store.store import Store

NOW_MS = 1_793_534_400_000  # 2026-11-01T12:00Z


@dataclass
class FixedClock:
    """Stands still until told."""

    now_ms: int = NOW_MS

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@dataclass
class Sender:
    """Makes the batches of one agent."""

    node: str = "n01"
    system: str = "sys"
    boot: str = "boot-1"
    period_ms: int = 1000
    sequence: int = 0

    def batch(self, table: str, rows: Sequence[Row]) -> Batch:
        self.sequence += 1
        header = Header(self.system, self.node, self.boot, self.sequence, self.period_ms)
        return Batch(table, header, encode(TABLES[table], rows))

    def devices(self, time_ms: int, count: int = 2, **values: float) -> Batch:
        """One tick of `count` devices."""
        rows: list[dict[str, Any]] = [
            {"time_unix_ms": time_ms, "device": f"GPU-{self.node}-{index}", "up": 1}
            | {"power_watts": 100.0 + index}
            | values
            for index in range(count)
        ]
        return self.batch("device", rows)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def new_sender() -> Callable[..., Sender]:
    return Sender


@pytest.fixture
def open_store(tmp_path: Path, clock: FixedClock) -> Iterator[Callable[..., Store]]:
    """Opens the test's store; closes what is still open at the end."""
    opened: list[Store] = []

    def open_store(path: Path = tmp_path / "store", *, write: bool = True) -> Store:
        store = Store.open(path, write=write, clock=clock)
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def everything() -> Callable[[Store, str], pl.DataFrame]:
    """All rows a store holds of a table."""
    return lambda store, table: store.read(table, 0, 2**62)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Speaks ASGI to an application, as a server would."""

    runner: asyncio.Runner
    app: Starlette
    service: Service
    tokens: Mapping[Right, str]
    sent: list[Answer] = field(default_factory=list)

    def get(self, target: str, token: Right | str | None = Right.READ) -> Answer:
        return self.request("GET", target, token=token)

    def post(self, batch: Batch, token: Right | str | None = Right.WRITE) -> Answer:
        return self.request(
            "POST", f"/v1/batches/{batch.table}", [batch.body], batch.header.to_http(), token
        )

    def post_all(self, batches: Sequence[Batch]) -> list[Answer]:
        async def together() -> list[Answer]:
            return await asyncio.gather(
                *(
                    self.ask("POST", f"/v1/batches/{b.table}", [b.body], b.header.to_http())
                    for b in batches
                )
            )

        return self.runner.run(together())

    def request(
        self,
        method: str,
        target: str,
        parts: Sequence[bytes] = (b"",),
        headers: Mapping[str, str] = {},  # not changed
        token: Right | str | None = Right.WRITE,
    ) -> Answer:
        return self.runner.run(self.ask(method, target, parts, headers, token))

    async def ask(
        self,
        method: str,
        target: str,
        parts: Sequence[bytes],
        headers: Mapping[str, str],
        token: Right | str | None = Right.WRITE,
    ) -> Answer:
        path, _, query = target.partition("?")
        fields = dict(headers)
        if token is not None:
            text = self.tokens[token] if isinstance(token, Right) else token
            fields["Authorization"] = f"Bearer {text}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode()) for k, v in fields.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8600),
        }
        waiting = list(parts)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not waiting:
                return {"type": "http.disconnect"}
            body = waiting.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(waiting)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]  # plain dicts
        if not sent:
            return Answer(0, {}, b"")
        return Answer(
            sent[0]["status"],
            {k.decode(): v.decode() for k, v in sent[0].get("headers", [])},
            b"".join(message.get("body", b"") for message in sent[1:]),
        )


@pytest.fixture
def serve(open_store: Callable[..., Store], tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Starts the API on the test's store, without a socket."""
    with asyncio.Runner() as runner:
        started: list[Service] = []

        def serve(**settings: Any) -> Client:
            store = open_store()
            quiet = {"book_every_seconds": 3600.0, "seal_every_seconds": 3600.0}
            said: list[str] = []
            service = Service(store, Settings(store.path, **(quiet | settings)), said.append)
            tokens = {Right.READ: "r" * 32, Right.WRITE: "w" * 32}
            app = application(service, Access.of(tokens))
            service.prepare()
            runner.run(service.start())
            started.append(service)
            return Client(runner, app, service, tokens)

        yield serve
        for service in started:
            runner.run(service.stop())


class Portal:
    """A real HTTP server that answers a list."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.body = b"[]"
        self.status = 200
        self.fields: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        # Called in place of the usual answer, with what writes to the socket.
        self.instead: Callable[[Callable[[bytes], object]], None] | None = None
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                portal.asked.append((self.path, dict(self.headers)))
                if portal.instead is not None:
                    portal.instead(self.wfile.write)
                    return
                self.send_response(portal.status)
                for name, value in portal.fields.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(portal.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        scheme = "http"
        if context is not None:
            scheme = "https"
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            # A client that does not trust us hangs up; that is its right, and no traceback's.
            self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}/projects"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answers(self, *projects: dict[str, Any]) -> None:
        """What it says from now on."""
        self.body = json.dumps(projects).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def portal() -> Iterator[Portal]:
    server = Portal()
    yield server
    server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key; needs marker `openssl`."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return certificate, key


@pytest.fixture
def tls_portal(certificate: tuple[Path, Path]) -> Iterator[Portal]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = Portal(context)
    yield server
    server.close()
