"""Power sensors that stand still: the reading goes on, and says nothing any more.

A sensor that lives is never quite still: an A100 read every 12 ms shows another hundredth of a watt
at least every third of a second, busy or idle. Dead ones have been recorded that said 46.19 W for
eleven minutes while the chip warmed from 32 to 60 degrees. But a sensor that speaks in whole watts
may say the same for long on an idle device and be right. So:

* a reading finer than a watt that has not changed for a minute is stale; for 20 seconds, if
  something else moved meanwhile that power follows: load, heat, or the energy counter;
* one in whole watts only if load went up or down by half, or the energy counter contradicts it.
"""

from __future__ import annotations

STILL_MS = 60_000
"""How long a fine reading may stand without any other sign: hundreds of the longest seen alive."""
CONTRADICTED_MS = 20_000
"""How long where something else moved: past any average or filter in the sensor."""
PAUSE_MS = 15_000
"""Nobody looked for longer than this, so nobody knows whether it stood still."""
LEAST_LOOKS = 10
"""Fewer readings may be alike by chance, however far apart they are."""

_BUSY_SWING = 0.5
_WARMING_CELSIUS = 5
_COUNTER_WATTS, _COUNTER_SHARE = 10.0, 0.2
"""What the energy counter must differ by: both more than any sensor's own error, of 5 W or 5 %."""


class Standstill:
    """Watches one power sensor.

    Attributes:
        is_stale: Whether its reading says nothing any more, as of the last look.
        since_ms: Since when it stands still; None before the first look.
    """

    __slots__ = (
        "_busy", "_celsius", "_fine", "_joules", "_looks", "_pause_ms", "_reading_mw", "_seen_ms",
        "is_stale", "since_ms",
    )  # fmt: skip

    def __init__(self, pause_ms: int = PAUSE_MS) -> None:
        """Nothing was seen yet; over a longer pause than this nothing is concluded."""
        self._pause_ms, self._looks = pause_ms, 0
        self.is_stale = False
        self.since_ms: int | None = None
        self._fine = False
        self._reading_mw: int | None = None
        self._seen_ms = 0
        self._busy: tuple[float, float] | None = None
        self._celsius: tuple[float, float] | None = None
        self._joules: float | None = None

    def look(
        self,
        now_ms: int,
        milliwatts: int,
        *,
        busy: float | None = None,
        celsius: float | None = None,
        joules: float | None = None,
        alive: bool = False,
    ) -> bool:
        """Take in one reading and what is known beside it; whether the reading is stale.

        Args:
            now_ms: When it was read.
            milliwatts: What the sensor says.
            busy: The share of time at work, 0-1.
            celsius: The temperature of the chip.
            joules: The energy counter.
            alive: Whether something else proves that the sensor moves, its own samples for example.
        """
        seen_ms, self._seen_ms = self._seen_ms, now_ms
        moved = alive or milliwatts != self._reading_mw
        if moved or self.since_ms is None or not seen_ms <= now_ms <= seen_ms + self._pause_ms:
            self._fine = self._fine or milliwatts % 1000 != 0
            self._reading_mw, self.since_ms, self.is_stale = milliwatts, now_ms, False
            self._looks = 0
            self._busy = None if busy is None else (busy, busy)
            self._celsius = None if celsius is None else (celsius, celsius)
            self._joules = joules
            return False
        self._busy = _widened(self._busy, busy)
        self._celsius = _widened(self._celsius, celsius)
        self._looks += 1
        still_ms = now_ms - self.since_ms
        if not self.is_stale and still_ms >= CONTRADICTED_MS and self._looks >= LEAST_LOOKS:
            self.is_stale = (self._fine and still_ms >= STILL_MS) or self._contradicted(
                still_ms, joules
            )
        return self.is_stale

    def _contradicted(self, still_ms: int, joules: float | None) -> bool:
        if _span(self._busy) >= _BUSY_SWING:
            return True
        # A board held at its power cap warms up at a constant whole number of watts.
        if self._fine and _span(self._celsius) >= _WARMING_CELSIUS:
            return True
        if joules is None or self._joules is None or joules < self._joules:
            return False
        counted = (joules - self._joules) / (still_ms / 1000)
        watts = (self._reading_mw or 0) / 1000
        # A counter that stands still, too, proves nothing: both may come from the same sensor.
        off = abs(counted - watts)
        return counted > 0 and off > _COUNTER_WATTS and off > _COUNTER_SHARE * watts


def _widened(range_: tuple[float, float] | None, value: float | None) -> tuple[float, float] | None:
    if value is None:
        return range_
    if range_ is None:
        return value, value
    least, most = range_
    if value < least:
        return value, most
    return (least, value) if value > most else range_


def _span(range_: tuple[float, float] | None) -> float:
    return 0.0 if range_ is None else range_[1] - range_[0]
