"""What the owner of a job does: find it, see what it wasted and when, take the figures along."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

JANUARY = "period=custom&first=2025-01-01&last=2025-01-28"
WAIT = 90_000


@pytest.fixture(scope="module")
def factory(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real collector over a copy of the planted store, and the pages over it."""
    store = tmp_path_factory.mktemp("jobs") / "store"
    shutil.copytree(planted, store)

    def run(*words: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", *words],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        return process, next(word for word in process.stderr.readline().split() if "://" in word)

    collector, url = run("collector", "--store", str(store), "--listen", "127.0.0.1:0",
                         "--no-alerts")  # fmt: skip
    token = store / "tokens" / "read"
    pages, address = run("dashboards", "--collector", url, "--token-file", str(token),
                         "--listen", "127.0.0.1:0")  # fmt: skip

    class Factory:
        url = address

        @staticmethod
        def ask(path: str) -> Any:
            bearer = {"Authorization": f"Bearer {token.read_text().strip()}"}
            request = urllib.request.Request(url + path, headers=bearer)
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)

    try:
        yield Factory
    finally:
        for process in (pages, collector):
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


@pytest.fixture
def page(browser: Any, factory: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    opened.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    opened.close()
    assert problems == []


def sideways(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_from_the_list_to_what_a_job_wasted_and_when(page: Any, factory: Any) -> None:
    page.goto(f"{factory.url}/my-jobs?{JANUARY}")
    page.wait_for_selector("#my_jobs-list tr[data-job]", timeout=WAIT)
    assert "GPU-h" in page.locator("#my_jobs-answer").inner_text()
    assert page.locator("#my_jobs-list tbody tr").count() == 50

    page.locator("#my_jobs-search").fill("pretrain")
    page.wait_for_function("() => location.search.includes('search=pretrain')", timeout=WAIT)
    page.locator("[data-job-sort=wasted-down]").click()
    page.wait_for_selector("th[aria-sort=descending] [data-job-sort=wasted-up]", timeout=WAIT)
    page.wait_for_function("() => location.search.includes('sort=wasted-down')", timeout=WAIT)

    asked = "from=2025-01-01T00:00:00Z&to=2025-01-29T00:00:00Z&search=pretrain&sort=wasted"
    [first, *_] = factory.ask(f"/v1/my-jobs?{asked}")["rows"]
    page.wait_for_selector(f"#my_jobs-list tbody tr:first-child[data-job='{first['job']}']",
                           timeout=WAIT)  # fmt: skip
    page.evaluate("window.kept = true")
    page.locator("#my_jobs-list tbody tr:first-child a").click()
    page.wait_for_selector("#job-strips .hm image", timeout=WAIT, state="attached")
    assert page.evaluate("window.kept") is True  # the pages were not loaded anew
    assert page.url.startswith(f"{factory.url}/job?job={first['job']}")

    report = factory.ask(f"/v1/jobs/{first['job']}")
    figures = {figure["id"]: figure["value"] for figure in report["figures"]}
    shown = page.locator("#job-waste [data-figure=wasted_gpu_hours]").inner_text()
    assert float("".join(shown.split()[1:-1])) == float(f"{figures['wasted_gpu_hours']:.3g}")
    assert "€" in page.locator("#job-waste").inner_text()
    lost = next(one for one in report["accounts"] if one["account"] in ("held", "lost"))
    assert lost["when"][0]["from"][11:16] in page.locator("#job-accounts").inner_text()
    assert page.locator("#job-strips .hm image").count() == 2
    assert sideways(page) <= 0


def test_a_jobs_figures_are_taken_along_and_the_dark_theme_draws_them_too(
    page: Any, factory: Any
) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{factory.url}/job?job=100002")
    page.wait_for_selector("#job-strips .hm image", timeout=WAIT, state="attached")
    page.wait_for_selector("#job-devices tr[data-device]", timeout=WAIT)
    for id, heading in (("job-strips", "activity (0-1)"), ("job-devices", "energy_joules (J)")):
        page.locator(f"#{id}-finding, #job-devices").first.hover()
        with page.expect_download(timeout=WAIT) as download:
            page.locator(f"#{id}-csv").click(force=True)
        assert heading in Path(download.value.path()).read_text()
    page.locator("#shell-theme").click()
    page.wait_for_selector("html[data-theme=dark]", timeout=WAIT)
    page.wait_for_selector("#job-strips .hm image", timeout=WAIT, state="attached")


def test_a_job_that_is_not_there_says_so_and_asks_for_another(page: Any, factory: Any) -> None:
    page.goto(f"{factory.url}/job?job=987654321")
    page.locator("#job-answer", has_text="cannot be shown").wait_for(timeout=WAIT)
    assert "no job 987654321" in page.locator("#job-facts").inner_text()
    page.goto(f"{factory.url}/job")
    page.locator("#job-answer", has_text="Which job?").wait_for(timeout=WAIT)
    page.locator("form.find-job input").fill("100002")
    page.locator("form.find-job button").click()
    page.wait_for_selector("#job-strips .hm image", timeout=WAIT, state="attached")


def test_a_project_shows_its_burn_down_and_who_used_what(page: Any, factory: Any) -> None:
    name = "EHPC-COM-2025C01-001"
    page.goto(f"{factory.url}/my-project?{JANUARY}&project={name}")
    page.wait_for_selector("#my_project-burn .scatterlayer path", timeout=WAIT, state="attached")
    assert name in page.locator("#my_project-answer").inner_text()
    users = page.locator("#my_project-users tr[data-user]")
    assert {"works-1", "works-2"} <= {users.nth(i).get_attribute("data-user")
                                      for i in range(users.count())}  # fmt: skip
    assert f"project={name}" in page.url
    assert sideways(page) <= 0
