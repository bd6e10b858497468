"""Nobody is shown somebody else's job before it stands in the log that they were.

A page calls `Looks.shown` with the jobs of an answer before it draws them, and shows nothing where
that raises. One's own jobs are nobody else's business. A page that keeps itself current writes once
an hour: once per session, page, job and hour of the clock.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from wattline_agents.clock import Clock
from wattline_dashboards.access import viewing
from wattline_dashboards.access.audit import AuditLog, Seen

MOST_KEPT = 200_000
"""Looks remembered, some 60 MB; one that was forgotten is written a second time, never left out."""
_HOUR_MS = 3_600_000

_Look = tuple[str, str, str, str]


class Looks:
    """What was written already; safe to use from many threads."""

    def __init__(self, log: AuditLog | None, clock: Clock, most: int = MOST_KEPT) -> None:
        """Write to `log`; without one nothing is written, and nothing refused."""
        self._log, self._clock, self._most = log, clock, most
        self._hours: OrderedDict[_Look, int] = OrderedDict()
        self._lock = threading.Lock()

    def shown(self, page: str, jobs: Iterable[Seen]) -> None:
        """Write down that whoever looks is about to be shown jobs, where they are not theirs.

        Raises:
            NotWritten: It could not be written down; they must not be shown.
        """
        session = viewing.session()
        if self._log is None or session is None:
            return  # without sign-in nobody knows who looks
        name = session.person.viewer.name
        hour = self._clock.unix_ms() // _HOUR_MS
        others = {
            (session.csrf, page, one.system, one.job): one
            for one in jobs
            if name is None or one.user != name
        }
        with self._lock:
            new = {look: one for look, one in others.items() if self._hours.get(look) != hour}
        if not new:
            return
        # Two threads may both write; a line too many does no harm, one too few would.
        self._log.looked(session.person, page, new.values())
        with self._lock:
            for look in new:
                self._hours[look] = hour
                self._hours.move_to_end(look)
            while len(self._hours) > self._most:
                self._hours.popitem(last=False)
