"""Serves short pages over HTTP/1.1 from within somebody else's loop.

No call here waits. The loop asks which descriptors matter, waits for them with `select.poll`, and
hands over those that are ready. Everything is bounded: connections, the size of a request, how much
is done at once, and how long a peer may take for its part.
"""

from __future__ import annotations

import math
import select
import socket
from collections.abc import Callable, Mapping

from wattline_agents.clock import Clock
from wattline_agents.sinks.prometheus.http import (
    END_OF_HEAD,
    MAX_HEAD_BYTES,
    Answer,
    BadRequest,
    Request,
    parse,
)

MAX_CONNECTIONS = 16
"""Two Prometheus servers keep one connection each; the rest is for people and health checks."""
REQUEST_SECONDS = 10.0
ANSWER_SECONDS = 30.0
IDLE_SECONDS = 150.0
"""Longer than scrapes are apart, so that a server keeps its connection from one to the next."""
_MOST_QUEUED = 128
"""Peers that say nothing stand in the system's queue for some time, and shut out who comes last."""
_MOST_AT_ONCE = 4
"""Requests that one connection may have answered before others get their turn."""
_REFUSED_SECONDS = 1.0
"""How long nobody is let in after the system had no descriptor left."""
_MOST_PARSED = 8
_SEND_BUFFER_BYTES = 256 * 1024
"""Takes a whole page at once, so that a scrape wakes the loop once rather than thrice."""

Respond = Callable[[Request, bool], Answer]
"""Answers a request; told whether the peer is on this machine."""


class _Connection:
    """One peer, and what is under way with it."""

    __slots__ = ("deadline", "is_last", "is_local", "received", "socket", "unsent")

    def __init__(self, connection: socket.socket, is_local: bool, deadline: float) -> None:
        self.socket, self.is_local, self.deadline = connection, is_local, deadline
        self.received = b""
        self.unsent: list[bytes | memoryview] = []
        self.is_last = False

    @property
    def is_waiting(self) -> bool:
        """Whether it is the peer's turn: it says nothing, or has not said all of a request."""
        return not self.unsent and END_OF_HEAD not in self.received

    @property
    def events(self) -> int:
        """What the loop should wait for: with work left it is this side's turn."""
        has_work = self.unsent or END_OF_HEAD in self.received
        return select.POLLOUT if has_work else select.POLLIN


