"""Exports the newest readings to an OpenTelemetry receiver, over HTTP.

Sampling only keeps the newest rows. A thread of its own makes points of them every ten seconds (see
`otel_data`, and `otel_names` for what they are called), fills them into a request that was encoded
by OpenTelemetry's own SDK (see `otel_request`; the SDK runs in a process of its own, and only where
there are new series: see `otel_encode`), and posts it. A receiver that is busy or away is asked
again, ever less often; an export that is not taken before the next is due is counted and given up:
the next one brings newer values, and of counters nothing is lost by it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wattline_agents import __version__
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.config import AgentConfig, OtlpSettings
from wattline_agents.errors import InputError, UsageError
from wattline_agents.record import record
from wattline_agents.sinks.answer import Backoff, any_share, judge
from wattline_agents.sinks.otel_data import Point, Points, Series
from wattline_agents.sinks.otel_helper import INSTALL, NotEncoded, encoded, is_installed
from wattline_agents.sinks.otel_request import Requests
from wattline_agents.sinks.post import NoAnswer, Poster, Reply, printable
from wattline_agents.sinks.sink import Health
from wattline_agents.sinks.trouble import Trouble
from wattline_agents.wire import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.sinks.otel_encode import Description, Encoded

_TIMEOUT_SECONDS = 5.0
"""For one try."""
_FIRST_WAIT_SECONDS, _MOST_WAIT_SECONDS = 1.0, 60.0
"""Between tries, where the receiver does not say."""
_MOST_HEADERS_BYTES = 16_384

_ENCODING_SECONDS = 60.0
"""New series are encoded once a minute: each time costs a tenth of a second of one processor."""
_ENCODINGS_AHEAD = 3
"""Times it is done sooner where most are new, as when a driver answers late; then once a minute."""
_MOST_ENCODED = 16_384
"""Series at one time; the rest waits for the next."""
_FIRST_FAILURE_SECONDS, _MOST_FAILURE_SECONDS = 10.0, 600.0
"""Between tries to encode that fail."""

_RETRYABLE = (429, 502, 503, 504)
"""After which OTLP lets the same request be sent again."""
_PARTIAL_SUCCESS, _REJECTED, _ERROR_MESSAGE = 1, 1, 2
"""Fields of the answer to a request that was taken, and of the message in the first."""
_STATUS_MESSAGE = 2
"""The field of any other answer that says why."""


class Exporter:
    """Sends requests to one receiver."""

    def __init__(self, settings: OtlpSettings) -> None:
        """Nothing is connected before the first request.

        Raises:
            UsageError: The address is none.
            InputError: The file of headers cannot be read.
        """
        self._settings = settings
        try:
            self._poster = Poster(metrics_address(settings.endpoint), _TIMEOUT_SECONDS)
        except UsageError as error:
            raise UsageError(f"--otlp: {error}") from error
        self._headers = read_headers(settings.headers_file)

    def send(self, request: bytes) -> Outcome:
        """Send one, once."""
        headers = {
            "Content-Type": "application/x-protobuf",
            "User-Agent": f"wattline-agent/{__version__}",
            **self._headers,
        }
        body = request
        if self._settings.gzip:
            import zlib

            pack = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
            body = pack.compress(request) + pack.flush()
            headers["Content-Encoding"] = "gzip"
        try:
            reply = self._poster.post(self._poster.path, headers, body)
        except NoAnswer as error:
            return Outcome(f"{self._settings.endpoint}: {error}", may_retry=True)
        outcome = judged(reply, now=time.time())
        if reply.status in (401, 403):
            self._renew()
        if outcome.reason is None:
            return outcome
        return replace(outcome, reason=f"{self._settings.endpoint}: {outcome.reason}")

    def interrupt(self) -> None:
        """End whatever it waits for; may be called from another thread."""
        self._poster.interrupt()

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()

    def _renew(self) -> None:
        """A token may have been replaced: take what the file holds now."""
        try:
            self._headers = read_headers(self._settings.headers_file)
        except InputError:
            pass  # being replaced at this moment; the next refusal finds it


class OtlpSink:
    """The thread that exports."""

    def __init__(
        self,
        agent: AgentConfig,
        settings: OtlpSettings,
        say: Callable[[str], None],
        clock: Clock | None = None,
        chance: Callable[[], float] = any_share,
        encode: Callable[[Description], Encoded] | None = None,
    ) -> None:
        """Start it.

        Args:
            agent: Who exports.
            settings: Where to, and how often.
            say: Takes the few lines meant for a person.
            clock: Where time comes from.
            chance: A number from 0 to 1, different each time.
            encode: Has the SDK encode points; a process of its own each time if not given.

        Raises:
            UsageError: The library is not installed, or the address is none.
            InputError: The file of headers cannot be read.
        """
        if not is_installed():
            raise UsageError(f"--otlp needs a library that is not installed: {INSTALL}")
        self._clock = SystemClock() if clock is None else clock
        self._exporter = Exporter(settings)
        self._points = Points(agent, self._clock)
        self._requests = Requests(agent)
        self._encoding = Encoding(self._requests, encode or encoded, self._clock, say)
        self._trouble = Trouble("otlp", self._clock, say)
        self._backoff = Backoff(_FIRST_WAIT_SECONDS, _MOST_WAIT_SECONDS, chance)
        self._every = settings.every_seconds
        # Nodes that started together shall not export together ever after. In half a period all
        # that is here has told who it is, so that one process encodes all of it.
        self._next = self._clock.monotonic() + self._every * (1 + chance()) / 2
        self._failed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="otlp", daemon=True)
        self._thread.start()

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Keep the newest rows; nothing is built or sent on the caller's time."""
        self._points.accept(table, rows)

    def health(self) -> Health:
        """How many exports were given up since the start, in whole or part."""
        return Health(exports_failed=self._failed)

    def close(self) -> None:
        """Export what is newest if the receiver answers."""
        self._stop.set()
        self._thread.join(timeout=_TIMEOUT_SECONDS / 2)
        self._exporter.interrupt()
        self._thread.join(timeout=_TIMEOUT_SECONDS)

    def _work(self) -> None:
        while not self._stop.wait(max(0.0, self._next - self._clock.monotonic())):
            self._next = self._clock.monotonic() + self._every
            self._export()
        if not self._trouble.is_on:  # a receiver known to be away is not asked again at the end
            self._export()
        self._exporter.close()

    def _export(self) -> None:
        try:
            request = self._encoding.request(self._points.collect(), self._points.unencoded)
            if request is None:
                self._failed += self._encoding.is_failing
                return
            outcome = self._sent(request)
        except Exception as error:  # a fault in one export is not the next's
            outcome = Outcome(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        if not outcome.is_taken:
            self._failed += 1
        if outcome.reason is None:
            self._trouble.worked()
        else:
            self._trouble.failed(outcome.reason)

    def _sent(self, request: bytes) -> Outcome:
        """Send until it is taken, refused, or superseded by newer values."""
        while True:
            outcome = self._exporter.send(request)
            if not outcome.may_retry:
                self._backoff.worked()
                return outcome
            wait = self._backoff.failed()
            if outcome.wait_seconds is not None:
                # What was asked for, and some of our own, so that not all nodes come back together.
                wait = outcome.wait_seconds + min(wait, 0.1 * outcome.wait_seconds + 1.0)
            again = self._clock.monotonic() + wait
            if again >= self._next:
                self._next = again
                return outcome
            if self._stop.wait(wait):
                return outcome


class Encoding:
    """Has series encoded that were not there before, and makes requests of the rest."""

    def __init__(
        self,
        requests: Requests,
        encode: Callable[[Description], Encoded],
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        """Begin with nothing encoded.

        Args:
            requests: Where what was encoded is kept.
            encode: Has the SDK encode points.
            clock: Tells when it may be asked again.
            say: Takes the few lines meant for a person.
        """
        self._requests, self._encode, self._clock = requests, encode, clock
        self._trouble = Trouble("otlp", clock, say)
        self._backoff = Backoff(_FIRST_FAILURE_SECONDS, _MOST_FAILURE_SECONDS)
        self._next = self._not_before = clock.monotonic() - _ENCODINGS_AHEAD * _ENCODING_SECONDS

    @property
    def is_failing(self) -> bool:
        """Whether the last try to encode failed."""
        return self._trouble.is_on

    def request(
        self, points: Sequence[Point], unencoded: Callable[[], Sequence[Series]]
    ) -> bytes | None:
        """The request with these points; None if there is none to send.

        Series that are new wait for their turn: to encode them costs a process each time.

        Args:
            points: What is to be sent.
            unencoded: All series that may come soon; those of the points are among them.
        """
        request, new = self._requests.filled(points), self._requests.left_out
        due = self._not_before if 2 * new > len(points) else self._next
        if new == 0 or self._clock.monotonic() < due:
            return request
        # Those that have points come first, should there be too many.
        told = {point[0]: None for point in points if point[0].encoded is None}
        told |= dict.fromkeys(unencoded())
        self._learn([*told][:_MOST_ENCODED])
        return self._requests.filled(points)

    def _learn(self, series: Sequence[Series]) -> None:
        now = self._clock.monotonic()
        try:
            self._requests.learn(series, self._encode(self._requests.described(series)))
        except NotEncoded as error:
            self._next = self._not_before = now + self._backoff.failed()
            self._trouble.failed(f"new series cannot be encoded: {error}")
            return
        self._trouble.worked()
        self._backoff.worked()
        self._next = now + _ENCODING_SECONDS
        saved = now - _ENCODINGS_AHEAD * _ENCODING_SECONDS
        self._not_before = max(self._not_before + _ENCODING_SECONDS, saved)


@record(frozen=True, slots=True)
class Outcome:
    """What became of a request that was sent.

    Attributes:
        reason: Why not all of it was taken; None if it was.
        may_retry: Whether it may be sent again.
        wait_seconds: How long the receiver asked us to wait, if it did.
        is_taken: Whether all of it was taken.
    """

    reason: str | None
    may_retry: bool = False
    wait_seconds: float | None = None
    is_taken: bool = False


def judged(reply: Reply, *, now: float = 0.0) -> Outcome:
    """What an answer means, by the specification of OTLP over HTTP.

    Args:
        reply: The answer.
        now: The time, in seconds since 1970, for a `Retry-After` that is a date.
    """
    if 200 <= reply.status < 300:
        return _partial(reply.body)
    text = _text(_fields(reply.body), _STATUS_MESSAGE) or reply.text()
    reason = f"HTTP {reply.status}: {text}" if text else f"HTTP {reply.status}"
    if reply.status not in _RETRYABLE:
        return Outcome(reason)
    wait = judge(reply.status, reply.retry_after, now=now).wait_seconds
    return Outcome(reason, may_retry=True, wait_seconds=wait)


def _partial(body: bytes) -> Outcome:
    """What the answer to a request that was taken says of points that were not."""
    inner = _fields(body).get(_PARTIAL_SUCCESS)
    found = _fields(inner) if isinstance(inner, bytes) else {}
    rejected, text = found.get(_REJECTED, 0), _text(found, _ERROR_MESSAGE)
    if rejected and isinstance(rejected, int):
        return Outcome(f"{rejected} points were rejected: {text or 'no reason given'}")
    return Outcome(text and f"the receiver warns: {text}", is_taken=True)


def _fields(message: bytes) -> dict[int, int | bytes]:
    """The numbers and texts in a protobuf message, by field; what is none has none."""
    found: dict[int, int | bytes] = {}
    rest = iter(message)
    try:
        while (key := next(rest, None)) is not None:
            number = _varint(rest, key)
            value: int | bytes = _varint(rest, next(rest))
            if number & 7 == 2:
                value = bytes([next(rest) for _ in range(int(value))])
            elif number & 7 != 0:
                return {}
            found[number >> 3] = value
    except StopIteration:
        return {}
    return found


def _varint(rest: Iterator[int], byte: int) -> int:
    number, shift = byte & 0x7F, 0
    while byte > 0x7F and shift < 63:
        byte, shift = next(rest), shift + 7
        number |= (byte & 0x7F) << shift
    return number


def _text(fields: Mapping[int, int | bytes], number: int) -> str | None:
    """A field's text in one line, for a person."""
    value = fields.get(number)
    return printable(value) if isinstance(value, bytes) and value else None


def metrics_address(endpoint: str) -> str:
    """The address metrics go to below a receiver's base address.

    >>> metrics_address("http://127.0.0.1:4318/")
    'http://127.0.0.1:4318/v1/metrics'
    """
    base = endpoint.rstrip("/")
    return base if base.endswith("/v1/metrics") else f"{base}/v1/metrics"


def read_headers(path: Path | None) -> Mapping[str, str]:
    """The `NAME: VALUE` lines of a file; empty lines and those that begin with `#` are passed over.

    Raises:
        InputError: It cannot be read, or a line is something else.
    """
    if path is None:
        return {}
    try:
        with path.open(encoding="ascii") as file:
            text = file.read(_MOST_HEADERS_BYTES)
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from error
    except UnicodeDecodeError as error:
        raise InputError("not plain text", path=path) from error
    headers: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not colon or not name.replace("-", "").isalnum() or not value.isprintable():
            # The line may hold a secret, so it is not shown.
            raise InputError("not NAME: VALUE", path=path, line=number)
        headers[name] = value
    return headers
