"""What the collector's answer to a batch means; decided here without any I/O."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum, auto

from wattline_agents.record import record

MOST_WAIT_SECONDS = 300.0
"""A collector that is back must not wait longer than this for its nodes."""


class Verdict(Enum):
    """What to do with a batch after an answer."""

    DELIVERED = auto()
    REFUSED = auto()  # never again: the batch is wrong
    TOO_LARGE = auto()  # in two halves
    DENIED = auto()  # later: a person must change something
    LATER = auto()  # later: the collector is busy or broken


@record(frozen=True, slots=True)
class Answer:
    """An answer to one batch.

    Attributes:
        verdict: What to do with it.
        wait_seconds: How long the collector asked us to wait, if it did.
    """

    verdict: Verdict
    wait_seconds: float | None = None


def judge(status: int, retry_after: str | None = None, *, now: float = 0.0) -> Answer:
    """What an HTTP answer means.

    Args:
        status: Its status.
        retry_after: Its header of that name.
        now: The time, in seconds since 1970, for a `Retry-After` that is a date.
    """
    wait = None if retry_after is None else _wait(retry_after, now)
    if 200 <= status < 300:
        return Answer(Verdict.DELIVERED)
    if status in (400, 415, 422):
        return Answer(Verdict.REFUSED)
    if status == 413:
        return Answer(Verdict.TOO_LARGE)
    if status in (408, 425, 429) or status >= 500:
        return Answer(Verdict.LATER, wait)
    # 401 and 403, and also what a wrong address answers (404, 405, redirects): the batch is good,
    # and throwing it away for a slip in a configuration would be for ever.
    return Answer(Verdict.DENIED, wait)


def _wait(retry_after: str, now: float) -> float | None:
    text = retry_after.strip()
    if text.isdecimal() and len(text) < 10:
        seconds = float(text)
    else:
        # Loads 3 MiB, which a collector that tells seconds spares its nodes.
        from email.utils import parsedate_to_datetime

        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except ValueError:
            return None
    return min(MOST_WAIT_SECONDS, max(0.0, seconds))


def any_share() -> float:
    """From 0 to 1, another each time; `random` has far more, and takes its time to load."""
    return int.from_bytes(os.urandom(6), "little") / 2**48


class Backoff:
    """How long to wait after failures in a row: doubling, with jitter, so that nodes spread out."""

    def __init__(
        self,
        first_seconds: float = 1.0,
        most_seconds: float = 60.0,
        chance: Callable[[], float] = any_share,
    ) -> None:
        """Begin with no failures.

        Args:
            first_seconds: The middle of the first wait.
            most_seconds: The middle of the longest.
            chance: A number from 0 to 1, different each time.
        """
        self._first, self._most, self._chance = first_seconds, most_seconds, chance
        self._failures = 0

    def failed(self) -> float:
        """Count a failure; returns the seconds to wait, half to one and a half of the middle."""
        middle = min(self._most, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return middle * (0.5 + self._chance())

    def worked(self) -> None:
        """Begin anew."""
        self._failures = 0
