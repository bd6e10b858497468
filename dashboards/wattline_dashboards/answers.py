"""Questions to the collector, asked once for all browsers, and what was last answered.

Ten open pages cost the collector one request a second. When it does not answer, the last good
answer is kept with its age, so that a page can go on showing it, greyed, and say why.

Where people sign in, the collector is asked in the name of whoever looks and answers what they may
see; what is kept of that is shown to those alone who see the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from wattline_agents.clock import Clock
from wattline_agents.errors import WattlineError
from wattline_collector.access import STAFF, Sight, Viewer, sees
from wattline_collector.client import File, Refused, Unreachable

Json = Mapping[str, Any]
"""What the collector answers: decoded JSON, as the contract of its HTTP API has it."""

LATEST_SECONDS = 0.5
"""Pages ask every two seconds: one second makes every page's picture at most one second older."""

OVERVIEW_SECONDS = 5.0
"""The ledger is booked every fifteen seconds, and an overview costs the collector a query."""

EXPLAIN_SECONDS = 600.0
"""A KPI's formula changes with the program, not while it runs."""

FAILED_SECONDS = 1.0
"""After a failure, whatever the question: the collector may be back any moment."""

_TAKEN_BACK = frozenset({401, 403, 404})
"""Refusals of what may have been answered before: a role or a project has ended since."""

_MOST_CHARACTERS = 400
"""Of a value in a question, as the collector takes them."""

_LIVE_KEPT = 128
"""Job owners who look at once; each sees their own."""

_ASKED_KEPT = 256
"""Questions of open pages at once: of fifty people who look at five things each."""


class Source(Protocol):
    """The collector, as far as pages need it; `wattline_collector.client.Collector` is one."""

    def live(self, columns: Sequence[str] = ()) -> Json:
        """`/v1/latest`, its tables Arrow's or by columns: all of these, or those named."""
        ...

    def overview(self, start: datetime | None, end: datetime | None) -> Json:
        """`/v1/overview`."""
        ...

    def explain(self, kpi: str) -> Json:
        """`/v1/explain/{id}`."""
        ...

    def ask(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Json:
        """A question of a page, such as `/v1/site`."""
        ...


@runtime_checkable
class Vouching(Protocol):
    """A collector that can be asked in somebody's name."""

    def seen_by(self, viewer: Viewer) -> Source:
        """The same collector, answering what they may see."""
        ...


@runtime_checkable
class Desk(Protocol):
    """A collector that takes orders and hands out files."""

    def send(self, path: str, order: Json) -> Json:
        """Hand over an order, such as that of a report."""
        ...

    def fetch(self, path: str) -> File:
        """A file."""
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
        except Refused as error:
            # What is no longer theirs, or no longer there, is not shown any more.
            kept = None if error.status in _TAKEN_BACK else self._last.value
            self._given = None if kept is None else self._given
            return Answer(kept, None, str(error))
        except WattlineError as error:
            return Answer(self._last.value, None, str(error), not isinstance(error, Unreachable))
        self._given = self._clock.monotonic()
        return Answer(value, None, None)


class Answers:
    """The collector behind a memory of its newest answers; safe to ask from many threads."""

    def __init__(
        self, source: Source, clock: Clock, viewer: Callable[[], Viewer] = lambda: STAFF
    ) -> None:
        """Ask `source`, and measure ages with `clock`.

        Args:
            source: The collector.
            clock: Tells time that never runs backwards.
            viewer: Who looks, at the time of each question.
        """
        self._source, self._clock, self._viewer = source, clock, viewer
        self._live: OrderedDict[object, _Slot] = OrderedDict()
        self._slots: OrderedDict[object, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def scope(self) -> Viewer:
        """Whoever looks, as far as it changes what is answered: all operators see the same."""
        viewer = self._viewer()
        if viewer.staff:
            return STAFF
        # Who sees everybody's jobs, or none as their own, sees the same under any name.
        if sees(viewer, Sight.JOBS) or not sees(viewer, Sight.OWN):
            return Viewer(roles=viewer.roles)
        return viewer

    def latest(self, columns: Sequence[str] = ()) -> Answer:
        """The newest reading of everything that whoever looks may see.

        Args:
            columns: Those wanted of every table that has them, beside what says which row it is;
                none: all. Pages that name the same, in the same order, share one answer.
        """
        scope, names = self.scope(), tuple(columns)
        slot = self._kept(
            self._live,
            (scope, names),
            lambda: self._asked_by(scope).live(names),
            LATEST_SECONDS,
            _LIVE_KEPT,
        )
        return slot.answer()

    def overview(self, start: datetime | None, end: datetime | None) -> Answer:
        """What a period made and cost; null bounds are the store's own."""
        return self._slot(
            ("overview", start, end),
            lambda source: source.overview(start, end),
            OVERVIEW_SECONDS,
        )

    def explain(self, kpi: str) -> Answer:
        """How a KPI is defined."""
        return self._slot(("explain", kpi), lambda source: source.explain(kpi), EXPLAIN_SECONDS)

    def ask(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        keep_seconds: float = OVERVIEW_SECONDS,
    ) -> Answer:
        """A question of a page; the answer is kept for as long as it is worth asking once."""
        asked = tuple(query)
        if any(len(value) > _MOST_CHARACTERS for _, value in asked):
            # The collector refuses it; a memory of such questions would be as long as they are.
            return Answer(None, None, f"{path}: what was asked for is too long")
        return self._slot(("ask", path, asked), lambda s: s.ask(path, asked), keep_seconds)

    def send(self, path: str, order: Json) -> Json:
        """Hand over an order in the name of whoever looks; nothing of it is kept.

        Raises:
            WattlineError: The collector does not answer, or refuses it.
        """
        return self._desk().send(path, order)

    def fetch(self, path: str) -> File:
        """A file, in the name of whoever looks; nothing of it is kept.

        Raises:
            WattlineError: The collector does not answer, or refuses it.
        """
        return self._desk().fetch(path)

    def _desk(self) -> Desk:
        source = self._asked_by(self.scope())
        if not isinstance(source, Desk):
            raise WattlineError("this collector hands out no files")
        return source

    def _slot(self, key: object, ask: Callable[[Source], Json], keep_seconds: float) -> Answer:
        scope = self.scope()
        return self._kept(
            self._slots,
            (scope, key),
            lambda: ask(self._asked_by(scope)),
            keep_seconds,
            _ASKED_KEPT,
        ).answer()

    def _asked_by(self, scope: Viewer) -> Source:
        if scope.staff:
            return self._source
        if not isinstance(self._source, Vouching):
            raise WattlineError("this collector cannot be asked in somebody's name")
        return self._source.seen_by(scope)

    def _kept(
        self,
        slots: OrderedDict[object, _Slot],
        key: object,
        ask: Callable[[], Json],
        keep_seconds: float,
        most: int,
    ) -> _Slot:
        with self._lock:
            slot = slots.setdefault(key, _Slot(ask, self._clock, keep_seconds))
            slots.move_to_end(key)
            while len(slots) > most:
                slots.popitem(last=False)
            return slot
