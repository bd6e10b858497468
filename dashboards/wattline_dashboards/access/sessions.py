"""Who is signed in: kept in memory, under the hash of a random name that only the browser has.

A session ends when it is signed out of, when nobody did anything for a while, after its longest
time whatever was done, and when the program ends. Being signed in anew always gives a new name.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

from wattline_agents.clock import Clock
from wattline_dashboards.access.people import Person

MOST = 10_000
"""Sessions kept; whoever was idle longest signs in again."""
MOST_EACH = 20
"""Sessions of one person."""


@dataclass(slots=True)
class Session:
    """Somebody at one browser.

    Attributes:
        person: Who.
        csrf: What requests that change something must bring along.
        started: When, on the clock's monotonic scale.
        used: When they last did something.
    """

    person: Person
    csrf: str
    started: float
    used: float


class Sessions:
    """All sessions; safe to use from many threads."""

    def __init__(self, clock: Clock, idle_seconds: float, longest_seconds: float) -> None:
        """Begin with none.

        Args:
            clock: Tells time that never runs backwards.
            idle_seconds: How long one lasts while nothing is done.
            longest_seconds: How long one lasts at most.
        """
        self._clock, self._idle, self._longest = clock, idle_seconds, longest_seconds
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, person: Person, before: str | None) -> tuple[str, Session]:
        """Sign somebody in; a session the browser had before ends.

        Returns:
            The name the browser is to keep, and the session.
        """
        name = secrets.token_urlsafe(32)
        now = self._clock.monotonic()
        session = Session(person, secrets.token_urlsafe(32), now, now)
        with self._lock:
            if before is not None:
                self._sessions.pop(_key(before), None)
            theirs = [key for key, one in self._sessions.items() if one.person.id == person.id]
            for key in theirs[: max(0, len(theirs) - MOST_EACH + 1)]:
                del self._sessions[key]
            self._sessions[_key(name)] = session
            while len(self._sessions) > MOST:
                self._sessions.popitem(last=False)
        return name, session

    def find(self, name: str | None, *, used: bool) -> Session | None:
        """The session of that name, if it goes on.

        Args:
            name: What the browser sent.
            used: Whether somebody did something, or a page only keeps itself current.
        """
        if not name:
            return None
        key, now = _key(name), self._clock.monotonic()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                return None
            if now - session.started >= self._longest or now - session.used >= self._idle:
                del self._sessions[key]
                return None
            if used:
                session.used = now
                self._sessions.move_to_end(key)
            return session

    def end(self, name: str | None) -> None:
        """Sign out."""
        if name:
            with self._lock:
                self._sessions.pop(_key(name), None)


def _key(name: str) -> bytes:
    # A dump of this memory shows nothing a browser could send.
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
