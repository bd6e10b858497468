"""Writes every row to InfluxDB v2, or to VictoriaMetrics, which takes the same writes.

Sampling only puts rows on a list. A thread of its own makes lines of them (see `lines`), compresses
them, hands them to InfluxDB's own client, and keeps them in memory while the database is away. When
that memory is full, the oldest are dropped and counted.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wattline_agents.catalogue import TABLES
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.config import AgentConfig, InfluxSettings
from wattline_agents.errors import UsageError
from wattline_agents.sinks.answer import Answer, Backoff, Verdict, any_share, judge
from wattline_agents.sinks.lines import write_rows, write_statements
from wattline_agents.sinks.prometheus.latest import Latest
from wattline_agents.sinks.sink import Health
from wattline_agents.sinks.transport import NotReached
from wattline_agents.sinks.trouble import Trouble, reason_of
from wattline_agents.wire import Row

MOST_LINES = 5_000
"""Of one request, as InfluxDB recommends."""
_MOST_WAITING_BYTES = 4 * 1024 * 1024
"""Compressed: half an hour of one eight-GPU node at one reading a second."""
_MOST_PENDING_ROWS = 100_000
"""Rows not yet made into lines; only reached if an answer takes hours to come."""
_STATEMENT_SECONDS = 60.0
"""VictoriaMetrics believes a series for five minutes; who joins with identities needs them."""
_LEVEL = 1
_TIMEOUT_SECONDS = 5.0
_CLOSE_SECONDS = 5.0


class Writes(Protocol):
    """Delivers lines, compressed with gzip."""

    def send(self, lines: bytes) -> tuple[Answer, str]:
        """Send some; returns what the answer means, and its text.

        Raises:
            NotReached: No answer came.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class ClientWrites:
    """Writes through InfluxDB's own client."""

    def __init__(self, settings: InfluxSettings) -> None:
        """Nothing is connected before the first write.

        Raises:
            UsageError: The client is not installed, or the token cannot be read.
        """
        try:
            import influxdb_client
        except ImportError as error:
            raise UsageError(
                "--influx needs a library that is not installed: "
                "pip install wattline-agents[influx]"
            ) from error
        self._library: Any = influxdb_client
        self._settings = settings
        self._token = _read_token(settings.token_file)
        self._client: Any = None
        self._service: Any = None

    def send(self, lines: bytes) -> tuple[Answer, str]:
        """Send some; returns what the answer means, and its text.

        Raises:
            NotReached: No answer came.
        """
        import urllib3
        from influxdb_client.rest import ApiException

        settings = self._settings
        try:
            self._writer().post_write(
                settings.org,
                settings.bucket,
                lines,
                precision=self._library.WritePrecision.MS,
                content_encoding="gzip",
                content_type="text/plain; charset=utf-8",
            )
        except ApiException as error:
            headers: Mapping[str, str] = error.headers or {}
            retry_after = headers.get("Retry-After")
            answer = judge(int(error.status or 0), retry_after, now=time.time())
            if answer.verdict is Verdict.DENIED:
                self._renew()
            text = " ".join(str(error.body or error.reason or "").split())[:300]
            return answer, f"HTTP {error.status}: {text}"
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NotReached(f"{settings.url}: {reason_of(error)}") from error
        return Answer(Verdict.DELIVERED), ""

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _writer(self) -> Any:
        # Not its batching writer, which has a queue and threads of its own, nor its compression,
        # which costs five times as much and saves little.
        if self._client is None:
            self._client = self._library.InfluxDBClient(
                url=self._settings.url,
                token=self._token,
                org=self._settings.org,
                timeout=round(_TIMEOUT_SECONDS * 1000),
            )
            self._service = self._library.WriteService(self._client.api_client)
        return self._service

    def _renew(self) -> None:
        """The token may have been replaced: take what the file holds now."""
        try:
            token = _read_token(self._settings.token_file)
        except UsageError:
            return  # being replaced at this moment; the next try finds it
        if token != self._token:
            self._token = token
            self.close()


