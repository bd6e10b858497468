"""Telling a person, but not again and again: a sensor that flaps must not fill a journal."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from wattline_agents.clock import Clock

REPEAT_SECONDS = 600.0
_MOST_KEPT = 1000


def say(message: str) -> None:
    """Tell the person who looks at standard error (or the journal)."""
    print(f"agent: {message}", file=sys.stderr, flush=True)


class Teller:
    """Says what kind of thing happened once, and again after ten minutes at the soonest."""

    def __init__(self, say: Callable[[str], None], clock: Clock) -> None:
        """Begin with nothing said.

        Args:
            say: Takes the lines.
            clock: Where time comes from.
        """
        self._say, self._clock = say, clock
        self._said: dict[tuple[str, str], float] = {}

    def tell(self, who: str, kind: str, message: str) -> None:
        """Say it, unless `who` said something of this kind a while ago."""
        now = self._clock.monotonic()
        if now - self._said.get((who, kind), -math.inf) < REPEAT_SECONDS:
            return
        if len(self._said) >= _MOST_KEPT:
            self._said.clear()
        self._said[who, kind] = now
        self._say(named(who, message))


def named(who: str, message: str) -> str:
    """The message with the name of whom it is about before it, once.

    >>> named("nvml", "NVML: driver not loaded")
    'nvml: driver not loaded'
    """
    rest = message[len(who) :]
    if message[: len(who)].lower() != who.lower() or rest[:1].isalnum():
        return f"{who}: {message}"
    return f"{who}{rest}" if rest.startswith(":") else message
