"""Posts over one HTTP/1.1 connection, kept open, on a plain socket.

The standard library's client loads 8 MiB, most of it to read mail, into a process that runs for
months on every node. What an agent needs of HTTP is little: to send a body and to read a status,
when to come again and the first kilobytes of an answer. TLS is loaded only for an https address.
There are no proxies, no redirects and no cookies.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Mapping

from wattline_agents.errors import UsageError, WattlineError
from wattline_agents.pattern import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_BODY_BYTES = 16 * 1024
"""Of an answer: enough for a reason; what is longer is not read to its end."""
_MOST_HEAD_BYTES = 64 * 1024
_MOST_INTERIM = 8
"""Answers such as `100 Continue` before the one that counts."""
_AT_ONCE = 16 * 1024

_ADDRESS = pattern(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))"
    r"(?::(?P<port>\d{1,5}))?(?P<path>(?:/[!$-;=@-_a-~]*)?)\Z",
    re.ASCII | re.IGNORECASE,
)
_STATUS = pattern(rb"HTTP/1\.([01]) (\d{3})(?:[ \t]|\Z)")

Body = bytes | bytearray


class NoAnswer(WattlineError):
    """The message says why, in few words."""


class Reply:
    """An answer.

    Attributes:
        status: Its status.
        retry_after: Its header of that name.
        body: As much of it as is of interest and came.
    """

    __slots__ = ("body", "retry_after", "status")

    def __init__(self, status: int, retry_after: str | None, body: bytes) -> None:
        """Keep these."""
        self.status, self.retry_after, self.body = status, retry_after, body

    def text(self) -> str:
        """Its body in one line, for a person."""
        return printable(self.body)


def printable(text: bytes) -> str:
    """A text from outside, in one line that is not too long."""
    line = " ".join(text.decode(errors="replace").split())[:300]
    return "".join(one if one.isprintable() else "?" for one in line)


class _Garbage(Exception):
    """What came is no HTTP."""


class _Closed(Exception):
    """The connection was closed before anything came."""


class Poster:
    """One connection to one address."""

    def __init__(self, url: str, timeout: float) -> None:
        """Nothing is connected before the first post.

        Args:
            url: `http://HOST[:PORT][/PATH]`, or https.
            timeout: Seconds for one exchange, connecting included.

        Raises:
            UsageError: The address is none.
        """
        match = _ADDRESS.match(url)
        if match is None or not 0 < int(match["port"] or 80) < 65536:
            shown = "" if "@" in url else f": {url[:80]!r}"  # it may hold a password
            raise UsageError(f"not an address such as http://host:8600{shown}")
        self.path = match["path"].rstrip("/")
        self._is_tls = match["scheme"].lower() == "https"
        self._host = match["v6"] or match["name"]
        self._port = int(match["port"] or (443 if self._is_tls else 80))
        host = f"[{self._host}]" if match["v6"] else self._host
        self._authority = host if match["port"] is None else f"{host}:{self._port}"
        self._timeout = timeout
        self._until = 0.0
        self._is_over = False
        self._socket: Any = None
        self._unread = b""
        self._tls: Any = None

    def post(self, path: str, headers: Mapping[str, str], body: Body) -> Reply:
        """Send a body and return the answer.

        A kept connection that the other end has closed meanwhile is no failure: the body is sent
        once more on a new one. So this is for bodies that have no second effect.

        Args:
            path: Where to, from the root.
            headers: Besides those of the connection and the length; each one line of ASCII.
            body: What is sent.

        Raises:
            NoAnswer: None came.
        """
        self._until = time.monotonic() + self._timeout
        head = self._head(path, headers, len(body))
        was_open = self._is_open()
        try:
            try:
                return self._exchange(head, body)
            except (_Closed, OSError) as error:
                self.close()
                if not was_open or self._is_over or isinstance(error, TimeoutError):
                    raise
                return self._exchange(head, body)
        except (OSError, _Garbage, _Closed) as error:
            self.close()
            raise NoAnswer(_reason(error)) from error

    def close(self) -> None:
        """Close the connection; the next post opens another."""
        open_socket, self._socket, self._unread = self._socket, None, b""
        if open_socket is not None:
            open_socket.close()

    def interrupt(self) -> None:
        """End for good a post that waits in another thread."""
        self._is_over = True
        waiting = self._socket
        if waiting is not None:
            try:
                waiting.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is over already

    def _head(self, path: str, headers: Mapping[str, str], length: int) -> bytes:
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._authority}", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _is_open(self) -> bool:
        """Whether there is a connection that can be used again.

        One that has something to say now was closed, or speaks out of turn.
        """
        if self._socket is None:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if self._unread or poll.poll(0):
            self.close()
            return False
        return True

    def _exchange(self, head: bytes, body: Body) -> Reply:
        if self._socket is None:
            self._connect()
        try:
            self._send(head)
            self._send(body)
        except (BrokenPipeError, ConnectionResetError) as error:
            # Who refuses a body does not always read it to its end, but may have said why.
            try:
                reply = self._reply()
            except (_Closed, _Garbage, OSError):
                raise error from None
            self.close()
            return reply
        return self._reply()

    def _connect(self) -> None:
        # As bytes, the name does not load the tables for names beyond ASCII.
        found = socket.getaddrinfo(self._host.encode("ascii"), self._port, type=socket.SOCK_STREAM)
        last = OSError("no address")
        for place, (family, kind, protocol, _, address) in enumerate(found):
            made = socket.socket(family, kind, protocol)
            try:
                # An address that swallows everything leaves time for the next.
                made.settimeout(self._left() / (len(found) - place))
                made.connect(address)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socket = self._wrapped(made) if self._is_tls else made
                return
            except OSError as error:
                made.close()
                last = error
        raise last

    def _wrapped(self, plain: socket.socket) -> Any:
        if self._tls is None:
            import ssl

            self._tls = ssl.create_default_context()
        plain.settimeout(self._left())
        return self._tls.wrap_socket(plain, server_hostname=self._host)

    def _send(self, data: Body) -> None:
        self._socket.settimeout(self._left())
        self._socket.sendall(data)

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _more(self) -> bool:
        """Read what there is; False where the other end has closed."""
        self._socket.settimeout(self._left())
        data = self._socket.recv(_AT_ONCE)
        self._unread += data
        return bool(data)

    def _reply(self) -> Reply:
        for _ in range(_MOST_INTERIM):
            minor, status, fields = self._read_head()
            if status >= 200:
                break
        else:
            raise _Garbage("no end of interim answers")
        keeps = "close" not in fields.get("connection", "").lower()
        if minor == 0:
            keeps = "keep-alive" in fields.get("connection", "").lower()
        try:
            body, is_whole = self._read_body(status, fields)
        except (OSError, _Garbage):
            # The status has come, and says what matters.
            body, is_whole = self._unread[:MOST_BODY_BYTES], False
        if not (keeps and is_whole):
            self.close()
        return Reply(status, fields.get("retry-after"), body)

    def _read_head(self) -> tuple[int, int, dict[str, str]]:
        """The minor version, the status and the headers."""
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            if len(self._unread) > _MOST_HEAD_BYTES:
                raise _Garbage("headers without an end")
            if not self._more():
                raise _Garbage("half an answer") if self._unread else _Closed
        first, *rest = self._unread[:end].split(b"\r\n")
        self._unread = self._unread[end + 4 :]
        match = _STATUS.match(first)
        if match is None:
            raise _Garbage("not an HTTP answer")
        fields: dict[str, str] = {}
        for line in rest:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                fields[name.lower()] = value.strip()
        return int(match[1]), int(match[2]), fields

    def _read_body(self, status: int, fields: Mapping[str, str]) -> tuple[bytes, bool]:
        """As much of the body as is of interest, and whether that is all of it."""
        if status in (204, 304):
            return b"", True
        coding, length = fields.get("transfer-encoding", "").lower(), fields.get("content-length")
        if coding == "chunked":
            return self._read_chunks()
        if not coding and length is not None:
            if not (length.isdecimal() and len(length) < 16):
                raise _Garbage("no length")
            return self._take(int(length))
        while len(self._unread) < MOST_BODY_BYTES and self._more():
            pass  # its end is that of the connection
        return self._unread[:MOST_BODY_BYTES], False

    def _take(self, length: int) -> tuple[bytes, bool]:
        """The next bytes, fewer where there are more than are of interest."""
        wanted = min(length, MOST_BODY_BYTES)
        while len(self._unread) < wanted:
            if not self._more():
                raise _Garbage("half an answer")
        taken, self._unread = self._unread[:wanted], self._unread[wanted:]
        return taken, wanted == length

    def _read_chunks(self) -> tuple[bytes, bool]:
        body = b""
        while len(body) < MOST_BODY_BYTES:
            size = self._line().partition(b";")[0].strip()
            try:
                length = int(size, 16) if len(size) < 16 and size.isalnum() else -1
            except ValueError:
                length = -1
            if length < 0:
                return body, False
            if length == 0:
                while self._line():
                    pass  # trailers
                return body, True
            data, is_whole = self._take(length)
            body += data
            if not is_whole or self._line():
                break
        return body[:MOST_BODY_BYTES], False

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > _MOST_HEAD_BYTES or not self._more():
                raise _Garbage("half an answer")
        line, self._unread = self._unread[:end], self._unread[end + 2 :]
        return line


def _reason(error: Exception) -> str:
    """Why, in few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, _Closed):
        return "closed without an answer"
    if why := getattr(error, "verify_message", None):
        return f"certificate not trusted: {why}; SSL_CERT_FILE may name a file of who signs them"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
