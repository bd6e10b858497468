"""Fifty people without fifty browsers: what a browser asked on a page, asked again by many.

A real Chromium opens every page once; its callbacks are written down, those of opening apart from
those that came while it stood open. Each of the people then opens a page and keeps it for as long,
in the same rhythm, and goes on to the next. Nothing but the sending is ours: the requests are the
browser's own, byte by byte.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from benchmarks.dashboards.places import settle
from playwright.sync_api import TimeoutError

CALLBACK = "/_dash-update-component"
WAITS_MS = 20_000.0
"""How long it is waited for figures: there may be none yet."""


@dataclass(frozen=True)
class Asked:
    """One callback, as the browser asked it: when after the page was opened, seconds."""

    after: float
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Took:
    """One callback, answered: by which page, in how many seconds, and whether it was in order."""

    page: str
    seconds: float
    well: bool


@dataclass
class Tally:
    """All callbacks of all people."""

    took: list[Took] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, one: Took) -> None:
        """Count one."""
        with self.lock:
            self.took.append(one)


def recorded(browser: Any, opened: Mapping[str, str], seconds: float) -> dict[str, list[Asked]]:
    """What a browser asks that opens pages and keeps them open for `seconds` after all are drawn.

    They are opened one after another and stand open together: to wait for each alone took minutes.
    A page of which there are no figures yet (books are written from the first minutes on) is kept
    open as well: it asks what it would ask of people who wait for them.

    Args:
        browser: To look with.
        opened: The address of each page, by its name.
        seconds: How long.
    """
    visits: dict[str, list[Asked]] = {name: [] for name in opened}
    pages = []
    for name, address in opened.items():
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", _noted(visits[name], time.monotonic()))
        page.goto(address)
        pages.append(page)
    until = time.monotonic() + WAITS_MS / 1000
    for page in pages:
        with contextlib.suppress(TimeoutError):
            settle(page, max(1.0, 1000 * (until - time.monotonic())))
    pages[0].wait_for_timeout(seconds * 1000)
    for page in pages:
        page.close()
    return visits


def _noted(asked: list[Asked], began: float) -> Callable[[Any], None]:
    """Writes down what a page asks from then on."""

    def note(request: Any) -> None:
        if urlsplit(request.url).path == CALLBACK:
            kept = {k: v for k, v in request.headers.items() if not k.startswith((":", "sec-"))}
            body = request.post_data_buffer or b""
            asked.append(Asked(time.monotonic() - began, body, kept))

    return note


def crowd(url: str, visits: Mapping[str, Sequence[Asked]], people: int, seconds: float) -> Tally:
    """Let so many people look for so long, each beginning with another page."""
    tally = Tally()
    until = time.monotonic() + seconds
    names = [name for name, asked in visits.items() if asked]

    def person(number: int) -> None:
        host = urlsplit(url).netloc
        connection = http.client.HTTPConnection(host, timeout=120)
        turn = number
        time.sleep(number / people * 5)  # nobody opens a page on a common signal
        while time.monotonic() < until:
            name = names[turn % len(names)]
            turn += 1
            began = time.monotonic()
            for one in visits[name]:
                time.sleep(max(0.0, min(began + one.after, until) - time.monotonic()))
                if time.monotonic() >= until:
                    break
                tally.add(_ask(connection, name, one))
        connection.close()

    threads = [threading.Thread(target=person, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def _ask(connection: http.client.HTTPConnection, name: str, one: Asked) -> Took:
    began = time.perf_counter()
    try:
        connection.request("POST", CALLBACK, one.body, dict(one.headers))
        answer = connection.getresponse()
        answer.read()
        well = answer.status in (200, 204)
    except OSError:
        connection.close()  # the next request connects anew
        well = False
    return Took(name, time.perf_counter() - began, well)
