"""When to read: at multiples of the period since 1970, so that all nodes read together.

Then a job on many nodes is disturbed everywhere at once or not at all, and readings of different
nodes are of the same moment.
"""

from __future__ import annotations


class Ticks:
    """The ticks of one agent; whoever asks brings both clocks along."""

    def __init__(self, period_seconds: float) -> None:
        """The first tick is due at once, the others at multiples of the period."""
        self.late = 0
        self._period_ms = max(1, round(period_seconds * 1000))
        self._due_ms: int | None = None
        self._due = 0.0

    def left(self, unix_ms: int, monotonic: float) -> float:
        """Seconds until the next tick; not more than zero if it is due.

        A wall clock that was set back moves the next tick, so that it is a period away at most.
        """
        if self._due_ms is None:
            return 0.0
        if self._due_ms - unix_ms > self._period_ms:
            self._aim(unix_ms, monotonic)
        return (self._due_ms - unix_ms) / 1000

    def begin(self, unix_ms: int, monotonic: float) -> int:
        """A tick begins; returns its number, counted since 1970.

        Late is what begins more than half a period after its time, and time here is the monotonic
        clock's: a wall clock that was set forward makes no tick late.
        """
        if self._due_ms is not None and monotonic > self._due + self._period_ms / 2000:
            self.late += 1
        self._aim(unix_ms, monotonic)
        return unix_ms // self._period_ms

    def end(self, unix_ms: int, monotonic: float) -> None:
        """It is done; those missed meanwhile are left out rather than made up for in a burst."""
        if self._due_ms is not None and unix_ms > self._due_ms:
            self._aim(unix_ms, monotonic)

    def _aim(self, unix_ms: int, monotonic: float) -> None:
        self._due_ms = (unix_ms // self._period_ms + 1) * self._period_ms
        self._due = monotonic + (self._due_ms - unix_ms) / 1000


class Pace:
    """Every so many ticks; at multiples too, so that slow readings of all nodes coincide."""

    def __init__(self, every_seconds: float, period_seconds: float) -> None:
        """Due at the first tick it is asked for."""
        self._period_seconds = period_seconds
        self._next: int | None = None
        self._every_seconds = -1.0
        self.change(every_seconds)

    def change(self, every_seconds: float) -> None:
        """Take another pace; rounded up to whole ticks."""
        if every_seconds == self._every_seconds:  # as at nearly every tick
            return
        self._every_seconds = every_seconds
        self._ticks = max(1, -int(-(every_seconds / self._period_seconds - 1e-6) // 1))
        self.period_ms = round(self._ticks * self._period_seconds * 1000)
        """How far apart its turns are."""

    def is_due(self, tick: int) -> bool:
        """Whether it is its turn; then the next turn is a pace later."""
        # One too far ahead was reckoned by a clock that has been set back since.
        if self._next is not None and tick < self._next <= tick + self._ticks:
            return False
        self._next = tick - tick % self._ticks + self._ticks
        return True
