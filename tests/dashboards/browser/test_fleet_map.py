"""The map of the fleet as a browser draws it: pixels, not what was sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, TOKENS, Mode
from wattline_dashboards.figures import floor
from wattline_dashboards.picture import Picture, picture

pytestmark = pytest.mark.browser

DRAWN = "#fleet-map canvas[data-drawn]"
_COLOUR = """([x, y]) => {
  const canvas = document.querySelector('#fleet-map canvas');
  const scale = canvas.width / canvas.clientWidth;
  const found = canvas.getContext('2d').getImageData(x * scale, y * scale, 1, 1).data;
  return '#' + [...found.slice(0, 3)].map(part => part.toString(16).padStart(2, '0')).join('');
}"""
_INKS = """([left, top, edge]) => {
  const canvas = document.querySelector('#fleet-map canvas');
  const scale = canvas.width / canvas.clientWidth;
  const [x, y, wide] = [left, top, edge].map(part => Math.round(part * scale));
  const pixels = canvas.getContext('2d').getImageData(x, y, wide, wide).data;
  const inks = new Set();
  for (let at = 0; at < pixels.length; at += 4) inks.add(pixels.slice(at, at + 3).join());
  return inks.size;
}"""
"""How many colours there are in a cell."""


def planned(page: Any, shown: Picture) -> floor.Floor:
    """Where devices stand on the page that is open."""
    width = page.evaluate("document.querySelector('#fleet-frame').clientWidth")
    return floor.plan(shown.devices, width // 8 * 8)


_PLANS = """window.widths = new Set();
new MutationObserver(() => {
  const canvas = document.querySelector('#fleet-map canvas[data-drawn]');
  if (canvas) window.widths.add(canvas.width);
}).observe(document, { attributes: true, childList: true, subtree: true });"""
"""Notes every width that the map is drawn in."""


@pytest.fixture
def still(collector: Any) -> Callable[..., Any]:
    """A fleet that stays as it is, with changes to its devices."""

    def of(**columns: Any) -> Any:
        answer = collector.latest()
        answer["devices"] |= columns
        collector.latest = lambda: answer
        return picture(answer)

    return of


@pytest.mark.parametrize("mode", list(Mode))
def test_a_device_has_the_colour_of_what_it_does_and_one_that_is_silent_is_hatched(
    pages: Any, page: Any, still: Callable[..., Any], mode: Mode
) -> None:
    shown = still()
    page.emulate_media(color_scheme=mode.value)
    page.goto(f"{pages.url}/")
    page.wait_for_selector(DRAWN)
    plan = planned(page, shown)
    edge = plan.cell - plan.gap
    seen: set[Account] = set()
    for (row, column), account in zip(plan.spots, shown.accounts, strict=True):
        if account in seen:
            continue
        seen.add(account)
        left, top = column * plan.cell, row * plan.cell
        hatched = ACCOUNTS[account].hatched
        assert (page.evaluate(_INKS, [left, top, edge]) > 1) is hatched, account
        if not hatched:
            colour = page.evaluate(_COLOUR, [left + 1, top + 1])
            assert colour.upper() == ACCOUNTS[account].colour(mode).upper(), account
    assert Account.UNOBSERVED in seen and len(seen) > 2


def test_what_is_not_known_is_never_in_a_colour_of_the_scale(
    pages: Any, page: Any, still: Callable[..., Any]
) -> None:
    shown = still(temperature_celsius=[None] * 255 + [20.0])
    page.emulate_media(color_scheme="light")
    page.goto(f"{pages.url}/?view=temperature")
    page.wait_for_selector(DRAWN)
    plan = planned(page, shown)
    places = [plan.spots[at] for at in (0, 255)]
    unknown, coldest = [(column * plan.cell, row * plan.cell) for row, column in places]
    # The corner is beside the hatching.
    colour = page.evaluate(_COLOUR, [unknown[0] + plan.cell - plan.gap - 1, unknown[1] + 4])
    neutral = TOKENS[Mode.LIGHT].neutral
    inks = page.evaluate(_INKS, [*unknown, plan.cell - plan.gap])
    assert inks > 1
    assert page.evaluate(_INKS, [*coldest, plan.cell - plan.gap]) == 1
    cold = page.evaluate(_COLOUR, [coldest[0] + 2, coldest[1] + 2])
    assert cold.upper() == "#440154"
    assert colour.upper() != "#440154" and neutral.upper() != "#440154"


def test_dark_and_back_redraws_the_map_without_asking(pages: Any, page: Any, still: Any) -> None:
    shown = still()
    busy = next(at for at, account in enumerate(shown.accounts) if account is Account.BUSY)
    page.emulate_media(color_scheme="light")
    page.goto(f"{pages.url}/")
    page.wait_for_selector(DRAWN)
    plan = planned(page, shown)
    row, column = plan.spots[busy]
    place = [column * plan.cell + 1, row * plan.cell + 1]
    for mode in (Mode.DARK, Mode.LIGHT):
        page.locator("#shell-theme").click()
        page.wait_for_function(
            f"([place, colour]) => ({_COLOUR})(place).toUpperCase() === colour",
            arg=[place, ACCOUNTS[Account.BUSY].colour(mode).upper()],
        )


def test_the_map_is_sharp_on_a_dense_screen(pages: Any, browser: Any, still: Any) -> None:
    shown = still()
    page = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=2)
    page.goto(f"{pages.url}/")
    page.wait_for_selector(DRAWN, timeout=60_000)
    ratio = page.evaluate(
        "(() => { const c = document.querySelector('#fleet-map canvas');"
        " return c.width / c.clientWidth })()"
    )
    page.close()
    assert ratio == 2
    assert shown.devices.rows == 256


@pytest.mark.parametrize("width", [1280, 2560])
def test_the_first_frame_needs_no_plotly_and_no_question_after_the_layout(
    pages: Any, page: Any, still: Any, width: int
) -> None:
    still()
    page.set_viewport_size({"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(_PLANS)
    page.goto(f"{pages.url}/")
    page.wait_for_selector(DRAWN)
    page.wait_for_selector("#shell-systems > *")
    assert not [url for url in asked if "plotly" in url]
    layouts = [url for url in asked if "/_dash-layout" in url]
    assert len(layouts) == 1 and "at=%2F" in layouts[0]
    # The map that came with the layout fits: none was drawn before one that does.
    assert page.evaluate("window.widths.size") == 1
    # The page stands already: Dash is told so, and does not draw it a second time.
    assert page.locator("#fleet-page").count() == 1


def test_the_map_is_saved_as_a_picture_and_as_a_table(pages: Any, page: Any, still: Any) -> None:
    shown = still()
    page.goto(f"{pages.url}/")
    page.wait_for_selector(DRAWN)
    with page.expect_download() as picture_of_it:
        page.locator("#fleet-map-png").dispatch_event("click")
    with open(picture_of_it.value.path(), "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    with page.expect_download() as table:
        page.locator("#fleet-map-csv").dispatch_event("click")
    with open(table.value.path(), encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert len(lines) == 1 + shown.devices.rows
    assert lines[0].startswith("system,rack,node,place,device,state,job,sm_active_ratio")


def test_going_to_another_page_and_back_draws_the_map_again(
    pages: Any, page: Any, still: Any
) -> None:
    still()
    page.goto(f"{pages.url}/")
    page.wait_for_selector(DRAWN)
    page.locator("#shell-pages a", has_text="Production").click()
    page.wait_for_selector("#production-page")
    assert page.locator("#fleet-page").count() == 0
    page.locator("#shell-pages a", has_text="Fleet").click()
    page.wait_for_selector(DRAWN)
    page.wait_for_selector("#fleet-page:not(.waiting)")
