"""Several `wattline` processes started, watched and ended together.

Each child is a process group of its own, so that Ctrl-C reaches the launcher alone and it can end
them in order: those that send first, the collector last. A child that dies ends all.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Self

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import WattlineError

READY_SECONDS = 120.0
"""A child that ends is noticed at once; one that is slow on a busy machine is given time."""
END_SECONDS = 10.0
"""How long a child may take to end by itself: an agent hands its last readings over first."""
_KEPT_LINES = 12
_LOOK_SECONDS = 0.1
_ADDRESS = re.compile(r"https?://[^\s/]+(?::\d+)?")


class ChildEnded(WattlineError):
    """A child ended that nobody told to."""


class Child:
    """One process."""

    def __init__(self, name: str, process: subprocess.Popen[str], ready: str, relay: bool) -> None:
        """Begin to read what it says on standard error.

        Args:
            name: What people call it.
            process: It.
            ready: A pattern found in the line by which it says that it is ready.
            relay: Whether people see what it says after that.
        """
        self.name = name
        self.process = process
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._relay = relay
        self._pattern = re.compile(ready)
        self._ready: str | None = None
        self._changed = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"{name} lines", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.rstrip("\n")
            self.lines.append(text)
            if self._ready is not None:
                if self._relay:
                    print(text, file=sys.stderr, flush=True)
            elif self._pattern.search(text):
                self._ready = text
                self._changed.set()
        self._changed.set()

    def wait_ready(self, seconds: float, clock: Clock) -> str:
        """Wait until it says that it is ready; returns the line.

        Raises:
            ChildEnded: It ended, or said nothing in time.
        """
        until = clock.monotonic() + seconds
        while self._ready is None:
            left = until - clock.monotonic()
            if self.process.poll() is not None:
                raise ChildEnded(self.obituary())
            if left <= 0:
                raise ChildEnded(
                    f"{self.name} was not ready within {seconds:.0f} s; it said: {self._said()}"
                )
            self._changed.wait(min(left, _LOOK_SECONDS))
        return self._ready

    def address(self, seconds: float, clock: Clock) -> str:
        """The URL in its ready line.

        Raises:
            ChildEnded: It ended, said nothing in time, or said no URL.
        """
        line = self.wait_ready(seconds, clock)
        found = _ADDRESS.search(line)
        if found is None:
            raise ChildEnded(f"{self.name} said no address when it was ready: {line}")
        return found.group()

    def obituary(self) -> str:
        """How it ended, and what it said last."""
        self._reader.join(timeout=1.0)
        code = self.process.returncode
        how = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        return f"{self.name} {how}; it said: {self._said()}"

    def _said(self) -> str:
        # Several lines for one message, because these are other programs' words.
        return "\n  ".join(["", *self.lines]) if self.lines else "nothing"

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to its whole group."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return  # it has ended meanwhile

    def finish(self, seconds: float) -> None:
        """Wait until it has ended, and kill it if it has not by then."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.tell(signal.SIGKILL)
            self.process.wait()
        self._reader.join(timeout=1.0)
        if self.process.stderr is not None and not self._reader.is_alive():
            self.process.stderr.close()


TIED = (sys.executable, "-P", "-m", "wattline_dashboards.launch_child")
"""Runs `wattline ...` so that it ends with the process whose id comes first."""


class Family:
    """The children of one launcher; leaving the `with` ends them all."""

    def __init__(
        self,
        clock: Clock | None = None,
        program: Sequence[str] = TIED,
        end_seconds: float = END_SECONDS,
    ) -> None:
        """Start with none.

        Args:
            clock: For deadlines.
            program: What is run, followed by the launcher's process id, the child's name and its
                arguments.
            end_seconds: How long they may take to end.
        """
        self._end_seconds = end_seconds
        self._clock = SystemClock() if clock is None else clock
        self._program = tuple(program)
        self.children: list[Child] = []

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        ready: str | None = None,
        relay: bool = False,
    ) -> Child:
        """Start `wattline NAME ARGUMENTS`; returns at once.

        Must be called by the main thread: the kernel ends the children of a thread with it.

        Args:
            name: The command.
            arguments: Its arguments.
            ready: A pattern in the line that says it is ready; `NAME:` at its start if not given.
            relay: Whether people see what it says after that line.
        """
        process = subprocess.Popen(
            [*self._program, str(os.getpid()), name, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        )
        child = Child(name, process, ready or f"^{re.escape(name)}:", relay)
        self.children.append(child)
        return child

    def wait_ready(self, child: Child, seconds: float = READY_SECONDS) -> str:
        """Wait until it says it is; returns the line.

        Raises:
            ChildEnded: It ended, or said nothing in time.
        """
        return child.wait_ready(seconds, self._clock)

    def address(self, child: Child, seconds: float = READY_SECONDS) -> str:
        """Wait until it is ready; returns the URL it says it answers at.

        Raises:
            ChildEnded: It ended, said nothing in time, or said no URL.
        """
        return child.address(seconds, self._clock)

    def watch(self) -> None:
        """Wait for the first of them to end.

        Raises:
            ChildEnded: That one did.
        """
        while True:
            for child in self.children:
                if child.process.poll() is not None:
                    raise ChildEnded(child.obituary())
            self._clock.sleep(_LOOK_SECONDS)

    def end(self) -> None:
        """End all, the first started last; those that do not end in time are killed."""
        for group in (self.children[1:], self.children[:1]):
            for child in group:
                if child.process.poll() is None:
                    child.tell(signal.SIGTERM)
            until = self._clock.monotonic() + self._end_seconds
            for child in group:
                child.finish(max(0.0, until - self._clock.monotonic()))

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all."""
        self.end()


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let any signal that asks to end do what Ctrl-C does, once.

    Those that follow are ignored: the end is under way, and its length is bounded.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen_at(preferred: int) -> str:
    """`HOST:PORT` on this machine: the preferred port if nobody has it, else any that is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            preferred = 0
    return f"127.0.0.1:{preferred}"


def open_browser(url: str) -> bool:
    """Show a page where there is a screen to show it on."""
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    import webbrowser  # takes a while, and a server never needs it

    return webbrowser.open(url)
