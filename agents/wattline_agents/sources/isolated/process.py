"""Starts a process that reads, and talks with it without ever waiting for it.

The first may be a fork, made while the agent has one thread and little loaded: it need not start an
interpreter, which is a third of what such a process works up to its first reading. What follows one
that hung, died or met a changed driver is a fresh interpreter.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from wattline_agents.sources.isolated import child
from wattline_agents.sources.isolated.frames import Splitter
from wattline_agents.spawning import (
    NOT_FOR_IT,
    forked,
    has_one_thread,
    module_places,
    out_of_the_way,
)

_AT_ONCE = 64 * 1024
_MOST_AT_ONCE = 16
"""A mebibyte at one go: a process that never stops talking does not keep the loop."""
_MOST_UNSENT = 64 * 1024

_MAIN = (
    "import gc, sys; gc.disable(); sys.path[:] = sys.argv[2:]; "
    "from wattline_agents.sources.isolated.child import main; main()"
)


class Process:
    """One process that reads."""

    def __init__(self, name: str, python: str | None = None, *, forks: bool = False) -> None:
        """Start it.

        Args:
            name: For the list of processes.
            python: The interpreter; this one's own if not given.
            forks: Whether it is a fork of this process, which has one thread, and no interpreter
                is started.

        Raises:
            OSError: It cannot be started.
        """
        self._splitter = Splitter()
        self._unsent = b""
        self.is_over = False
        ours, theirs = [], []
        try:
            for reads in (False, True, True):
                end, other = (out_of_the_way(one, child.DATA) for one in os.pipe())
                ours.append(end if reads else other)
                theirs.append(other if reads else end)
            self._commands, self.bell, self._data = ours
            for descriptor in ours:
                os.set_blocking(descriptor, False)
            self.pid = (
                _fork(name, theirs) if forks else _spawn(name, python or sys.executable, theirs)
            )
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def send(self, data: bytes) -> None:
        """Ask; what its pipe does not take now goes with the next call.

        A process that is gone or listens to nothing shows in what it answers.
        """
        data = self._unsent + data
        try:
            data = data[os.write(self._commands, data) :]
        except BlockingIOError:
            pass
        except OSError:
            data = b""
        self._unsent = data[:_MOST_UNSENT]

    def receive(self) -> list[tuple[int, bytes]]:
        """Frames that have come: kind and payload; sets `is_over` where no more will.

        Raises:
            Garbage: What has come is no frame.
        """
        found: list[tuple[int, bytes]] = []
        is_cut = False
        try:
            # A library that closes what is not its own leaves a bell that would ring for ever.
            is_cut = not os.read(self.bell, 1024)
        except BlockingIOError:
            pass
        try:
            for _ in range(_MOST_AT_ONCE):
                data = os.read(self._data, _AT_ONCE)
                if not data:
                    self.is_over = True
                    break
                found += self._splitter.feed(data)
                if len(data) < _AT_ONCE:
                    break  # that was all; that no more will come shows at the next call
        except BlockingIOError:
            pass
        self.is_over = self.is_over or is_cut
        return found

    def end(self, wait_seconds: float = 0.0) -> None:
        """Let it end: close its pipes, give it that long, then kill it; `reap` it afterwards."""
        os.close(self._commands)
        os.close(self._data)
        if wait_seconds > 0 and not self.is_over:
            # It holds the other end of the bell for as long as it lives.
            waiting = select.poll()
            waiting.register(self.bell, 0)
            waiting.poll(wait_seconds * 1000)
        os.close(self.bell)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def forked_early(name: str) -> Process | None:
    """A process that reads, forked now; None where that cannot be."""
    if has_one_thread():
        with suppress(OSError):
            return Process(name, forks=True)
    return None


def reap(pid: int) -> int | None:
    """How a process of ours ended, as `subprocess` counts it: minus its signal; None: it lives."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0  # someone else has asked; what matters is that it is gone
    return os.waitstatus_to_exitcode(status) if found else None


def _spawn(name: str, python: str, theirs: Sequence[int]) -> int:
    commands, bell, data = theirs
    return os.posix_spawn(
        python,
        # No site: this process has worked out already where modules are.
        [python, "-I", "-S", "-c", _MAIN, f"wattline-read-{name}", *module_places()],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, commands, child.COMMANDS),
            # What vendors' libraries print is for nobody.
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, bell, child.BELL),
            (os.POSIX_SPAWN_DUP2, data, child.DATA),
        ],
        setsigmask=NOT_FOR_IT,
        setsigdef=[signal.SIGCHLD],
    )


def _fork(name: str, theirs: Sequence[int]) -> int:
    def work() -> None:
        commands, bell, data = theirs
        os.dup2(commands, child.COMMANDS)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # as above
        os.dup2(bell, child.BELL)
        os.dup2(data, child.DATA)
        with suppress(OSError), open("/proc/self/comm", "w") as shown:
            shown.write(f"wattline-read-{name}")
        child.main()

    return forked(work)
