"""A bounded queue and the thread that empties it, so that a slow receiver holds up nobody."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from wattline_agents.errors import WattlineError

T = TypeVar("T")

MOST_WAITING = 1_000
"""Messages that wait at most; beyond it the oldest is given up."""
TRIES = 5
_FIRST_PAUSE = 1.0
"""Seconds before the second try; each pause after it is three times as long: 40 s in all."""
_LAST_SECONDS = 2.0
"""How long closing waits for what is left."""


class NotDelivered(WattlineError):
    """A receiver did not take a message."""

    def __init__(self, message: str, *, again: bool = True) -> None:
        """Say why, and whether another try makes sense."""
        super().__init__(message)
        self.again = again


class Queued(Generic[T]):
    """Delivers one after the other, each with a few tries."""

    def __init__(
        self,
        name: str,
        deliver: Callable[[T], None],
        say: Callable[[str], None],
        *,
        most: int = MOST_WAITING,
        tries: int = TRIES,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        """Start to wait for messages.

        Args:
            name: What the receiver is called, in lines for people.
            deliver: Hands one over; raises `NotDelivered`. May block, within a bound of its own.
            say: Takes the few lines meant for a person.
            most: How many may wait.
            tries: How often one is tried.
            first_pause: Seconds before the second try.
        """
        self.sent = 0
        self.failed = 0
        self._name, self._deliver, self._say = name, deliver, say
        self._most, self._tries, self._pause = most, tries, first_pause
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._complaint = ""
        # Nobody waits for it at the end of the process: a receiver may hang.
        self._thread = threading.Thread(target=self._run, name=f"alerts {name}", daemon=True)
        self._thread.start()

    def put(self, message: T) -> None:
        """Let it wait for its turn."""
        with self._changed:
            if len(self._waiting) >= self._most:
                self._waiting.popleft()
                self.failed += 1
            self._waiting.append(message)
            self._changed.notify()

    def close(self) -> None:
        """Give what waits one more moment."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(_LAST_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                message = self._waiting.popleft()
            self._try(message)

    def _try(self, message: T) -> None:
        pause = self._pause
        for left in range(self._tries - 1, -1, -1):
            try:
                self._deliver(message)
            except NotDelivered as error:
                if error.again and left and not self._waited(pause):
                    pause *= 3
                    continue
                self.failed += 1
                self._complain(str(error))
            except Exception as error:  # a fault of ours must not end the thread unheard
                self.failed += 1
                self._complain(f"{type(error).__name__}: {str(error)[:200]}")
            else:
                self.sent += 1
                self._complaint = ""
            return

    def _waited(self, seconds: float) -> bool:
        """Wait; true, and at once, when it is time to end."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ending, seconds)

    def _complain(self, line: str) -> None:
        """Say what failed, once; the counters tell how often in vain."""
        if line != self._complaint:
            self._complaint = line
            self._say(f"alerts: {self._name}: {line}")
