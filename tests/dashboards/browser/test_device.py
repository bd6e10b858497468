"""From the fleet to a device and its node, by key and by click, over a planted store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.books import Books

pytestmark = pytest.mark.browser

WEEK = "period=custom&first=2025-01-13&last=2025-01-19"


@pytest.mark.parametrize("width", [1280, 2560])
def test_a_device_shows_its_week_on_one_axis_and_leads_to_its_node(
    site: Any, planted: Path, page: Any, sideways: Callable[[Any], int], width: int
) -> None:
    one = (
        Books(planted)
        .inventory.filter(pl.col("kind") == "device")
        .sort("node", "key")
        .row(1, named=True)
    )
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site.url}/device?device={one['key']}&system={one['system']}&{WEEK}")
    page.wait_for_selector("#device-strips .xtick")
    assert one["node"] in page.locator("#device-answer").inner_text()
    assert one["model"] in page.locator("#device-identity").inner_text()
    drawn = page.evaluate(
        "document.querySelector('#device-strips .js-plotly-plot')._fullLayout._subplots.xaxis"
    )
    assert drawn == ["x"]
    assert page.locator("#device-jobs a.inside").count() > 0
    assert sideways(page) <= 0
    page.locator("#device-path a", has_text=one["node"]).click()
    page.wait_for_selector("#node-strips .xtick")
    assert one["node"] in page.locator("#node-answer").inner_text()
    page.locator("#node-devices a").first.click()
    page.wait_for_selector("#device-strips .xtick")
    page.go_back()
    page.wait_for_selector("#node-strips .xtick")


def test_the_strips_follow_the_theme_and_are_saved_as_a_file(
    site: Any, planted: Path, page: Any
) -> None:
    node = Books(planted).inventory["node"][0]
    page.emulate_media(color_scheme="light")
    page.goto(f"{site.url}/node?node={node}&{WEEK}")
    page.wait_for_selector("#node-strips .xtick")
    with page.expect_download() as saved:
        page.locator("#node-strips-csv").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert lines[0].startswith("from (UTC),device,index,power (W)")
    assert len(lines) > 100
    page.locator("#shell-theme").click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('#node-strips .bars path')]"
        ".some(p => p.style.fill === 'rgb(86, 180, 233)')"
    )


def test_a_device_that_is_not_there_says_where_to_look(site: Any, page: Any) -> None:
    page.goto(f"{site.url}/device?device=%3Cimg%20src%3Dx%3E&{WEEK}")
    page.wait_for_selector("#device-notice .notice")
    assert "no device '<img src=x>'" in page.locator("#device-notice").inner_text()
    assert page.locator("#device-notice img").count() == 0


def test_the_fleet_is_ordered_searched_and_walked_by_key(
    pages: Any, collector: Any, page: Any
) -> None:
    page.goto(f"{pages.url}/?group=job&view=power")
    page.wait_for_selector("#fleet-map canvas[data-drawn]")
    assert page.locator("#fleet-group label:has(input:checked)").inner_text() == "Job"
    assert "no job" in page.locator("#fleet-map").text_content()
    page.wait_for_selector("#fleet-legend .ramp")
    page.locator("#fleet-search").fill("sim-r1-n02")
    page.wait_for_selector(".fleet-found a.inside")
    assert "8 devices" in page.locator("#fleet-results").inner_text()
    page.wait_for_function(
        "() => new URLSearchParams(location.search).get('search') === 'sim-r1-n02'"
    )
    page.locator("#fleet-group label", has_text="Rack").click()
    page.wait_for_function(
        "() => !document.querySelector('#fleet-map').textContent.includes('no job')"
    )
    page.locator("#fleet-frame").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#fleet-said').innerText.includes('#0')")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#fleet-said').innerText.includes('#1')")
    assert page.locator("#fleet-cursor").is_visible()
    page.keyboard.press("Enter")
    page.wait_for_selector("#device-notice .notice")
    assert "device=GPU-000001-7f3e" in page.url


def test_a_click_on_a_cell_opens_its_device(pages: Any, collector: Any, page: Any) -> None:
    page.goto(f"{pages.url}/")
    page.wait_for_selector("#fleet-map canvas[data-drawn]")
    box = page.locator("#fleet-map").bounding_box()
    for step in range(3):
        page.mouse.move(box["x"] + 100 + step, box["y"] + 100)
    page.wait_for_selector(".tooltip .details")
    page.mouse.click(box["x"] + 102, box["y"] + 100)
    page.wait_for_selector("#device-notice .notice")
    assert "/device?device=GPU-" in page.url
