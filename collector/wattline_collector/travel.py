"""How the pages tell the collector in whose name they ask.

In place of the read token travels a statement of who looks, signed with a key made from that token:
`viewer.STATEMENT.SIGNATURE`, both base64url. Whoever holds the read token may see everything and
can make any such statement; nobody else can. If the statement is lost on the way the request has
no token at all and is refused: it can never widen to what the read token itself would show.

A statement holds for five minutes, so one that is overheard is soon worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from wattline_agents.errors import UsageError
from wattline_collector.access import Role, Viewer, digest

PREFIX = "viewer."
HOLDS_MS = 300_000
"""Also how far the clocks of both machines may be apart."""
MOST_CHARACTERS = 16_384
"""Within what servers take as one header line."""

_PURPOSE = b"wattline viewer 1\0"


def statement(viewer: Viewer, token: str, now_ms: int) -> str:
    """What stands in place of the read token when pages ask for somebody.

    Args:
        viewer: Who looks; staff is nobody's role and does not travel.
        token: The read token.
        now_ms: Now, Unix milliseconds.

    Raises:
        UsageError: It would be too long: somebody leads thousands of projects.
    """
    said = {
        "name": viewer.name,
        "roles": sorted(role.value for role in viewer.roles),
        "projects": sorted(viewer.projects),
        "at_ms": now_ms,
    }
    body = _packed(json.dumps(said, separators=(",", ":")).encode())
    text = f"{PREFIX}{body}.{_packed(_signature(body, digest(token)))}"
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"{len(viewer.projects)} projects of one person are more than can be told")
    return text


def arrived(text: str, kept: bytes, now_ms: int) -> Viewer | None:
    """Who looks, by a statement that came in; None if it is none, is forged or is too old.

    Args:
        text: What stood behind `Bearer`.
        kept: The digest of the read token.
        now_ms: Now, Unix milliseconds.
    """
    if not text.startswith(PREFIX) or len(text) > MOST_CHARACTERS or not text.isascii():
        return None
    body, _, signed = text.removeprefix(PREFIX).partition(".")
    if not hmac.compare_digest(_packed(_signature(body, kept)).encode(), signed.encode()):
        return None
    try:
        said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        at_ms = int(said["at_ms"])
        viewer = Viewer(
            name=said["name"],
            projects=frozenset(said["projects"]),
            # A role that only a newer program knows shows nothing here.
            roles=frozenset(Role(role) for role in said["roles"] if role in set(Role)),
        )
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None
    return viewer if abs(now_ms - at_ms) <= HOLDS_MS else None


def _signature(body: str, kept: bytes) -> bytes:
    key = hmac.digest(kept, _PURPOSE, hashlib.sha256)
    return hmac.digest(key, body.encode(), hashlib.sha256)


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
