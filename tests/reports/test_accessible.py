"""The page of every kind, judged by axe-core: what people who cannot see would meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from wattline_reports.kinds import kinds

pytestmark = pytest.mark.browser


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
@pytest.mark.parametrize("name", kinds())
def test_axe_finds_nothing_on_the_page(
    name: str, scheme: Any, opened: Any, kind_forms: Callable[[str], Mapping[str, Path]]
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # The page forbids every script; the judge must be let in.
    page = opened.new_context(bypass_csp=True, color_scheme=scheme).new_page()
    outside: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if r.url.startswith("http") else None)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(kind_forms(name)["html"].as_uri())
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert outside == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.context.close()
