"""What the owner of a job does: find it, see what it wasted and when, take the figures along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

JANUARY = "period=custom&first=2025-01-01&last=2025-01-28"


def test_from_the_list_to_what_a_job_wasted_and_when(
    page: Any, site: Any, sideways: Callable[[Any], int]
) -> None:
    page.goto(f"{site.url}/my-jobs?{JANUARY}")
    page.wait_for_selector("#my_jobs-list tr[data-job]")
    assert "GPU-h" in page.locator("#my_jobs-answer").inner_text()
    assert page.locator("#my_jobs-list tbody tr").count() == 50

    page.locator("#my_jobs-search").fill("pretrain")
    page.wait_for_function("() => location.search.includes('search=pretrain')")
    page.locator("[data-job-sort=wasted-down]").click()
    page.wait_for_selector("th[aria-sort=descending] [data-job-sort=wasted-up]")
    page.wait_for_function("() => location.search.includes('sort=wasted-down')")

    asked = {"from": "2025-01-01T00:00:00Z", "to": "2025-01-29T00:00:00Z"}
    asked |= {"search": "pretrain", "sort": "wasted"}
    [first, *_] = site.collector.ask("/v1/my-jobs", list(asked.items()))["rows"]
    page.wait_for_selector(f"#my_jobs-list tbody tr:first-child[data-job='{first['job']}']")
    page.evaluate("window.kept = true")
    page.locator("#my_jobs-list tbody tr:first-child a").click()
    page.wait_for_selector("#job-strips .hm image", state="attached")
    assert page.evaluate("window.kept") is True  # the pages were not loaded anew
    assert page.url.startswith(f"{site.url}/job?job={first['job']}")

    report = site.collector.ask(f"/v1/jobs/{first['job']}")
    figures = {figure["id"]: figure["value"] for figure in report["figures"]}
    shown = page.locator("#job-waste [data-figure=wasted_gpu_hours]").inner_text()
    assert float("".join(shown.split()[1:-1])) == float(f"{figures['wasted_gpu_hours']:.3g}")
    assert "€" in page.locator("#job-waste").inner_text()
    lost = next(one for one in report["accounts"] if one["account"] in ("held", "lost"))
    assert lost["when"][0]["from"][11:16] in page.locator("#job-accounts").inner_text()
    assert page.locator("#job-strips .hm image").count() == 2
    assert sideways(page) <= 0


def test_a_jobs_figures_are_taken_along_and_the_dark_theme_draws_them_too(
    page: Any, site: Any
) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{site.url}/job?job=100002")
    page.wait_for_selector("#job-strips .hm image", state="attached")
    page.wait_for_selector("#job-devices tr[data-device]")
    for id, heading in (("job-strips", "activity (0-1)"), ("job-devices", "energy_joules (J)")):
        page.locator(f"#{id}-finding, #job-devices").first.hover()
        with page.expect_download() as download:
            page.locator(f"#{id}-csv").click(force=True)
        assert heading in Path(download.value.path()).read_text()
    page.locator("#shell-theme").click()
    page.wait_for_selector("html[data-theme=dark]")
    page.wait_for_selector("#job-strips .hm image", state="attached")


def test_a_job_that_is_not_there_says_so_and_asks_for_another(page: Any, site: Any) -> None:
    page.goto(f"{site.url}/job?job=987654321")
    page.locator("#job-answer", has_text="cannot be shown").wait_for()
    assert "no job 987654321" in page.locator("#job-facts").inner_text()
    page.goto(f"{site.url}/job")
    page.locator("#job-answer", has_text="Which job?").wait_for()
    page.locator("form.find-job input").fill("100002")
    page.locator("form.find-job button").click()
    page.wait_for_selector("#job-strips .hm image", state="attached")


def test_a_project_shows_its_burn_down_and_who_used_what(
    page: Any, site: Any, sideways: Callable[[Any], int]
) -> None:
    name = "EHPC-COM-2025C01-001"
    page.goto(f"{site.url}/my-project?{JANUARY}&project={name}")
    page.wait_for_selector("#my_project-burn .scatterlayer path", state="attached")
    assert name in page.locator("#my_project-answer").inner_text()
    users = page.locator("#my_project-users tr[data-user]")
    assert {"works-1", "works-2"} <= {users.nth(i).get_attribute("data-user")
                                      for i in range(users.count())}  # fmt: skip
    assert f"project={name}" in page.url
    assert sideways(page) <= 0
