"""Runs commands beside the collector: one at a time, a few waiting, each with a deadline.

A report of a year takes a minute and a gigabyte. So it is made by a process of its own, at a lower
priority, that is ended with all it started when it takes too long or the collector ends. It gets
its words as a list, and no shell sees them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import IO, Any

from wattline_agents.clock import Clock
from wattline_agents.errors import WattlineError
from wattline_collector.access import Sight

MOST_WAITING = 8
"""Who comes ninth is told to come back: by then the first has waited for minutes."""
MOST_ENDED = 16
"""What ended is told for as long as others do not push it out."""
DEADLINE_SECONDS = 1800.0
NICE = 10
"""Its priority: batches of agents come first."""
_MOST_LINE = 2000
_MOST_SAID = 64 * 1024


class Full(WattlineError):
    """Too much waits already; come back later."""


class State(StrEnum):
    """How far a piece of work is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Work:
    """A command that is run.

    Attributes:
        id: Names it.
        words: The command's words.
        about: What it is, for whoever follows it.
        needs: Sights of which all are needed to follow it.
        asked_ms: When it was asked for.
        state: How far it is.
        said: The newest line it said of what it does.
        began_ms: When it began.
        ended_ms: When it ended.
        printed: What it printed, where it is done.
        error: Why it failed, in a line.
    """

    id: str
    words: tuple[str, ...]
    about: Mapping[str, Any]
    needs: tuple[Sight, ...]
    asked_ms: int
    state: State = State.WAITING
    said: str = ""
    began_ms: int | None = None
    ended_ms: int | None = None
    printed: str = ""
    error: str = ""


class Workshop:
    """Safe to use from many threads."""

    def __init__(
        self,
        clock: Clock,
        program: Sequence[str] = (sys.executable, "-m", "wattline_agents.cli"),
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Nothing runs yet; the first work starts a thread, which ends with the last.

        Args:
            clock: The time.
            program: What the words of a work are given to.
            deadline_seconds: How long one may take.
            most_waiting: How many may wait.
        """
        self._clock, self._program = clock, tuple(program)
        self._deadline, self._most = deadline_seconds, most_waiting
        self._lock = threading.Lock()
        self._waiting: deque[Work] = deque()
        self._running: Work | None = None
        self._ended: deque[Work] = deque(maxlen=MOST_ENDED)
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(
        self, words: Sequence[str], about: Mapping[str, Any], needs: Sequence[Sight]
    ) -> Work:
        """Have a command run; what is asked for a second time while it waits or runs is not.

        Raises:
            Full: Too much waits already, or the collector ends.
        """
        with self._lock:
            for known in (self._running, *self._waiting):
                if known is not None and known.words == tuple(words):
                    return known
            if len(self._waiting) >= self._most or self._closed:
                raise Full(f"{len(self._waiting)} reports wait already; try again in a few minutes")
            now = self._clock.unix_ms()
            work = Work(secrets.token_hex(8), tuple(words), about, tuple(needs), now)
            self._waiting.append(work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
                self._thread.start()
            return work

    def works(self) -> list[Work]:
        """What waits, runs and ended, the newest first."""
        with self._lock:
            running = [] if self._running is None else [self._running]
            return [*reversed(self._waiting), *running, *reversed(self._ended)]

    def close(self) -> None:
        """End what runs and forget what waits."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            thread = self._thread
            self._end_process()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = self._thread = None
                    return
                work = replace(
                    self._waiting.popleft(), state=State.RUNNING, began_ms=self._clock.unix_ms()
                )
                self._running = work
            ended = self._done(work)
            with self._lock:
                self._ended.append(replace(ended, ended_ms=self._clock.unix_ms()))
                self._running = self._process = None

    def _done(self, work: Work) -> Work:
        late = threading.Event()

        def end() -> None:
            late.set()
            with self._lock:
                self._end_process()

        try:
            process = self._started(work)
        except OSError as error:
            return replace(work, state=State.FAILED, error=f"cannot start: {error.strerror}")
        printed: list[str] = []
        reader = threading.Thread(target=_read, args=(process.stdout, printed), daemon=True)
        reader.start()
        timer = threading.Timer(self._deadline, end)
        timer.daemon = True
        timer.start()
        last = self._follow(process, work)
        code = process.wait()
        timer.cancel()
        reader.join()
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        if code == 0:
            return replace(work, state=State.DONE, printed="".join(printed))
        if late.is_set():
            why = f"it took longer than {self._deadline:,.0f} s; ask for a shorter period"
        elif code < 0:
            why = "it was ended: the collector ended, or memory ran out"
        else:
            why = last.partition(": ")[2] if last.startswith("wattline: ") else last
        return replace(work, state=State.FAILED, error=why or f"it ended with exit code {code}")

    def _started(self, work: Work) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise OSError(0, "the collector ends")
            process = subprocess.Popen(
                [*self._program, *work.words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, encoding="utf-8", errors="replace", start_new_session=True,
            )  # fmt: skip
            self._process = process
        with contextlib.suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        return process

    def _follow(self, process: subprocess.Popen[str], work: Work) -> str:
        """Tell what it does, line by line, to its end; returns its last line."""
        last = ""
        assert process.stderr is not None
        while line := process.stderr.readline(_MOST_LINE):
            last = line.strip() or last
            with self._lock:
                self._running = replace(work, said=last)
        return last

    def _end_process(self) -> None:
        """Kill what runs, and all it started; we hold the lock."""
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _read(stream: IO[str] | None, into: list[str]) -> None:
    assert stream is not None
    left = _MOST_SAID
    while part := stream.read(4096):
        into.append(part[:left])
        left = max(0, left - len(part))
