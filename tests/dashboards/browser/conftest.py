"""Pages over a collector of their own, as people start them, and a browser's page that must not
complain."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest

from wattline_collector.access import read_token
from wattline_collector.client import Collector
from wattline_collector.ledger.books import Books
from wattline_dashboards.app import name_of

PATIENCE_MS = 120_000
"""A machine that runs other tests beside is slow."""

FIRST, LAST = "2025-01-01", "2025-01-28"
"""Of the planted store."""

WATTLINE = ("-m", "wattline_agents.cli")
ANYWHERE = "127.0.0.1:0"
STILL = """
import sys
from wattline_agents import cli
from wattline_collector.ledger import booking
booking.book = lambda *_asked, **_how: 0
sys.exit(cli.main(sys.argv[1:]))
"""
"""Wattline that books nothing: over a store that ends in 2025 a collector would book each hour to
this day, and the pages would wait beside it."""


@dataclass(frozen=True)
class Program:
    """A program that runs.

    Attributes:
        url: The address that it named: its own, or whom it talks to.
        process: Itself.
    """

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


@dataclass
class Site:
    """Pages over a collector that has a store to itself.

    Attributes:
        url: Where the pages are.
        store: What the collector keeps.
        collector: To ask it as the pages do.
        program: The collector's program.
    """

    url: str
    store: Path
    collector: Collector
    program: Program

    def address(self, page: ModuleType) -> str:
        """Where a page shows four weeks of the planted store, or the one thing that it is about."""
        name = name_of(page)
        things = {} if page.GROUP else self._things
        assert page.GROUP or name in things, f"say in `_things` what {name} is asked for"
        asked = {"period": "custom", "first": FIRST, "last": LAST} | things.get(name, {})
        return f"{self.url}{page.PATH}?{urlencode(asked)}"

    @cached_property
    def _things(self) -> dict[str, dict[str, str]]:
        """What a page outside the navigation is asked for, by the page's name."""
        device = Books(self.store).inventory.filter(pl.col("kind") == "device").row(0, named=True)
        period = [("from", f"{FIRST}T00:00:00Z"), ("to", f"{LAST}T00:00:00Z")]
        job = self.collector.ask("/v1/my-jobs", [*period, ("sort", "wasted")])["rows"][0]["job"]
        return {
            "node": {"node": device["node"], "system": device["system"]},
            "device": {"device": device["key"], "system": device["system"]},
            "job": {"job": job},
        }


class Programs:
    """`wattline` programs, which run until `running` is closed."""

    def __init__(self, running: ExitStack) -> None:
        """Programs that end with `running`."""
        self._running = running

    def start(self, *words: str, python: tuple[str, ...] = WATTLINE) -> Program:
        """Start one, and wait until it names an address.

        Args:
            words: What follows `wattline`.
            python: How Python is told to be `wattline`.
        """
        process = subprocess.Popen(
            [sys.executable, *python, *words], stderr=subprocess.PIPE, text=True
        )
        self._running.enter_context(process)
        self._running.callback(_end, process)
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                return Program(found[0], process)
        raise AssertionError(f"it ended before it named an address: {said}")

    def collector(
        self, store: Path, *more: str, listen: str = ANYWHERE, books: bool = False
    ) -> Program:
        """Start a collector, which makes the store where there is none.

        Args:
            store: Its own.
            more: Further options.
            listen: Where.
            books: Whether it books; what it takes in is on no page of the past if it does not.
        """
        words = ("collector", "--store", str(store), "--listen", listen, "--no-alerts")
        return self.start(*words, *more, python=WATTLINE if books else ("-c", STILL))

    def site(
        self,
        store: Path,
        *more: str,
        books: bool = False,
        python: tuple[str, ...] = WATTLINE,
    ) -> Site:
        """Start a collector and pages over it.

        Args:
            store: The collector's, which changes it.
            more: Further options of the collector.
            books: Whether it books.
            python: How Python is told to be the `wattline` that serves the pages.
        """
        program = self.collector(store, *more, books=books)
        token = store / "tokens" / "read"
        words = ("dashboards", "--collector", program.url, "--token-file", str(token))
        pages = self.start(*words, "--listen", ANYWHERE, python=python)
        return Site(pages.url, store, Collector(program.url, read_token(token)), program)

    def report_to(self, site: Site) -> Program:
        """Start two simulated nodes that report to a site from now on."""
        words = ("--push", site.program.url, "--token-file", str(site.store / "tokens" / "write"))
        return self.start("simulate", *words, "--system", "live", "--nodes", "2", "--devices", "4")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_MS / 1000)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    """Starts programs, and ends them after a module's last test."""
    with ExitStack() as running:
        yield Programs(running)


@pytest.fixture(scope="module")
def store(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the planted store."""
    copy = tmp_path_factory.mktemp("copied") / "store"
    shutil.copytree(planted, copy)
    return copy


@pytest.fixture(scope="module")
def site(programs: Programs, store: Path) -> Site:
    """Pages over a collector that has a copy of the planted store."""
    return programs.site(store)


@pytest.fixture(scope="session")
def network_kit() -> Any:
    """The made-up factories of the reports' tests, and what their bundles are put together from."""
    path = Path(__file__).parents[2] / "reports" / "made_network.py"
    spec = importlib.util.spec_from_file_location("network_of_pages", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def watched(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page, in a window of its own or `beside` another; none may complain of anything."""
    problems: list[str] = []

    def opened(beside: Any = None, **how: Any) -> Any:
        size = {"viewport": {"width": 1280, "height": 900}}
        window = browser.new_context(**(size | how)) if beside is None else beside.context
        page = window.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.set_default_timeout(PATIENCE_MS)
        return page

    yield opened
    for context in browser.contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(watched: Callable[..., Any]) -> Any:
    """A page of 1280 by 900 pixels."""
    return watched()


@pytest.fixture
def sideways() -> Callable[[Any], int]:
    """How many pixels a page is wider than its window."""
    return lambda page: int(
        page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    )
