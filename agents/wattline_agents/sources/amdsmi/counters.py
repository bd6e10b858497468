"""Counters that need a memory: energy that may stand still, throttling by ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_STALE_SECONDS = 10.0
"""A counter that stands still for so long, while power is drawn, is broken (seen on MI100)."""
_IDLE_WATTS = 5.0
_LONGEST_TICK_SECONDS = 60.0


@dataclass(slots=True)
class Energy:
    """A counter of the hardware, and whether it lives."""

    raw: int | None = None
    moved_at: float = 0.0
    is_stale: bool = False
    resets: int = 0

    def note(self, raw: int, at: float, watts: float | None) -> bool:
        """Take in a reading; returns whether it may be trusted."""
        if raw != self.raw:
            self.resets += self.raw is not None and raw < self.raw
            self.raw, self.moved_at, self.is_stale = raw, at, False
        elif watts is None or watts <= _IDLE_WATTS:
            self.moved_at = at if not self.is_stale else self.moved_at
        elif at - self.moved_at >= _STALE_SECONDS:
            self.is_stale = True
        return not self.is_stale


@dataclass(slots=True)
class Throttling:
    """Seconds per reason, from shares of the firmware's ticks."""

    seconds: dict[str, float] = field(default_factory=dict)
    active: dict[str, bool] = field(default_factory=dict)
    _ticks: float | None = None
    _counts: dict[str, float] = field(default_factory=dict)
    _at: float = 0.0

    def note(self, ticks: float, counts: Mapping[str, float], at: float) -> None:
        """Take in counters read at that time (seconds that never run backwards)."""
        before, self._ticks = self._ticks, ticks
        earlier, self._counts = self._counts, dict(counts)
        passed, self._at = at - self._at, at
        for reason in counts:
            self.seconds.setdefault(reason, 0.0)
        if before is None or ticks <= before or not 0 < passed <= _LONGEST_TICK_SECONDS:
            self.active = {}
            return
        for reason, count in counts.items():
            share = (count - earlier.get(reason, count)) / (ticks - before)
            self.active[reason] = share > 0
            if 0 <= share <= 1:
                self.seconds[reason] += share * passed
