"""What the API does for reports beyond questions: takes an order, hands out a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wattline_agents.errors import UsageError
from wattline_collector.access import Role, Viewer, sees
from wattline_collector.reports.press import INSTALL, JOBS, Document, Press
from wattline_collector.reports.workshop import Full, Workshop
from wattline_collector.store.store import Store

_MOST_BODY = 16 * 1024
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_NOT_YOURS = "your role does not see this; the operators give roles"
_ROLES = (Role.OPERATOR, Role.SUPPORT, Role.MANAGER)
_RETRY_SECONDS = 60


class Handlers:
    """Answers for the reports of one store."""

    def __init__(self, store: Store, workshop: Workshop, press: Press | None) -> None:
        """Have reports made by `press`, where one is installed."""
        self._store, self._workshop, self._press = store, workshop, press

    async def make(self, request: Request, viewer: Viewer) -> Response:
        """`POST /v1/reports/make`: a report that somebody wants; 202 with the work's id."""
        if self._press is None:
            return _error(404, INSTALL)
        asked = await _body(request)
        press, store = self._press, self._store.path
        ordered = await run_in_threadpool(press.order, store, asked, role_of(viewer))
        if not sees(viewer, *ordered.needs):
            return _error(403, _NOT_YOURS)
        try:
            work = self._workshop.submit(ordered.words, ordered.about, ordered.needs)
        except Full as error:
            response = _error(503, str(error))
            response.headers["Retry-After"] = str(_RETRY_SECONDS)
            return response
        return JSONResponse({"work": work.id}, status_code=202, headers=_HEADERS)

    async def file(self, request: Request, viewer: Viewer) -> Response:
        """`GET /v1/reports/files/{made}/{form}`: a file of a made report."""
        if self._press is None:
            return _error(404, INSTALL)
        place = request.path_params
        found: Document | None = await run_in_threadpool(
            self._press.document, self._store.path, place["made"], place["form"]
        )
        # Whoever may not see it is not told that it is there.
        if found is None or not sees(viewer, *found.needs):
            return _error(404, "no such report, or none of yours")
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
            **_HEADERS,
        }
        if found.jobs:
            headers[JOBS] = ",".join(quote(job, safe="") for job in found.jobs)
        return Response(found.content, media_type=found.media_type, headers=headers)


def role_of(viewer: Viewer) -> str:
    """In which role somebody asks: a word, never a name."""
    held = next((role.value for role in _ROLES if role in viewer.roles), "")
    return held or ("staff" if viewer.staff else "")


async def _body(request: Request) -> Mapping[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise UsageError("Content-Type: application/json is meant")
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MOST_BODY:
            raise UsageError(f"an order has at most {_MOST_BODY} bytes")
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError("the order is not JSON") from error
    if not isinstance(asked, dict):
        raise UsageError("the order is not a JSON object")
    return asked


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status, headers=_HEADERS)
