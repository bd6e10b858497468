"""Questions to the collector, asked once for all browsers, and what was last answered.

Ten open pages cost the collector one request a second. When it does not answer, the last good
answer is kept with its age, so that a page can go on showing it, greyed, and say why.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from wattline_agents.clock import Clock
from wattline_agents.errors import WattlineError
from wattline_collector.client import Unreachable

Json = Mapping[str, Any]
"""What the collector answers: decoded JSON, as the contract of its HTTP API has it."""

LATEST_SECONDS = 1.0
"""Pages ask every two seconds: one second makes every page's picture at most one second older."""

OVERVIEW_SECONDS = 5.0
"""The ledger is booked every fifteen seconds, and an overview costs the collector a query."""

EXPLAIN_SECONDS = 600.0
"""A KPI's formula changes with the program, not while it runs."""

FAILED_SECONDS = 1.0
"""After a failure, whatever the question: the collector may be back any moment."""

_PERIODS_KEPT = 32
"""Custom periods are typed by people; more than these at once are not open."""


class Source(Protocol):
    """The collector, as far as pages need it; `wattline_collector.client.Collector` is one."""

    def latest(self) -> Json:
        """`/v1/latest`."""
        ...

    def overview(self, start: datetime | None, end: datetime | None) -> Json:
        """`/v1/overview`."""
        ...

    def explain(self, kpi: str) -> Json:
        """`/v1/explain/{id}`."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known now.

    Attributes:
        value: The newest good answer; null if there has been none.
        age_ms: How long ago it was given.
        error: Why there is no newer one: what happened, where, what to do; null if it is current.
        reached: Whether a collector answered at all, be it by refusing.
    """

    value: Json | None
    age_ms: int | None
    error: str | None
    reached: bool = True


class _Slot:
    """One question: asked by one thread at a time, and at most once per `keep_seconds`."""

    def __init__(self, ask: Callable[[], Json], clock: Clock, keep_seconds: float) -> None:
        self._ask, self._clock, self._keep_seconds = ask, clock, keep_seconds
        self._asking = threading.Lock()
        self._tried: float | None = None
        self._given: float | None = None
        self._last = Answer(None, None, None)

    def answer(self) -> Answer:
        # Who comes while another asks takes the last answer; only the very first must wait.
        if self._asking.acquire(blocking=self._tried is None):
            try:
                now = self._clock.monotonic()
                keep = self._keep_seconds if self._last.error is None else FAILED_SECONDS
                if self._tried is None or now - self._tried >= keep:
                    self._last = self._asked()
                    self._tried = self._clock.monotonic()
            finally:
                self._asking.release()
        last, given = self._last, self._given
        age = None if given is None else round((self._clock.monotonic() - given) * 1000)
        return replace(last, age_ms=age)

    def _asked(self) -> Answer:
        try:
            value = self._ask()
        except WattlineError as error:
            return Answer(self._last.value, None, str(error), not isinstance(error, Unreachable))
        self._given = self._clock.monotonic()
        return Answer(value, None, None)


class Answers:
    """The collector behind a memory of its newest answers; safe to ask from many threads."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Ask `source`, and measure ages with `clock`."""
        self._source, self._clock = source, clock
        self._latest = _Slot(source.latest, clock, LATEST_SECONDS)
        self._slots: OrderedDict[object, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def latest(self) -> Answer:
        """The newest reading of everything."""
        return self._latest.answer()

    def overview(self, start: datetime | None, end: datetime | None) -> Answer:
        """What a period made and cost; null bounds are the store's own."""
        return self._slot(
            ("overview", start, end), lambda: self._source.overview(start, end), OVERVIEW_SECONDS
        ).answer()

    def explain(self, kpi: str) -> Answer:
        """How a KPI is defined."""
        return self._slot(
            ("explain", kpi), lambda: self._source.explain(kpi), EXPLAIN_SECONDS
        ).answer()

    def _slot(self, key: object, ask: Callable[[], Json], keep_seconds: float) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot(ask, self._clock, keep_seconds))
            self._slots.move_to_end(key)
            while len(self._slots) > _PERIODS_KEPT * 2:
                self._slots.popitem(last=False)
            return slot
