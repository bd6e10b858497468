"""A manager's story in a real browser: four pages over a real collector and a known factory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.period import parse_time
from wattline_collector.kpi.query import figures

pytestmark = pytest.mark.browser

DATES = "period=custom&first=2025-01-08&last=2025-01-28"
PERIOD = Period(parse_time("2025-01-08", "first"), parse_time("2025-01-29", "last"))


@dataclass
class Visit:
    """A page, and where it is."""

    page: Any
    url: str

    def go(self, path: str, until: str) -> None:
        self.page.goto(f"{self.url}{path}")
        self.page.wait_for_selector(until)

    def text(self, selector: str) -> str:
        self.page.wait_for_function(
            "s => document.querySelector(s)?.innerText.trim()", arg=selector
        )
        return str(self.page.locator(selector).inner_text()).replace("\u2009", " ")


@pytest.fixture
def visit(site: Any, page: Any) -> Visit:
    return Visit(page, site.url)


def test_a_manager_follows_the_energy_and_takes_the_figures_along(
    visit: Visit, planted: Path, tmp_path: Path
) -> None:
    (pue,) = figures(planted, ["S03"], PERIOD)
    assert pue.value is not None
    visit.go(f"/energy?{DATES}", "#energy-flow .sankey-node")
    assert f"{pue.value:.2f}" in visit.text("[data-kpi=S03]")
    assert "kept work" in visit.text("#energy-answer")
    visit.page.locator("[data-kpi=S03] button").click()
    visit.page.wait_for_selector("#shell-dialog[open]")
    assert "E_DC / E_IT" in visit.text("#shell-explanation")
    visit.page.keyboard.press("Escape")
    visit.page.locator("#energy-flow-finding").hover()
    with visit.page.expect_download() as started:
        visit.page.locator("#energy-flow-csv").click()
    started.value.save_as(tmp_path / "flow.csv")
    lines = (tmp_path / "flow.csv").read_text().splitlines()
    assert lines[0] == "from,to,energy (J)"
    assert any(line.startswith("grid,facility_overhead,") for line in lines)


def test_access_is_split_as_chosen_and_the_address_keeps_it(visit: Visit) -> None:
    visit.go(f"/access?{DATES}", "#access_time-used .bars")
    assert "over its limit" in visit.text("#access_time-guard-finding")
    assert "fewer than 5 projects" in visit.text("#access_time-states-note")
    visit.page.locator("#access_time-by label", has_text="State").click()
    visit.page.wait_for_function("() => location.search.includes('by=participating_state')")
    visit.page.locator("#access_time-used", has_text="FI").wait_for()
    visit.page.locator("#access_time-cells label", has_text="All").click()
    visit.page.wait_for_function(
        "() => document.querySelector('#access_time-states-note').innerText"
        ".includes('not for passing on')"
    )
    visit.page.reload()
    visit.page.wait_for_selector("#access_time-used .bars")
    chosen = visit.page.locator("#access_time-by label:has(input:checked)")
    assert chosen.inner_text() == "Participating State"


def test_an_outage_is_found_in_the_strip_and_in_the_list(visit: Visit, planted: Path) -> None:
    (available,) = figures(planted, ["A01"], PERIOD)
    assert available.value is not None
    visit.go(f"/reliability?{DATES}", "#reliability-strip .hm")
    assert f"{available.value:.1f} %" in visit.text("#reliability-answer")
    assert "maintenance" in visit.text("#reliability-strip-legend")
    assert "Preventive" in visit.text("#reliability-incidents")
    assert "no proof" in visit.text("#reliability-lemons-note")
    visit.page.locator("#reliability-by label", has_text="By node").click()
    visit.page.wait_for_function(
        "() => document.querySelector('#reliability-strip').innerText.includes('sim-r1-n01')"
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 2560)])
def test_nothing_needs_sideways_scrolling(
    visit: Visit, sideways: Callable[[Any], int], scheme: str, width: int
) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    visit.page.set_viewport_size({"width": width, "height": 900})
    for path, until in (
        ("/energy", "#energy-flow .sankey-node"),
        ("/access", "#access_time-used .bars"),
        ("/reliability", "#reliability-strip .hm"),
        ("/production", "#production-life .bars"),
    ):
        visit.go(f"{path}?{DATES}", until)
        assert sideways(visit.page) <= 0, path


def test_production_of_one_system_stands_beside_the_time_before(
    visit: Visit, planted: Path
) -> None:
    half = Period(parse_time("2025-01-15", "first"), parse_time("2025-01-29", "last"))
    (now,) = figures(planted, ["OEE"], half)
    assert now.value is not None
    dates = "period=custom&first=2025-01-15&last=2025-01-28"
    visit.go(f"/production?{dates}&system=sim", "#production-life .bars")
    said = visit.text("#production-equation [data-kpi=OEE]")
    assert f"{100 * now.value:.1f}" in said
    assert "before" in said
    assert "tok/kWh" in visit.text("#production-headline [data-kpi=S10]")
    assert "GPU-hours were for" in visit.text("#production-life-finding")


def test_production_is_not_set_beside_a_time_that_is_hardly_booked(visit: Visit) -> None:
    visit.go(f"/production?{DATES}&system=sim", "#production-life .bars")
    assert "before" not in visit.text("#production-equation [data-kpi=OEE]")
    assert "of the period before is booked" in visit.text("#production-page")


def test_a_period_before_the_books_says_so_on_every_page(visit: Visit) -> None:
    before = "period=custom&first=2020-01-01&last=2020-01-05"
    for path, answer, said in (
        ("/production", "#production-answer", "Nothing is booked"),
        ("/energy", "#energy-answer", "No meter was read"),
        ("/reliability", "#reliability-answer", "not known"),
    ):
        visit.page.goto(f"{visit.url}{path}?{before}")
        visit.page.locator(answer, has_text=said).wait_for()
