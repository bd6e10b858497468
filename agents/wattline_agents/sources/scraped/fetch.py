"""Gets a page over HTTP: bounded in time and size, from where it was told and nowhere else."""

from __future__ import annotations

import io
import socket
from pathlib import Path
from typing import Any

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import ReadFailed, UsageError

SECONDS = 4.0
"""For a whole page; dcgm-exporter answers in about 0.1 s, and the agent waits five for a source."""
MOST_BYTES = 16 * 1024 * 1024
"""A busy node_exporter's page has 0.4 MB."""
_MOST_TOKEN_BYTES = 8_192
_ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"


class Page:
    """An address that pages are got from."""

    def __init__(
        self,
        url: str,
        token_file: Path | None = None,
        *,
        seconds: float = SECONDS,
        most_bytes: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            url: `http://HOST:PORT/PATH`, or https; `/metrics` where there is no path.
            token_file: Holds the bearer token to send, if any; read anew for every page.
            seconds: How long one page may take.
            most_bytes: How long one page may be; `MOST_BYTES` if not given.
            clock: Where time comes from.

        Raises:
            UsageError: It is no such address.
        """
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UsageError(f"option url: {url[:80]!r}: {error}") from error
        if parts.scheme not in ("http", "https") or not self._host or not url.isprintable():
            raise UsageError(
                f"option url: not an address such as http://127.0.0.1:9400/metrics: {url[:80]!r}"
            )
        if parts.username is not None or parts.password is not None:
            raise UsageError("option url: no password belongs there; put a token in token_file")
        self.url = url
        self._is_https = parts.scheme == "https"
        path = parts.path if parts.path not in ("", "/") else "/metrics"
        self._target = path + (f"?{parts.query}" if parts.query else "")
        self._token_file, self._seconds = token_file, seconds
        self._most_bytes = MOST_BYTES if most_bytes is None else most_bytes
        self._clock = SystemClock() if clock is None else clock

    def get(self) -> str:
        """The page as it is now.

        Raises:
            ReadFailed: There is no page, it takes too long, or is too large.
        """
        import http.client

        headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "Connection": "close"}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {_token(self._token_file)}"
        until = self._clock.monotonic() + self._seconds
        connection = self._connection()
        try:
            connection.connect()
            with connection.sock as opened:
                connection.sock = Hurried(opened, until, self._clock)
                connection.request("GET", self._target, headers=headers)
                return self._text(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ReadFailed(f"{self.url}: {_reason(error)}") from error

    def _connection(self) -> Any:
        import http.client

        kind = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._seconds)

    def _text(self, response: Any) -> str:
        if 300 <= response.status < 400:
            raise ReadFailed(
                f"{self.url}: HTTP {response.status} leads elsewhere; give that address itself"
            )
        if response.status != 200:
            hint = "; is token_file right?" if response.status in (401, 403) else ""
            raise ReadFailed(f"{self.url}: HTTP {response.status}{hint}")
        encoding = response.getheader("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise ReadFailed(f"{self.url}: answers in {encoding[:20]!r} though asked not to")
        body: bytes = response.read(self._most_bytes + 1)
        if len(body) > self._most_bytes:
            raise ReadFailed(f"{self.url}: a page of more than {self._most_bytes} bytes")
        return body.decode(errors="replace")


class Hurried:
    """A socket that gives up when the time for the whole page is over.

    A socket's own limit holds for each piece it receives, so that a server sending one byte a
    second could hold its reader for weeks. Closing it is left to who opened the socket inside:
    the library lets go of its connection before the answer has been read.
    """

    def __init__(self, inner: socket.socket, until: float, clock: Clock) -> None:
        """Give up on this socket at that time of the clock's monotonic seconds."""
        self._inner, self._until, self._clock = inner, until, clock

    def sendall(self, data: Any) -> None:
        """Send all of it.

        Raises:
            TimeoutError: The time is over.
        """
        self.hurried().sendall(data)

    def makefile(self, *_: object) -> io.BufferedReader:
        """What arrives, to be read from."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Nothing; see above."""

    def hurried(self) -> socket.socket:
        """The socket, with the time that is left as its limit.

        Raises:
            TimeoutError: The time is over.
        """
        left = self._until - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        self._inner.settimeout(left)
        return self._inner


class _Reader(io.RawIOBase):
    """What has arrived at a hurried socket."""

    def __init__(self, source: Hurried) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._source.hurried().recv_into(buffer)


def _token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(_MOST_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a line of text"
        raise ReadFailed(f"token file {path}: {reason}") from error
    if not token or not token.isprintable():
        raise ReadFailed(f"token file {path}: not a line of text")
    return token


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no whole page in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)[:200]
