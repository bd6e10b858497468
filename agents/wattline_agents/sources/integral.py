"""Energy as the integral of power, where a device says how much it draws and not how much it used.

Pure: readings go in, joules come out. Every joule is between two readings that are near enough to
each other; over a longer gap nothing is assumed, and the seconds covered say so.
"""

from __future__ import annotations

from operator import add, mul, sub

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Sequence

GAP_SECONDS = 3.0
"""Readings further apart are not joined: three ticks of the usual loop, and far less than the time
in which a job begins or ends."""

_MILLION = 1_000_000
_MILLIWATT_MICROSECONDS = 2e9
"""Of these there are so many in two joules; the trapezoid's half is in it."""


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
        if not times_us:
            return
        last = self._time_us
        if last is not None and last < times_us[0]:
            times_us, milliwatts = (last, *times_us), (self._power_mw, *milliwatts)
        steps = tuple(map(sub, times_us[1:], times_us))
        regular = not steps or (min(steps) > 0 and max(steps) <= self._gap_us)
        if regular and (last is None or last <= times_us[0]):
            # All in the interpreter's own loops: a ring holds fifty samples a second and device.
            sums = map(add, milliwatts[1:], milliwatts)
            self.joules += sum(map(mul, steps, sums)) / _MILLIWATT_MICROSECONDS
            self.seconds += sum(steps) / _MILLION
            self._time_us, self._power_mw = times_us[-1], milliwatts[-1]
            return
        for time, power in zip(times_us, milliwatts, strict=True):
            self._step(time, power)

    def pause(self) -> None:
        """Do not join the last reading to the next: what lies between them is not known."""
        self._time_us = None

    def _step(self, time_us: int, milliwatts: int) -> None:
        last = self._time_us
        if last is not None:
            step = time_us - last
            if step <= 0:
                if last - time_us > self._gap_us:
                    # The clock was set back; waiting until it has caught up would lose hours.
                    self._time_us, self._power_mw = time_us, milliwatts
                return
            if step <= self._gap_us:
                self.joules += step * (milliwatts + self._power_mw) / _MILLIWATT_MICROSECONDS
                self.seconds += step / _MILLION
        self._time_us, self._power_mw = time_us, milliwatts
