"""Signing in, looking and signing out in a real browser, with a real provider."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.browser

MARKED = '<img src=x onerror="document.title=1">=HYPERLINK("http://evil.example")'


@pytest.fixture
def page(browser: Any, site: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.problems = []

    def said(message: Any) -> None:
        # The provider's own page is not ours to judge.
        if message.type == "error" and opened.url.startswith(site.url):
            opened.problems.append(message.text)

    opened.on("console", said)
    yield opened
    context.close()


@pytest.fixture
def sign_in(site: Any, page: Any) -> Callable[..., None]:
    def sign_in(subject: str, path: str = "/") -> None:
        page.goto(site.url + path)
        page.get_by_role("link", name="Continue with The provider").click()
        page.locator("input[name=sub]").fill(subject)
        page.locator("form button, form input[type=submit]").first.click()
        page.wait_for_url(f"{site.url}/**", timeout=60_000)

    return sign_in


def cookies(page: Any) -> dict[str, Any]:
    return {cookie["name"]: cookie for cookie in page.context.cookies()}


def test_an_operator_signs_in_sees_the_fleet_and_signs_out(
    site: Any, page: Any, sign_in: Callable[..., None]
) -> None:
    sign_in("olga@idp", "/production?period=30d")
    page.wait_for_selector("#production-jobs tr[data-job]", timeout=60_000)
    assert page.url == f"{site.url}/production?period=30d"
    page.locator("#shell-pages a", has_text="Fleet").click()
    page.wait_for_selector("#fleet-jobs tr[data-job]", timeout=60_000)
    held = cookies(page)
    assert held["__Host-wattline"]["httpOnly"] and held["__Host-wattline"]["secure"]
    assert held["__Host-wattline"]["sameSite"] == "Lax"
    assert "__Host-wattline-begun" not in held
    # A name is text, wherever it stands.
    assert page.locator(".who").inner_text() == "Olga <b>Operator</b>"
    page.locator(".who").click()
    assert page.locator("h1").inner_text() == "Olga <b>Operator</b>"
    assert "operator" in page.locator("dl").inner_text()
    old = held["__Host-wattline"]["value"]
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site.url}/sign-in")
    assert "__Host-wattline" not in cookies(page)
    # The session is gone, not only its cookie.
    again = urllib.request.Request(
        f"{site.url}/_dash-layout", headers={"Cookie": f"__Host-wattline={old}"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(again, timeout=30)
    refused.value.close()
    assert refused.value.code == 401
    assert page.problems == []
    written = (site.directory / "access.jsonl").read_text()
    log = [json.loads(line) for line in written.splitlines()]
    assert [entry["did"] for entry in log if entry["did"] != "looked"] == ["sign-in", "sign-out"]
    # Nobody's jobs are shown to her without a line of its own.
    assert {entry["account"] for entry in log if entry["did"] == "looked"} == {"olga"}
    assert log[0]["account"] == "olga"
    assert old not in written


def test_a_manager_sees_figures_and_nobodys_jobs(page: Any, sign_in: Callable[..., None]) -> None:
    sign_in("mara@idp", "/production")
    page.wait_for_selector("#production-kpis tr[data-kpi]", timeout=60_000)
    assert page.locator("#production-jobs tr[data-job]").count() == 0
    assert page.problems == []


def test_a_job_owner_is_told_that_a_page_is_not_theirs(
    site: Any, page: Any, sign_in: Callable[..., None], guarded_collector: Any
) -> None:
    sign_in("anna@idp")
    page.wait_for_url("**/my-jobs*", timeout=60_000)
    page.wait_for_selector("#shell-pages a", timeout=60_000)
    assert page.locator("#shell-pages a").all_inner_texts() == ["My jobs", "My project"]
    page.goto(f"{site.url}/my-project")
    page.wait_for_selector("#shell-pages a", timeout=60_000)
    page.locator("a[href='/']").first.click()
    page.wait_for_url("**/my-jobs*", timeout=60_000)
    page.goto(f"{site.url}/production")
    page.wait_for_selector("#shell-refused", timeout=60_000)
    refused = page.locator("#shell-refused").inner_text()
    assert refused.startswith("Production is not for your roles")
    assert not any("overview" in path for path in guarded_collector.asked)
    assert page.problems == []


def test_who_has_no_account_here_has_no_role_whatever_else_they_say(
    page: Any, site: Any, sign_in: Callable[..., None]
) -> None:
    sign_in("eve@idp")
    page.wait_for_selector("#shell-refused", timeout=60_000)
    page.goto(f"{site.url}/account")
    told = page.locator("main").inner_text()
    assert "No role is yours yet" in told
    assert "olga" not in told


def test_a_session_that_ends_under_an_open_page_leads_to_the_sign_in(
    page: Any, site: Any, sign_in: Callable[..., None]
) -> None:
    sign_in("olga@idp")
    page.wait_for_selector("#fleet-jobs tr[data-job]", timeout=60_000)
    page.context.clear_cookies(name="__Host-wattline")
    page.wait_for_url(f"{site.url}/sign-in?next=%2F", timeout=30_000)


def test_hostile_names_appear_as_text_only(
    page: Any, sign_in: Callable[..., None], guarded_collector: Any
) -> None:
    whole, period = guarded_collector.latest(), guarded_collector.overview()
    whole["jobs"]["name"] = [MARKED] * len(whole["jobs"]["job"])
    whole["jobs"]["name"][0] = "A" * 1_000_000
    for table in ("devices", "nodes"):
        whole[table]["node"] = [f"{name}{MARKED}" for name in whole[table]["node"]]
    for job in period["jobs"]:
        job["name"] = MARKED
    for row in period["coverage"]:
        row["node"] += MARKED
    guarded_collector.latest = lambda: whole
    guarded_collector.overview = lambda: period
    sign_in("olga@idp")
    page.wait_for_selector("#fleet-jobs tr[data-job]", timeout=60_000)
    assert MARKED in page.locator("#fleet-jobs").inner_text()
    page.locator("#shell-pages a", has_text="Production").click()
    page.wait_for_selector("#production-jobs tr[data-job]", timeout=60_000)
    assert MARKED in page.locator("#production-jobs").inner_text()
    assert page.locator("img").count() == 0
    assert page.title() == "Production · Wattline"
    assert page.problems == []
