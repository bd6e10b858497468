"""What the pages take, beside an empty Dash page of the same machine in the same run.

    python benchmarks/dashboards/load.py                       # 8,000 devices, fifty people
    python benchmarks/dashboards/load.py --devices 25000
    python benchmarks/dashboards/load.py --devices 64 --people 5 --minutes 0.5
    python benchmarks/dashboards/load.py --only people --minutes 2
    python benchmarks/dashboards/load.py --history STORE       # a job's page, and Production

A real collector is fed as agents feed it: readings of every device each second, a batch of five
seconds from each node (`feed.py`, made beforehand: to simulate a thousand nodes takes a processor
of its own). Pages are opened in Chromium. Collector, pages, feed and browser share the machine, and
what each of them took is printed. Prints:

- first paint of Now and Fleet: from the request of the page to its figures on the screen, cold (a
  browser that never saw it) and warm (with its cache), as a ratio to the empty page's heading.
- one live update of the fleet: bytes on the wire as the browser counts them, and processor time of
  the pages' server, less what it takes with nobody looking.
- from sample to screen: from the moment the newest reading was taken to the frame that shows it.
- many people: how long callbacks take (p50, p95), and memory minute by minute. A Chromium writes
  down what it asks on each page; threads ask the same in the same rhythm.
- with `--history`, a store that is copied first: processor time of opening the page of the job with
  most device-hours, and Production over all the store has, in pages and collector, cold and warm.

The first line is how busy the machine was: beside others a ratio still says something, seconds
little.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it also runs as a file

from benchmarks.agent.processes import Sampler, memory_alone  # noqa: E402
from benchmarks.dashboards.people import CALLBACK, crowd, recorded  # noqa: E402
from benchmarks.dashboards.places import DRAWN, PATIENCE_MS, chromium, places, settle  # noqa: E402

PER_NODE = 8
PARTS = ("paint", "update", "people")
FRESH_MS = 60_000
EMPTY, NOW, FLEET = "#all h1", DRAWN, "#fleet-map canvas[data-drawn]"
FRESHNESS = "[data-field=freshness]"
_LAGS = """(() => {
  window.lags = [];
  let last = null;
  const look = () => {
    const at = document.querySelector("%s")?.dataset.unixMs;
    if (at && at !== last) {
      if (last) window.lags.push(Date.now() - Number(at));
      last = at;
    }
    requestAnimationFrame(look);
  };
  look();
})()"""
"""Notes with every frame how old the newest reading is that it shows for the first time."""
_WATCH = """(() => {
  const look = () => document.querySelector(%r)
    ? requestAnimationFrame(() => setTimeout(() => { window.shownAt = performance.now(); }))
    : requestAnimationFrame(look);
  look();
})()"""
"""Notes when the element has been painted: the frame after the one that found it."""


def address(program: Sampler, seconds: float = 120.0) -> str:
    """Where a program says it listens.

    Raises:
        SystemExit: It ended, or said nothing in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until and program.runs:
        if said := re.search(r"http://127\.0\.0\.1:\d+", program.log.read_text(errors="replace")):
            return said[0]
        time.sleep(0.2)
    raise SystemExit(f"{program.name} does not run:\n{program.last_words()}")


@contextlib.contextmanager
def pages_over(store: Path, folder: Path) -> Iterator[tuple[str, Sampler, str, Sampler]]:
    """A collector over a store and pages over it: the address and process of each."""

    def wattline(*words: str) -> Sampler:
        command = [sys.executable, "-m", "wattline_agents.cli", *words]
        return Sampler(words[0], command, os.environ, folder)

    with wattline("collector", "--store", str(store), "--listen", "127.0.0.1:0") as collector:
        url = address(collector)
        words = ["--collector", url, "--token-file", str(store / "tokens" / "read")]
        with wattline("dashboards", *words, "--listen", "127.0.0.1:0") as pages:
            yield url, collector, address(pages), pages


def paint(browser: Any, url: str, shown: str, times: int) -> tuple[float, float]:
    """Median milliseconds until `shown` is painted, cold and warm."""
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(times):
        fresh = browser.new_context(viewport={"width": 1280, "height": 900})
        page = fresh.new_page()
        page.add_init_script(_WATCH % shown)
        for found in (cold, warm):
            page.goto(url)
            page.wait_for_function("() => window.shownAt", timeout=PATIENCE_MS)
            found.append(page.evaluate("window.shownAt"))
            page.goto("about:blank")
        fresh.close()
    return statistics.median(cold), statistics.median(warm)


