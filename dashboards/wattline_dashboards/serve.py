"""The pages' server: who may connect, what every answer carries, and how it ends."""

from __future__ import annotations

import gc
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from dash import Dash
from flask import Response, request
from waitress import create_server

from wattline_agents.errors import UsageError
from wattline_collector.memory import share_arenas
from wattline_dashboards.access import headers

THREADS = 16
"""Of all that wait for one answer of the collector one thread asks. It takes no processor while it
waits: with eight, as many different questions kept everybody else waiting, too."""

GARBAGE_EVERY = 20_000
"""New objects after which it is looked for what only holds itself."""

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def split_listen(listen: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPV6]:PORT`, taken apart.

    Raises:
        UsageError: It is neither.
    """
    host, colon, port = listen.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {listen!r} is not HOST:PORT; write 127.0.0.1:8050")
    return bare, int(port)


def checked_host(host: str, behind_proxy: bool) -> None:
    """Refuse an address that others can reach, unless something in front asks who they are.

    Raises:
        UsageError: The address is not this machine's own.
    """
    if behind_proxy or host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"--listen {host}: the pages have no sign-in, so anybody who reaches this address "
            "reads them; listen on 127.0.0.1, have people sign in with --access FILE, or put a "
            "proxy that signs people in before it and say --behind-proxy --allow-host NAME"
        )


def protect(app: Dash, allowed_hosts: Iterable[str], *, secure: bool = False) -> None:
    """Check the Host of every request, and say in every answer what a browser may do with it.

    Without the first, a page elsewhere could point its own name at 127.0.0.1 and read ours.

    Args:
        app: The pages.
        allowed_hosts: Names they are reached by, besides those of this machine.
        secure: Whether browsers reach them by https.
    """
    allowed = frozenset(host.casefold() for host in (*LOCAL_HOSTS, *allowed_hosts))

    def check() -> Response | None:
        if _without_port(request.host).casefold() in allowed:
            return None
        return Response(
            "This name is not one these pages answer to; --allow-host adds one.\n",
            status=400,
            mimetype="text/plain",
        )

    def dress(response: Response) -> Response:
        return headers.dress(response, headers.pages_policy(app.csp_hashes()), secure=secure)

    # First of all, whatever else stands before the pages.
    app.server.before_request_funcs.setdefault(None, []).insert(0, check)
    app.server.after_request(dress)


def run(app: Dash, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address once connections are taken.

    Raises:
        UsageError: The address cannot be listened on.
    """

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)  # waitress catches it and lets its threads finish

    share_arenas()
    with _listening(host, port) as listening:
        server: Any = create_server(app.server, sockets=[listening], threads=THREADS, ident=None)
        before = {name: signal.signal(name, end) for name in (signal.SIGTERM, signal.SIGINT)}
        # What is loaded stays: looking through it again for what could go takes longer than an
        # update of the fleet does.
        gc.collect()
        gc.freeze()
        # A drawing is thousands of small lists that all go with it; to look through them again and
        # again while it is made finds nothing.
        gc.set_threshold(GARBAGE_EVERY, 20, 50)
        try:
            ready(f"http://{_bracketed(host)}:{listening.getsockname()[1]}")
            server.run()
        finally:
            server.close()
            for name, handler in before.items():
                signal.signal(name, handler)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"--listen {_bracketed(host)}:{port}: {reason}; choose another address or port"
        ) from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
