"""A progress bar on standard error; plain lines where that is no terminal."""

from __future__ import annotations

from typing import TextIO

from wattline_agents.clock import Clock, SystemClock

_WIDTH = 32
_TERMINAL_SECONDS = 0.1
_LOG_SECONDS = 5.0
"""Often enough to see that it goes on, seldom enough not to fill a log."""


class Bar:
    """The progress of one thing after another.

    Every step is a line: `Writing history  ━━━━━━━━╌╌╌╌  12/30 days  4 s`.
    """

    def __init__(self, stream: TextIO, clock: Clock | None = None) -> None:
        """Say nothing yet."""
        self._stream = stream
        self._clock = SystemClock() if clock is None else clock
        self._terminal = stream.isatty()
        self._what = self._unit = ""
        self._began = self._said = 0.0

    def begin(self, what: str, unit: str) -> None:
        """Start a step."""
        self._what, self._unit = what, unit
        self._began = self._said = self._clock.monotonic()
        if self._terminal:
            self._draw(0, 1, counted=False)

    def __call__(self, done: int, total: int) -> None:
        """Say how far the step is, unless something was said a moment ago."""
        now = self._clock.monotonic()
        if now - self._said >= (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            self._said = now
            self._draw(done, total)

    def finish(self, said: str) -> None:
        """End the step with a line that stays: what was done, and how long it took."""
        seconds = self._clock.monotonic() - self._began
        start = "\r\033[K" if self._terminal else ""
        self._stream.write(f"{start}{self._what}: {said} ({seconds:.1f} s)\n")
        self._stream.flush()

    def _draw(self, done: int, total: int, *, counted: bool = True) -> None:
        count = f"{done:,}/{total:,} {self._unit}" if counted else ""
        seconds = f"{self._clock.monotonic() - self._began:.0f} s"
        if self._terminal:
            full = min(_WIDTH, _WIDTH * done // max(1, total))
            bar = "━" * full + "╌" * (_WIDTH - full)
            self._stream.write(f"\r\033[K{self._what}  {bar}  {count}  {seconds}")
        else:
            self._stream.write(f"{self._what}: {count} ({seconds})\n")
        self._stream.flush()
