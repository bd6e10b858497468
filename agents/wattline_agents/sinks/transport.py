"""One HTTP connection to the collector, kept open between batches."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from wattline_agents.errors import UsageError, WattlineError
from wattline_agents.sinks.answer import Answer, Verdict, judge
from wattline_agents.sinks.batch import Batch
from wattline_agents.wire import PATH

TIMEOUT_SECONDS = 10.0
_MOST_ANSWER_BYTES = 2_000


class NotReached(WattlineError):
    """No answer came; the message says why, for a person."""


class Transport(Protocol):
    """Delivers batches."""

    def send(self, batch: Batch) -> tuple[Answer, str]:
        """Send one; returns what the answer means, and its text.

        Raises:
            NotReached: No answer came.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class HttpTransport:
    """Posts batches to a collector."""

    def __init__(
        self, url: str, token_file: Path | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        """Nothing is connected before the first batch.

        Raises:
            UsageError: The address is none.
        """
        self.url = url.rstrip("/")
        self._token_file, self._timeout = token_file, timeout
        self._connection: http.client.HTTPConnection | None = None
        self._token: str | None = None
        try:
            parts = urlsplit(self.url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UsageError(f"--push: {url!r}: {error}") from error
        if parts.scheme not in ("http", "https") or not self._host or parts.query:
            raise UsageError(f"--push: not an address such as http://127.0.0.1:8600: {url!r}")
        self._is_https = parts.scheme == "https"
        self._path = parts.path + PATH

    def send(self, batch: Batch) -> tuple[Answer, str]:
        """Send one; returns what the answer means, and its text.

        Raises:
            NotReached: No answer came, or the token cannot be read.
        """
        headers = batch.header.to_http()
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._current_token(self._token_file)}"
        response, text = self._post(self._path + batch.table, batch.body, headers)
        answer = judge(response.status, response.getheader("Retry-After"), now=time.time())
        if answer.verdict is Verdict.DENIED:
            self._token = None  # it may have been replaced: read the file again next time
        return answer, f"HTTP {response.status}: {text}" if text else f"HTTP {response.status}"

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _current_token(self, path: Path) -> str:
        if self._token is None:
            try:
                token = path.read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not a line of text"
                raise NotReached(f"token file {path}: {reason}") from error
            if not token.isprintable() or not token:
                raise NotReached(f"token file {path}: not a line of text")
            self._token = token
        return self._token

    def _post(
        self, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        was_open = self._connection is not None
        try:
            return self._exchange(path, body, headers)
        except (ConnectionError, http.client.HTTPException) as error:
            self.close()
            if not was_open:
                raise NotReached(f"{self.url}: {_reason(error)}") from error
        except OSError as error:
            self.close()
            raise NotReached(f"{self.url}: {_reason(error)}") from error
        # A kept connection that the other end has closed meanwhile is no failure. Sending again is
        # safe: a batch that did arrive has no second effect.
        try:
            return self._exchange(path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotReached(f"{self.url}: {_reason(error)}") from error

    def _exchange(
        self, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=self._timeout)
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        text = response.read(_MOST_ANSWER_BYTES).decode(errors="replace").strip()
        if not response.isclosed():
            self.close()  # more of an answer than we read; the connection cannot be used again
        return response, " ".join(text.split())[:300]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
