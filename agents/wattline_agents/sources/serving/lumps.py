"""When a job's counters may be told: rows are held back while they would say something false.

The books spread what a counter grew by over the time since its last row. Most engines count every
token as it is made, and each of their rows is right. Some count when a request ends, all its tokens
at once: a row a second later would put the work of minutes into a second, and none into the minutes
before. So their rows wait until what is still in flight matters little, or nothing is, and the
increase falls on the time in which it was made.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_SECONDS = 600.0
"""For this long at most a row waits, if anything was counted meanwhile."""
SILENT_SECONDS = 1_800.0
"""For this long at most it waits while requests run and nothing at all is counted."""
FINISHED_PER_IN_FLIGHT = 4.0
"""So many requests finished for each in flight: what is in flight at either end of the stretch is
at most a quarter of what it made."""


@dataclass(frozen=True, slots=True)
class Since:
    """What happened since a job's last row.

    Attributes:
        seconds: How long that is.
        has_moved: Whether any counter grew.
        finished: Requests that ended, where they are counted.
        in_flight: Requests in flight, at the last row or now, whichever were more; None where
            nobody says.
        at_end: Whether an engine of the job counts tokens when requests end.
        is_waited_for: Whether an engine that answered before did not answer this time.
        is_idle: Whether nothing is in flight now, so that all that was made has been counted.
    """

    seconds: float
    has_moved: bool
    finished: float | None
    in_flight: float | None
    at_end: bool
    is_waited_for: bool
    is_idle: bool


def is_due(since: Since) -> bool:
    """Whether a row is right now."""
    if since.is_waited_for:
        return since.seconds >= LONGEST_SECONDS
    if since.is_idle:
        return True
    if not since.has_moved:
        return since.in_flight is None or since.seconds >= SILENT_SECONDS
    if not since.at_end or since.in_flight is None:
        return True
    if since.finished is not None and since.finished >= FINISHED_PER_IN_FLIGHT * since.in_flight:
        return True
    return since.seconds >= LONGEST_SECONDS