def print_paint(browser: Any, empty: str, pages: str, times: int) -> None:
    """First paint of Now and Fleet beside the empty page."""
    base = paint(browser, empty, EMPTY, times)
    print(f"  first paint, empty page        cold {base[0]:7.0f} ms        warm {base[1]:7.0f} ms")
    for name, path, shown in (("Now", "/now", NOW), ("Fleet", "/", FLEET)):
        cold, warm = paint(browser, pages + path, shown, times)
        print(
            f"  first paint, {name:<6}            cold {cold:7.0f} ms ({cold / base[0]:4.1f} x)"
            f" warm {warm:7.0f} ms ({warm / base[1]:4.1f} x)",
            flush=True,
        )


def print_update(browser: Any, pages: str, server: Sampler, seconds: float) -> None:
    """What one live update of the fleet takes."""
    began = server.cpu_seconds()
    time.sleep(seconds / 2)
    alone = (server.cpu_seconds() - began) / (seconds / 2)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    callbacks: set[str] = set()
    sizes: list[float] = []

    def sent(told: Any) -> None:
        if (
            urlsplit(told["request"]["url"]).path == CALLBACK
            and b"fleet-tick" in (told["request"].get("postData") or "").encode()
        ):
            callbacks.add(told["requestId"])

    def ended(told: Any) -> None:
        if told["requestId"] in callbacks:
            sizes.append(told["encodedDataLength"])

    wire.on("Network.requestWillBeSent", sent)
    wire.on("Network.loadingFinished", ended)
    page.goto(pages)
    page.wait_for_selector(FLEET, state="attached", timeout=PATIENCE_MS)
    page.wait_for_timeout(5000)  # the first picture is whole; updates are not
    sizes.clear()
    began = server.cpu_seconds()
    page.wait_for_timeout(seconds * 1000)
    spent, count = server.cpu_seconds() - began - alone * seconds, len(sizes)
    page.evaluate(_LAGS % FRESHNESS)
    page.wait_for_timeout(seconds * 1000)
    lags = page.evaluate("window.lags")
    page.close()
    if not count:
        print(
            "  live update                    none came: the machine is too slow or nothing moves"
        )
        return
    print(
        f"  live update                    {statistics.median(sizes) / 1000:7.1f} kB on the wire"
        f" {1000 * spent / count:7.1f} ms of processor time ({count} updates)",
        flush=True,
    )
    if len(lags) > 1:
        cuts = statistics.quantiles(lags, n=100)
        print(
            f"  from sample to screen          p50 {cuts[49]:7.0f} ms        p95 {cuts[94]:7.0f} ms"
            f" ({len(lags)} readings)",
            flush=True,
        )


def print_people(browser: Any, pages: str, server: Sampler, people: int, seconds: float) -> None:
    """How long callbacks take with many people looking, and what memory does."""
    opened = places(browser, pages, every=False)
    visits = recorded(browser, opened, min(15.0, seconds / 8))
    crowd(pages, visits, people, min(20.0, seconds))  # caches fill
    spent, began, own = server.cpu_seconds(), time.monotonic(), time.process_time()
    with remembered(server, min(60.0, seconds / 4)) as memory:
        took = crowd(pages, visits, people, seconds).took
    passed = time.monotonic() - began
    spent, own = server.cpu_seconds() - spent, time.process_time() - own
    if len(took) < 2:
        print("  people                         too few callbacks in that time")
        return
    cuts = statistics.quantiles([one.seconds * 1000 for one in took], n=100)
    failed = sum(not one.well for one in took)
    print(
        f"  {people:>3} people, {len(took) / passed:5.1f} callbacks/s    p50 {cuts[49]:7.0f} ms"
        f"  p95 {cuts[94]:7.0f} ms  {failed} failed, {spent / passed:.2f} cores"
        f" (the people themselves {own / passed:.2f}), {passed:.0f} s",
        flush=True,
    )
    print(f"    memory, MiB: {' '.join(f'{size:.0f}' for size in memory)}")
    for name in visits:
        of = sorted(one.seconds * 1000 for one in took if one.page == name)
        if of:
            print(
                f"    {name:<14} {len(of):6} callbacks, p95 {of[int(0.95 * (len(of) - 1))]:7.0f} ms"
            )