class Writer:
    """Makes lines, sends them in order, and keeps what could not be sent."""

    def __init__(
        self,
        node: str,
        writes: Writes,
        *,
        every_seconds: float,
        clock: Clock,
        say: Callable[[str], None],
        backoff: Backoff | None = None,
        chance: Callable[[], float] = any_share,
        most_bytes: int = _MOST_WAITING_BYTES,
    ) -> None:
        """Begin with nothing.

        Args:
            node: The tag every line carries.
            writes: How lines get to the database.
            every_seconds: How far apart writes are.
            clock: Where time comes from.
            say: Takes the few lines meant for a person.
            backoff: How long to wait after failures.
            chance: A number from 0 to 1, different each time.
            most_bytes: How much may wait, compressed.
        """
        self._node, self._writes, self._every = node, writes, every_seconds
        self._clock, self._most_bytes = clock, most_bytes
        self._trouble = Trouble("influx", clock, say)
        self._bad_rows = Trouble("influx", clock, say)
        self._backoff = Backoff(first_seconds=every_seconds) if backoff is None else backoff
        self._lock = threading.Lock()
        self._pending: deque[tuple[str, Sequence[Row]]] = deque()
        self._pending_rows = 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._given_up = 0
        self._latest = Latest(clock)
        self._stated_version, self._next_statement = -1, 0.0
        # Nodes that started together shall not write together ever after.
        self._next = clock.monotonic() + every_seconds * chance()
        self._not_before = 0.0

    def accept(self, table: str, rows: Sequence[Row]) -> None:
        """Put rows on the list."""
        with self._lock:
            self._pending.append((table, rows))
            self._pending_rows += len(rows)
            while self._pending_rows > _MOST_PENDING_ROWS:
                self._pending_rows -= len(self._pending.popleft()[1])
                self._given_up += 1

    def health(self) -> Health:
        """How many writes were given up since the start."""
        return Health(exports_failed=self._given_up)

    def pump(self) -> float:
        """Do what is due; returns seconds until there is more."""
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + self._every
            self.flush()
        if self._waiting and now >= self._not_before:
            self._send_one()
            if self._waiting and self._not_before <= now:
                return 0.0
        due = min(self._next, self._not_before) if self._waiting else self._next
        return max(0.0, due - self._clock.monotonic())

    def flush(self) -> None:
        """Make lines of all rows on the list, and of who and what is here."""
        with self._lock:
            pending, self._pending, self._pending_rows = self._pending, deque(), 0
        lines: list[str] = []
        for name, rows in pending:
            table = TABLES[name]
            if table.metrics:
                try:
                    lines += write_rows(self._node, table, rows)
                except (ValueError, TypeError, OverflowError) as error:
                    # A value that its column cannot hold: these rows go, all others stay.
                    self._given_up += 1
                    self._bad_rows.failed(f"{name}: {error}; these rows are dropped")
            else:
                self._latest.put(table, rows, 0)
        lines += self._statements()
        for start in range(0, len(lines), MOST_LINES):
            self._keep("\n".join(lines[start : start + MOST_LINES]).encode())

    def finish(self, seconds: float) -> None:
        """Send what is left as long as that works and time allows; the rest is lost."""
        until = self._clock.monotonic() + seconds
        self.flush()
        while self._waiting and not self._trouble.is_on and self._clock.monotonic() < until:
            self._send_one()
        self._writes.close()

    def _statements(self) -> list[str]:
        now = self._clock.monotonic()
        self._latest.refresh()
        if self._latest.stated == self._stated_version and now < self._next_statement:
            return []
        self._stated_version, self._next_statement = self._latest.stated, now + _STATEMENT_SECONDS
        statements = self._latest.statements()
        return list(write_statements(self._node, statements, self._clock.unix_ms()))

    def _keep(self, lines: bytes) -> None:
        self._waiting.append(gzip.compress(lines, _LEVEL, mtime=0))
        self._bytes += len(self._waiting[-1])
        while self._bytes > self._most_bytes:
            self._forget_first()
            self._given_up += 1

    def _forget_first(self) -> None:
        self._bytes -= len(self._waiting.popleft())

    def _send_one(self) -> None:
        """Send the oldest lines there are."""
        try:
            answer, text = self._writes.send(self._waiting[0])
        except NotReached as error:
            self._wait(str(error), None)
            return
        match answer.verdict:
            case Verdict.DELIVERED:
                self._forget_first()
                self._backoff.worked()
                self._trouble.worked()
            case Verdict.LATER | Verdict.DENIED:
                self._wait(text, answer.wait_seconds)
            case Verdict.TOO_LARGE if self._halve():
                pass
            case _:
                self._forget_first()
                self._given_up += 1
                self._trouble.failed(f"a write was refused and is dropped: {text}")

    def _halve(self) -> bool:
        """Put two halves in the place of the first; False if it is but one line."""
        lines = gzip.decompress(self._waiting[0])
        middle = lines.find(b"\n", len(lines) // 2)
        if middle < 0:
            middle = lines.rfind(b"\n")
        if middle < 0:
            return False
        self._forget_first()
        for half in (lines[middle + 1 :], lines[:middle]):
            self._waiting.appendleft(gzip.compress(half, _LEVEL, mtime=0))
            self._bytes += len(self._waiting[0])
        return True

    def _wait(self, reason: str, asked_seconds: float | None) -> None:
        seconds = self._backoff.failed()
        if asked_seconds is not None:
            # What was asked for, and some of our own, so that not all nodes come back together.
            seconds = asked_seconds + min(seconds, 0.1 * asked_seconds + 1.0)
        self._not_before = self._clock.monotonic() + seconds
        self._trouble.failed(f"{reason}; readings wait in memory, the oldest go first")


class InfluxSink:
    """The thread that writes."""

    def __init__(
        self,
        agent: AgentConfig,
        settings: InfluxSettings,
        say: Callable[[str], None],
        clock: Clock | None = None,
    ) -> None:
        """Start it.

        Args:
            agent: Who writes; its node is a tag of every line.
            settings: Where to, and how often.
            say: Takes the few lines meant for a person.
            clock: Where time comes from.

        Raises:
            UsageError: The library is not installed, or the token cannot be read.
        """
        self._writer = Writer(
            agent.node,
            ClientWrites(settings),
            every_seconds=settings.every_seconds,
            clock=SystemClock() if clock is None else clock,
            say=say,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="influx", daemon=True)
        self._thread.start()

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Put rows on the list; nothing is written on the caller's time."""
        self._writer.accept(table, rows)

    def health(self) -> Health:
        """How many writes were given up since the start."""
        return self._writer.health()

    def close(self) -> None:
        """Write what is left if the database answers; the rest is lost."""
        self._stop.set()
        self._thread.join(timeout=_TIMEOUT_SECONDS + _CLOSE_SECONDS)

    def _work(self) -> None:
        while not self._stop.wait(self._writer.pump()):
            pass
        self._writer.finish(_CLOSE_SECONDS)


def _read_token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a line of text"
        raise UsageError(f"influx.token_file {path}: {reason}") from error
    if not token.isprintable() or not token:
        raise UsageError(f"influx.token_file {path}: not a line of text")
    return token
