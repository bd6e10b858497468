"""The HTTP API: batches in, the live picture and figures out.

Every route is made by `_Door`, which asks `Access` before anything else is looked at: whether the
token grants the right, and whether whoever looks sees any of what the route shows. A route that
names no sight is for staff alone. What is not theirs of an answer, `narrow` leaves out.

What blocks (frames, files, JSON of thousands of rows) runs on threads; the event loop only moves
bytes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wattline_agents.clock import Clock
from wattline_agents.errors import InputError, UsageError, WattlineError, WireError
from wattline_agents.wire import CONTENT_TYPE, MAX_BODY_BYTES, PATH, Header, table_named
from wattline_collector import __version__, health, narrow, tables
from wattline_collector.access import (
    NOBODY,
    Access,
    Right,
    Sight,
    Verdict,
    Viewer,
    sees,
    sees_any,
)
from wattline_collector.kpi.figure import Period
from wattline_collector.newest import Newest, columns
from wattline_collector.pages import READS
from wattline_collector.pages.read import PERIOD, House, Missing, Question, Read, checked
from wattline_collector.pages.reports import SIGHTS
from wattline_collector.receive.intake import Batch
from wattline_collector.remembered import Remembered
from wattline_collector.reports import press
from wattline_collector.reports.handlers import Handlers
from wattline_collector.reports.workshop import Workshop
from wattline_collector.service import Busy, Service
from wattline_collector.store.log import NotDurable

Handler = Callable[[Request], Awaitable[Response]]

_OVERVIEW_SECONDS = 5.0
"""An overview costs a query over the books, which are brought up to date every 15 s."""
_TIMES = 10
"""An answer over the books is kept so many times as long as it took: of a year of 1,024 devices it
takes twenty seconds, and while somebody looks it is asked for every fifteen."""
_MOST_IDS = 200
_MOST_FIGURES = 10_000
"""Figures of one answer, some 6 MB of JSON."""
_AT_ONCE = 2
"""Questions over the books that are computed at a time: each holds its period in memory. As many
about single things are besides."""
_LONGEST = timedelta(days=36_525)
"""A period of ten thousand years would be answered day by day, whatever the store holds."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
"""Years whose neighbours a calendar has, too: the period before, the end of a local day."""
_RETRY_SECONDS = 2
_VIEWER = "wattline.viewer"
_NOT_YOURS = "your role does not see this; the operators give roles"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def application(service: Service, access: Access) -> Starlette:
    """The API of a service; it starts and stops with the application."""
    workshop = Workshop(service.store.clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await asyncio.to_thread(workshop.close)
            await service.stop()

    pages = _Pages(service, workshop)
    clock = service.store.clock

    def read(path: str, handler: Handler, *sights: Sight) -> Route:
        return Route(path, _Door(handler, access, Right.READ, clock, sights), methods=["GET"])

    routes = [
        Route("/v1/health", _Door(pages.health, access, None, clock), methods=["GET"]),
        Route(
            PATH + "{table}",
            _Door(_Batches(service), access, Right.WRITE, clock),
            methods=["POST"],
        ),
        read("/v1/latest", pages.latest, Sight.FLEET, Sight.OWN),
        read("/v1/overview", pages.overview, Sight.FIGURES),
        read("/v1/kpis", pages.kpis, Sight.FIGURES),
        read("/v1/explain/{id}", pages.explain, Sight.DEFINITIONS),
        read("/v1/jobs/{key:path}", pages.job, Sight.OWN, Sight.JOBS),
        read("/v1/alerts", pages.alerts, Sight.ALERTS),
        read("/metrics", pages.metrics, Sight.SERVICE),
        *(read(one.path, pages.read(one), *one.sights) for one in READS),
        read("/v1/reports/files/{made}/{form}", pages.report_file, *SIGHTS),
        # Nothing of what was measured is changed: to have it written up is to read it.
        Route(
            "/v1/reports/make",
            _Door(pages.make_report, access, Right.READ, clock, SIGHTS),
            methods=["POST"],
        ),
    ]
    handlers = {HTTPException: _http_error, Exception: _unforeseen}
    made = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    made.state.store = service.store.path
    return made


# Who may


class _Door:
    """What stands before a handler: lets through who may, or answers 401 or 403."""

    def __init__(
        self,
        handler: Handler | _Batches,
        access: Access,
        right: Right | None,
        clock: Clock,
        sights: tuple[Sight, ...] = (),
    ) -> None:
        self.right = right
        self.sights = sights
        self._handler = handler
        self._access = access
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_VIEWER] = NOBODY
        if self.right is not None:
            authorization = _field(scope, b"authorization")
            verdict, viewer = self._access.admit(authorization, self.right, self._clock.unix_ms())
            if verdict is not Verdict.GRANTED:
                await _denied(verdict, self.right)(scope, receive, send)
                return
            if self.right is Right.READ and not sees_any(viewer, self.sights):
                await _error(403, _NOT_YOURS)(scope, receive, send)
                return
            scope[_VIEWER] = viewer
        if isinstance(self._handler, _Batches):
            await self._handler(scope, receive, send)
            return
        try:
            response = await self._handler(Request(scope, receive))
        except WattlineError as error:
            words = _without_place(str(error), scope["app"].state.store)
            response = _error(400 if isinstance(error, UsageError) else 500, words)
        await response(scope, receive, send)


