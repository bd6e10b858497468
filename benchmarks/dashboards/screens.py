"""Pictures of every page, light and dark, at 1280 and 2560 pixels, of a simulated factory.

    python benchmarks/dashboards/screens.py pictures
    python benchmarks/dashboards/screens.py pictures --pages http://127.0.0.1:8700 --only now,fleet

Each is named PAGE-THEME-WIDTH.png and shows the whole page, or with `--window` its beginning. Says
which page is wider than the window or told the browser of an error, and ends with exit code 1 if
one did. Without `--pages` it is `wattline demo` that is shown, with a report that was made and the
bundles of three made-up factories.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it also runs as a file

from benchmarks.dashboards.places import PATIENCE_MS, chromium, places, settle  # noqa: E402

WINDOWS = ((1280, 900), (2560, 1440))
THEMES = ("light", "dark")
LATE = ("reliability", "alerts", "reports")
"""Pages that have most to show some minutes after the collector began."""


def take(browser: Any, name: str, address: str, folder: Path, *, whole: bool) -> list[str]:
    """Take the pictures of one page; gives what was wrong."""
    wrong: list[str] = []
    for theme in THEMES:
        for width, height in WINDOWS:
            said: list[str] = []
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            page.on("console", lambda m, to=said: to.append(m.text) if m.type == "error" else None)
            page.on("pageerror", lambda error, to=said: to.append(str(error)))
            page.goto(address)
            settle(page)
            page.wait_for_selector("#shell-systems > *", timeout=PATIENCE_MS)
            picture = f"{name}-{theme}-{width}.png"
            page.screenshot(path=folder / picture, full_page=whole)
            over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            page.close()
            if over > 0:
                said.append(f"{over} px wider than the window")
            wrong += [f"{picture}: {one}" for one in said]
    return wrong


@contextlib.contextmanager
def demo(nodes: int, days: int, store: Path) -> Iterator[str]:
    """`wattline demo`, running over a new store: the address of its pages."""
    words = ["demo", "--no-browser", "--nodes", str(nodes), "--days", str(days)]
    words += ["--store", str(store)]
    process = subprocess.Popen(
        [sys.executable, "-m", "wattline_agents.cli", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("Ctrl-C ends it"):
                break
        address = re.search(r"https?://[\w.]+:\d+", said)
        if address is None:
            raise SystemExit(f"the demo did not start:\n{said}")
        yield address[0]
    finally:
        process.terminate()
        process.wait()


def receive(folder: Path) -> None:
    """Put the bundles of the tests' three made-up factories, and their keys, into a folder."""
    path = ROOT / "tests" / "reports" / "made_network.py"
    spec = importlib.util.spec_from_file_location("made_network", path)
    assert spec is not None and spec.loader is not None
    network = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = network  # dataclasses look their module up
    spec.loader.exec_module(network)
    folder.mkdir()
    network.write(folder, network.three())
    network.ring_of(folder)


def prepare(browser: Any, url: str) -> None:
    """Ask for what takes minutes: early warning, and a report as somebody on its page would."""
    page = browser.new_page()
    page.goto(f"{url}/reliability")
    settle(page)
    page.goto(f"{url}/reports")
    settle(page)
    page.locator("#reports-make").click()
    page.wait_for_selector(".work", timeout=PATIENCE_MS)
    page.close()


@contextlib.contextmanager
def shown(nodes: int, days: int) -> Iterator[str]:
    """A demo that has something on every page: the address of its pages."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        with demo(nodes, days, store) as url:
            receive(store / "bundles")
            with chromium() as browser:
                prepare(browser, url)
            yield url


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--pages", metavar="URL", help="pages that run, in place of a demo")
    parser.add_argument("--only", metavar="NAME,NAME", help="only these pages, by module name")
    parser.add_argument("--window", action="store_true", help="only what the window shows")
    parser.add_argument("--nodes", type=int, default=32, help="of the demo (32)")
    parser.add_argument("--days", type=int, default=30, help="of the demo (30)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    given = contextlib.nullcontext(arguments.pages) if arguments.pages else shown(
        arguments.nodes, arguments.days
    )  # fmt: skip
    wrong: list[str] = []
    with given as url, chromium() as browser:
        found = places(browser, url)
        names = (
            arguments.only.split(",") if arguments.only else sorted(found, key=LATE.__contains__)
        )
        for name in names:
            print(f"{name:<14} {found[name]}", flush=True)
            wrong += take(
                browser, name, found[name], arguments.folder, whole=not arguments.window
            )  # fmt: skip
    for one in wrong:
        print(one)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
