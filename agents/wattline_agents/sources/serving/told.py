"""Pages: where one is, and what is known of whose it is before it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattline_agents.errors import UsageError, WireError
from wattline_agents.nearest import instead
from wattline_agents.wire import checked_name

KEYS = ("url", "job", "role", "framework", "token_file")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST_NAME_CHARS = 120


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page may be.

    Attributes:
        urls: Addresses, of which the first that answers with a page known to us is it.
        job: The key of its job, if known.
        role: What it does, if that is known; see `jobs.ROLES`.
        framework: Whose page it is, if told.
        token_file: Holds a token to send, if any.
        is_told: Whether somebody told it; else it was found.
        pid: The process that listens there, if it is one of this node.
        began_ms: When that process began, milliseconds since 1970.
    """

    urls: tuple[str, ...]
    job: str | None = None
    role: str | None = None
    framework: str | None = None
    token_file: Path | None = None
    is_told: bool = False
    pid: int | None = None
    began_ms: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Tells places apart: another process at an address is another place."""
        return (self.urls, self.job if self.is_told else None, self.pid, self.began_ms)


def told(page: object) -> Place:
    """A page as it stands in a configuration: an address, or a table with more about it.

    Raises:
        UsageError: It is not what it should be; the message names the key.
    """
    from wattline_agents.config.address import complaint
    from wattline_agents.sources.serving.jobs import ROLES
    from wattline_agents.sources.serving.reading import FRAMEWORKS

    table: Mapping[str, Any] = {"url": page} if isinstance(page, str) else _table(page)
    url = table.get("url")
    if url is None:
        raise UsageError("without `url`")
    if (wrong := complaint(url)) is not None:
        raise UsageError(f"url: {wrong}")
    for key, known in (("role", ROLES), ("framework", tuple(FRAMEWORKS))):
        value = table.get(key)
        if value is not None and value not in known:
            raise UsageError(f"{key}: no {key} {value[:40]!r}; {instead(value, known)}")
    job = table.get("job")
    if job is not None:
        try:
            checked_name(job, "job")
        except WireError as error:
            raise UsageError(str(error)) from error
    token_file = table.get("token_file")
    return Place(
        urls=(url,),
        job=job,
        role=table.get("role"),
        framework=table.get("framework"),
        token_file=None if token_file is None else Path(token_file).expanduser(),
        is_told=True,
    )


def name_of(url: str) -> str:
    """How table `serving` names the engine of a page: its host and port, and an unusual path."""
    rest = url.partition("://")[2]
    authority, slash, path = rest.partition("/")
    usual = path in ("", "metrics", "prometheus/metrics")
    text = authority if usual else f"{authority}{slash}{path}"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_MOST_NAME_CHARS]


def job_of_nobody(url: str, node: str) -> str:
    """The key of a page that belongs to no job of a scheduler: its address stands for it."""
    host, port = at(url)
    # Each node has a loopback of its own.
    where = node if host in LOOPBACK else host
    text = f"serving@{where}:{port}"
    plain = (c if c.isascii() and (c.isalnum() or c in "._:@+-") else "-" for c in text)
    return "".join(plain)[:128]


def at(url: str) -> tuple[str, int]:
    """Host and port of an address."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _table(page: object) -> Mapping[str, Any]:
    if not isinstance(page, Mapping):
        raise UsageError(f"not an address, nor a table with `url`: {str(page)[:40]!r}")
    for key, value in page.items():
        if key not in KEYS:
            raise UsageError(f"no such key {str(key)[:40]!r}; {instead(str(key), KEYS)}")
        if not isinstance(value, str) or not value or not value.isprintable():
            raise UsageError(f"{key}: not a line of text: {str(value)[:40]!r}")
    return page
