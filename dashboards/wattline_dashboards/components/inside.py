"""Ways to other pages of ours, which keep the open one loaded (`assets/fleet.js`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from wattline_dashboards.components.short import WHOLE
from wattline_dashboards.elements import A


def link(path: str, said: Any, **query: object) -> A:
    """A way to a page.

    Args:
        path: Its path.
        said: What stands there.
        query: What the page is about; what is empty is left out.
    """
    known = [(name, str(value)[:WHOLE]) for name, value in query.items() if value]
    return A(said, href=f"{path}?{urlencode(known)}" if known else path, className="inside")