class Server:
    """One listening socket and its connections."""

    def __init__(self, host: str, port: int, respond: Respond, clock: Clock) -> None:
        """Listen.

        Args:
            host: A name or an address, IPv4 or IPv6.
            port: The port; 0 takes a free one.
            respond: Answers requests; must be quick.
            clock: Tells when a peer has taken too long.

        Raises:
            OSError: The address cannot be had.
        """
        self._respond, self._clock = respond, clock
        self._listener = _listen(host, port)
        self.port = int(self._listener.getsockname()[1])
        """The port it listens at."""
        self._connections: dict[int, _Connection] = {}
        self._events: dict[int, int] = {self._listener.fileno(): select.POLLIN}
        self._refused_until: float | None = None
        self._parsed: dict[bytes, Request] = {}
        # No deadline of a connection is before this.
        self._first_deadline = math.inf

    def descriptors(self) -> Mapping[int, int]:
        """What to wait for; ends connections whose peers took too long."""
        if self._connections or self._refused_until is not None:
            now = self._clock.monotonic()
            if now >= self._first_deadline or self._refused_until is not None:
                self._end_late(now)
        return self._events

    def handle(self, descriptor: int, events: int) -> None:
        """Go on with what the descriptor is ready for."""
        now = self._clock.monotonic()
        connection = self._connections.get(descriptor)
        if connection is None:
            if descriptor == self._listener.fileno():
                self._let_in(now)
            return  # else it ended earlier in the same round
        try:
            is_open = self._go_on(connection, now)
        except OSError:
            is_open = False
        if not is_open or events & (select.POLLERR | select.POLLNVAL):
            self._end(descriptor)
        else:
            self._events[descriptor] = connection.events
            if connection.deadline < self._first_deadline:
                self._first_deadline = connection.deadline

    def close(self) -> None:
        """End everything."""
        for descriptor in list(self._connections):
            self._end(descriptor)
        self._listener.close()
        self._events.clear()

    def _let_in(self, now: float) -> None:
        for _ in range(MAX_CONNECTIONS):
            try:
                peer, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors or memory; the listener would stay ready
                self._refused_until = now + _REFUSED_SECONDS
                del self._events[self._listener.fileno()]
                return
            if len(self._connections) >= MAX_CONNECTIONS and not self._end_waiting():
                peer.close()
                continue
            peer.setblocking(False)
            descriptor = peer.fileno()
            self._connections[descriptor] = _Connection(
                peer, _is_loopback(str(address[0])), now + REQUEST_SECONDS
            )
            self._events[descriptor] = select.POLLIN
            # The request mostly came along: the listener is told when there is something to read.
            self.handle(descriptor, select.POLLIN)

    def _go_on(self, connection: _Connection, now: float) -> bool:
        """Send, receive and answer as far as it goes without waiting; whether it goes on."""
        has_received = False
        for _ in range(_MOST_AT_ONCE):
            while END_OF_HEAD not in connection.received and not connection.unsent:
                if connection.is_last:
                    return False
                if has_received:
                    return True
                has_received = True
                if not self._receive(connection, now):
                    return False
            if not connection.unsent:
                self._answer(connection, now)
            if not _send(connection):
                return True
            if connection.is_last:
                return False
            connection.deadline = now + (REQUEST_SECONDS if connection.received else IDLE_SECONDS)
        return True

    def _receive(self, connection: _Connection, now: float) -> bool:
        """Take what has come; whether the peer may still say something."""
        try:
            received = connection.socket.recv(MAX_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return True
        if not received:
            return False
        if not connection.received:
            # From its first byte on; a peer that sends one more now and then gains nothing.
            connection.deadline = now + REQUEST_SECONDS
        connection.received += received
        if END_OF_HEAD not in connection.received and len(connection.received) > MAX_HEAD_BYTES:
            self._refuse(connection, BadRequest(431, "the header is too long"), now)
        return True

    def _answer(self, connection: _Connection, now: float) -> None:
        """Answer the first request that has come."""
        # A scraper's is the same each time, so it is read once.
        request = self._parsed.get(connection.received)
        if request is None:
            try:
                request = self._first_of(connection)
            except BadRequest as error:
                self._refuse(connection, error, now)
                return
        else:
            connection.received = b""
        connection.is_last = request.is_last
        answer = self._respond(request, connection.is_local)
        connection.unsent = [answer.head(is_last=request.is_last)]
        if request.method != "HEAD" and answer.body:
            connection.unsent.append(answer.body)
        connection.deadline = now + ANSWER_SECONDS

    def _first_of(self, connection: _Connection) -> Request:
        """Take the first request of what has come.

        Raises:
            BadRequest: It is none that can be followed.
        """
        head, end, connection.received = connection.received.partition(END_OF_HEAD)
        if len(head) > MAX_HEAD_BYTES:
            raise BadRequest(431, "the header is too long")
        request = parse(head)
        if len(self._parsed) >= _MOST_PARSED:
            self._parsed.clear()
        self._parsed[head + end] = request
        return request

    def _refuse(self, connection: _Connection, error: BadRequest, now: float) -> None:
        answer = Answer(f"{error}\n".encode(), error.status)
        connection.received = b""
        connection.is_last = True
        connection.unsent = [answer.head(is_last=True), answer.body]
        connection.deadline = now + ANSWER_SECONDS

    def _end_late(self, now: float) -> None:
        for descriptor, connection in list(self._connections.items()):
            if now >= connection.deadline:
                self._end(descriptor)
        deadlines = [connection.deadline for connection in self._connections.values()]
        self._first_deadline = min(deadlines, default=math.inf)
        if self._refused_until is not None and now >= self._refused_until:
            self._refused_until = None
            self._events[self._listener.fileno()] = select.POLLIN

    def _end_waiting(self) -> bool:
        """Make room by ending a connection that is waited for; whether there was one.

        The oldest request that does not come to its end goes first: a scraper's comes whole, and
        peers that hold one back must not keep it out. Then what has been idle longest.
        """
        waiting = [
            (not connection.received, connection.deadline, descriptor)
            for descriptor, connection in self._connections.items()
            if connection.is_waiting
        ]
        if not waiting:
            return False
        self._end(min(waiting)[2])
        return True

    def _end(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor)
        del self._events[descriptor]
        connection.socket.close()


def _send(connection: _Connection) -> bool:
    """Send what the system takes; whether that was all."""
    try:
        sent = connection.socket.sendmsg(connection.unsent)
    except (BlockingIOError, InterruptedError):
        return False
    if sent == sum(map(len, connection.unsent)):
        connection.unsent = []
        return True
    while sent >= len(connection.unsent[0]):
        sent -= len(connection.unsent.pop(0))
    connection.unsent[0] = memoryview(connection.unsent[0])[sent:]
    return False


def _listen(host: str, port: int) -> socket.socket:
    # As bytes, a name of plain letters does not load the tables for others.
    name = host.encode() if host.isascii() else host
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit these.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_DEFER_ACCEPT"):  # Linux: wake for a request, not for a handshake
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(REQUEST_SECONDS))
        listener.bind(address)
        listener.listen(_MOST_QUEUED)
    except OSError:
        listener.close()
        raise
    return listener


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")
