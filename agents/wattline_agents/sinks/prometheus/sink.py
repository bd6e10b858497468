"""The sink: what is asked for, and which page answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wattline_agents.catalogue import TABLES
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import UsageError
from wattline_agents.sinks.exposition import OPENMETRICS, TEXT, Page
from wattline_agents.sinks.prometheus.http import Answer, Request
from wattline_agents.sinks.prometheus.latest import Latest
from wattline_agents.sinks.prometheus.server import Server
from wattline_agents.sinks.sink import Health
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row

_PERIODS = 3
_PAGE_SECONDS = 1.0
"""How long a page may be served again if nothing was read since: ages on it grow meanwhile."""
_AHEAD_SECONDS = 1.5
"""Who asked within this time asks at every reading. For them a page is made when something was
read: while that is in the processor's caches, it takes a fraction of what it takes half a second
later."""
_WHERE_TO_LOOK = b"Wattline agent. Metrics are at /metrics, whether it reads is at /healthz.\n"


class _Layout:
    """A page, and of which subjects and statements it is; see `Latest`."""

    __slots__ = ("page", "stated", "version")

    def __init__(self, page: Page, version: int, stated: int) -> None:
        self.page, self.version, self.stated = page, version, stated


class PrometheusSink:
    """Serves `/metrics` and `/healthz`; a `Waits`, so that no thread is needed."""

    def __init__(self, node: str, host: str, port: int, clock: Clock | None = None) -> None:
        """Listen.

        Args:
            node: The label every series carries.
            host: The address to listen at; loopback unless someone decided otherwise.
            port: The port; 0 takes a free one.
            clock: Tells how old a reading is.

        Raises:
            UsageError: The address cannot be had.
        """
        self._node = node
        self._clock = SystemClock() if clock is None else clock
        self._latest = Latest(self._clock)
        self._layouts: dict[bool, _Layout] = {}
        self._pages: dict[tuple[bool, bool], Answer] = {}
        self._pages_until = 0.0
        self._asked: dict[bool, float] = {}
        self._accepted: dict[str, tuple[float, float]] = {}
        try:
            self._server = Server(host, port, self.respond, self._clock)
        except OSError as error:
            raise UsageError(f"--prometheus {host}:{port}: {error.strerror or error}") from error
        self.host, self.port = host, self._server.port

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Keep the newest values of every subject."""
        self._latest.put(TABLES[table], rows, period_ms)
        self._pages.clear()
        if period_ms and table != "agent":
            self._accepted[table] = (self._clock.monotonic(), period_ms / 1000)

    def told_none(self, table: str) -> None:
        """Show nothing of that table any more."""
        self._latest.clear(table)
        self._pages.clear()

    def health(self) -> Health:
        """Nothing waits here."""
        return Health()

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def descriptors(self) -> Mapping[int, int]:
        """What to wait for; before that, pages are made that will be asked for soon."""
        if not self._pages and self._asked:
            self._make_ahead(self._clock.monotonic())
        return self._server.descriptors()

    def _make_ahead(self, now: float) -> None:
        self._asked = {one: at for one, at in self._asked.items() if now - at <= _AHEAD_SECONDS}
        for openmetrics in self._asked:
            self._page(openmetrics, False, now).head(is_last=False)

    def handle(self, descriptor: int, events: int) -> Readings:
        """Answer what has come, as far as it goes without waiting."""
        self._server.handle(descriptor, events)
        return {}

    def respond(self, request: Request, is_local: bool) -> Answer:
        """The answer to a request; pages are compressed only for peers on other machines."""
        if request.method not in ("GET", "HEAD"):
            return Answer(b"only GET and HEAD\n", 405, fields={"Allow": "GET, HEAD"})
        match request.path:
            case "/metrics":
                return self._metrics(request.openmetrics, request.gzip and not is_local)
            case "/healthz":
                reason = self._why_not_healthy()
                return Answer(b"ok\n") if reason is None else Answer(reason.encode(), 503)
            case "/":
                return Answer(_WHERE_TO_LOOK)
        return Answer(b"not here; metrics are at /metrics\n", 404)

    def _metrics(self, openmetrics: bool, gzip: bool) -> Answer:
        now = self._clock.monotonic()
        self._asked[openmetrics] = now
        return self._page(openmetrics, gzip, now)

    def _page(self, openmetrics: bool, gzip: bool, now: float) -> Answer:
        """The page; the one made before if nothing changed, however often it is asked for."""
        if now >= self._pages_until:
            self._pages.clear()
        page = self._pages.get((openmetrics, gzip))
        if page is None:
            fields = {"Vary": "Accept, Accept-Encoding"}
            if gzip:
                fields["Content-Encoding"] = "gzip"
                body = _gzipped(self._page(openmetrics, False, now).body)
            else:
                body = self._render(openmetrics)
            page = Answer(body, content_type=OPENMETRICS if openmetrics else TEXT, fields=fields)
            if not self._pages:
                self._pages_until = now + _PAGE_SECONDS
            self._pages[openmetrics, gzip] = page
        return page

    def _render(self, openmetrics: bool) -> bytes:
        self._latest.refresh()
        latest, layout = self._latest, self._layouts.get(openmetrics)
        if layout is None or layout.version != latest.version:
            page = Page(self._node, latest.subjects(), latest.statements(), openmetrics=openmetrics)
            layout = self._layouts[openmetrics] = _Layout(page, latest.version, latest.stated)
        elif layout.stated != latest.stated:
            layout.stated = latest.stated
            layout.page.state(latest.statements())
        return layout.page.render(latest.turn)

    def _why_not_healthy(self) -> str | None:
        """Why readings do not come as they should; None where those of any table do."""
        if not self._accepted:
            return "nothing has been read yet\n"
        now = self._clock.monotonic()
        at, period = max(self._accepted.values())
        if any(now - at <= _PERIODS * period for at, period in self._accepted.values()):
            return None
        return f"nothing was read for {now - at:.0f} s; readings should be {period:g} s apart\n"


def _gzipped(page: bytes) -> bytes:
    import zlib

    # 31: with gzip's own head and tail. Level 1, as the network is faster than more of it.
    compressor = zlib.compressobj(1, wbits=31)
    return compressor.compress(page) + compressor.flush()


def listen_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host, loopback.

    Raises:
        UsageError: It is none of these.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"not HOST:PORT: {text[:60]!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)
