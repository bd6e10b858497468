"""An operator's way through Now, Alerts and Data quality, over a factory that runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.access import read_token
from wattline_collector.client import Collector

pytestmark = pytest.mark.browser


@dataclass
class Factory:
    """`wattline demo`, running: agents, a collector and pages."""

    url: str
    collector: Collector
    store: Path


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    home = tmp_path_factory.mktemp("factory")
    store = home / "store"
    apart = {
        "TMPDIR": str(home), "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"), "WATTLINE_JOB_SOCKET": str(home / "job.sock"),
    }  # fmt: skip
    words = ["demo", "--nodes", "8", "--devices", "4", "--days", "1", "--store", str(store)]
    with (home / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", *words, "--no-browser"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
            env=os.environ | apart,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        with process.stdout as stdout:
            said = ""
            for line in stdout:
                said += line
                if line.startswith("Ctrl-C ends it"):
                    break
            pages = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert pages is not None, said + (home / "stderr").read_text()
            child = re.search(r"--listen (127\.0\.0\.1:\d+)", _command(process.pid, "collector"))
            assert child is not None
            token = read_token(store / "tokens" / "read")
            yield Factory(pages[0], Collector(f"http://{child[1]}", token), store)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command(pid: int, name: str) -> str:
    import psutil

    lines = [" ".join(one.cmdline()) for one in psutil.Process(pid).children(recursive=True)]
    return next(line for line in lines if f" {name} " in line)


@pytest.fixture
def visit(factory: Factory, watched: Callable[..., Any]) -> Callable[..., Any]:
    """Opens a page and waits for a part of it; nothing may go wrong in the browser."""

    def visit(path: str, until: str, **how: Any) -> Any:
        page = watched(**how)
        page.goto(factory.url + path)
        page.wait_for_selector(until)
        return page

    return visit


def number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def test_an_operator_sees_what_works_and_a_silent_node_as_unknown(
    visit: Callable[..., Any], factory: Factory, sideways: Callable[[Any], int]
) -> None:
    page = visit("/now", "#now-ladder .ladder-row")
    told = factory.collector.ask("/v1/now")
    steps = ("installed", "offered", "assigned", "working")
    shown = [number(page.locator(f"[data-field={step}] .ladder-value").inner_text())
             for step in steps]  # fmt: skip
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == told["devices"]["installed"] == 32
    silent = told["feeds"]["agents"]["silent"]
    assert [one["node"] for one in silent] != []
    assert silent[0]["node"] in page.locator("#now-feeds").inner_text()
    assert page.locator("#now-feeds .cell-silent").count() == len(silent)
    legend = page.locator("#now-ladder [data-account=unobserved]")
    assert "state unknown" in legend.inner_text()
    assert "url" not in legend.locator(".swatch").evaluate("e => getComputedStyle(e).fill")
    assert "gradient" in legend.locator(".swatch").evaluate(
        "e => getComputedStyle(e).backgroundImage"
    )
    page.wait_for_selector("#now-power .bars path")
    assert sideways(page) <= 0


def test_the_wall_shows_it_all_at_once_larger_and_without_controls(
    visit: Callable[..., Any], sideways: Callable[[Any], int]
) -> None:
    size = {"width": 1920, "height": 1080}
    page = visit("/now?wall=1", "#now-ladder .ladder-row", viewport=size, color_scheme="dark")
    page.wait_for_selector("#now-power .bars path")
    assert not page.locator(".header").is_visible()
    assert not page.locator("#shell-system").is_visible()
    assert page.locator("#now-to-wall").count() == 0
    assert page.locator(".on-wall").evaluate("e => getComputedStyle(e).zoom") == "1.5"
    assert sideways(page) <= 0
    assert page.evaluate("document.documentElement.scrollHeight - window.innerHeight") <= 0


def test_an_alert_is_found_opened_filtered_and_sent_to_a_colleague(
    visit: Callable[..., Any], factory: Factory
) -> None:
    page = visit("/alerts", "#alerts-open [data-key=node-silent], #alerts-open .alert")
    line = page.locator("#alerts-open [data-key=node-silent], #alerts-open .alert").first
    key = line.get_attribute("data-key")
    line.locator("summary").focus()
    page.keyboard.press("Enter")
    open_one = page.locator(f"#alerts-open [data-key={key}][open]")
    open_one.locator(".runbook").wait_for()
    words = open_one.inner_text()
    for head in ("Evidence", "Means", "Look at", "Do"):
        assert head in words
    said = page.locator("#alerts-scope").inner_text()
    page.wait_for_function(
        "said => document.querySelector('#alerts-scope').innerText !== said", arg=said
    )  # fmt: skip
    assert open_one.count() == 1  # the page went on, and what was opened stayed so
    page.locator("#alerts-severity label", has_text="Info").click()
    page.locator("#alerts-node").fill("no-such-node")
    page.get_by_text("No alert is on that this filter lets through.").wait_for()
    page.wait_for_function("() => location.search.includes('node=no-such-node')")
    again = visit(page.url.removeprefix(factory.url), "#alerts-page:not(.waiting)")
    assert again.locator("#alerts-node").input_value() == "no-such-node"
    assert again.locator("#alerts-severity label:has(input:checked)").inner_text() == "Info"


def test_what_ended_is_listed_and_given_as_a_file_without_formulas(
    visit: Callable[..., Any], factory: Factory, tmp_path: Path
) -> None:
    now_ms = int(factory.collector.latest()["time_unix_ms"])
    line = {
        "at_ms": now_ms, "event": "ended", "why": "unknown", "rule": "=HYPERLINK(1)",
        "labels": {"system": "sim", "node": "<img src=x onerror=alert(1)>"}, "state": "firing",
        "since_ms": now_ms - 90_000, "fired_ms": now_ms - 60_000, "value": 3.0, "absent_ms": None,
    }  # fmt: skip
    folder = factory.store / "alerts"
    folder.mkdir(exist_ok=True)
    with (folder / "history.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    page = visit("/alerts", "#alerts-past tbody tr")
    page.locator("#alerts-past", has_text="not known any more").wait_for()
    assert page.locator("#alerts-past img").count() == 0
    with page.expect_download() as download:
        page.locator("#alerts-past-csv").click(force=True)
    path = tmp_path / "alerts.csv"
    download.value.save_as(path)
    assert "'=HYPERLINK(1)" in path.read_text()


@pytest.mark.parametrize("width", [1280, 2560])
def test_the_quality_of_the_data_is_shown_with_what_to_do(
    visit: Callable[..., Any], factory: Factory, sideways: Callable[[Any], int], width: int
) -> None:
    size = {"width": width, "height": 900}
    page = visit("/quality?period=7d", "#quality-map .hm image", viewport=size,
                 color_scheme="dark")  # fmt: skip
    todo = page.locator("#quality-todo [data-todo=silent]")
    silent = factory.collector.ask("/v1/now")["feeds"]["agents"]["silent"]
    assert silent[0]["node"] in todo.inner_text()
    assert "systemctl" in todo.inner_text()
    assert page.locator("#quality-map .bars path").count() > 0  # silence, hatched
    figure = page.locator("#quality-figures [data-explain=Q03]")
    assert figure.inner_text().split()[0] in page.locator("#quality-answer").inner_text()
    figure.click()
    page.get_by_role("dialog").wait_for()
    assert sideways(page) <= 0
