"""The grants of a project that run when the period ends, each with its use by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from wattline_collector.capability.burn_down import BurnDown, burn_down
from wattline_collector.kpi import grants
from wattline_collector.kpi.view import View, utc
from wattline_collector.pages.burn_curve import used_by_day
from wattline_reports.quoted import Quoted, stated


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant and what was used of it.

    Attributes:
        system: Where it holds; None: everywhere.
        start_ms: When it begins.
        end_ms: When it ends.
        now_ms: The end of the period.
        points: Unix ms and GPU-hours used so far, at the end of each day with use.
        burned: What that comes to.
        granted: GPU-hours.
        used: GPU-hours used since it began, the numerator of U05.
        forecast: GPU-hours used at its end, if it goes on as it went so far.
    """

    system: str | None
    start_ms: int
    end_ms: int
    now_ms: int
    points: Sequence[tuple[int, float]]
    burned: BurnDown
    granted: Quoted
    used: Quoted
    forecast: Quoted

    @property
    def figures(self) -> tuple[Quoted, ...]:
        """Its figures."""
        return self.granted, self.used, self.forecast


def running(view: View, project: str) -> tuple[Grant, ...]:
    """The project's grants with hours that run when the period ends, in order of their start."""
    _, now = view.bounds_ms
    if view.projects is None or view.projects.is_empty():
        return ()
    mine = grants.grants(view.projects).filter(
        pl.col("project") == project, pl.col("granted") > 0,
        pl.col("start_ms") < now, pl.col("end_ms") >= now,
    )  # fmt: skip
    return tuple(
        _grant(view, row)
        for row in mine.sort("start_ms", "system", nulls_last=True).iter_rows(named=True)
    )


def _grant(view: View, row: dict[str, object]) -> Grant:
    _, now = view.bounds_ms
    start, end = int(str(row["start_ms"])), int(str(row["end_ms"]))
    granted = float(str(row["granted"]))
    points = used_by_day(view, row)
    burned = burn_down(granted, points, start_ms=start, end_ms=end, now_ms=now)
    system = None if row["system"] is None else str(row["system"])
    dims = {"from": f"{utc(start):%Y-%m-%d}"} | ({} if system is None else {"system": system})

    def of(id: str, name: str, value: float | None, method: str, note: str = "") -> Quoted:
        return stated(
            f"grant.{id}", name, "GPU-h", value, period=view.period, method=method, note=note,
            dims=dims, level="declared" if id == "granted" else "derived",
        )  # fmt: skip

    used = points[-1][1] if points else 0.0
    return Grant(
        system, start, end, now, points, burned,
        of("granted", "granted", granted, "register of projects"),
        of("used", "used since the grant began", used, "ledger and scheduler, as U05"),
        of("forecast", "used when the grant ends", burned.forecast_used, "at the pace so far",
           "" if burned.forecast_used is not None else
           "too early to say: under a twentieth of its time is over"),
    )  # fmt: skip
