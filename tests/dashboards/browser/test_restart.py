"""Every page while the collector under it is away, and when it is back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wattline_dashboards.app import PAGES, name_of

pytestmark = pytest.mark.browser

QUICK = """
import sys
from wattline_agents import cli, clock
real = clock.SystemClock.monotonic
clock.SystemClock.monotonic = lambda self: 10 * real(self)
sys.exit(cli.main(sys.argv[1:]))
"""
"""Wattline whose time runs ten times as fast: what answers are kept for need not be waited for."""

LIVE = [page for page in PAGES if name_of(page) in ("now", "fleet")]
"""Of what is so now; all others are shown four weeks of the past."""

DRAWN = "#content:has(h1:not(:empty)) .drawn:not(.waiting)"
CURRENT = "() => document.querySelector('#content .drawn:not(.waiting):not(.stale)') !== null"
STALE = """() => document.querySelector('#content .drawn.stale:not(.waiting)') !== null
  && document.querySelector('#content .notice') !== null"""
FIGURES = "document.querySelector('#content .drawn').innerText.length"


@pytest.fixture(scope="module")
def past(programs: Any, store: Path, network_kit: Any) -> Any:
    """Pages over the planted store and the bundles of three factories."""
    bundles = store / "bundles"
    bundles.mkdir()
    network_kit.write(bundles, network_kit.three())
    network_kit.ring_of(bundles)
    return programs.site(store, python=("-c", QUICK))


@pytest.fixture(scope="module")
def live(programs: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Pages over two nodes that have just begun to report."""
    store = tmp_path_factory.mktemp("live") / "store"
    site = programs.site(store, books=True, python=("-c", QUICK))
    programs.report_to(site)
    return site


@pytest.mark.parametrize(
    ("which", "pages"),
    [("live", LIVE), ("past", [page for page in PAGES if page not in LIVE])],
    ids=["live", "past"],
)
def test_every_page_says_that_its_figures_are_stale_and_goes_on_when_the_collector_is_back(
    which: str,
    pages: list[ModuleType],
    programs: Any,
    watched: Callable[..., Any],
    request: pytest.FixtureRequest,
) -> None:
    site = request.getfixturevalue(which)
    first = watched()
    opened = {name_of(page): watched(beside=first) for page in pages}
    for page in pages:
        opened[name_of(page)].goto(site.address(page), wait_until="commit")
    shown = {}
    for name, page in opened.items():
        page.wait_for_selector(DRAWN, state="attached")
        page.wait_for_function(CURRENT)
        assert page.locator("#content .notice").count() == 0, name
        page.evaluate("window.kept = true")
        shown[name] = page.evaluate(FIGURES)

    site.program.kill()
    for name, page in opened.items():
        page.wait_for_function(STALE)
        said = page.locator("#content .notice").inner_text()
        assert "The collector does not answer." in said, name
        assert "Below is the picture of" in said and "ago" in said, name
        assert page.evaluate(FIGURES) >= 0.9 * shown[name], name
        page.locator("#shell-systems", has_text="collector away").wait_for()

    again = {"listen": site.program.url.removeprefix("http://"), "books": which == "live"}
    programs.collector(site.store, **again)
    for name, page in opened.items():
        page.wait_for_function(CURRENT)
        page.wait_for_function("() => document.querySelector('#content .notice') === null")
        page.wait_for_function(f"shown => {FIGURES} >= 0.5 * shown", arg=shown[name])
        assert page.evaluate("window.kept") is True, f"{name} was loaded anew"
