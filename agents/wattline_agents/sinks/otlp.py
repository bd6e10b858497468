"""Exports the newest readings to an OpenTelemetry receiver, over HTTP with OpenTelemetry's own SDK.

Sampling only keeps the newest rows. A thread of its own makes points of them every ten seconds (see
`otel_data`, and `otel_names` for what they are called) and hands them to the SDK's exporter, which
encodes, sends and tries again. An export that still fails is counted and given up: the next one
brings newer values, and of counters nothing is lost by it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.config import AgentConfig, OtlpSettings
from wattline_agents.errors import InputError, UsageError
from wattline_agents.sinks.sink import Health
from wattline_agents.sinks.trouble import Trouble, reason_of
from wattline_agents.wire import Row

if TYPE_CHECKING:
    from wattline_agents.sinks.otel_data import Export

_TIMEOUT_SECONDS = 5.0
"""For one export with all its tries: less than the time to the next."""
_MOST_HEADERS_BYTES = 16_384


class _Reason(logging.Handler):
    """Catches why the SDK gave up, which it only logs; nothing of it reaches standard error."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text: str | None = None
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first reason: what follows says only that it was tried again."""
        if record.thread != self._thread or self.text is not None:
            return
        arguments = record.args if isinstance(record.args, tuple) else ()
        errors = [one for one in arguments if isinstance(one, Exception)]
        self.text = reason_of(errors[0]) if errors else record.getMessage()[:300]


class Exporter:
    """The SDK's exporter, made anew when its headers change."""

    def __init__(self, settings: OtlpSettings) -> None:
        """Nothing is connected before the first export.

        Raises:
            InputError: The file of headers cannot be read.
        """
        logger = logging.getLogger("opentelemetry")
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
        self._settings = settings
        self._headers = read_headers(settings.headers_file)
        self._exporter: Any = self._made()

    def export(self, export: Export) -> str | None:
        """Send; returns why it failed, or None."""
        from opentelemetry.sdk.metrics.export import MetricExportResult

        logger, reason = logging.getLogger("opentelemetry"), _Reason()
        logger.addHandler(reason)
        try:
            # The request is encoded already, but the public way takes only what it encodes itself;
            # so that stays for versions of the SDK that do this otherwise.
            send = getattr(self._exporter, "_export_batch", None)
            if send is None:
                result = self._exporter.export(export.data)
            else:
                result = send(export.request)
        finally:
            logger.removeHandler(reason)
        if result is MetricExportResult.SUCCESS:
            return None
        self._renew()
        return f"{self._settings.endpoint}: {reason.text or 'not taken'}"

    def close(self) -> None:
        """End whatever it waits for; may be called from another thread."""
        self._exporter.shutdown()

    def _made(self) -> Any:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter(
            endpoint=metrics_address(self._settings.endpoint),
            headers=self._headers,
            timeout=_TIMEOUT_SECONDS,
            compression=Compression.Gzip if self._settings.gzip else Compression.NoCompression,
        )

    def _renew(self) -> None:
        """A token may have been replaced: take what the file holds now."""
        try:
            headers = read_headers(self._settings.headers_file)
        except InputError:
            return  # being replaced at this moment; the next try finds it
        if headers != self._headers:
            self._headers = headers
            self._exporter.shutdown()
            self._exporter = self._made()


class OtlpSink:
    """The thread that exports."""

    def __init__(
        self,
        agent: AgentConfig,
        settings: OtlpSettings,
        say: Callable[[str], None],
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Start it.

        Args:
            agent: Who exports.
            settings: Where to, and how often.
            say: Takes the few lines meant for a person.
            clock: Where time comes from.
            chance: A number from 0 to 1, different each time.

        Raises:
            UsageError: The library is not installed.
            InputError: The file of headers cannot be read.
        """
        try:
            from wattline_agents.sinks.otel_data import Points

            self._exporter = Exporter(settings)
        except ImportError as error:
            raise UsageError(
                "--otlp needs a library that is not installed: pip install wattline-agents[otlp]"
            ) from error
        clock = SystemClock() if clock is None else clock
        self._points = Points(agent, clock)
        self._trouble = Trouble("otlp", clock, say)
        self._every = settings.every_seconds
        # Nodes that started together shall not export together ever after.
        self._first = settings.every_seconds * chance()
        self._failed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="otlp", daemon=True)
        self._thread.start()

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Keep the newest rows; nothing is built or sent on the caller's time."""
        self._points.accept(table, rows)

    def health(self) -> Health:
        """How many exports were given up since the start."""
        return Health(exports_failed=self._failed)

    def close(self) -> None:
        """Export what is newest if the receiver answers."""
        self._stop.set()
        self._thread.join(timeout=_TIMEOUT_SECONDS / 2)
        self._exporter.close()
        self._thread.join(timeout=_TIMEOUT_SECONDS)

    def _work(self) -> None:
        wait = self._first
        while not self._stop.wait(wait):
            self._export()
            wait = self._every
        if not self._trouble.is_on:  # a receiver known to be away is not asked again at the end
            self._export()

    def _export(self) -> None:
        export = self._points.collect()
        if export is None:
            return
        reason = self._exporter.export(export)
        if reason is None:
            self._trouble.worked()
        else:
            self._failed += 1
            self._trouble.failed(reason)


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
