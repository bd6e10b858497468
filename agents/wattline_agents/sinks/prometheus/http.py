"""What of HTTP/1.1 a page of metrics needs: reading a request's head, writing an answer.

Nothing here waits or sends; it turns bytes into a request and an answer into bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wattline_agents.pattern import pattern
from wattline_agents.record import record

MAX_HEAD_BYTES = 8 * 1024
"""Prometheus sends about 400 bytes; a browser with cookies two thousand."""
END_OF_HEAD = b"\r\n\r\n"

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_TOKEN = pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = pattern(r"[!-~]+\Z")
_QUALITY = pattern(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")


class BadRequest(Exception):
    """What arrived is no request this server can follow; the connection must end.

    Attributes:
        status: The answer's status.
    """

    def __init__(self, status: int, reason: str) -> None:
        """Say which status, and why."""
        super().__init__(reason)
        self.status = status


@record(frozen=True, slots=True)
class Request:
    """A request, as far as it matters here.

    Attributes:
        method: `GET`, `HEAD`, or another that is refused.
        path: What is asked for, without its query.
        openmetrics: Whether OpenMetrics is wanted rather than Prometheus' own text.
        gzip: Whether a compressed body would be taken.
        is_last: Whether the connection ends with its answer.
    """

    method: str
    path: str
    openmetrics: bool = False
    gzip: bool = False
    is_last: bool = False


class Answer:
    """What a request is answered with.

    Attributes:
        body: Sent unless only the head was asked for.
        status: HTTP's number for how it went.
        content_type: What the body is.
        fields: Further header fields.
    """

    __slots__ = ("_head", "body", "content_type", "fields", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        content_type: str = "text/plain; charset=utf-8",
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Say all of it."""
        self.body, self.status = body, status
        self.content_type, self.fields = content_type, fields
        self._head = b""

    def head(self, *, is_last: bool) -> bytes:
        """What is sent before the body; written once where the connection goes on."""
        if is_last:
            return self._written(is_last=True)
        if not self._head:
            self._head = self._written(is_last=False)
        return self._head

    def _written(self, *, is_last: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            # Names of jobs come from their owners: no browser may take the page for HTML.
            "X-Content-Type-Options: nosniff",
        ]
        if self.fields is not None:
            lines += [f"{name}: {value}" for name, value in self.fields.items()]
        if is_last:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode("latin-1") + END_OF_HEAD


def parse(head: bytes) -> Request:
    """Read the head of a request, without the empty line at its end.

    Raises:
        BadRequest: It is none, or one with a body.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not _TOKEN.match(parts[0]) or not _TARGET.match(parts[1]):
        raise BadRequest(400, "not a request line")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    fields = _fields(lines)
    # A body would have to be read before the next request; nothing here takes one.
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise BadRequest(400, "a request here has no body")
    options = [part.strip().lower() for part in fields.get("connection", "").split(",")]
    is_last = "close" in options or (version == "HTTP/1.0" and "keep-alive" not in options)
    return Request(
        method,
        target.partition("?")[0],
        _wants_openmetrics(fields.get("accept", "")),
        _takes_gzip(fields.get("accept-encoding", "")),
        is_last,
    )


def _fields(lines: list[str]) -> dict[str, str]:
    """Header fields by lower-case name; fields of one name are joined, as HTTP says."""
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.match(name):
            raise BadRequest(400, "not a header field")
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0.0 is wanted at least as much as plain text.

    It is never chosen for a wildcard: who did not name it may not know it.
    """
    openmetrics, plain = 0.0, 0.0
    for kind, parameters in _weighted(accept):
        quality = _quality(parameters)
        if kind == "application/openmetrics-text":
            if parameters.get("version", "1.0.0") == "1.0.0":
                openmetrics = max(openmetrics, quality)
        elif kind == "text/plain":
            plain = max(plain, quality)
    return openmetrics > 0 and openmetrics >= plain


def _takes_gzip(accept_encoding: str) -> bool:
    qualities = {kind: _quality(parameters) for kind, parameters in _weighted(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _weighted(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The parts of `a;b=c;q=0.5, d` with their parameters, all in lower case."""
    for part in text.lower().split(","):
        kind, *rest = part.split(";")
        parameters = {}
        for parameter in rest:
            name, _, value = parameter.partition("=")
            parameters[name.strip()] = value.strip().strip('"')
        yield kind.strip(), parameters


def _quality(parameters: Mapping[str, str]) -> float:
    """The weight from 0 to 1; what is none counts as not wanted."""
    text = parameters.get("q", "1")
    return float(text) if _QUALITY.match(text) else 0.0
