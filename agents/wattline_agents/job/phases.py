"""Where each thread's time goes: the innermost phase it is in, and each second once."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Protocol


class _ThreadTime:
    """One thread's phases: what it was turned to, and the blocks it is in."""

    __slots__ = ("base", "blocks", "turned")

    def __init__(self, now: float) -> None:
        self.base: str | None = None
        self.blocks: list[str] = []
        self.turned = now


class Phases:
    """Adds time to `phase_..._seconds_total`; whoever calls holds the lock of the counters."""

    def __init__(self, counters: dict[str, int | float]) -> None:
        """Count into these."""
        self._counters = counters
        self._threads: dict[int, _ThreadTime] = {}

    def enter(self, name: str) -> None:
        """The calling thread enters a block."""
        thread = self._turned()
        thread.blocks.append(f"phase_{name}_seconds_total")

    def leave(self) -> None:
        """The calling thread leaves its innermost block."""
        thread = self._turned()
        # Empty after a fork inside of the block: the parent counts that time.
        if thread.blocks:
            thread.blocks.pop()
        self._forget_idle(thread)

    def turn_to(self, name: str | None) -> None:
        """Outside of all blocks the calling thread is in this phase from now on."""
        thread = self._turned()
        thread.base = None if name is None else f"phase_{name}_seconds_total"
        self._forget_idle(thread)

    def settle(self) -> None:
        """Count what passed so far in every thread."""
        now = time.monotonic()
        for thread in self._threads.values():
            self._count(thread, now)

    def _turned(self) -> _ThreadTime:
        now = time.monotonic()
        own = threading.get_ident()
        thread = self._threads.get(own)
        if thread is None:
            thread = self._threads[own] = _ThreadTime(now)
        self._count(thread, now)
        return thread

    def _count(self, thread: _ThreadTime, now: float) -> None:
        passed = now - thread.turned
        thread.turned = now
        current = thread.blocks[-1] if thread.blocks else thread.base
        if current is not None:
            self._counters[current] = self._counters.get(current, 0.0) + passed

    def _forget_idle(self, thread: _ThreadTime) -> None:
        if thread.base is None and not thread.blocks:
            del self._threads[threading.get_ident()]


class _Counts(Protocol):
    def _enter(self, span: Span) -> None: ...

    def _leave(self) -> None: ...


class Span:
    """A `with` block of one phase; it holds no state of its own, so one serves all threads."""

    __slots__ = ("_job", "name")

    def __init__(self, job: _Counts, name: str) -> None:
        """The block of that phase of that job."""
        self._job, self.name = job, name

    def __enter__(self) -> None:
        """Enter the phase."""
        self._job._enter(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave it."""
        self._job._leave()
