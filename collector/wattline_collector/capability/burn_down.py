"""U05: is a grant being used at the pace it was given for, and what will be left of it?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MS_PER_DAY = 86_400_000
_LEAST_HISTORY = 0.05
"""Share of a grant's time that must be over before a forecast is made from its pace."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """What must be used by when, such as 40 % after 6 months.

    Attributes:
        months: Calendar months after the grant's start.
        least: Share of the grant that must be used by then, 0 to 1.
    """

    months: int
    least: float


@dataclass(frozen=True, slots=True)
class Reached:
    """A milestone held against use.

    Attributes:
        milestone: Which.
        due_ms: When it is due.
        share: Share used, or forecast to be used, by then; None where it cannot be said.
        is_due: Whether that time has come.
        is_met: Whether it was, or will be, reached; None where it cannot be said.
    """

    milestone: Milestone
    due_ms: int
    share: float | None
    is_due: bool
    is_met: bool | None


@dataclass(frozen=True, slots=True)
class BurnDown:
    """A grant's use against its time.

    Attributes:
        used_share: Used over granted; None where nothing was granted.
        elapsed_share: Time gone by over the grant's time, at most 1.
        pace: The first over the second: 1 is on time; None where either is not known.
        forecast_used: What will be used by the grant's end; None where it is too early to say.
        forecast_share: That over granted.
        exhausted_ms: When it will be used up, if that is before its end; when it was, if it is.
        milestones: What must be used by when.
    """

    used_share: float | None
    elapsed_share: float
    pace: float | None
    forecast_used: float | None
    forecast_share: float | None
    exhausted_ms: int | None
    milestones: tuple[Reached, ...]


def burn_down(
    granted: float | None,
    use: Sequence[tuple[int, float]],
    *,
    start_ms: int,
    end_ms: int,
    now_ms: int,
    window_days: float | None = None,
    milestones: Sequence[Milestone] = (),
) -> BurnDown:
    """U05: used / granted against elapsed / duration, with a forecast.

    The forecast goes on at the pace of the window: what was used in it over its length. Before a
    twentieth of the grant's time is over, there is none.

    Args:
        granted: GPU-hours; None where not known.
        use: Unix ms and GPU-hours used since the start, rising; what was used by `now_ms` is the
            last of it. Before the first entry it is 0 at `start_ms`, between two it is linear.
        start_ms: When the grant starts.
        end_ms: When it ends.
        now_ms: When this is asked.
        window_days: The pace is that of so many days; of the whole time so far, if not given.
        milestones: What must be used by when.

    Raises:
        ValueError: The grant does not end after it starts, or use is not rising in time.
    """
    if end_ms <= start_ms:
        raise ValueError("a grant ends after it starts")
    points = [(start_ms, 0.0), *(p for p in use if p[0] > start_ms)]
    if any(b[0] <= a[0] or b[1] < a[1] for a, b in itertools.pairwise(points)):
        raise ValueError("use must rise, and its times too")
    now = min(max(now_ms, start_ms), end_ms)
    used = _at(points, now)
    elapsed = (now - start_ms) / (end_ms - start_ms)
    share = None if not granted or granted <= 0 else used / granted
    pace = share / elapsed if share is not None and elapsed > 0 else None
    rate = _rate(points, start_ms, now, window_days) if elapsed >= _LEAST_HISTORY else None
    forecast = None if rate is None else used + rate * (end_ms - now)
    exhausted = None if granted is None else _exhausted(points, granted, now, end_ms, used, rate)
    return BurnDown(
        share,
        elapsed,
        pace,
        forecast,
        forecast / granted if forecast is not None and granted else None,
        exhausted,
        tuple(_reached(m, points, granted, start_ms, now, used, rate) for m in milestones),
    )


def add_months(time_ms: int, months: int) -> int:
    """That many calendar months later, UTC; the last day of a month that is too short for it."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    day = time.day
    while True:
        try:
            return round(time.replace(year=year, month=month + 1, day=day).timestamp() * 1000)
        except ValueError:
            day -= 1


def _at(points: Sequence[tuple[int, float]], time_ms: int) -> float:
    """Used by a time; what is after the last entry is not known to be more."""
    for (t0, u0), (t1, u1) in itertools.pairwise(points):
        if time_ms <= t1:
            return u0 + (u1 - u0) * (time_ms - t0) / (t1 - t0)
    return points[-1][1]


def _rate(
    points: Sequence[tuple[int, float]], start_ms: int, now: int, window_days: float | None
) -> float | None:
    """GPU-hours used in a millisecond, over the window."""
    back = math.inf if window_days is None else window_days * MS_PER_DAY
    since = max(start_ms, now - back)
    return (_at(points, now) - _at(points, round(since))) / (now - since) if now > since else None


def _exhausted(
    points: Sequence[tuple[int, float]], granted: float, now: int, end_ms: int, used: float,
    rate: float | None,
) -> int | None:  # fmt: skip
    if granted <= 0:
        return None
    for (t0, u0), (t1, u1) in itertools.pairwise(points):
        if u1 >= granted and t0 < now and u1 > u0:
            return round(t0 + (granted - u0) / (u1 - u0) * (t1 - t0))
    if not rate:
        return None
    when = now + (granted - used) / rate
    return round(when) if when <= end_ms else None


def _reached(
    milestone: Milestone, points: Sequence[tuple[int, float]], granted: float | None,
    start_ms: int, now: int, used: float, rate: float | None,
) -> Reached:  # fmt: skip
    due = add_months(start_ms, milestone.months)
    is_due = now >= due
    by_then: float | None
    if is_due:
        by_then = _at(points, due)
    else:
        by_then = None if rate is None else used + rate * (due - now)
    share = None if by_then is None or not granted or granted <= 0 else by_then / granted
    # A share that is met is met, whatever the last digit of a float says.
    met = None if share is None else share >= milestone.least * (1 - 1e-12)
    return Reached(milestone, due, share, is_due, met)
