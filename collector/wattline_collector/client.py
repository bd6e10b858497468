"""The collector's answers, for programs: pages, reports, the command line.

No redirect is followed and no proxy taken from the environment: either
would carry the token to a place nobody named.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from wattline_agents.clock import SystemClock
from wattline_agents.errors import UsageError, WattlineError
from wattline_collector import tables, travel
from wattline_collector.access import Viewer
from wattline_collector.reports.press import JOBS

_SECONDS = 20.0
"""A cold overview of a year takes seconds; longer than this a page does better to say so."""
_LONG_SECONDS = 120.0
"""What a page asks of a year of a large factory: computed once for all, it may take this long."""
_JSON = "application/json"
_MOST_BYTES = 256 * 1024 * 1024


class Unreachable(WattlineError):
    """No collector answers there."""


class Refused(WattlineError):
    """The collector answered that it will not."""

    def __init__(self, message: str, status: int, reason: str = "") -> None:
        """Say what, with which HTTP status, and why in the collector's own words."""
        super().__init__(message)
        self.status, self.reason = status, reason or message


@dataclass(frozen=True, slots=True)
class File:
    """A file that the collector handed out.

    Attributes:
        content: Its bytes.
        media_type: What it is.
        jobs: Jobs of single people that it names.
    """

    content: bytes
    media_type: str
    jobs: tuple[str, ...]


