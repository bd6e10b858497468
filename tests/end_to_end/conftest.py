"""The real processes, started once, as a site would start them."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

READY_SECONDS = 60.0


@dataclass
class Process:
    """A child whose standard error is read line by line."""

    words: list[str]
    env: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", *self.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | self.env,
        )
        self._queue: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self._queue.put(line)
        self.child.stderr.close()

    def wait_for(self, pattern: str) -> str:
        """The first match of a pattern in what it says."""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            try:
                self.lines.append(self._queue.get(timeout=0.2))
            except queue.Empty:
                if self.child.poll() is not None:
                    break
                continue
            if found := re.search(pattern, self.lines[-1]):
                return found.group(0)
        raise AssertionError(f"{self.words} did not say {pattern!r}: {''.join(self.lines)}")

    def end(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(30)


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts `wattline WORDS...`; what still runs after the test is killed."""
    processes: list[Process] = []

    def start(*words: str, env: dict[str, str] | None = None) -> Process:
        processes.append(Process(list(words), env or {}))
        return processes[-1]

    yield start
    for process in processes:
        process.child.kill()
        process.child.wait()


@pytest.fixture(scope="module")
def start_process() -> Iterator[Callable[..., Process]]:
    """Starts `wattline WORDS...` for as long as a module's tests run."""
    processes: list[Process] = []

    def start(*words: str, env: dict[str, str] | None = None) -> Process:
        processes.append(Process(list(words), env or {}))
        return processes[-1]

    yield start
    for process in processes:
        process.child.kill()
        process.child.wait()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port of this machine that nobody listens at."""

    def find() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return int(listener.getsockname()[1])

    return find


@dataclass(frozen=True)
class Site:
    """A collector, an agent with two simulated devices and this host, and the pages."""

    store: Path
    collector: str
    pages: str
    job_socket: Path
    processes: list[Process]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    store, socket = root / "store", root / "job.sock"
    processes: list[Process] = []

    def start(*words: str) -> Process:
        processes.append(Process(list(words)))
        return processes[-1]

    try:
        collector = start(
            "collector", "--store", str(store), "--listen", "127.0.0.1:0",
            "--book-every", "1", "--settle", "1",
        ).wait_for(r"http://[\d.:]+")  # fmt: skip
        agent = start(
            "agent", "--node", "box", "--source", "simulated", "--source", "host",
            "--period", "1", "--push", collector, "--push-every", "1",
            "--token-file", str(store / "tokens" / "write"), "--spool", str(root / "spool"),
            "--job-socket", str(socket),
        )  # fmt: skip
        agent.wait_for("reading")
        pages = start(
            "dashboards", "--collector", collector, "--listen", "127.0.0.1:0",
            "--token-file", str(store / "tokens" / "read"),
        ).wait_for(r"http://[\d.:]+")  # fmt: skip
        yield Site(store, collector, pages, socket, processes)
        assert [process.end() for process in reversed(processes)] == [0, 0, 0]
    finally:
        for process in processes:
            process.child.kill()
            process.child.wait()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Headless Chromium; reaches nothing but this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium,
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--no-first-run"],
        )  # fmt: skip
        yield running
        running.close()


@pytest.fixture
def run_wattline() -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "wattline_agents.cli", *words],
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
