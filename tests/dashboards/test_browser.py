"""Both pages in a real browser, against a collector that answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@dataclass
class Visit:
    """A page, and what went wrong on it."""

    page: Any
    url: str
    problems: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def go(self, path: str, until: str) -> None:
        self.page.goto(self.url + path)
        self.page.wait_for_selector(until, timeout=60_000)


@pytest.fixture
def visit(pages: Any, browser: Any) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    visit = Visit(page, pages.url)
    page.on("console", lambda m: visit.problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: visit.problems.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((pages.url, "data:")) else
            visit.outside.append(r.url))  # fmt: skip
    yield visit
    page.close()
    assert visit.problems == []
    assert visit.outside == []


def sideways(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("width", [1280, 2560])
def test_the_fleet_is_drawn_live_in_place_and_without_sideways_scrolling(
    visit: Visit, collector: Any, width: int
) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.go("/", "#fleet-map canvas[data-drawn]")
    assert visit.page.locator("[data-field=down]").inner_text().split()[:2] == ["Down", "1"]
    assert "simulated" in visit.page.locator("#shell-systems").inner_text()
    assert sideways(visit.page) <= 0
    visit.page.evaluate("document.querySelector('#fleet-totals dl').kept = true")
    answer = collector.latest()
    answer["totals"]["power_watts"] = 123_000_000.0
    collector.latest = lambda: answer
    visit.page.locator("#fleet-totals", has_text="MW").wait_for(timeout=30_000)
    assert visit.page.evaluate("document.querySelector('#fleet-totals dl').kept") is True


def test_every_view_of_the_fleet_is_drawn_and_a_device_opens_under_the_pointer(
    visit: Visit,
) -> None:
    visit.go("/", "#fleet-map canvas[data-drawn]")
    for label in ("Compute active", "Power", "Temperature", "Memory", "Throttled"):
        visit.page.locator("#fleet-view").click()
        visit.page.get_by_role("option", name=label, exact=True).click()
        visit.page.wait_for_selector("#fleet-legend .ramp", timeout=30_000)
    box = visit.page.locator("#fleet-map").bounding_box()
    for step in range(3):
        visit.page.mouse.move(box["x"] + 100 + step, box["y"] + 100)
    visit.page.wait_for_selector(".tooltip .details", timeout=30_000)
    assert "sim-r1-n" in visit.page.locator(".tooltip").inner_text()


def test_a_collector_that_goes_away_greys_the_picture_and_comes_back(
    visit: Visit, collector: Any
) -> None:
    visit.go("/", "#fleet-map canvas[data-drawn]")
    collector.away = True
    visit.page.wait_for_selector("#fleet-page.stale", timeout=30_000)
    assert "stopping" in visit.page.locator(".notice").inner_text()
    assert visit.page.locator("#fleet-map canvas[data-drawn]").count() == 1
    collector.away = False
    visit.page.wait_for_selector("#fleet-page:not(.stale)", timeout=30_000)
    assert visit.page.locator(".notice").count() == 0


def test_what_the_collector_no_longer_lets_be_seen_leaves_the_page(
    visit: Visit, collector: Any
) -> None:
    visit.go("/", "#fleet-map canvas[data-drawn]")
    before, collector.token = collector.token, "another token"
    visit.page.locator("#fleet-notice .notice", has_text="token").wait_for(timeout=30_000)
    visit.page.locator("#fleet-map").wait_for(state="hidden", timeout=30_000)
    collector.token = before
    visit.page.locator("#fleet-map canvas[data-drawn]").wait_for(timeout=30_000)
    assert visit.page.locator(".notice").count() == 0


def test_light_and_dark_change_the_plots_and_are_remembered(visit: Visit) -> None:
    visit.page.emulate_media(color_scheme="light")
    visit.go("/production", "#production-losses .bars")
    visit.page.locator("#shell-theme").click()
    visit.page.wait_for_function(
        "() => [...document.querySelectorAll('#production-losses .bars path')]"
        ".some(p => p.style.fill === 'rgb(86, 180, 233)')",
        timeout=30_000,
    )
    visit.page.reload()
    visit.page.wait_for_selector("#production-losses .bars", timeout=60_000)
    assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_kpi_opens_by_key_and_stays_open(visit: Visit) -> None:
    visit.go("/production?period=all", "tr[data-kpi=S10]")
    assert visit.page.locator("#shell-period label:has(input:checked)").inner_text() == "All"
    explained = visit.page.locator("tr[data-kpi=S10] + tr.explained")
    assert not explained.is_visible()
    visit.page.locator("tr[data-kpi=S10] summary").focus()
    visit.page.keyboard.press("Enter")
    assert "energy of the jobs that made them" in explained.inner_text()
    visit.page.locator("#shell-period label", has_text="30 days").click()
    visit.page.wait_for_function("() => location.search === '?period=30d'", timeout=30_000)
    assert explained.is_visible()


def test_a_jobs_efficiency_is_found_by_its_id_and_names_stay_text(
    visit: Visit, collector: Any
) -> None:
    period = collector.overview()
    period["jobs"][0]["name"] = "<img src=x onerror=alert(1)>"
    collector.overview = lambda: period
    visit.go("/production", "#production-jobs tr[data-job]")
    job = period["jobs"][0]
    cell = visit.page.locator(f'[data-job="{job["job"]}"] [data-field="tokens_per_joule"]')
    assert cell.inner_text().split()[0] == f"{job['tokens_per_joule']:.3g}"
    assert visit.page.locator("#production-jobs img").count() == 0
    assert "<img" in visit.page.locator("#production-jobs").inner_text()
    assert sideways(visit.page) <= 0


def test_a_laptop_without_accelerators_has_both_pages(visit: Visit, collector: Any) -> None:
    make_latest, make_overview = collector.latest, collector.overview
    collector.latest = lambda: make_latest(1, 0, system="laptop")
    collector.overview = lambda: make_overview(1, 0, 1)
    visit.go("/", "#fleet-hosts .card")
    assert "no accelerators" in visit.page.locator("#fleet-totals").inner_text()
    visit.page.locator("#shell-pages a", has_text="Production").click()
    visit.page.wait_for_selector("#production-kpis tr[data-kpi]", timeout=60_000)
    assert "no accelerators" in visit.page.locator("#production-answer").inner_text()