class Collector:
    """A collector, asked over HTTP. Safe to use from many threads: each question connects anew."""

    def __init__(self, url: str, token: str | None = None, *, seconds: float = _SECONDS) -> None:
        """Ask the collector at `url`, such as `http://127.0.0.1:8600`.

        Raises:
            UsageError: It is no http or https URL.
        """
        self.url = url.rstrip("/")
        self._token = token
        self._viewer: Viewer | None = None
        self._seconds = seconds
        parts = urlsplit(self.url)
        try:
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{url}: the port is not a number") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise UsageError(f"{url}: not the URL of a collector, such as http://127.0.0.1:8600")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._base = parts.hostname, port, parts.path

    def seen_by(self, viewer: Viewer) -> Collector:
        """The same collector, asked in somebody's name: it answers what they may see.

        Raises:
            UsageError: There is no token to vouch for them with.
        """
        if self._token is None:
            raise UsageError(f"{self.url}: without its read token nobody can be asked for")
        other = Collector(self.url, self._token, seconds=self._seconds)
        other._viewer = viewer
        return other

    def health(self) -> Mapping[str, Any]:
        """Whether it runs, and which version."""
        return self._object("/v1/health")

    def latest(self) -> Mapping[str, Any]:
        """The newest row of everything, by columns."""
        return self._object("/v1/latest")

    def live(self, columns: Sequence[str] = ()) -> Mapping[str, Any]:
        """The same with tables of Arrow, without columns of which nothing is known.

        Args:
            columns: Those wanted of every table that has them, beside what says which row it is;
                none: all.
        """
        query = [("columns", ",".join(columns))] if columns else []
        answer = self._get("/v1/latest", query, accept=f"{tables.MEDIA_TYPE}, {_JSON}")
        return self._checked("/v1/latest", answer)

    def overview(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> Mapping[str, Any]:
        """Everything the pages show of a period; of all there is if none is given."""
        return self._object("/v1/overview", _period(start, end))

    def kpis(
        self,
        ids: Sequence[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        by: str | None = None,
    ) -> list[Mapping[str, Any]]:
        """Figures: of these ids, or all; split by a dimension, or not."""
        query = [("id", id) for id in ids] + _period(start, end)
        if by is not None:
            query.append(("by", by))
        answer = self._get("/v1/kpis", query)
        if not isinstance(answer, list):
            raise Refused(f"{self.url}/v1/kpis: answered something else than a list", 200)
        return answer

    def alerts(self) -> Mapping[str, Any]:
        """What fires and what is pending, and what ended in the last quarter of an hour."""
        return self._object("/v1/alerts")

    def explain(self, id: str) -> Mapping[str, Any]:
        """What a KPI is."""
        return self._object(f"/v1/explain/{quote(id, safe='')}")

    def job(
        self,
        id: str,
        system: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Mapping[str, Any]:
        """One job, in a period or in all its time: what it used and made, and advice."""
        query = [] if system is None else [("system", system)]
        return self._object(f"/v1/jobs/{quote(id, safe='')}", query + _period(start, end))

    def ask(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Mapping[str, Any]:
        """A question of a page, by its path; see `wattline_collector.pages`.

        It may take longer than others: a page says that it waits.
        """
        return self._object(quote(path), query, _LONG_SECONDS)

    def send(self, path: str, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand over an order, such as that of a report; returns what the collector answers."""
        body = json.dumps(order).encode()
        _, answer = self._exchanged("POST", path, _JSON, None, body)
        return self._checked(path, self._decoded(path, answer))

    def fetch(self, path: str) -> File:
        """A file, such as a report's."""
        headers, body = self._exchanged("GET", path, "*/*", _LONG_SECONDS)
        jobs = tuple(unquote(job) for job in headers.get(JOBS, "").split(",") if job)
        return File(body, headers.get_content_type(), jobs)

    def _object(
        self, path: str, query: Sequence[tuple[str, str]] = (), seconds: float | None = None
    ) -> Mapping[str, Any]:
        return self._checked(path, self._get(path, query, seconds))

    def _checked(self, path: str, answer: Any) -> Mapping[str, Any]:
        if not isinstance(answer, dict):
            raise Refused(f"{self.url}{path}: answered something else than an object", 200)
        return answer

    def _get(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        seconds: float | None = None,
        accept: str = _JSON,
    ) -> Any:
        asked = path + (f"?{urlencode(query)}" if query else "")
        headers, body = self._exchanged("GET", asked, accept, seconds)
        try:
            if headers.get_content_type() == tables.MEDIA_TYPE:
                return tables.unpacked(body)
        except ValueError as error:
            raise Refused(f"{self.url}{path}: {error}", 200) from error
        return self._decoded(path, body)

    def _decoded(self, path: str, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError as error:
            raise Refused(f"{self.url}{path}: answered no JSON", 200) from error

    def _exchanged(
        self, method: str, asked: str, accept: str, seconds: float | None, sent: bytes | None = None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """The headers and the body of an answer that is one."""
        headers = {"Accept": accept}
        if sent is not None:
            headers["Content-Type"] = _JSON
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._bearer(self._token)}"
        connection = self._connection(seconds or self._seconds)
        try:
            connection.request(method, self._base + asked, sent, headers)
            response = connection.getresponse()
            body = response.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"{self.url}: no answer ({_cause(error)}); is `wattline collector` running there?"
            ) from error
        finally:
            connection.close()
        if response.status not in (200, 202):
            reason = _reason(response.status, body)
            path = asked.partition("?")[0]
            said = self._refusal(path, response.status, reason)
            raise Refused(said, response.status, reason)
        return response.headers, body

    def _bearer(self, token: str) -> str:
        if self._viewer is None:
            return token
        return travel.statement(self._viewer, token, SystemClock().unix_ms())

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=seconds, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=seconds)

    def _refusal(self, path: str, status: int, reason: str) -> str:
        advice = {
            401: "; its token is in STORE/tokens/read, give it with --token-file",
            403: "; for reading it is the one in STORE/tokens/read",
        }.get(status, "")
        return f"{self.url}{path}: {status}: {reason}{advice}"


def _reason(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])[:300]
    except (ValueError, KeyError, TypeError):
        return http.client.responses.get(status, "no reason given")


def _period(start: datetime | None, end: datetime | None) -> list[tuple[str, str]]:
    named = (("from", start), ("to", end))
    return [
        (name, time.astimezone(UTC).isoformat().replace("+00:00", "Z"))
        for name, time in named
        if time is not None
    ]


def _cause(error: Exception) -> str:
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "timed out"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
