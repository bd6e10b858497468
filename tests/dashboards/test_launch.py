from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from wattline_dashboards.launch import ChildEnded, Family, interruptible, listen_at, open_browser
from wattline_dashboards.progress import Bar

PATIENCE_SECONDS = 30.0

CHILD = """
import signal, sys, time
name, how, log = sys.argv[2], sys.argv[3], sys.argv[4]
def end(*_):
    with open(log, "a") as file:
        file.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "stubborn" else end)
if how == "dies":
    print("the disk is full", file=sys.stderr)
    sys.exit(3)
if how != "mute":
    print(f"{name}: http://127.0.0.1:4711 (a store)", file=sys.stderr, flush=True)
if how == "short":
    time.sleep(0.3)
    print("something broke", file=sys.stderr)
    sys.exit(1)
time.sleep(120)
"""


@pytest.fixture
def family() -> Iterator[Family]:
    with Family(program=(sys.executable, "-c", CHILD), end_seconds=2.0) as started:
        yield started


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "ended")


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped by its parent or not."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_a_child_says_where_it_answers(family: Family, log: str) -> None:
    assert family.address(family.start("collector", ["well", log])) == "http://127.0.0.1:4711"


def test_a_child_that_dies_at_its_start_is_named_with_its_last_words(
    family: Family, log: str
) -> None:
    child = family.start("collector", ["dies", log])
    with pytest.raises(ChildEnded, match=r"(?s)collector ended with code 3.*the disk is full"):
        family.wait_ready(child)


def test_a_child_that_never_gets_ready_is_named(family: Family, log: str) -> None:
    child = family.start("collector", ["mute", log])
    with pytest.raises(ChildEnded, match="collector was not ready within 1 s; it said: nothing"):
        family.wait_ready(child, 0.6)


def test_a_child_that_dies_later_ends_the_watch(family: Family, log: str) -> None:
    family.wait_ready(family.start("collector", ["well", log]))
    family.wait_ready(family.start("agent", ["short", log]))
    with pytest.raises(ChildEnded, match=r"(?s)agent ended with code 1.*something broke"):
        family.watch()


def test_the_first_one_started_is_the_last_to_end(log: str) -> None:
    with Family(program=(sys.executable, "-c", CHILD)) as family:
        for name in ("collector", "dashboards", "agent"):
            family.wait_ready(family.start(name, ["well", log]))
    ended = Path(log).read_text().split()
    assert sorted(ended[:2]) == ["agent", "dashboards"]
    assert ended[2] == "collector"


def test_a_child_that_will_not_end_is_killed(family: Family, log: str) -> None:
    child = family.start("collector", ["stubborn", log])
    family.wait_ready(child)
    family.end()
    assert child.process.returncode == -signal.SIGKILL


def test_no_child_survives_a_launcher_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from wattline_dashboards.launch import Family\n"
        "family = Family()\n"
        f"child = family.start('collector', ['--store', {str(tmp_path / 'store')!r},"
        " '--listen', '127.0.0.1:0'])\n"
        "family.wait_ready(child)\n"
        "print(child.process.pid, flush=True)\n"
        "family.watch()\n"
    )
    launcher = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    with launcher.stdout as said:
        child = int(said.readline())
    assert psutil.pid_exists(child)
    launcher.kill()
    launcher.wait()
    assert gone(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_to_end_interrupts_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            time.sleep(PATIENCE_SECONDS)
        os.kill(os.getpid(), number)  # the end is under way; this changes nothing
    assert signal.getsignal(number) is before


def test_a_port_somebody_has_is_not_taken_from_them() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert listen_at(port) == "127.0.0.1:0"
    assert listen_at(port) == f"127.0.0.1:{port}"


def test_without_a_screen_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not open_browser("http://127.0.0.1:4711")


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def unix_ms(self) -> int:
        return round(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_off_a_terminal_progress_is_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), FakeClock()
    bar = Bar(stream, clock)
    bar.begin("Writing history", "days")
    for day in range(1, 13):
        clock.sleep(1)
        bar(day, 12)
    bar.finish("12 days")
    assert stream.getvalue().splitlines() == [
        "Writing history: 5/12 days (5 s)",
        "Writing history: 10/12 days (10 s)",
        "Writing history: 12 days (12.0 s)",
    ]


def test_on_a_terminal_progress_is_one_line_that_grows() -> None:
    stream, clock = Terminal(), FakeClock()
    bar = Bar(stream, clock)
    bar.begin("Booking", "hours")
    clock.sleep(3)
    bar(360, 720)
    bar.finish("720 hours")
    lines = stream.getvalue().split("\r\033[K")
    assert "━" not in lines[1]
    assert lines[2] == "Booking  " + "━" * 16 + "╌" * 16 + "  360/720 hours  3 s"
    assert lines[3] == "Booking: 720 hours (3.0 s)\n"
