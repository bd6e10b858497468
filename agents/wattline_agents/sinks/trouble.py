"""Tells a person what goes wrong with a sink, and does not tell it all the time."""

from __future__ import annotations

import math
from collections.abc import Callable

from wattline_agents.clock import Clock

REPEAT_SECONDS = 600.0


class Trouble:
    """Says a failure once in ten minutes, and once that it is over."""

    def __init__(self, name: str, clock: Clock, say: Callable[[str], None]) -> None:
        """Begin without any.

        Args:
            name: What every line begins with.
            clock: Tells when ten minutes are over.
            say: Takes the lines.
        """
        self._name, self._clock, self._say = name, clock, say
        self._said_at = -math.inf
        self._untold = 0
        self.is_on = False
        self._is_told = False

    def failed(self, reason: str) -> None:
        """Note a failure; a second kind of failure within ten minutes is not told either."""
        now = self._clock.monotonic()
        self.is_on = True
        if now - self._said_at < REPEAT_SECONDS:
            self._untold += 1
            return
        more = f" (and {self._untold} failures more since the last such line)"
        self._say(f"{self._name}: {reason}{more if self._untold else ''}")
        self._said_at, self._untold, self._is_told = now, 0, True

    def worked(self) -> None:
        """Note a success; said if the failure before it was."""
        self.is_on = False
        if self._is_told:
            self._is_told = False
            self._say(f"{self._name}: works again")


def reason_of(error: BaseException) -> str:
    """Why, in few words: libraries wrap the system's reason in several layers of their own."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) < 20:
        one = waiting.pop(0)
        if one in seen:
            continue
        seen.append(one)
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]
    if any(isinstance(one, TimeoutError) or "Timeout" in type(one).__name__ for one in seen):
        return "no answer in time"
    return " ".join(str(error).split())[:200] or type(error).__name__
