"""A manager has a review made, follows it, looks at it, and takes it along."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

DATES = "period=custom&first=2025-01-08&last=2025-01-09"
WAIT = 240_000
"""Milliseconds: making a report takes long on a machine that runs other tests beside."""


@pytest.fixture
def page(page: Any) -> Any:
    """A page that waits for reports."""
    page.set_default_timeout(WAIT)
    return page


def test_a_review_is_made_followed_looked_at_and_taken_along(
    page: Any, site: Any, tmp_path: Path
) -> None:
    page.goto(f"{site.url}/reports?{DATES}")
    page.locator("#reports-answer", has_text="No report has been made yet").wait_for()
    page.locator("#reports-kind label", has_text="Coordination review").click()
    page.locator("#reports-period", has_text="20").click()
    page.get_by_text("As above: 8 Jan 2025 to 9 Jan 2025").click()
    page.locator("#reports-option label", has_text="Restricted").click()
    page.locator("#reports-note", has_text="Joint Undertaking alone").wait_for()
    page.locator("#reports-make").click()

    # It is told what it does while it does it.
    page.locator(".work-running", has_text=re.compile("reading|computing|setting")).wait_for()
    assert "Restricted · 8 Jan 2025 to 9 Jan 2025" in page.locator(".work-title").inner_text()
    preview = page.locator(".work-done a", has_text="Preview")
    preview.wait_for()
    preview.click()

    # The page in the page: no script, no request, and the figures of the period.
    page.locator("#reports-shown", has_text="8 Jan 2025 to 9 Jan 2025").wait_for()
    frame = page.frame_locator("iframe.report-frame")
    frame.locator("h1", has_text="EuroHPC coordination review").wait_for()
    assert "restricted" in frame.locator("header.cover").inner_text()

    with page.expect_download() as started:
        page.locator("#reports-shown-files a", has_text="PDF").click()
    started.value.save_as(tmp_path / "review.pdf")
    (folder,) = [path for path in (site.store / "reports").iterdir() if path.is_dir()]
    (pdf,) = folder.glob("*.pdf")
    assert (tmp_path / "review.pdf").read_bytes() == pdf.read_bytes()

    made = json.loads((folder / "made.json").read_bytes())
    assert (made["why"], made["by"], made["options"]) == (
        "page", "staff", {"variant": "restricted"},
    )  # fmt: skip
    row = page.locator(".made-reports tbody tr")
    assert row.count() == 1
    assert made["code"] in row.inner_text()
    assert "staff, on this page" in row.inner_text()

    # Asked for once more it is the same, which is written down.
    page.goto(f"{site.url}/reports?{DATES}")
    page.locator("#reports-period", has_text="20").click()
    page.get_by_text("As above: 8 Jan 2025 to 9 Jan 2025").click()
    page.locator("#reports-option label", has_text="Restricted").click()
    page.locator("#reports-note", has_text="Joint Undertaking alone").wait_for()
    page.locator("#reports-make").click()
    page.locator(".made-reports", has_text="the same when made again, 1 time").wait_for()
    assert page.locator(".made-reports tbody tr").count() == 1


def test_what_cannot_be_made_is_said_in_words(page: Any, site: Any) -> None:
    page.goto(f"{site.url}/reports?{DATES}&kind=project")
    page.locator("#reports-of").fill("no-such-project")
    page.locator("#reports-make").click()
    page.locator(".work-failed", has_text="no-such-project").wait_for()
    page.locator("#reports-forms label", has_text="HTML").click()
    page.locator("#reports-forms label", has_text="PDF").click()
    page.locator("#reports-make").click()
    page.locator("#reports-said", has_text="Not made: formats: some of html").wait_for()
