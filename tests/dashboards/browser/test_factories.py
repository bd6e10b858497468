"""A manager looks at the bundles that other factories sent, in a real browser over a collector."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

WAIT = 120_000
"""Milliseconds: a machine that runs other tests beside is slow."""


def _network() -> Any:
    """The made-up network of the reports' tests."""
    path = Path(__file__).parents[2] / "reports" / "made_network.py"
    spec = importlib.util.spec_from_file_location("network_of_pages", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _program(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "wattline_agents.cli", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )


def _ready(process: subprocess.Popen[str]) -> str:
    """The address in a program's first line."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "http://" in line, line
    return line.split()[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The pages over a collector that was told where bundles lie, and that place."""
    base = tmp_path_factory.mktemp("site")
    store, folder = base / "store", base / "received"
    with ExitStack() as running:
        collector = running.enter_context(_program(
            ["collector", "--store", str(store), "--listen", "127.0.0.1:0", "--no-alerts",
             "--bundles", str(folder)],
        ))  # fmt: skip
        running.callback(collector.kill)
        url = _ready(collector)
        pages = running.enter_context(_program(
            ["dashboards", "--collector", url, "--token-file", str(store / "tokens" / "read"),
             "--listen", "127.0.0.1:0"],
        ))  # fmt: skip
        running.callback(pages.kill)
        yield _ready(pages), folder


def test_bundles_appear_as_they_come_and_what_is_wrong_is_refused(
    site: tuple[str, Path], browser: Any, tmp_path: Path
) -> None:
    url, folder = site
    problems: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{url}/factories")
    page.wait_for_selector(".factories-empty", timeout=WAIT)
    assert "wattline bundle export" in page.locator(".factories-empty").inner_text()
    assert str(folder) not in page.locator("body").inner_text()

    network = _network()
    folder.mkdir()
    network.write(folder, network.three())
    network.ring_of(folder)
    page.wait_for_selector("#factories-use .scatterlayer .point", timeout=WAIT)
    assert "3 factories side by side" in page.locator("#factories-answer").inner_text()
    assert page.locator("#factories-empty").inner_text() == ""
    assert "jaif says 1 joint projects" in page.locator("#factories-exchanges").inner_text()

    broken = folder / "lumi-aif_1.aifb.zip"
    broken.write_bytes(broken.read_bytes()[:-1])
    page.wait_for_selector("#factories-refused td[data-field=why]", timeout=WAIT)
    assert "lumi-aif_1.aifb.zip" in page.locator("#factories-refused").inner_text()
    page.wait_for_function(
        "document.querySelector('#factories-answer').innerText.startsWith('2 factories')",
        timeout=WAIT,
    )
    page.locator("#factories-use-finding").hover()
    with page.expect_download(timeout=WAIT) as started:
        page.locator("#factories-use-csv").click()
    started.value.save_as(tmp_path / "use.csv")
    text = (tmp_path / "use.csv").read_text()
    assert "all together" in text and "lumi-aif" not in text
    page.close()
    assert problems == []
