"""Tells a person that a disk takes no more, and that it does again."""

from __future__ import annotations

import math
from collections.abc import Callable

from wattline_agents.clock import Clock

SURE_SECONDS = 10.0
"""On a disk that is nearly full the small fits and the large does not: so long must all of it fit
before it is said to take more."""
REPEAT_SECONDS = 600.0


class DiskTrouble:
    """Says once that writing fails and once that it works again; ten minutes apart if it flaps."""

    def __init__(self, name: str, clock: Clock, say: Callable[[str], None]) -> None:
        """Begin without any.

        Args:
            name: What every line begins with.
            clock: Tells how long it has lasted.
            say: Takes the lines.
        """
        self._name, self._clock, self._say = name, clock, say
        self._is_on = self._is_told = False
        self._began_at = self._failed_at = -math.inf

    def failed(self, reason: str, loss: str) -> None:
        """Note that something could not be written.

        Args:
            reason: Why.
            loss: What becomes of it, for the line.
        """
        now, before = self._clock.monotonic(), self._failed_at
        self._failed_at = now
        # Where nothing was tried for long, as while a collector answers, it begins anew.
        if self._is_on and now - before < REPEAT_SECONDS:
            return
        self._is_on, self._is_told = True, now - self._began_at >= REPEAT_SECONDS
        if self._is_told:
            self._began_at = now
            self._say(f"{self._name}: {reason}; {loss}")

    def worked(self, loss: str = "") -> None:
        """Note that something was written.

        Args:
            loss: What was lost meanwhile, for the line that says it is over.
        """
        if not self._is_on or self._clock.monotonic() - self._failed_at < SURE_SECONDS:
            return
        self._is_on = False
        if self._is_told:
            self._say(f"{self._name}: can be written again{f'; {loss}' if loss else ''}")
