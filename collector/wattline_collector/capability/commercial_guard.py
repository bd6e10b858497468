"""I04: commercial use against the fifth of the Union's access time that the law allows it.

Council Regulation (EU) 2021/1173, Article 18(3): at most 20 % of the Union's total access time of
each supercomputer. The denominator is that total, used or not: the Union's share of what the system
offers in the period. Over the Union's used hours, a half-empty machine would alarm too early; over
all the machine's hours, too late.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

LEVELS = (0.15, 0.18, 0.20)
"""Where it is told early, urgently, and that the limit is reached."""
LIMIT = 0.20
_EXACT = 1 - 1e-12
"""Sums of floats may miss a limit they reach by their last digit."""


class Alarm(IntEnum):
    """How near the limit is."""

    NONE = 0
    EARLY = 1
    URGENT = 2
    LIMIT = 3
    OVER = 4


@dataclass(frozen=True, slots=True)
class Guard:
    """Commercial use of one system in one period.

    Attributes:
        commercial_hours: GPU-hours allocated to commercial use.
        union_hours: GPU-hours of the Union's total access time in the same period.
        share: The first over the second; None where the second is not known or nothing.
        alarm: How near the limit is; None without a share.
        hours_left: GPU-hours until the limit, negative beyond it.
        forecast_share: The share at the year's end at the pace so far; None where not asked for.
    """

    commercial_hours: float
    union_hours: float | None
    share: float | None
    alarm: Alarm | None
    hours_left: float | None
    forecast_share: float | None = None


def union_hours(offered_hours: float | None, union_share: float | None) -> float | None:
    """The Union's total access time: its share of what the system offers in the period.

    Args:
        offered_hours: GPU-hours of the system; None where not known.
        union_share: The Union's share of its access time, 0 to 1, as the hosting agreement has it.

    Raises:
        ValueError: It is no share.
    """
    if offered_hours is None or union_share is None:
        return None
    if not 0 <= union_share <= 1:
        raise ValueError(f"not a share: {union_share}")
    return offered_hours * union_share


def guard(
    commercial_hours: float,
    union_total_hours: float | None,
    *,
    union_year_hours: float | None = None,
    elapsed_share: float | None = None,
    levels: tuple[float, float, float] = LEVELS,
) -> Guard:
    """I04 of one system.

    Args:
        commercial_hours: GPU-hours allocated to commercial use in the period.
        union_total_hours: The Union's total access time in the same period (`union_hours`).
        union_year_hours: The same of the whole year, for a forecast.
        elapsed_share: Share of the year that is over, for a forecast.
        levels: Where it is told; the last is the limit.

    Raises:
        ValueError: Hours are negative or the levels do not rise.
    """
    if not math.isfinite(commercial_hours) or commercial_hours < 0:
        raise ValueError(f"not hours: {commercial_hours}")
    if sorted(levels) != list(levels):
        raise ValueError(f"levels must rise: {levels}")
    forecast = None
    if union_year_hours and elapsed_share:
        forecast = commercial_hours / elapsed_share / union_year_hours
    if not union_total_hours or union_total_hours <= 0:
        return Guard(commercial_hours, union_total_hours, None, None, None, forecast)
    share = commercial_hours / union_total_hours
    left = levels[-1] * union_total_hours - commercial_hours
    return Guard(commercial_hours, union_total_hours, share, _alarm(share, levels), left, forecast)


def _alarm(share: float, levels: tuple[float, float, float]) -> Alarm:
    # At the limit is lawful, over it is not.
    if share * _EXACT > levels[-1]:
        return Alarm.OVER
    return Alarm(sum(share >= level * _EXACT for level in levels))
