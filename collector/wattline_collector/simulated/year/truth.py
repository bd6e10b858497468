"""What happened in a planted year: sums over its ticks, from the plan alone.

Nothing here reads a store, and no formula of the books or of a figure is used: an account is what
the plan says a device did, energy is power times time, tokens are what jobs were planned to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from wattline_agents.sources.simulated.physics import HOST_WATTS_PER_DEVICE_WATT
from wattline_collector.simulated.year.cells import Cells
from wattline_collector.simulated.year.extent import TICK_MS
from wattline_collector.simulated.year.plan import Plan

MS_PER_HOUR = 3_600_000


@dataclass(frozen=True)
class Happened:
    """A planted year, added up.

    Attributes:
        plan: What was planned.
        sums: By `account` and `job` (number; null: none): `ms` (device time), `joules` (of the
            devices), `node_joules` (of nodes, shared by device time), `active_ms` (integral of
            activity), `measured_ms` and `measured_active_ms` (where it was measured).
        job_joules: Energy of jobs by the hour it was used in, hours of the year from 0.
        it_joules: Energy of all nodes by the week it was used in, weeks of the year from 0.
        samples: Samples sent by devices and nodes.
        samples_expected: Samples there would be without a hole.
    """

    plan: Plan
    sums: pl.DataFrame
    job_joules: tuple[float, ...]
    it_joules: tuple[float, ...]
    samples: int
    samples_expected: int

    def hours(self, *accounts: str) -> float:
        """Device time of some accounts, in GPU-hours."""
        return float(self._in(accounts)["ms"].sum()) / MS_PER_HOUR

    def total(self, column: str, *accounts: str) -> float:
        """The sum of a column over some accounts."""
        return float(self._in(accounts)[column].sum())

    def _in(self, accounts: tuple[str, ...]) -> pl.DataFrame:
        return self.sums.filter(pl.col("account").is_in(accounts)) if accounts else self.sums

    @cached_property
    def by_job(self) -> pl.DataFrame:
        """`job` (number), `ms`, `joules`, `node_joules` of all jobs."""
        return (
            self.sums.drop_nulls("job")
            .group_by("job")
            .agg(pl.col("ms", "joules", "node_joules").sum())
            .sort("job")
        )


WEEK_MS = 7 * 86_400_000


def happened(plan: Plan) -> Happened:
    """Add a planned year up, day by day."""
    cells, extent = Cells(plan), plan.extent
    days: list[pl.DataFrame] = []
    hours: list[float] = []
    weeks = [0.0] * (-(-(extent.end_ms - extent.start_ms) // WEEK_MS))
    sent = 0
    for low_ms, high_ms in cells.days():
        rows = cells.rows(low_ms, high_ms)
        named = _named(rows, extent.devices, extent.profile.host_watts)
        days.append(_added(named))
        hours += _of_jobs(named, low_ms, high_ms)
        nodes = cells.node_watts(rows)
        weeks[(low_ms - extent.start_ms) // WEEK_MS] += float(nodes["watts"].sum()) * TICK_MS / 1000
        sent += int((~rows["quiet"]).sum()) + int((~nodes["quiet"]).sum())
    sums = (
        pl.concat(days)
        .group_by("account", "job")
        .agg(pl.all().sum())
        .sort("account", "job", nulls_last=True)
    )
    a_tick = TICK_MS // extent.period_ms
    ticks = (extent.end_ms - extent.start_ms) // TICK_MS
    expected = extent.nodes * (extent.devices + 1) * ticks * a_tick
    return Happened(plan, sums, tuple(hours), tuple(weeks), _samples(plan, sent, a_tick), expected)


def _samples(plan: Plan, sent: int, a_tick: int) -> int:
    """Samples sent: of a tick whose last one is sent after a silence, only that one was."""
    woken = sum(len(event.nodes) for event in plan.planted.events if event.powers_off) + sum(
        1 for missing in plan.planted.missing if missing.hole.startswith("silent")
    )
    return sent * a_tick - woken * (plan.extent.devices + 1) * (a_tick - 1)


def account() -> pl.Expr:
    """The account of a tick, by the rules of the ledger's page; `slowed` is split off later."""
    standing, in_job = pl.col("standing"), pl.col("job").is_not_null()
    return (
        pl.when(standing == "maintenance").then(pl.lit("maintenance"))
        .when(standing == "down").then(pl.lit("down"))
        .when((standing == "draining") & ~in_job).then(pl.lit("down"))
        .when(pl.col("dark") & in_job).then(pl.lit("unmeasured"))
        .when("dark").then(pl.lit("unobserved"))
        .when(~pl.col("up")).then(pl.lit("down"))
        .when(~in_job).then(pl.lit("free"))
        .when("blind").then(pl.lit("unmeasured"))
        .when("held").then(pl.lit("held"))
        .when("lost").then(pl.lit("lost"))
        .otherwise(pl.lit("busy"))
    )  # fmt: skip


def _named(rows: pl.DataFrame, devices: int, host_watts: float) -> pl.DataFrame:
    """Rows with their account, their length and what was used in them."""
    seconds = TICK_MS / 1000
    of_node = pl.col("watts").sum().over("node", "end")
    host = pl.when("off").then(0.0).otherwise(host_watts)
    overhead = (of_node * HOST_WATTS_PER_DEVICE_WATT + host) / devices
    return rows.with_columns(
        account().alias("account"),
        pl.lit(float(TICK_MS)).alias("ms"),
        (pl.col("watts") * seconds).alias("joules"),
        ((pl.col("watts") + overhead) * seconds).alias("node_joules"),
        (pl.col("activity") * TICK_MS).alias("active_ms"),
    )


def _of_jobs(named: pl.DataFrame, low_ms: int, high_ms: int) -> list[float]:
    """Energy of jobs in each hour of a stretch."""
    hour = ((pl.col("end") - TICK_MS - low_ms) // MS_PER_HOUR).alias("hour")
    used = dict(named.drop_nulls("job").group_by(hour).agg(pl.col("node_joules").sum()).iter_rows())
    return [used.get(hour, 0.0) for hour in range((high_ms - low_ms) // MS_PER_HOUR)]


def _added(named: pl.DataFrame) -> pl.DataFrame:
    seen = ~pl.col("dark") & ~pl.col("blind")
    measured = named.with_columns(
        pl.when(seen).then("ms").otherwise(0.0).alias("measured_ms"),
        pl.when(seen).then("active_ms").otherwise(0.0).alias("measured_active_ms"),
    )
    values = ["ms", "joules", "node_joules", "active_ms", "measured_ms", "measured_active_ms"]
    is_slowed = (pl.col("account") == "busy") & (pl.col("slowed") > 0)
    slowed = measured.filter(is_slowed)
    parts = pl.concat(
        [
            measured.filter(~is_slowed),
            slowed.with_columns(pl.col(values) * (1 - pl.col("slowed"))),
            slowed.with_columns(
                pl.col(values) * pl.col("slowed"), pl.lit("slowed").alias("account")
            ),
        ]
    )
    return parts.group_by("account", "job").agg(pl.col(values).sum())
