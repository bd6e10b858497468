"""The three months after a period: what can be offered, and what is already granted.

A reckoning, not a prediction: the devices installed at the period's end, less the outages that the
register already plans, beside the grants that run then, each spread evenly over its own time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from wattline_collector.kpi.grants import grants
from wattline_collector.kpi.outages import clipped
from wattline_collector.kpi.uptime import groups_of_nodes
from wattline_collector.kpi.view import MS_PER_HOUR
from wattline_reports.asked import Asked
from wattline_reports.quoted import Quoted, stated
from wattline_reports.words import month_year

MONTHS = 3


@dataclass(frozen=True, slots=True)
class Month:
    """One month to come: its name, and its numbers."""

    name: str
    offered: Quoted
    granted: Quoted


@dataclass(frozen=True, slots=True)
class Outlook:
    """The months to come, in order."""

    months: tuple[Month, ...]

    @property
    def figures(self) -> tuple[Quoted, ...]:
        """Every number of it."""
        return tuple(one for month in self.months for one in (month.offered, month.granted))


def outlook(asked: Asked) -> Outlook:
    """Reckon the three months that follow the period."""
    end = asked.period.end
    first = datetime(end.year, end.month, 1, tzinfo=UTC)
    if first < end:
        first = _next(first)
    months = []
    for _ in range(MONTHS):
        months.append(_month(asked, first, _next(first)))
        first = _next(first)
    return Outlook(tuple(months))


def _month(asked: Asked, start: datetime, end: datetime) -> Month:
    view = asked.view
    low, high = (round(at.timestamp() * 1000) for at in (start, end))
    devices = view.totals.select("system", "node", "device").n_unique()
    dims = {"month": f"{start:%Y-%m}"}
    note = "" if devices else "no device is known"
    whole = devices * (high - low) / MS_PER_HOUR
    offered = stated(
        "outlook.offered", "GPU-hours that can be offered", "GPU-h",
        whole - _planned(asked, low, high) if devices else None, period=asked.period, dims=dims,
        method="devices installed, less outages of the register that are planned", n=devices,
        note=note, level="derived",
    )  # fmt: skip
    running = None
    if view.projects is not None and not view.projects.is_empty():
        told = grants(view.projects).filter(
            pl.col("start_ms").is_not_null() & (pl.col("end_ms") > pl.col("start_ms"))
        )
        inside = (
            pl.min_horizontal("end_ms", pl.lit(high)) - pl.max_horizontal("start_ms", pl.lit(low))
        ).clip(0)
        running = told.select(
            pl.col("project"),
            (pl.col("granted") * inside / (pl.col("end_ms") - pl.col("start_ms"))).alias("hours"),
        ).filter(pl.col("hours") > 0)
    granted = stated(
        "outlook.granted", "GPU-hours granted", "GPU-h",
        None if running is None else float(running["hours"].sum()), period=asked.period, dims=dims,
        method="register of projects, grants spread evenly over their time",
        n=0 if running is None else running["project"].n_unique(), level="derived",
        note="there is no register of projects: `wattline import projects-csv` brings it in"
        if running is None else "",
    )  # fmt: skip
    return Month(month_year(start.date()), offered, granted)


def _planned(asked: Asked, low: int, high: int) -> float:
    """GPU-hours of outages that the register has for a month to come; overlaps count twice."""
    view = asked.view
    logged = None if view.inputs is None else view.inputs.outages
    if logged is None or logged.is_empty():
        return 0.0
    sizes: dict[tuple[str, str], int] = {
        (system, node): count
        for system, node, count in view.totals.select(
            pl.col("system", "node", "device").cast(pl.String)
        ).unique().group_by("system", "node").len().iter_rows()
    }  # fmt: skip
    groups = groups_of_nodes(view)
    systems = sorted({system for system, _, _ in groups})
    told = logged.filter(pl.col("scheduled") & pl.col("end_ms").is_not_null())
    taken = 0.0
    for row in clipped(told, low, high).iter_rows(named=True):
        hours = (row["end_ms"] - row["start_ms"]) / MS_PER_HOUR
        for system in systems if row["system"] is None else [row["system"]]:
            nodes = groups.get((system, row["scope"], row["name"] or ""), ())
            taken += hours * sum(sizes.get((system, node), 0) for node in nodes)
    return min(taken, sum(sizes.values()) * (high - low) / MS_PER_HOUR)


def _next(first: datetime) -> datetime:
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
