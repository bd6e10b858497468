"""Availability of a system: the formulas of A01-A03 and A08, from outages.

Formulas of the operational assessments of the DOE's facilities: T is the period, S the scheduled
and U the unscheduled outage, all in hours; n_s and n_u how many of each.

    SA = (T - S - U) / (T - S)        MTTI = (T - S - U) / (n_s + n_u + 1)
    OA = (T - S - U) / T              MTTF = (T - U) / (n_u + 1)

How outages become S and U is told in `outages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wattline_collector.kpi.outages import Tally

MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Availability:
    """A01-A03 of one system and period.

    Attributes:
        hours: T.
        scheduled_hours: S.
        unscheduled_hours: U.
        scheduled: n_s.
        unscheduled: n_u.
        sa: Scheduled availability, 0-1; None where all of T was planned to be out.
        oa: Overall availability, 0-1; None without a period.
        mtti_hours: Mean time to interruption.
        mttf_hours: Mean time to failure.
    """

    hours: float
    scheduled_hours: float
    unscheduled_hours: float
    scheduled: int
    unscheduled: int
    sa: float | None
    oa: float | None
    mtti_hours: float | None
    mttf_hours: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """A share of hours.

    Attributes:
        value: The ratio; None where there is nothing below the line.
        numerator: Hours above the line.
        denominator: Hours below it.
    """

    value: float | None
    numerator: float
    denominator: float


def availability(
    hours: float, scheduled_hours: float, unscheduled_hours: float, scheduled: int, unscheduled: int
) -> Availability:
    """A01, A02, A03: SA, OA, MTTI and MTTF.

    Args:
        hours: T.
        scheduled_hours: S.
        unscheduled_hours: U.
        scheduled: n_s.
        unscheduled: n_u.

    Raises:
        ValueError: Something is negative, or outages last longer than the period.
    """
    given = (hours, scheduled_hours, unscheduled_hours, scheduled, unscheduled)
    if min(given) < 0 or scheduled_hours + unscheduled_hours > hours * (1 + 1e-9):
        raise ValueError(f"not outages of a period: {given}")
    up = max(0.0, hours - scheduled_hours - unscheduled_hours)
    planned = hours - scheduled_hours
    return Availability(
        *given,
        sa=up / planned if planned > 0 else None,
        oa=up / hours if hours > 0 else None,
        mtti_hours=up / (scheduled + unscheduled + 1) if hours > 0 else None,
        mttf_hours=(hours - unscheduled_hours) / (unscheduled + 1) if hours > 0 else None,
    )


def of_tally(found: Tally) -> Availability:
    """A01-A03 of what was added up."""
    return availability(
        found.hours, found.scheduled_hours, found.unscheduled_hours, found.scheduled,
        found.unscheduled,
    )  # fmt: skip


def sla(months: Mapping[str, float | None], target: float) -> Share:
    """A08: months in which scheduled availability met its target, over months it is known of.

    Args:
        months: SA by month; None where it is not known.
        target: Of the service level agreement, 0 to 1.
    """
    known = [value for value in months.values() if value is not None]
    met = sum(value >= target for value in known)
    return Share(met / len(known) if known else None, met, len(known))
