"""The collector's process: socket, signals, and the line that says it is ready."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import uvicorn

from wattline_agents.errors import UsageError
from wattline_collector.access import Access
from wattline_collector.api import application
from wattline_collector.config import Settings
from wattline_collector.follow import Follower
from wattline_collector.service import Service, say_to_stderr
from wattline_collector.store.store import Store

if TYPE_CHECKING:
    from wattline_collector.alerts.watch import Alerting

_KEEP_ALIVE_SECONDS = 75
"""Longer than any agent's push interval: a connection that closes under a request costs a retry."""
_SHUTDOWN_SECONDS = 5
"""A request that has not ended by then never will; a batch takes milliseconds."""


class _Server(uvicorn.Server):
    """Says when it listens, and takes SIGINT and SIGTERM for an order, not for a failure."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again after a clean end, which would end us by it.
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    settings: Settings, followers: Sequence[Follower] = (), alerting: Alerting | None = None
) -> int:
    """Run a collector until it is told to end; returns the exit code."""
    with _ends_well(), contextlib.closing(_listen(settings.host, settings.port)) as listener:
        store = Store.open(settings.store, write=True)
        try:
            access = Access.of_store(settings.store)
            service = Service(store, settings, followers=followers, alerting=alerting)
            service.prepare()
            url = _url(settings.host, listener.getsockname()[1])

            def ready() -> None:
                say_to_stderr(f"collector: {url} (store {settings.store})")
                if not settings.is_local:
                    say_to_stderr(
                        "collector: other machines can reach it, and tokens travel unencrypted; "
                        "put a TLS proxy in front of it"
                    )

            config = uvicorn.Config(
                application(service, access),
                http="httptools",
                ws="none",
                lifespan="on",
                access_log=False,
                log_level="warning",
                proxy_headers=False,  # nothing here depends on who is in front of us
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
            _Server(config, ready).run(sockets=[listener])
        finally:
            store.close()
    return 0


@contextlib.contextmanager
def _ends_well() -> Iterator[None]:
    """An order to end that comes before the server listens for it is obeyed as well."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"--listen: {host}:{port}: {error.strerror or error}; choose another port"
        ) from error
    return listener


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
