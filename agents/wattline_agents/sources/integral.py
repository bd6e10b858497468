"""Energy as the integral of power, where a device says how much it draws and not how much it used.

Pure: readings go in, joules come out. Every joule is between two readings that are near enough to
each other; over a longer gap nothing is assumed, and the seconds covered say so.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Sequence

GAP_SECONDS = 3.0
"""Readings further apart are not joined: three ticks of the usual loop, and far less than the time
in which a job begins or ends."""

_MILLION = 1_000_000
_MILLIWATT_MICROSECONDS = 2e9
"""Of these there are so many in two joules; the trapezoid's half is in it."""
_PIECE = 10
_JITTER = 0.05
"""A sensor samples by its own clock. If every tenth reading is in its place to a twentieth of a
step, their times need not be looked at one by one, which would cost more than all else. Where power
jumps, a place that is off by so much matters less than when within its step the jump was."""


class Integral:
    """The integral of one power over time, by the trapezoid rule.

    Attributes:
        joules: Energy so far.
        seconds: How much time that covers.
    """

    __slots__ = ("_gap_us", "_power_mw", "_time_us", "joules", "seconds")

    def __init__(self, gap_seconds: float = GAP_SECONDS) -> None:
        """Begin with nothing; readings further apart than the gap are not joined."""
        self.joules = 0.0
        self.seconds = 0.0
        self._gap_us = round(gap_seconds * _MILLION)
        self._time_us: int | None = None
        self._power_mw = 0

    def add(self, time_us: int, milliwatts: int) -> None:
        """Take in one reading; one that is not later than the last is left out."""
        self.extend((time_us,), (milliwatts,))

    def extend(self, times_us: Sequence[int], milliwatts: Sequence[int]) -> None:
        """Take in readings in the order of their times (microseconds since any start)."""
        last, power = self._time_us, self._power_mw
        if last is not None and self._is_regular(last, times_us):
            span = times_us[-1] - last
            # All steps are the same, so all readings weigh the same but those at both ends.
            twice = 2 * sum(milliwatts) + power - milliwatts[-1]
            self.joules += span * twice / (len(times_us) * _MILLIWATT_MICROSECONDS)
            self.seconds += span / _MILLION
            self._time_us, self._power_mw = times_us[-1], milliwatts[-1]
            return
        gap, area, covered = self._gap_us, 0, 0
        for time, watts in zip(times_us, milliwatts, strict=True):
            if last is not None:
                step = time - last
                if step <= 0:
                    if -step <= gap:
                        continue
                    # The clock was set back; waiting until it has caught up would lose hours.
                elif step <= gap:
                    area += step * (watts + power)
                    covered += step
            last, power = time, watts
        self.joules += area / _MILLIWATT_MICROSECONDS
        self.seconds += covered / _MILLION
        self._time_us, self._power_mw = last, power

    def pause(self) -> None:
        """Do not join the last reading to the next: what lies between them is not known."""
        self._time_us = None

    def _is_regular(self, last: int, times_us: Sequence[int]) -> bool:
        """Whether readings stand in equal steps from the last one on, and none after a gap."""
        count = len(times_us)
        if count < 2 * _PIECE:
            return False
        span = times_us[-1] - last
        if not 0 < span <= self._gap_us:
            return False
        step = span / count
        most, piece, place = _JITTER * step, _PIECE * step, 0.0
        for time in times_us[_PIECE - 1 : -1 : _PIECE]:
            place += piece
            if not -most <= time - last - place <= most:
                return False
        return True
