"""A recorded training run in a real browser: what nobody measured is shown as unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.period import parse_time
from wattline_collector.kpi.query import figures
from wattline_collector.palette import UNKNOWN

pytestmark = [pytest.mark.browser, pytest.mark.recordings]

RUN = "llama2lora_1x8H100_AC_run4951_1"
DAY = "period=custom&first=2024-05-09&last=2024-05-09"
PERIOD = Period(parse_time("2024-05-09", "first"), parse_time("2024-05-10", "last"))


@pytest.fixture(scope="module")
def recorded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one run of a published benchmark: a node's meter, eight devices, no tokens."""
    store = tmp_path_factory.mktemp("recorded") / "store"
    run = shared / "data" / "02-mlperf-training-power" / RUN
    words = ["mlperf-training", f"{run}.power.tar.gz", "--log", f"{run}.mllog.txt.gz"]
    assert cli.main(["import", *words, "--store", str(store)]) == 0
    return store


@pytest.fixture(scope="module")
def site(programs: Any, recorded: Path) -> Any:
    """Pages over a collector that has the run."""
    return programs.site(recorded)


def text(page: Any, selector: str) -> str:
    page.wait_for_function("s => document.querySelector(s)?.innerText.trim()", arg=selector)
    return str(page.locator(selector).inner_text()).replace("\u2009", " ")


def test_a_manager_reads_the_published_energy_and_no_work_that_nobody_measured(
    site: Any, recorded: Path, page: Any, tmp_path: Path
) -> None:
    (energy,) = figures(recorded, ["S12"], PERIOD)
    assert energy.value == pytest.approx(3.3618, abs=1e-4)  # of the run, as published
    page.goto(f"{site.url}/production?{DAY}")
    page.wait_for_selector("#production-losses .bars")
    assert "Nobody measured" in text(page, "#production-answer")
    assert "no job counted its tokens" in text(page, "#production-answer")
    assert "3.36" in text(page, "#production-headline [data-kpi=S12]")
    assert text(page, "#production-headline [data-kpi=S10]").split()[3] == UNKNOWN
    assert "in time nobody measured" in page.locator("#production-page").inner_text()
    assert "0 GPU-h" not in page.locator("#production-losses").inner_text()
    page.locator("tr[data-kpi=S12] summary").click()
    assert "node" in page.locator("tr[data-kpi=S12] + tr.explained").inner_text()


def test_an_operator_sees_the_nodes_power_and_devices_as_unknown(site: Any, page: Any) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{site.url}/node?node=node_0&{DAY}")
    page.wait_for_selector("#node-strips .xtick")
    assert "was not measured" in text(page, "#node-answer")
    with page.expect_download() as saved:
        page.locator("#node-strips-csv").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    watts = lines[0].split(",").index("power (W)")
    known = [float(one) for line in lines[1:] if (one := line.split(",")[watts])]
    assert 6000 < max(known) < 8000
    page.locator("#shell-theme").click()
    page.wait_for_selector("html[data-theme=dark]")
    page.wait_for_selector("#node-strips .xtick")


def test_its_owner_sees_what_it_used_and_dashes_for_the_rest(site: Any, page: Any) -> None:
    page.goto(f"{site.url}/my-jobs?{DAY}")
    page.wait_for_selector(f"#my_jobs-list tr[data-job='{RUN}']")
    page.locator(f"#my_jobs-list tr[data-job='{RUN}'] a").first.click()
    page.wait_for_selector("#job-devices tr[data-device]")
    said = text(page, "#job-answer")
    assert "3.77" in said and "was not measured" in said
    assert "3.36" in text(page, "#job-facts") + text(page, "#job-page")
    rows = page.locator("#job-devices tr[data-device]")
    assert rows.count() == 8
    cells = [rows.nth(0).locator(f"[data-field={name}]").inner_text() for name in ("held", "power")]
    assert cells == [UNKNOWN, UNKNOWN]
