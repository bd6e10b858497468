"""Sign-in by a token somebody was given: for small sites, and for screens on walls.

Tokens are made by us and have 256 random bits, so that a plain digest of them tells nothing and
trying them out leads nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import date

from wattline_collector.access import Viewer
from wattline_dashboards.access.people import Person, clean
from wattline_dashboards.access.settings import LocalToken

MOST_CHARACTERS = 512


def person_of(given: str, tokens: Sequence[LocalToken], today: date) -> Person | None:
    """Whose token this is; None where it is nobody's, or no longer holds."""
    if len(given) > MOST_CHARACTERS:
        return None
    digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
    found = [token for token in tokens if hmac.compare_digest(token.sha256, digest)]
    for token in found:
        if token.expires is None or today < token.expires:
            viewer = Viewer(token.account, projects=token.projects, roles=token.roles)
            return Person(f"token:{token.name}", clean(token.account or token.name), viewer)
    return None


def new() -> tuple[str, str]:
    """A token, and the digest that stands in the settings."""
    token = secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()
