"""axe-core on every page, light and dark: what would keep people out who see little or nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest

from wattline_collector.access import read_token
from wattline_collector.client import Collector
from wattline_collector.ledger.books import Books
from wattline_dashboards.app import PAGES, name_of

pytestmark = pytest.mark.browser

FIRST, LAST = "2025-01-01", "2025-01-28"
PATIENCE_MS = 120_000
GRAVE = ("serious", "critical")
DRAWN = """() => document.getAnimations().every(one => one.playState !== 'running')
  && [...document.querySelectorAll('#content .dash-graph')].every(
    graph => graph.offsetParent === null || graph.querySelector('.main-svg'))"""
"""Every chart that is to be seen has been drawn, and nothing fades in."""


@dataclass(frozen=True)
class Factory:
    """Pages over a collector: four weeks of the past, and two nodes that report now.

    Attributes:
        url: Where the pages are.
        examples: What a page about one thing is asked for, by the page's name.
    """

    url: str
    examples: dict[str, dict[str, str]]

    def address(self, page: ModuleType) -> str:
        """Where a page shows something; a page outside the navigation is about one thing."""
        name = name_of(page)
        assert page.GROUP or name in self.examples, f"say in `examples` what {name} is asked for"
        asked = {"period": "custom", "first": FIRST, "last": LAST} | self.examples.get(name, {})
        return f"{self.url}{page.PATH}?{urlencode(asked)}"


@pytest.fixture(scope="module")
def factory(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    store = tmp_path_factory.mktemp("accessible") / "store"
    shutil.copytree(planted, store)

    def start(*words: str) -> str:
        """Starts a program; gives the address that it says in its first lines."""
        process = running.enter_context(subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", *words],
            stderr=subprocess.PIPE, text=True,
        ))  # fmt: skip
        running.callback(process.kill)
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                return found[0]
        raise AssertionError(f"it ended before it began: {said}")

    with ExitStack() as running:
        collector = start("collector", "--store", str(store), "--listen", "127.0.0.1:0",
                          "--book-every", "86400", "--no-alerts")  # fmt: skip
        start("simulate", "--push", collector, "--token-file", str(store / "tokens" / "write"),
              "--system", "live", "--nodes", "2", "--devices", "4")  # fmt: skip
        token = store / "tokens" / "read"
        pages = start("dashboards", "--collector", collector, "--token-file", str(token),
                      "--listen", "127.0.0.1:0")  # fmt: skip
        yield Factory(pages, _examples(planted, Collector(collector, read_token(token))))


def _examples(planted: Path, collector: Collector) -> dict[str, dict[str, str]]:
    device = Books(planted).inventory.filter(pl.col("kind") == "device").row(0, named=True)
    period = [("from", f"{FIRST}T00:00:00Z"), ("to", f"{LAST}T00:00:00Z")]
    job = collector.ask("/v1/my-jobs", [*period, ("sort", "wasted")])["rows"][0]["job"]
    return {
        "node": {"node": device["node"], "system": device["system"]},
        "device": {"device": device["key"], "system": device["system"]},
        "job": {"job": job},
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_on_a_page_keeps_people_out(
    factory: Factory, browser: Any, page: ModuleType
) -> None:
    assert [f"{mode}: {one}" for mode in ("light", "dark")
            for one in _grave(browser, factory.address(page), mode)] == []  # fmt: skip


def _grave(browser: Any, address: str, mode: str) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=mode)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_selector("#content:has(h1:not(:empty)) .drawn:not(.waiting)", state="attached")
    page.wait_for_function(DRAWN)
    found = Axe().run(page).response["violations"]
    page.close()
    return [f"{one['id']}: {node['html'][:300]}" for one in found if one["impact"] in GRAVE
            for node in one["nodes"]]  # fmt: skip