def _without_place(words: str, store: Path) -> str:
    """What went wrong, without where on this machine: whoever asks over the network reads it."""
    for place in (str(store.resolve()), str(store)):
        words = words.replace(place, "the store")
    return words


def _viewer(request: Request) -> Viewer:
    viewer = request.scope[_VIEWER]
    assert isinstance(viewer, Viewer)
    return viewer


def _denied(verdict: Verdict, right: Right) -> Response:
    if verdict is Verdict.FORBIDDEN:
        return _error(403, f"this token may not {right}")
    response = _error(401, "a token is needed: Authorization: Bearer TOKEN")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _field(scope: Scope, name: bytes) -> str | None:
    for field, value in scope["headers"]:
        if field == name:
            return str(value, "latin-1")
    return None


# Batches in


class _TooLarge(WattlineError):
    """A body over the limit."""


class _Batches:
    """`POST /v1/batches/{table}`; bare ASGI, because this is where all the requests go."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._take(scope, receive)
        except WireError as error:
            response = _error(400, str(error))
        except _TooLarge as error:
            response = _error(413, str(error))
        except TimeoutError:
            response = _error(408, "the body did not arrive in time")
        except (Busy, NotDurable) as error:
            response = _error(503, str(error))
            response.headers["Retry-After"] = str(_RETRY_SECONDS)
        except ClientDisconnect:
            return
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await response(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive) -> None:
        table = table_named(scope["path_params"]["table"])
        fields = {str(k, "latin-1"): str(v, "latin-1") for k, v in scope["headers"]}
        if fields.get("content-type", CONTENT_TYPE) != CONTENT_TYPE:
            raise WireError(f"header Content-Type: not {CONTENT_TYPE}")
        if fields.get("content-encoding", "identity") != "identity":
            raise WireError("header Content-Encoding: bodies are taken uncompressed")
        header = Header.from_http(fields)
        length = fields.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            raise _TooLarge(f"body over {MAX_BODY_BYTES} bytes")
        if self._service.is_full:
            raise Busy("too much waits to be written; send it again later")
        async with asyncio.timeout(self._service.settings.body_seconds):
            body = await _body(receive)
        await self._service.submit(Batch(table.name, header, body))


async def _body(receive: Receive) -> bytes:
    """The whole body, counted as it comes: a chunked one states no length."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _TooLarge(f"body over {MAX_BODY_BYTES} bytes")
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


# Figures out


