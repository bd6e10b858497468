"""Files of made reports, from the collector to the browser."""

from __future__ import annotations

import re

from flask import Response, request

from wattline_agents.errors import WattlineError
from wattline_collector.client import Refused
from wattline_dashboards.access import headers, shown, viewing
from wattline_dashboards.access.audit import NotWritten, Seen
from wattline_dashboards.components.short import cut
from wattline_dashboards.context import Context
from wattline_dashboards.language import _

ID = re.compile(r"[0-9A-Za-z._-]{1,160}")
"""What a report's id may look like; the shelf knows which there are."""
TYPES = {
    "html": "text/html",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}


def answered(context: Context, made: str, form: str) -> Response:
    """A file of a report: to be saved, or with `?show` as a page for our own frame.

    Whoever may not see the page, or the report, gets as much as if there were none. Who is shown
    somebody's job stands in the log first.
    """
    if not shown.may_see_page(viewing.viewer(), "reports"):
        return _plain(403, _("This is not for your roles."))
    if ID.fullmatch(made) is None or form not in TYPES:
        return _plain(404, _("There is no such report, or none of yours."))
    try:
        found = context.answers.fetch(f"/v1/reports/files/{made}/{form}")
        if context.looks is not None:
            context.looks.shown("reports", [Seen("", job, None) for job in found.jobs])
    except Refused as error:
        known = error.status in (403, 404)
        text = _("There is no such report, or none of yours.") if known else cut(error.reason, 300)
        return _plain(404 if known else 502, text)
    except NotWritten as error:
        return _plain(503, str(error))
    except WattlineError as error:
        return _plain(502, cut(error, 300))
    response = Response(found.content, mimetype=TYPES[form])
    if form == "html" and "show" in request.args:
        response.headers["Content-Security-Policy"] = headers.document_policy()
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
    else:
        name = f"{made}.{form}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n", status=status, mimetype="text/plain")
