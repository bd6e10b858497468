"""A job trains, counts its tokens, and its owner reads on a page what a joule bought."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90

pytestmark = pytest.mark.browser

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def job(site: Any) -> dict[str, Any]:
    """The example job, run to its end, as it printed itself."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/train_numpy.py"), "--seconds", "8"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"WATTLINE_JOB_SOCKET": str(site.job_socket), "CUDA_VISIBLE_DEVICES": "0"},
    )
    assert done.returncode == 0, done.stderr
    tokens = re.search(r"(\d+) tokens counted", done.stdout)
    key = re.search(r"job (\S+):", done.stdout)
    assert tokens and key, done.stdout
    return {"key": key.group(1), "tokens": int(tokens.group(1))}


def _booked_job(site: Any, run: Run, job: dict[str, Any]) -> dict[str, Any]:
    """The job's figures once the books hold all that it counted, and its energy to the end."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        done = run("kpi", "P01", "S10", "S12", "--by", "job", "--store", str(site.store),
                   "--format", "json")  # fmt: skip
        if done.returncode == 0:
            mine = [f for f in json.loads(done.stdout) if f["dims"] == {"job": job["key"]}]
            figures = {figure["id"]: figure for figure in mine}
            whole = figures.get("P01", {}).get("value") == job["tokens"]
            if whole and figures["S12"]["coverage"] == 1:
                return figures
        time.sleep(1)
    raise AssertionError(f"{job} is not in the books: {done.stdout}{done.stderr}")


def _number(text: str) -> float:
    """A number as pages write it: thin spaces between thousands, and an SI prefix."""
    text = re.sub(r"(?<=\d)\s(?=\d)", "", text)
    found = re.search(r"([\d.,]+)\s*([kMGm]?)", text)
    assert found, text
    scale = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3}[found.group(2)]
    return float(found.group(1).replace(",", "")) * scale


def test_every_token_the_job_counted_is_in_the_books(
    site: Any, job: dict[str, Any], run_wattline: Run
) -> None:
    figures = _booked_job(site, run_wattline, job)
    assert figures["P01"]["value"] == job["tokens"]
    assert figures["S12"]["value"] > 0


def test_its_tokens_per_joule_stand_on_the_production_page(
    site: Any, job: dict[str, Any], run_wattline: Run, browser: Any
) -> None:
    figures = _booked_job(site, run_wattline, job)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    outside: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if site.pages not in r.url else None)
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.goto(f"{site.pages}/production")
    cell = page.locator(f'[data-job="{job["key"]}"] [data-field="tokens_per_joule"]')
    cell.wait_for(timeout=PATIENCE_SECONDS * 1000)
    # The page rounds to three digits; it may first show the job as it stood some seconds ago.
    expected = pytest.approx(figures["S10"]["value"], rel=0.006)
    until = time.monotonic() + PATIENCE_SECONDS
    while _number(cell.inner_text()) != expected and time.monotonic() < until:
        page.wait_for_timeout(500)
    shown = _number(cell.inner_text())
    page.close()
    assert shown == expected
    assert [url for url in outside if not url.startswith("data:")] == []
    assert problems == []


def test_the_fleet_page_shows_this_host_live(site: Any, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(site.pages)
    page.locator("text=box").first.wait_for(timeout=PATIENCE_SECONDS * 1000)
    text = page.inner_text("body")
    page.close()
    assert "simulated" in text.lower()


def test_the_report_is_made_and_its_pdf_can_be_printed(
    site: Any, job: dict[str, Any], run_wattline: Run, tmp_path: Path
) -> None:
    _booked_job(site, run_wattline, job)
    done = run_wattline("report", "review", "--store", str(site.store), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (pdf,) = tmp_path.glob("*.pdf")
    (html,) = tmp_path.glob("*.html")
    subprocess.run(
        ["pdftoppm", "-r", "40", "-png", str(pdf), str(tmp_path / "page")], check=True, timeout=60
    )
    assert len(list(tmp_path.glob("page-*.png"))) >= 5
    told = html.read_text()
    assert "S10" in told
    assert "train-numpy" not in told  # a review names no job


def test_the_books_of_a_running_site_balance(
    site: Any, job: dict[str, Any], run_wattline: Run
) -> None:
    _booked_job(site, run_wattline, job)
    done = run_wattline("audit", "--store", str(site.store))
    assert done.returncode == 0, done.stdout
    assert "The books balance" in done.stdout
