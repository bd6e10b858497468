"""Time as an argument, so that an hour of sampling tests in a millisecond."""

from __future__ import annotations

import time

from wattline_agents.light import Protocol


class Clock(Protocol):
    """Where code that waits or stamps gets its time from."""

    def unix_ms(self) -> int:
        """Wall-clock time in milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; may return early when the process is told to end."""
        ...


class SystemClock:
    """The machine's own clock."""

    def unix_ms(self) -> int:
        """Wall-clock time in milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        time.sleep(max(0.0, seconds))
