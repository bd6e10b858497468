"""Where every page shows something, and when it is drawn, as a browser finds it.

A page outside the navigation is about one thing, which is looked for on the pages that lead there.
So nothing but the address of the pages is needed, whatever they stand before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from wattline_dashboards.app import PAGES, name_of

PATIENCE_MS = 300_000
DRAWN = "#content:has(h1:not(:empty)) .drawn:not(.waiting)"
CHROMIUM = "/usr/bin/chromium"
_CHARTS = """() => [
  ...document.querySelectorAll('#content .dash-graph, #content .device-map, #content .later')
].every(chart => chart.offsetParent === null || chart.querySelector('.main-svg, [data-drawn]'))"""
_LEADS = {
    "device": ("/?search=-", "#fleet-results a"),
    "node": ("device", "#device-path a[href*='/node?']"),
    "job": ("/my-jobs?sort=wasted-down", "#my_jobs-list tbody tr a"),
}
"""For a page about one thing: the page that leads there, by path or by its name if it stands here
before, and the way on it."""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium, without a window; it reaches nothing but what it is sent to."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--no-first-run"],
        )  # fmt: skip
        yield browser
        browser.close()


def settle(page: Any, patience_ms: float = PATIENCE_MS) -> None:
    """Wait until a page shows its figures and its charts are drawn."""
    page.wait_for_selector(DRAWN, state="attached", timeout=patience_ms)
    page.wait_for_function(_CHARTS, timeout=patience_ms)
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def places(browser: Any, url: str, *, every: bool = True) -> dict[str, str]:
    """The address of each page in `PAGES`, by its name.

    Args:
        browser: To look with.
        url: Where the pages are.
        every: Whether no page may be left out; else one about a thing that is not there yet is.

    Raises:
        LookupError: A page about one thing, and there is none, or no way there is known.
    """
    found = {name_of(page): urljoin(url, page.PATH) for page in PAGES if page.GROUP}
    if unknown := {name_of(page) for page in PAGES} - {*found, *_LEADS}:
        raise LookupError(f"say in {__file__} which pages lead to {', '.join(sorted(unknown))}")
    page = browser.new_page()
    for name, (start, way) in _LEADS.items():
        page.goto(found.get(start, urljoin(url, start)))
        try:
            patience = PATIENCE_MS if every else PATIENCE_MS / 5
            page.wait_for_selector(way, state="attached", timeout=patience)
        except Exception as error:
            if not every:
                continue
            raise LookupError(f"{page.url} leads to no {name}") from error
        found[name] = urljoin(url, page.locator(way).first.get_attribute("href"))
    page.close()
    return found
