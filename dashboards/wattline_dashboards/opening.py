"""How a page opens: with what it shows first in the very layout, not a question later.

Dash would send the frame around the pages, then a page without figures, and then be asked for its
figures, each when the one before has come. The browser names what it wants together with the
layout (`assets/boot.js`), so that all of it comes at once, while scripts are still loading.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextvars import copy_context
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dash import Input, State, dcc

from wattline_agents.errors import WattlineError
from wattline_dashboards.context import Context

WAIT_SECONDS = 1.0
"""A page whose figures take longer is shown without them, and says that it waits."""

_AT_ONCE = 4
_WIDEST, _BESIDE, _BETWEEN, _STEP = 2560, 64, 32, 8
_COLUMNS_FROM = 1900
"""`wattline.css`: the widest page, what is left free beside it, the gap between columns and the
window from which parts stand side by side; the map goes by whole steps (`watchWidth`)."""


@dataclass(frozen=True, slots=True)
class Room:
    """The browser's window, in pixels; nothing where it did not say.

    Attributes:
        page: Without its scroll bar.
        window: With it: what style sheets go by.
    """

    page: int = 0
    window: int = 0

    @classmethod
    def said(cls, text: object) -> Room:
        """From `1265x1280`; what is nothing of the kind is no room."""
        page, times, window = str(text or "").partition("x")
        known = times and page.isdecimal() and window.isdecimal()
        return cls(int(page[:5]), int(window[:5])) if known else cls()

    def columns(self, some: int, of: int) -> int | None:
        """The width of a part that takes the whole page, or in a wide window some columns of it."""
        inside = min(self.page, _WIDEST) - _BESIDE
        if self.window >= _COLUMNS_FROM:
            inside = (inside - (of - 1) * _BETWEEN) * some // of + (some - 1) * _BETWEEN
        return inside // _STEP * _STEP if inside > 0 else None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a browser is: the path of a page, and its query."""

    path: str
    query: Mapping[str, str]

    @classmethod
    def said(cls, text: object) -> Address | None:
        """From `/now?wall=1`; None where there is no such thing."""
        if not isinstance(text, str) or not text.startswith("/"):
            return None
        try:
            parts = urlsplit(text)
        except ValueError:
            return None
        query = {name: value for name, value in parse_qsl(parts.query) if name not in ASKED}
        return cls(parts.path, query)


ASKED: dict[str, Input | State] = {
    "opening_seen": State("_pages_store", "data"),
    "opening_at": State("shell-at", "data"),
    "opening_room": State("shell-room", "data"),
}
"""What Dash tells a page's layout of its browser, beside the address."""


def stores(at: str | None, room: str | None) -> list[dcc.Store]:
    """What the browser keeps of how its first page was opened."""
    return [dcc.Store(id="shell-at", data=at), dcc.Store(id="shell-room", data=room)]


def taken(asked: dict[str, Any]) -> dict[str, Any]:
    """What of `ASKED` is in a layout's arguments, taken out of them."""
    asked.pop("begun", None)  # a page's own argument: no address sets it
    return {name: asked.pop(name, None) for name in ASKED}


def stands(told: Mapping[str, Any], path: str, query: Mapping[str, Any]) -> bool:
    """Whether a page came with the layout and is there already.

    Args:
        told: What `taken` took.
        path: Of the page that is asked for.
        query: Of its address.
    """
    return told["opening_seen"] is None and Address.said(told["opening_at"]) == Address(path, query)


class Beginnings:
    """What pages show first, for as long as a browser may wait for it."""

    def __init__(self, context: Context, wait_seconds: float = WAIT_SECONDS) -> None:
        """Begin with what `context` knows.

        Args:
            context: Where figures come from.
            wait_seconds: How long a browser waits for them.
        """
        self._context, self._wait_seconds = context, wait_seconds
        self._threads = ThreadPoolExecutor(_AT_ONCE, "opening")
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def of(self, page: ModuleType, room: Room, query: Mapping[str, Any]) -> Mapping[str, Any]:
        """`begun` for a page's layout; nothing where it has no beginning or that takes too long.

        Args:
            page: The page; its `begin(context, room, **query)` gives what it shows first.
            room: Of the browser.
            query: Of the address.
        """
        begin: Callable[..., Mapping[str, Any] | None] | None = getattr(page, "begin", None)
        if begin is None or not self._free.acquire(blocking=False):
            return {}

        def begun() -> Mapping[str, Any] | None:
            try:
                return begin(self._context, room, **query)
            except WattlineError:
                return None  # the page asks itself, and says what is wrong
            finally:
                self._free.release()

        try:
            found = self._threads.submit(copy_context().run, begun).result(self._wait_seconds)
        except TooLate:
            return {}
        return {} if found is None else {"begun": found}
