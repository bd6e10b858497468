"""Sign-in by a proxy in front: it says who somebody is, and proves itself with a secret.

Without the secret nothing it says counts: whoever reaches the pages past the proxy can send any
header, and does not know it.
"""

from __future__ import annotations

import hashlib
import hmac

from werkzeug.datastructures import Headers

from wattline_dashboards.access.people import MOST_VALUES, Mapped, Person, person, valid_account
from wattline_dashboards.access.settings import Proxy


def person_of(headers: Headers, proxy: Proxy, mapped: Mapped) -> Person | None:
    """Who the proxy says this is; None where it does not prove itself or names no account.

    Args:
        headers: Those of a request. One sent twice is joined by commas by the server, and then
            no longer fits.
        proxy: The settings.
        mapped: How claims become people.
    """
    given = headers.get(proxy.secret_header, "")
    if not hmac.compare_digest(_digest(given), _digest(proxy.secret)):
        return None
    account = headers.get(proxy.account_header, "")
    if not valid_account(account):
        return None
    groups = [part.strip() for part in headers.get(proxy.groups_header, "").split(",", MOST_VALUES)]
    return person(f"proxy:{account}", {"account": account, "groups": groups}, mapped)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
