"""What KPIs are computed from: the ledger of a period, labelled and ready to be added up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError, UsageError
from wattline_collector.jobs.condense import ACCOUNTED, NODE_STATES
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.inputs import Inputs
from wattline_collector.ledger.accounts import ASSIGNED, OFFERED, Account
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.known_jobs import booked, running_intervals
from wattline_collector.ledger.lost import lost_time, post
from wattline_collector.ledger.schema import MINUTE_MS
from wattline_collector.ledger.standing import OUTAGES
from wattline_collector.ledger.undone import UNDONE
from wattline_collector.registers import projects

MS_PER_HOUR = 3_600_000
JOULES_PER_KWH = 3_600_000

DIMENSIONS = ("system", "node", "job", "day")
"""What figures can be split by."""

NODE_METER_FROM = 0.5
"""A node's own meter is taken where it covers at least half of its time; else its devices'."""


@dataclass(frozen=True)
class View:
    """The ledger of one period.

    Attributes:
        period: Which.
        device: `schema.DEVICE` and `day`.
        node: `schema.NODE` and `day`.
        job: `schema.JOB`, `day`, and the job's `kind`.
        control: `schema.CONTROL` of the hours the period touches.
        jobs: `books.JOBS`.
        inventory: `books.INVENTORY`.
        running: `system`, `job`, `start`, `end` (ms): when jobs ran, clipped to the period; those
            that only their scheduler knows, and that held no device, are not among them.
        knows_outages: Whether anybody ever said when nodes were out of use.
        accounted: `condense.ACCOUNTED`: what schedulers said of jobs, of all time.
        projects: The register of projects, as `registers.projects` gives it; None where it is not
            the reader's to read.
        inputs: What is kept beside the entries; None for a view that was put together by hand.
    """

    period: Period
    device: pl.DataFrame
    node: pl.DataFrame
    job: pl.DataFrame
    control: pl.DataFrame
    jobs: pl.DataFrame
    inventory: pl.DataFrame
    running: pl.DataFrame
    knows_outages: bool = False
    accounted: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=ACCOUNTED))
    projects: pl.DataFrame | None = None
    inputs: Inputs | None = None

    @cached_property
    def assigned(self) -> pl.DataFrame:
        """Device entries of assigned time."""
        return self.device.filter(pl.col("account").is_in([a.value for a in ASSIGNED]))

    @cached_property
    def offered(self) -> pl.DataFrame:
        """Device entries of time that was usable."""
        return self.device.filter(pl.col("account").is_in([a.value for a in OFFERED]))

    @cached_property
    def energy(self) -> pl.DataFrame:
        """Every joule once, at the widest boundary that is metered, node by node.

        Returns:
            `system`, `node`, `job`, `account`, `day`, `boundary` (node or gpu), `method`,
            `joules`, `known_ms` and `device_ms` (device-time with known energy, and all).
        """
        node_key = ["system", "node"]
        metered = (
            self.node.group_by(node_key)
            .agg(pl.col("energy_ms").sum() / pl.col("duration_ms").sum())
            .filter(pl.col("energy_ms") >= NODE_METER_FROM)
        )
        devices = (
            self.inventory.filter(pl.col("kind") == "device")
            .group_by(node_key)
            .agg(pl.len().alias("devices"))
        )
        at_node = (
            self.node.join(metered.select(node_key), on=node_key, how="semi")
            .join(devices, on=node_key, how="left")
            .select(
                *node_key,
                "job",
                "account",
                "day",
                pl.lit("node").alias("boundary"),
                pl.col("energy_method").cast(pl.String).alias("method"),
                pl.col("energy_joules").alias("joules"),
                (pl.col("energy_ms") * pl.col("devices").fill_null(1)).alias("known_ms"),
                (pl.col("duration_ms") * pl.col("devices").fill_null(1)).alias("device_ms"),
            )
        )
        at_gpu = self.device.join(metered.select(node_key), on=node_key, how="anti").select(
            *node_key,
            "job",
            "account",
            "day",
            pl.lit("gpu").alias("boundary"),
            pl.col("energy_method").cast(pl.String).alias("method"),
            pl.col("energy_joules").alias("joules"),
            pl.col("energy_ms").cast(pl.Float64).alias("known_ms"),
            pl.col("duration_ms").cast(pl.Float64).alias("device_ms"),
        )
        return pl.concat([at_node, at_gpu])

    def only_system(self, system: str) -> View:
        """The same period of one system."""
        mine = pl.col("system") == system
        return replace(
            self,
            **{
                name: getattr(self, name).filter(mine)
                for name in ("device", "node", "job", "control", "jobs", "inventory", "running")
            },
        )


def load(store: Path, period: Period | None) -> View:
    """Load a period of a store's ledger.

    Args:
        store: The store's directory.
        period: Which; all that the store holds if None. Its ends are moved out to whole minutes.

    Raises:
        UsageError: The directory holds no books.
    """
    books = Books(store)
    span = books.span()
    if span is None:
        if books.jobs.height:
            raise UsageError(
                f"{store} holds what a scheduler said of jobs and no reading of a device, so "
                "nothing is booked: `wattline job ID` shows one; agents, or `wattline import` of "
                "a recording, bring readings"
            )
        raise UsageError(
            f"{store} holds no booked hours: `wattline import` brings in a recording, "
            "`wattline up` measures this machine"
        )
    if period is None:
        start_ms, end_ms = span
    else:
        start_ms, end_ms = (int(t.timestamp() * 1000) for t in (period.start, period.end))
    start_ms = start_ms // MINUTE_MS * MINUTE_MS
    end_ms = -(-end_ms // MINUTE_MS) * MINUTE_MS
    day = pl.col("minute").dt.strftime("%Y-%m-%d").alias("day")
    jobs = books.jobs
    lost = lost_time(jobs, books.frame("undone", UNDONE))

    def entries(table: str) -> pl.DataFrame:
        booked = books.read(table, start_ms, end_ms)
        return post(books, table, booked, lost, start_ms, end_ms).with_columns(day)

    running = pl.concat(
        [
            pl.DataFrame(
                schema={"system": pl.String, "job": pl.String, "start": pl.Int64, "end": pl.Int64}
            ),
            *(
                running_intervals(booked(jobs), system, span[1]).select(
                    pl.lit(system).alias("system"), "job", "start", "end"
                )
                for system in jobs["system"].unique().sort()
            ),
        ]
    ).with_columns(
        pl.col("start").clip(lower_bound=start_ms), pl.col("end").clip(upper_bound=end_ms)
    )
    return View(
        period=Period(utc(start_ms), utc(end_ms)),
        device=entries("device"),
        node=entries("node"),
        job=books.read("job", start_ms, end_ms)
        .with_columns(day)
        .join(jobs.select("system", "job", "kind"), on=["system", "job"], how="left"),
        control=books.controls(start_ms - MS_PER_HOUR + 1, end_ms),
        jobs=jobs,
        inventory=books.inventory,
        running=running.filter(pl.col("start") < pl.col("end")),
        knows_outages=any(
            books.frame(name, schema).height
            for name, schema in (("outages", OUTAGES), ("node_states", NODE_STATES))
        ),
        accounted=books.frame("accounting", ACCOUNTED),
        projects=_projects(store),
        inputs=Inputs(store, start_ms, end_ms),
    )


def _projects(store: Path) -> pl.DataFrame | None:
    try:
        return projects(store)
    except InputError:
        # The register may name people and is its owner's to read.
        return None


def utc(ms: int) -> datetime:
    """The moment that many milliseconds after 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def running_seconds(running: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Time in which at least one of the jobs ran: the length of the union of their intervals.

    Args:
        running: `system`, `job`, `start`, `end` (ms).
        by: Any of `system`, `job`, `day`.

    Returns:
        The columns of `by`, and `seconds`.
    """
    pieces = _split_days(running) if "day" in by else running
    found: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for row in pieces.sort("start").iter_rows(named=True):
        merged = found.setdefault(tuple(row[name] for name in by), [])
        if merged and row["start"] <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], row["end"]))
        else:
            merged.append((row["start"], row["end"]))
    seconds = [sum(end - start for start, end in merged) / 1000 for merged in found.values()]
    columns = {name: [key[i] for key in found] for i, name in enumerate(by)}
    schema = dict.fromkeys(by, pl.String()) | {"seconds": pl.Float64()}
    return pl.DataFrame({**columns, "seconds": seconds}, schema=schema)


def _split_days(running: pl.DataFrame) -> pl.DataFrame:
    rows = []
    for row in running.iter_rows(named=True):
        start = utc(row["start"])
        while start < (end := utc(row["end"])):
            midnight = (start + timedelta(days=1)).replace(
                hour=0, minute=0, second=0, microsecond=0
            )
            until = min(end, midnight)
            rows.append(
                row
                | {
                    "day": f"{start:%Y-%m-%d}",
                    "start": round(start.timestamp() * 1000),
                    "end": round(until.timestamp() * 1000),
                }
            )
            start = until
    return pl.DataFrame(rows, schema={**running.schema, "day": pl.String()})


def account_ms(*accounts: Account) -> pl.Expr:
    """Sum of `duration_ms` over those accounts, as an aggregation."""
    names = [account.value for account in accounts]
    return pl.when(pl.col("account").is_in(names)).then(pl.col("duration_ms")).otherwise(0).sum()
