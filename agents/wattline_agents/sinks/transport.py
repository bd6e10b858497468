"""One HTTP connection to the collector, kept open between batches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from wattline_agents.errors import UsageError, WattlineError
from wattline_agents.sinks.answer import Answer, Verdict, judge
from wattline_agents.sinks.batch import Batch
from wattline_agents.sinks.post import NoAnswer, Poster, Reply, printable
from wattline_agents.wire import PATH

TIMEOUT_SECONDS = 10.0


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
        self._token_file = token_file
        self._token: str | None = None
        try:
            self._poster = Poster(self.url, timeout)
        except UsageError as error:
            raise UsageError(f"--push: {error}") from error

    def send(self, batch: Batch) -> tuple[Answer, str]:
        """Send one; returns what the answer means, and its text.

        Raises:
            NotReached: No answer came, or the token cannot be read.
        """
        headers = batch.header.to_http()
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._current_token(self._token_file)}"
        try:
            # Sent twice, a batch has no second effect.
            reply = self._poster.post(self._poster.path + PATH + batch.table, headers, batch.body)
        except NoAnswer as error:
            raise NotReached(f"{self.url}: {error}") from error
        answer = judge(reply.status, reply.retry_after, now=time.time())
        if answer.verdict is Verdict.DENIED:
            self._token = None  # it may have been replaced: read the file again next time
        text = _reason(reply)
        return answer, f"HTTP {reply.status}: {text}" if text else f"HTTP {reply.status}"

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()

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


def _reason(reply: Reply) -> str:
    """What an answer says, in one line: a collector's reason, or whatever another server sends."""
    if reply.body.startswith(b"{"):
        # The spool has it loaded.
        import json

        try:
            told = json.loads(reply.body)["error"]
        except (ValueError, KeyError, RecursionError):
            told = None
        if isinstance(told, str):
            return printable(told.encode(errors="replace"))
    return reply.text()
