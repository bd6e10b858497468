"""The page of every kind, judged by axe-core: what people who cannot see would meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_reports.kinds import kinds

pytestmark = pytest.mark.browser

PERIODS = {"review": "2025-11-01"}
"""What kinds are asked for; a year if nothing else."""
OF = {"project": "P1", "job": "7", "certificate": "P1"}
"""What kinds are of, where a period does not say it; kinds of bundles have a test of their own."""


@pytest.fixture(scope="module")
def opened(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [n for n, one in kinds().items() if one.of is None or n in OF])
def test_axe_finds_nothing_on_the_page(
    name: str, scheme: Any, opened: Any, factory_store: Path, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    path = tmp_path / "page.html"
    of = [OF[name]] if name in OF else []
    words = ["report", name, *of, "--store", str(factory_store), "--out", str(path)]
    assert main([*words, "--period", PERIODS.get(name, "2025")]) == 0
    # The page forbids every script; the judge must be let in.
    page = opened.new_context(bypass_csp=True, color_scheme=scheme).new_page()
    outside: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if r.url.startswith("http") else None)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(path.as_uri())
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert outside == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.context.close()