class _Pages:
    """What is asked with GET."""

    def __init__(self, service: Service, workshop: Workshop) -> None:
        self._service = service
        self._workshop = workshop
        self._reports = Handlers(service.store, workshop, press.found())
        self._newest = Newest(service.latest)
        self._overview = Remembered[bytes](_OVERVIEW_SECONDS, times=_TIMES)
        self._computing = asyncio.Semaphore(_AT_ONCE)
        self._small = asyncio.Semaphore(_AT_ONCE)

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__}, headers=_HEADERS)

    async def latest(self, request: Request) -> Response:
        names = columns(request.query_params.getlist("columns"))
        arrow = tables.MEDIA_TYPE in request.headers.get("accept", "")
        viewer = _viewer(request)

        def body() -> bytes:
            return self._newest.body(viewer, names, arrow=arrow)

        media_type = tables.MEDIA_TYPE if arrow else "application/json"
        made = await run_in_threadpool(body)
        return Response(made, media_type=media_type, headers=_HEADERS)

    async def overview(self, request: Request) -> Response:
        period = period_of(request, datetime.now(UTC))
        viewer = _viewer(request)

        def compute() -> bytes:
            from wattline_collector.kpi.query import overview

            return _json(overview(self._service.store.path, period).to_json())

        def ask() -> bytes:
            # Two open-ended periods are the same question, although each ends at its own now.
            question = (request.query_params.get("from"), request.query_params.get("to"))
            whole = self._overview.get(question, compute)
            if sees(viewer, Sight.JOBS):
                return whole
            return _json(narrow.overview(json.loads(whole), viewer))

        return _answer(await run_in_threadpool(ask))

    async def kpis(self, request: Request) -> Response:
        period = period_of(request, datetime.now(UTC))
        ids = request.query_params.getlist("id")
        by = request.query_params.getlist("by")
        compare = request.query_params.get("compare")
        if len(ids) > _MOST_IDS or len(by) > _MOST_IDS:
            raise UsageError(f"more than {_MOST_IDS} ids or dimensions")
        if not sees(_viewer(request), *narrow.needs_of(by)):
            return _error(403, _NOT_YOURS)

        def compute() -> bytes:
            from wattline_collector.kpi.query import ask

            path = self._service.store.path
            return _json(ask(path, ids, period, by, compare, _MOST_FIGURES).to_json())

        async with self._computing:
            return _answer(await run_in_threadpool(compute))

    async def explain(self, request: Request) -> Response:
        def compute() -> bytes:
            from wattline_collector.kpi.registry import explain

            return _json(explain(request.path_params["id"]))

        try:
            return _answer(await run_in_threadpool(compute))
        except UsageError as error:
            return _error(404, str(error))

    async def job(self, request: Request) -> Response:
        period = period_of(request, datetime.now(UTC))
        now_ms = self._service.store.clock.unix_ms()

        def compute() -> bytes:
            from wattline_collector.efficiency.answer import answered
            from wattline_collector.efficiency.gather import Question

            question = Question(
                id=request.path_params["key"],
                viewer=_viewer(request),
                now_ms=now_ms,
                system=request.query_params.get("system"),
                period=period,
            )
            return _json(answered(self._service.store.path, question, self._service.store))

        from wattline_collector.efficiency.find import NotThere, Several

        try:
            return _answer(await run_in_threadpool(compute))
        except NotThere as error:
            return _error(404, str(error))
        except Several as error:
            return _error(409, str(error))

    async def alerts(self, request: Request) -> Response:
        watch, viewer = self._service.watch, _viewer(request)
        if watch is None:
            return _error(404, "this collector judges no alerts: it was started with --no-alerts")
        return _answer(
            await run_in_threadpool(lambda: _json(narrow.alerts(watch.answer(), viewer)))
        )

    def read(self, read: Read) -> Handler:
        """What answers a question of a page."""
        remembered = Remembered[bytes](read.keep_seconds, times=0 if read.quick else _TIMES)
        turn = nullcontext() if read.quick else self._small if read.small else self._computing

        async def answer(request: Request) -> Response:
            viewer = _viewer(request)
            asked = {name: request.query_params.getlist(name) for name in request.query_params}
            now = datetime.now(UTC)
            question = Question(
                viewer, now, period_of(request, now), checked(read, asked), request.path_params
            )
            # Two open-ended periods are the same question, although each ends at its own now.
            bounds = tuple(request.query_params.get(name) for name in PERIOD)
            asked_by = viewer if read.by_viewer else None
            key = (asked_by, bounds, *map(_frozen, (question.query, question.place)))

            def compute() -> bytes:
                return _json(read.answer(self._house(), question))

            try:
                async with turn:
                    return _answer(await run_in_threadpool(remembered.get, key, compute))
            except Missing as error:
                return _error(404, str(error))

        return answer

    def _house(self) -> House:
        service = self._service
        followed = tuple(service.followed)
        return House(
            service.store, service.latest, service.watch, followed, self._workshop,
            service.settings.bundles,
        )  # fmt: skip

    async def report_file(self, request: Request) -> Response:
        return await self._reports.file(request, _viewer(request))

    async def make_report(self, request: Request) -> Response:
        return await self._reports.make(request, _viewer(request))

    async def metrics(self, _: Request) -> Response:
        text = health.exposition(self._service)
        return Response(text, media_type=health.CONTENT_TYPE, headers=_HEADERS)


def period_of(request: Request, now: datetime) -> Period | None:
    """What `from` and `to` of a request ask for; None where neither is given.

    Raises:
        UsageError: One is no time, `from` is missing, the period does not end after it starts, or
            it is longer, earlier or later than any that is meant.
    """
    from wattline_collector.kpi.period import parse_time

    start, end = request.query_params.get("from"), request.query_params.get("to")
    if start is None and end is None:
        return None
    if start is None:
        raise UsageError("to: needs a from")
    period = Period(parse_time(start, "from"), now if end is None else parse_time(end, "to"))
    if period.end <= period.start:
        raise UsageError("the period does not end after it starts")
    if period.end - period.start > _LONGEST:
        raise UsageError(f"the period is longer than {_LONGEST.days:,} days; ask for less")
    if period.start.year < _FIRST_YEAR or period.end.year > _LAST_YEAR:
        raise UsageError(f"the period is not within the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return period


def _frozen(asked: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(asked.items()))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _answer(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers=_HEADERS)


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status, headers=_HEADERS)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _error(error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


async def _unforeseen(_: Request, error: Exception) -> Response:
    # The server logs it with its place; who asked is told only that it is not their mistake.
    what = error.reason if isinstance(error, InputError) else "an error of the collector's own"
    return _error(500, f"{what}; its log says more")