@contextlib.contextmanager
def remembered(server: Sampler, every: float) -> Iterator[list[float]]:
    """Memory of a process from now on, MiB, so often and at the end."""
    sizes, over = [memory_alone(server.memory())], threading.Event()

    def look() -> None:
        while not over.wait(every):
            sizes.append(memory_alone(server.memory()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield sizes
    finally:
        over.set()
        watcher.join()
        sizes.append(memory_alone(server.memory()))


def print_history(browser: Any, store: Path, folder: Path) -> None:
    """Processor time of a job's page and of Production over all of a store."""
    from wattline_collector.access import read_token
    from wattline_collector.client import Collector

    copy = folder / "history"
    shutil.copytree(store, copy)
    with pages_over(copy, folder) as (asked, collector, pages, server):
        quiet(collector)
        token = read_token(copy / "tokens" / "read")
        rows = Collector(asked, token, seconds=300).ask("/v1/my-jobs", [("sort", "gpu_hours")])
        most = rows["rows"][0]
        for name, path in (
            (
                f"job, {most['devices']} devices, {most['gpu_hours']:.0f} GPU-h",
                f"/job?job={most['job']}",
            ),
            ("production, all", "/production?period=all"),
        ):
            for state in ("cold", "warm"):
                began = server.cpu_seconds(), collector.cpu_seconds()
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(pages + path)
                settle(page)
                page.close()
                ours, theirs = server.cpu_seconds() - began[0], collector.cpu_seconds() - began[1]
                print(
                    f"  {name:<30} {state} {1000 * ours:7.0f} ms pages"
                    f" {1000 * theirs:7.0f} ms collector",
                    flush=True,
                )


def quiet(program: Sampler, seconds: float = 600.0) -> None:
    """Wait until a program has done what it begins with: a collector books what it missed."""
    until = time.monotonic() + seconds
    before = program.cpu_seconds()
    while time.monotonic() < until:
        time.sleep(5)
        now = program.cpu_seconds()
        if now - before < 0.25:
            return
        before = now
    print(f"  {program.name} does not come to rest: what follows has its own work in it")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--devices", type=int, default=8000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0, help="that people look (10)")
    parser.add_argument("--only", choices=PARTS, action="append", help="may be repeated (all)")
    parser.add_argument("--times", type=int, default=5, help="a page is opened (5)")
    parser.add_argument("--period", type=float, default=1.0, help="of readings, seconds (1)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds in a batch (5)")
    parser.add_argument("--history", type=Path, metavar="STORE", help="of the past; it is copied")
    arguments = parser.parse_args()
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    wanted = arguments.only or PARTS
    print(f"{cores} processors, load {busy:.1f} before; {arguments.devices:,} devices", flush=True)
    with tempfile.TemporaryDirectory() as made, chromium() as browser:
        folder = Path(made)
        if set(wanted) & {"paint", "update", "people"}:
            print_live(browser, folder, arguments, wanted)
        if arguments.history:
            print_history(browser, arguments.history, folder)
    return 0


def print_live(browser: Any, folder: Path, arguments: Namespace, wanted: Sequence[str]) -> None:
    """All that is measured while readings come."""
    store = folder / "store"
    empty = Sampler("empty", [sys.executable, str(Path(__file__).with_name("empty_page.py"))],
                    {**os.environ, "PYTHONPATH": str(ROOT)}, folder)  # fmt: skip
    with empty, pages_over(store, folder) as (asked, collector, pages, server):
        nodes = max(1, arguments.devices // PER_NODE)
        feed = Sampler("feed", [
            sys.executable, str(Path(__file__).with_name("feed.py")), asked,
            str(store / "tokens" / "write"), "--nodes", str(nodes), "--devices", str(PER_NODE),
            "--period", str(arguments.period), "--every", str(arguments.every),
        ], {**os.environ, "PYTHONPATH": str(ROOT)}, folder)  # fmt: skip
        with feed:
            wait_for(browser, pages, asked, store, nodes * PER_NODE)
            began, programs = time.monotonic(), (collector, server, feed)
            before = [one.cpu_seconds() for one in programs]
            if "paint" in wanted:
                print_paint(browser, address(empty), pages, arguments.times)
            if "update" in wanted:
                print_update(browser, pages, server, 20)
            if "people" in wanted:
                seconds = arguments.minutes * 60
                print_people(browser, pages, server, arguments.people, seconds)
            passed = time.monotonic() - began
            cores = [
                f"{one.name} {(one.cpu_seconds() - spent) / passed:.2f}"
                for one, spent in zip(programs, before, strict=True)
            ]
            print(f"  processors used in {passed:.0f} s: {', '.join(cores)}, Chromium the rest")
        if late := feed.last_words().partition("feed: a batch was ")[2]:
            print(f"  the feed: a batch was {late.strip()}")


def wait_for(browser: Any, pages: str, asked: str, store: Path, devices: int) -> None:
    """Wait until the whole factory is to be seen: while it comes in, every map is a new one.

    Raises:
        SystemExit: It does not come in.
    """
    from wattline_collector.access import read_token
    from wattline_collector.client import Collector

    source = Collector(asked, read_token(store / "tokens" / "read"), seconds=60)
    until = time.monotonic() + PATIENCE_MS / 1000
    while True:
        told = source.latest()["devices"]
        index, age = told.get("index", []), told.get("age_ms", [])
        if len(index) >= devices and None not in index and max(age) < FRESH_MS:
            break
        if time.monotonic() > until:
            raise SystemExit(f"of {devices} devices {len(index)} came, or they come too slowly")
        time.sleep(2)
    page = browser.new_page()
    page.goto(pages)
    page.wait_for_selector(FLEET, state="attached", timeout=PATIENCE_MS)
    page.close()


if __name__ == "__main__":
    raise SystemExit(main())
