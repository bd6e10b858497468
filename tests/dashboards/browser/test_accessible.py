"""axe-core on every page, light and dark: what would keep people out who see little or nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from wattline_dashboards.app import PAGES, name_of

pytestmark = pytest.mark.browser

GRAVE = ("serious", "critical")
DRAWN = """() => document.getAnimations().every(one => one.playState !== 'running')
  && [...document.querySelectorAll('#content .dash-graph, #content .later')].every(
    graph => graph.offsetParent === null || graph.querySelector('.main-svg'))"""
"""Every chart that is to be seen has been drawn, and nothing fades in."""


@pytest.fixture(scope="module")
def live(programs: Any, site: Any) -> Any:
    """Pages over four weeks of the past and two nodes that report now."""
    programs.report_to(site)
    return site


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_on_a_page_keeps_people_out(
    live: Any, watched: Callable[..., Any], page: ModuleType
) -> None:
    assert [f"{mode}: {one}" for mode in ("light", "dark")
            for one in _grave(watched(color_scheme=mode), live.address(page))] == []  # fmt: skip


def _grave(page: Any, address: str) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    page.goto(address)
    page.wait_for_selector("#content:has(h1:not(:empty)) .drawn:not(.waiting)", state="attached")
    page.wait_for_function(DRAWN)
    found = Axe().run(page).response["violations"]
    page.close()
    return [f"{one['id']}: {node['html'][:300]}" for one in found if one["impact"] in GRAVE
            for node in one["nodes"]]  # fmt: skip
