"""Figures of the books that rules look at: shares, grants, budgets. Pure, over sums by the day.

A figure whose inputs are not known is null and fires nothing: a share without the Union's part of
the machine, a grant without its size, a budget that nobody stated.

The commercial share is that of KPI I04 (Council Regulation (EU) 2021/1173, Article 18(3)), by its
own functions: whose time a job's is, and the Union's part of what is agreed for the year, else of
what the system offered; since 1 January (UTC), or since the books begin. In the year's first four
weeks it is that of the last four weeks: a single job of New Year's Day would otherwise be all there
is. Under a week of books nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from wattline_collector.alerts.book_days import MS_PER_DAY, Day, of_system, total
from wattline_collector.alerts.grants import figures as grant_figures
from wattline_collector.capability.commercial_guard import guard, union_hours
from wattline_collector.kpi.entitled import total_hours
from wattline_collector.profile import law
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.system import Entitlement

MS_PER_HOUR = 3_600_000
LEAST_DAYS = 7
"""Days of books under which no share of a year is told."""
FIRST_WEEKS_MS = 28 * MS_PER_DAY
"""A year younger than this is judged by the last four weeks."""
_LEAST_KNOWN = 0.5
"""Part of the time that must be observed for a share of it to be told."""
_METERED = 0.5
"""A node's own meter is taken where it covers at least half of its time; as KPIs do."""
_DIGITS = 12
"""Decimals of a ratio that are kept, so that 15 hours of 100 are 0.15 and not a hair less."""


@dataclass(frozen=True, slots=True)
class LastDay:
    """KPIs of the last booked day by system, as ratios; a system that is not in it is not known.

    Attributes:
        completeness: Q03.
        closure: S14.
    """

    completeness: Mapping[str, float]
    closure: Mapping[str, float]


def first_needed_ms(grants: pl.DataFrame, now_ms: int) -> int:
    """From which day on the books are needed."""
    starts = [int(ms) for ms in grants["start_ms"].to_list()]
    first = min([year_of(now_ms)[0], now_ms - FIRST_WEEKS_MS, *starts])
    return first // MS_PER_DAY * MS_PER_DAY


def year_of(now_ms: int) -> tuple[int, int]:
    """Start and end of the calendar year, UTC."""
    year = datetime.fromtimestamp(now_ms / 1000, UTC).year
    ends = (datetime(one, 1, 1, tzinfo=UTC) for one in (year, year + 1))
    first, last = (round(end.timestamp() * 1000) for end in ends)
    return first, last


def figures(
    days: Sequence[Day],
    grants: pl.DataFrame,
    last_day: LastDay,
    profile: FactoryProfile | None,
    now_ms: int,
) -> dict[str, pl.DataFrame]:
    """What rules look at, by table.

    Args:
        days: The days since `first_needed_ms`, as far as they are booked, in order.
        grants: `grants.grants_of`.
        last_day: KPIs of the last booked day.
        profile: What the factory says of itself; None: nothing.
        now_ms: Up to when the days go.

    Returns:
        `books`: `system` and the columns of `series.BOOKS`; `grant`: `system` (empty: a grant for
        all), `project` and those of `series.GRANT`. What is not known is null.
    """
    systems = sorted({str(name) for day in days for name in day.time["system"]})
    rows = [
        {
            "system": system,
            **_commercial(days, system, profile, now_ms),
            **_last_day(last_day, system, profile),
            **_budgets(days, system, profile, now_ms),
        }
        for system in systems
    ]
    names = ("commercial_share_ratio", "commercial_alarm", "completeness_ratio",
             "completeness_target_ratio", "closure_gap_ratio", "power_budget_watts",
             "energy_used_ratio", "energy_forecast_ratio")  # fmt: skip
    schema = {"system": pl.String(), **dict.fromkeys(names, pl.Float64())}
    return {
        "books": pl.DataFrame(rows, schema=schema, orient="row"),
        "grant": grant_figures(days, grants, profile, now_ms),
    }


