"""One bounded GET: what a program of somebody else answers, within a time and a size.

Standard library only. No redirect is followed and no proxy taken from the environment: either
would carry the token to a place nobody named. Certificates are verified always.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wattline_agents.config.address import complaint
from wattline_agents.errors import UsageError, WattlineError

_CHUNK_BYTES = 256 * 1024
_MOST_TOKEN_BYTES = 64 * 1024
"""Tokens of service accounts are a few kilobytes."""
_LOCAL = ("localhost", "127.0.0.1", "::1")


class FetchFailed(WattlineError):
    """No answer, or not one that can be used; worth another try later."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Say what, and with which HTTP status if there was one."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to ask.

    Attributes:
        url: Its address; what is asked for may follow.
        token_file: Holds the token sent along; read at every question, as tokens are renewed.
        ca_file: Holds the certificates to trust; None: those of the system.
    """

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None

    def check(self, option: str, token_option: str) -> None:
        """Make sure that it can be asked.

        Args:
            option: What the address was given by, for the message.
            token_option: What a token is to be given by.

        Raises:
            UsageError: It is no address, or would send a token unencrypted to another machine.
        """
        if (wrong := complaint(self.url, token_option)) is not None:
            raise UsageError(f"{option}: {wrong}")
        parts = urlsplit(self.url)
        if parts.scheme == "http" and self.token_file and parts.hostname not in _LOCAL:
            raise UsageError(f"{option}: a token travels by https only: {self.url[:80]}")


def get(
    place: Place,
    target: str = "",
    *,
    seconds: float = 30.0,
    most_bytes: int = 16 * 2**20,
    now: Callable[[], float] = time.monotonic,
) -> bytes:
    """The body of the answer.

    Args:
        place: Who is asked.
        target: What of it: appended to the address.
        seconds: All of it must have come by then.
        most_bytes: Longer answers are refused.
        now: A clock that only goes forward, in seconds.

    Raises:
        FetchFailed: There is no answer in time, it is too long, or its status is not 200.
        UsageError: The token or the certificates cannot be read.
    """
    parts = urlsplit(place.url.rstrip("/") + target if target else place.url)
    ends = now() + seconds
    connection = _connection(place, parts.scheme, parts.hostname or "", parts.port, seconds)
    headers = {"Accept": "application/json", "User-Agent": "wattline", **_authorization(place)}
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
    late = threading.Event()
    hurry = threading.Timer(seconds, _hang_up, (connection, late))
    hurry.daemon = True
    try:
        # Every single read has its time, but a head may come in thousands of them.
        hurry.start()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        hurry.cancel()
        if late.is_set():  # what came of the head reads as all of it
            raise TimeoutError
        chunks, size = [], 0
        # `read1` returns what has come; a peer that sends a byte a second meets the deadline.
        while chunk := answer.read1(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > most_bytes:
                raise FetchFailed(f"{shown}: answers more than {most_bytes} bytes")
            if now() > ends:
                raise FetchFailed(f"{shown}: the answer did not end within {seconds:g} seconds")
        if answer.length:
            raise FetchFailed(f"{shown}: the answer broke off")
    except ssl.SSLCertVerificationError as error:
        raise FetchFailed(f"{shown}: certificate not trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        cause = "timed out" if late.is_set() else _cause(error)
        raise FetchFailed(f"{shown}: no answer ({cause})") from error
    finally:
        hurry.cancel()
        connection.close()
    if answer.status != 200:
        reason = http.client.responses.get(answer.status, "no reason given")
        advice = "; is the token right?" if answer.status in (401, 403) else ""
        raise FetchFailed(f"{shown}: {answer.status} {reason}{advice}", answer.status)
    return b"".join(chunks)


def _hang_up(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End what a thread waits for on a connection, and say so."""
    late.set()
    if connection.sock is not None:
        with suppress(OSError):  # it has ended by itself meanwhile
            connection.sock.shutdown(socket.SHUT_RDWR)


def _connection(
    place: Place, scheme: str, host: str, port: int | None, seconds: float
) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        context = ssl.create_default_context(cafile=place.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{place.ca_file}: holds no certificates that can be read") from error
    return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)


def _authorization(place: Place) -> Mapping[str, str]:
    if place.token_file is None:
        return {}
    try:
        with place.token_file.open("rb") as file:
            token = file.read(_MOST_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no token"
        raise UsageError(f"{place.token_file}: {reason}") from error
    if not token or not token.isprintable() or " " in token:
        raise UsageError(f"{place.token_file}: is no token")
    return {"Authorization": f"Bearer {token}"}


def _cause(error: Exception) -> str:
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "timed out"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
