"""`wattline demo` and `wattline up`, started as people start them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from wattline_agents.clock import SystemClock
from wattline_agents.config import default_node
from wattline_collector.access import read_token
from wattline_collector.client import Collector
from wattline_collector.simulated.schedule import plan
from wattline_collector.simulated.shape import DAY_MS, Shape
from wattline_dashboards.commands.demo import contrasting_jobs, said, sights

PATIENCE_SECONDS = 90.0


@contextmanager
def launched(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A launcher that has said where to click; it is killed if the test did not end it."""
    apart = {
        "TMPDIR": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "WATTLINE_JOB_SOCKET": str(home / "job.sock"),
    }
    with (home / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", *words, "--no-browser"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=os.environ | apart,
        )
    assert process.stdout is not None
    with process.stdout as stdout:
        try:
            lines: list[str] = []
            for line in stdout:
                lines.append(line)
                if line.startswith("Ctrl-C ends it"):
                    break
            else:
                raise AssertionError(f"{words}: {(home / 'stderr').read_text()}")
            yield process, "".join(lines)
        finally:
            process.kill()
            process.wait()


def eventually(look: Callable[[], Any]) -> Any:
    """What it returns, once that is something."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen")


def collector_of(process: subprocess.Popen[str], store: Path) -> Collector:
    """The collector among a launcher's children, found as people find it: by its port."""
    for child in psutil.Process(process.pid).children():
        if "collector" in child.cmdline():
            ports = [c.laddr.port for c in child.net_connections() if c.status == "LISTEN"]
            url = f"http://127.0.0.1:{ports[0]}"
            return Collector(url, read_token(store / "tokens" / "read"))
    raise AssertionError("no collector")


def test_the_demo_shows_a_factory_and_this_machine_and_ends_cleanly(tmp_path: Path) -> None:
    with launched(tmp_path, "demo", "--nodes", "6", "--devices", "2", "--days", "1") as (
        demo,
        said,
    ):
        store = Path(re.search(r"--store (\S+)", said).group(1))  # type: ignore[union-attr]
        assert store.parent == tmp_path
        page = re.search(r"http://\S+/", said).group()  # type: ignore[union-attr]
        with urllib.request.urlopen(page) as answer:
            assert answer.status == 200
        assert "silent: unobserved, not idle" in said
        assert "lost: does not answer" in said
        collector = collector_of(demo, store)

        def all_there() -> Mapping[str, Any] | None:
            latest = collector.latest()
            nodes = latest["nodes"]
            ages = dict(zip(zip(nodes["system"], nodes["node"], strict=True), nodes["age_ms"],
                            strict=True))  # fmt: skip
            fresh = [name for name, age in ages.items() if age < 15_000]
            here = ("local", default_node()) in fresh
            return latest if here and len(fresh) == 6 and len(ages) == 7 else None

        # Five of six simulated nodes speak, and this machine.
        latest = eventually(all_there)
        assert latest["totals"]["silent"] == 2
        assert latest["totals"]["down"] == 1
        assert latest["totals"]["working"] > 0
        assert latest["totals"]["tokens_per_second"] > 0
        overview = collector.overview(None, None)
        assert overview["audit"]["balanced"]
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) == 4
        demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE_SECONDS) == 0
        assert not psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1]
    assert not store.exists()


def test_up_shows_this_machine_and_keeps_what_was_measured(tmp_path: Path) -> None:
    with launched(tmp_path, "up") as (up, said):
        store = tmp_path / "data" / "wattline"
        assert str(store) in said
        collector = collector_of(up, store)

        def here() -> list[float] | None:
            nodes = collector.latest()["nodes"]
            return [share for share in nodes.get("cpu_busy_ratio", []) if share is not None]

        assert 0 <= eventually(here)[0] <= 1
        assert set(collector.latest()["nodes"]["node"]) == {default_node()}
        children = psutil.Process(up.pid).children(recursive=True)
        up.send_signal(signal.SIGTERM)
        assert up.wait(PATIENCE_SECONDS) == 0
        assert not psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1]
    assert (store / "tokens" / "read").exists()
    assert any((store / "raw").rglob("*.parquet")) or any((store / "log").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "--days", "0"), "--days: not from 1 to 400: 0"),
        (("demo", "--nodes", "0"), "nodes: not from 1 to 1024: 0"),
        (("demo", "--store", "."), "is there already"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "something").touch()
    done = subprocess.run(
        [sys.executable, "-m", "wattline_agents.cli", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_people_are_told_of_what_is_wrong_now_first_and_of_the_past_after() -> None:
    now_ms = SystemClock().unix_ms()
    schedule = plan(
        Shape.living(nodes=32, devices=8, seed=7, present_ms=now_ms, history_ms=4 * DAY_MS)
    )
    lines = sights(schedule, now_ms)
    live = [" since " in line for line in lines]
    assert live == sorted(live, reverse=True)
    assert live.count(True) == 4
    assert live.count(False) == 3
    for word in ("silent", "lost", "too warm", "held"):
        assert any(word in line for line in lines)


def test_the_demo_names_jobs_that_hang_lost_their_work_and_serve(tmp_path: Path) -> None:
    now_ms = SystemClock().unix_ms()
    schedule = plan(
        Shape.living(nodes=32, devices=8, seed=7, present_ms=now_ms, history_ms=4 * DAY_MS)
    )
    jobs = {job.key: job for job in schedule.jobs}
    hanging, lost, serving = (jobs[key] for key, _ in contrasting_jobs(schedule, now_ms))
    assert (
        hanging.stages[-1].phase == "idle"
        and hanging.stages[-1].start_ms <= now_ms < hanging.end_ms
    )
    assert lost.outcome == "failed" and lost.end_ms <= now_ms
    assert serving.kind == "inference" and serving.start_ms <= now_ms < serving.end_ms
    page = said(schedule, tmp_path, "http://127.0.0.1:8050", now_ms)
    assert f"job {hanging.key} --store {tmp_path}" in page