def _commercial(
    days: Sequence[Day],
    system: str,
    profile: FactoryProfile | None,
    now_ms: int,
) -> dict[str, float | None]:
    unknown: dict[str, float | None] = {"commercial_share_ratio": None, "commercial_alarm": None}
    year_ms, _ = year_of(now_ms)
    since = year_ms if now_ms - year_ms >= FIRST_WEEKS_MS else now_ms - FIRST_WEEKS_MS
    inside = [day for day in days if day.start_ms + MS_PER_DAY > since]
    time = of_system(inside, "time", system)
    all_ms, offered, unseen = (
        int(time[name].sum()) for name in ("all_ms", "offered_ms", "unseen_ms")
    )
    booked = [day for day in inside if _holds(day, system)]
    if len(booked) < LEAST_DAYS or not all_ms or unseen > all_ms * (1 - _LEAST_KNOWN):
        return unknown
    used = of_system(inside, "used", system)
    if used.is_empty():
        return unknown  # nobody's projects are known
    commercial = int(used.filter(pl.col("is_commercial"))["ms"].sum()) / MS_PER_HOUR
    declared = None if profile is None else profile.systems.get(system)
    entitlement = None if declared is None else declared.entitlement
    share = None if entitlement is None else entitlement.union_share
    total = None
    if declared is not None and profile is not None:
        # A year of which the books tell a part is judged by that part.
        first_ms, hours = booked[0].start_ms, offered / MS_PER_HOUR
        total = total_hours(declared, first_ms, now_ms, profile.time_zone, hours)
    found = guard(
        commercial,
        union_hours(total, share),
        levels=levels_of(profile, entitlement),
    )
    if found.share is None or found.alarm is None:
        return unknown
    return {
        "commercial_share_ratio": round(found.share, _DIGITS),
        "commercial_alarm": float(found.alarm),
    }


def levels_of(
    profile: FactoryProfile | None, entitlement: Entitlement | None
) -> tuple[float, float, float]:
    """Notice, warning and limit of a system: the profile's, never over what may be sold at most.

    Of more than three levels the first and the last two count; of fewer the last is the limit.
    """
    told = law.commercial_levels(profile)
    if entitlement is not None and entitlement.commercial_share_most is not None:
        most = entitlement.commercial_share_most
        told = (*(level for level in told if level < most), most)
    return told[0], told[-2] if len(told) > 1 else told[-1], told[-1]


def _last_day(
    last_day: LastDay, system: str, profile: FactoryProfile | None
) -> dict[str, float | None]:
    closure = last_day.closure.get(system)
    return {
        "completeness_ratio": last_day.completeness.get(system),
        "completeness_target_ratio": completeness_target(profile, system),
        "closure_gap_ratio": None if closure is None else round(abs(closure - 1), _DIGITS),
    }


def completeness_target(profile: FactoryProfile | None, system: str) -> float:
    """What Q03 should be, as a ratio: what is promised, else what is aimed at, else 95 %."""
    if profile is not None:
        of_system = profile.systems.get(system)
        promised = None if of_system is None else of_system.sla.get("Q03")
        promised = promised or profile.sla.get("Q03")
        if promised is not None:
            return promised.threshold / 100
        if "Q03" in profile.targets:
            return profile.targets["Q03"].value / 100
    return 0.95


def _budgets(
    days: Sequence[Day], system: str, profile: FactoryProfile | None, now_ms: int
) -> dict[str, float | None]:
    declared = None if profile is None else profile.systems.get(system)
    budget = None if declared is None else declared.energy_budget_per_year_joules
    found: dict[str, float | None] = {
        "power_budget_watts": None if declared is None else declared.power_budget_watts,
        "energy_used_ratio": None,
        "energy_forecast_ratio": None,
    }
    year_ms, end_ms = year_of(now_ms)
    inside = [day for day in days if day.start_ms >= year_ms and _holds(day, system)]
    joules = _joules(inside, system)
    if not budget or joules is None:
        return found
    found["energy_used_ratio"] = round(joules / budget, _DIGITS)
    known_ms = now_ms - inside[0].start_ms
    if len(inside) >= LEAST_DAYS and known_ms >= FIRST_WEEKS_MS:
        forecast = joules + joules / known_ms * (end_ms - now_ms)
        found["energy_forecast_ratio"] = round(forecast / budget, _DIGITS)
    return found


def _joules(days: Iterable[Day], system: str) -> float | None:
    """Energy of a system, node by node at the widest boundary that is metered."""
    energy = of_system(days, "energy", system)
    if energy.is_empty():
        return None
    by_node = energy.group_by("node").agg(
        total("gpu_joules").alias("gpu"),
        total("node_joules").alias("own"),
        # Nought over nought is not known, and no meter.
        (pl.col("node_known_ms").sum() / pl.col("node_ms").sum()).fill_nan(None).alias("known"),
    )
    taken = by_node.select(
        pl.when(pl.col("known") >= _METERED).then("own").otherwise("gpu").alias("joules")
    )["joules"].drop_nulls()
    return float(taken.sum()) if taken.len() else None


def _holds(day: Day, system: str) -> bool:
    return system in day.time["system"]
