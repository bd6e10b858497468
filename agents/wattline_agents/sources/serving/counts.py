"""Counters of one engine, kept over its restarts.

An engine's counters begin at nought with its process; a page may also hold series of several
workers that come and go, as Ray's does. So each series is followed for itself: one that grew has
made the difference, one that is new on a page known before has made all it says, and one that left
the page has made what it said. Where a series fell, or the process says that it began anew, all
series are those of a new life.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from wattline_agents.sources.serving.names import GAUGES
from wattline_agents.sources.serving.reading import Histogram, Key, Reading, summed

_Value = TypeVar("_Value")

_MOST_SERIES = 2_048
"""Followed of each column, those that left the page included; then those are forgotten."""
_MOST_HISTOGRAMS = 128
"""The same of each kind of latency: one has dozens of buckets."""
_SAME_START_SECONDS = 5.0
"""A process states its start to the hundredth; clocks are set right by more than that."""


@dataclass(slots=True)
class Counts:
    """What one engine counted since its process began, as far as its page ever said.

    Attributes:
        newest: The reading taken last.
    """

    newest: Reading | None = None
    _counters: dict[str, dict[Key, float]] = field(default_factory=dict)
    _histograms: dict[str, dict[Key, Histogram]] = field(default_factory=dict)

    def take(self, reading: Reading) -> bool:
        """Take in a reading; returns whether it is the first of a life of the engine."""
        is_new = self.begins(reading)
        if is_new:
            self._counters.clear()
            self._histograms.clear()
        self.newest = reading
        _follow(self._counters, reading.counters, _MOST_SERIES)
        _follow(self._histograms, reading.histograms, _MOST_HISTOGRAMS)
        return is_new

    def total(self, column: str) -> float | None:
        """The sum of a counter in this life of the engine; None where its page does not say."""
        series = self._counters.get(column)
        return None if series is None else math.fsum(series.values())

    def totals(self) -> dict[str, float]:
        """All counters its page has ever said in this life."""
        return {column: math.fsum(series.values()) for column, series in self._counters.items()}

    def histogram(self, kind: str) -> Histogram | None:
        """A kind of latency in this life of the engine."""
        return summed(self._histograms.get(kind, {}).values())

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of latency there are."""
        return tuple(self._histograms)

    @property
    def in_flight(self) -> float | None:
        """Requests it works on, and those that wait; None where its page does not say."""
        if self.newest is None:
            return None
        running, waiting = (self.newest.gauges.get(name) for name in GAUGES[:2])
        return None if running is None else running + (waiting or 0.0)

    def begins(self, reading: Reading) -> bool:
        """Whether a reading is the first of a life of the engine; takes nothing in."""
        before = self.newest
        if before is None:
            return True
        if before.started is not None and reading.started is not None:
            if abs(before.started - reading.started) > _SAME_START_SECONDS:
                return True
        if before.framework is not reading.framework:
            return True
        return any(
            value < self._counters.get(column, {}).get(key, 0.0)
            for column, series in reading.counters.items()
            for key, value in series.items()
        )


def _follow(
    kept: dict[str, dict[Key, _Value]], found: Mapping[str, Mapping[Key, _Value]], most: int
) -> None:
    for column, series in found.items():
        mine = kept.setdefault(column, {})
        mine.update(series)
        if len(mine) > most:
            kept[column] = dict(series)
