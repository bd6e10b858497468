"""Reads what early warning looks at from a store: events, exposure, and hours of devices.

Work and energy come from the books. XIDs, memory errors, lost devices, clocks and the time in
which heat held a device back come from the readings, a quarter of a day at a time; only sums of
hours stay in memory. Names of people are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector import registers
from wattline_collector.alerts.xids import HARDWARE
from wattline_collector.jobs.condense import ACCOUNTED, NODE_STATES
from wattline_collector.kpi.reliability import INFRASTRUCTURE, OUTCOMES
from wattline_collector.ledger.accounts import WORKING, Account
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.schema import HOUR_MS
from wattline_collector.registers.kept import readable
from wattline_collector.registers.schema import OUTAGES
from wattline_collector.store.store import Store
from wattline_collector.warning.drift import HOURS
from wattline_collector.warning.finding import LEMONS, Kind
from wattline_collector.warning.lemons import DAY_MS, EVENTS, EXPOSURE

_CHUNK_MS = 6 * HOUR_MS
_DEVICE = ["system", "node", "device"]
_ECC = ("ecc_uncorrected_aggregate_total", "ecc_uncorrected_volatile_total")
_READ = (*_DEVICE, "time_unix_ms", "up", "sm_clock_hertz", "throttle_thermal_seconds_total", *_ECC)
_BROKEN = ("down", "fail")
"""States of a node that nobody planned."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to look at.

    Attributes:
        start_ms: First moment of the period.
        end_ms: First moment no longer in it.
        events: `lemons.EVENTS`.
        exposure: `lemons.EXPOSURE`.
        hours: `drift.HOURS`.
    """

    start_ms: int
    end_ms: int
    events: pl.DataFrame
    exposure: pl.DataFrame
    hours: pl.DataFrame


def gather(path: Path, days: int, end_ms: int | None = None) -> Evidence:
    """Read the last days of a store.

    Args:
        path: The store's directory.
        days: How many.
        end_ms: Up to when; up to where the books go, if not given.

    Raises:
        UsageError: There is no store, or it holds no books.
        InputError: A file of it cannot be read.
    """
    books = Books(path)
    span = books.span()
    if span is None:
        raise UsageError(
            f"{path} holds no booked hours: `wattline import` brings in a recording, "
            "`wattline up` measures this machine"
        )
    until = min(span[1] if end_ms is None else end_ms, span[1]) // HOUR_MS * HOUR_MS
    since = max(span[0] // HOUR_MS * HOUR_MS, until - days * DAY_MS)
    with Store.open(path, write=False) as store:
        told = _read(store, since, until)
        xids = store.read("xid", since, until)
    # A day of books at a time: of each only hours of devices stay.
    parts = [_booked(books, low, min(low + DAY_MS, until)) for low in range(since, until, DAY_MS)]
    hours = pl.concat([part for part in parts if part.height] or [_BOOKED.to_frame()])
    inventory = books.inventory
    events = pl.concat(
        [
            _xids(xids, since),
            *_of_readings(told),
            _outages(path, books, inventory, since, until),
            _failures(books, hours, since, until),
        ]
    )
    return Evidence(
        since,
        until,
        events.join(inventory.select("system", "node").unique(), on=["system", "node"], how="semi"),
        exposure(hours, told),
        _hours(hours, told, inventory),
    )


_TOLD = pl.Schema(
    {
        "system": pl.String(), "node": pl.String(), "device": pl.String(), "hour_ms": pl.Int64(),
        "is_lost": pl.Boolean(), "hertz": pl.Float64(), "throttled": pl.Float64(),
        "errors": pl.Float64(),
    }
)  # fmt: skip


def _read(store: Store, since: int, until: int) -> pl.DataFrame:
    """What devices said, by the hour, as `_TOLD`.

    `throttled` (seconds) and `errors` are what came since the hour before.
    """
    parts = [_TOLD.to_frame()]
    for low in range(since, until, _CHUNK_MS):
        rows = store.rows("device", low, min(low + _CHUNK_MS, until), _READ)
        newest = pl.col("time_unix_ms").arg_max()
        parts.append(
            rows.with_columns(
                (pl.col("time_unix_ms") // HOUR_MS * HOUR_MS).alias("hour_ms"),
                pl.coalesce(_ECC).cast(pl.Float64).alias("errors"),
            )
            .group_by(*_DEVICE, "hour_ms")
            .agg(
                (pl.col("up") == 0).any().alias("is_lost"),
                pl.col("sm_clock_hertz").median().cast(pl.Float64).alias("hertz"),
                pl.col("throttle_thermal_seconds_total")
                .get(newest)
                .cast(pl.Float64)
                .alias("throttled"),
                pl.col("errors").get(newest),
            )
            .select(_TOLD.names())
        )
    counted = pl.concat(parts).sort(*_DEVICE, "hour_ms")

    def grown(column: str, most: float | None = None) -> pl.Expr:
        by = pl.col(column).diff().over(_DEVICE)
        next_hour = pl.col("hour_ms").diff().over(_DEVICE) == HOUR_MS
        # A counter that fell began anew; what it had come to meanwhile is not known.
        fine = (by >= 0) & (next_hour if most is not None else pl.lit(True))
        return pl.when(fine).then(by if most is None else by.clip(upper_bound=most)).alias(column)

    return counted.with_columns(grown("throttled", HOUR_MS / 1000), grown("errors"))


_BOOKED = pl.Schema(
    {
        "system": pl.String(), "node": pl.String(), "device": pl.String(), "job": pl.String(),
        "hour_ms": pl.Int64(), "seen_ms": pl.Int64(), "working_ms": pl.Int64(),
        "joules": pl.Float64(), "energy_ms": pl.Int64(), "active_ms": pl.Float64(),
        "measured_ms": pl.Int64(), "celsius": pl.Float64(),
    }
)  # fmt: skip


def _booked(books: Books, low: int, high: int) -> pl.DataFrame:
    """Hours of devices and jobs, `_BOOKED`: time that was observed, and what was so in work."""
    entries = books.read("device", low, high)
    account = pl.col("account").cast(pl.String)
    working = account.is_in([one.value for one in WORKING])
    ms = pl.col("duration_ms")
    return (
        entries.group_by(*_DEVICE, "job", pl.col("minute").dt.epoch("ms").alias("hour_ms"))
        .agg(
            ms.filter(account != Account.UNOBSERVED.value).sum().alias("seen_ms"),
            ms.filter(working).sum().alias("working_ms"),
            pl.col("energy_joules").filter(working).sum().alias("joules"),
            pl.col("energy_ms").filter(working).sum().alias("energy_ms"),
            pl.col("sm_active_ms").filter(working).sum().alias("active_ms"),
            pl.col("measured_ms").filter(working).sum().alias("measured_ms"),
            pl.col("temperature_max_celsius").filter(working).max().alias("celsius"),
        )
        .select(_BOOKED.names())
        .cast(_BOOKED)
    )


def _hours(hours: pl.DataFrame, told: pl.DataFrame, inventory: pl.DataFrame) -> pl.DataFrame:
    """`drift.HOURS`: hours in which one job worked on a device all the time, or nearly."""
    devices = inventory.filter(pl.col("kind") == "device").select(
        "system", pl.col("key").alias("device"), "model"
    )
    racks = inventory.filter(pl.col("kind") == "node").select("system", "node", "rack")
    # A job's first and last hour, and one that was shared, are of two levels at once.
    whole = hours.filter(
        (pl.col("working_ms") >= 0.9 * HOUR_MS)
        & (pl.col("energy_ms") > 0)
        & (pl.col("measured_ms") > 0)
    )
    return (
        whole.join(devices.unique(["system", "device"]), on=["system", "device"], how="left")
        .join(racks.unique(["system", "node"]), on=["system", "node"], how="left")
        .join(told.drop("is_lost", "errors"), on=[*_DEVICE, "hour_ms"], how="left")
        .select(
            *_DEVICE, "model", "rack", "job", "hour_ms",
            (pl.col("active_ms") / pl.col("measured_ms")).alias("activity"),
            (pl.col("joules") / pl.col("energy_ms") * 1000).alias("watts"),
            "celsius",
            (pl.col("throttled") * 1000 / HOUR_MS).alias("throttled"),
            "hertz",
        )
        .cast(HOURS)
    )  # fmt: skip


def exposure(hours: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """For how long each node could have had events: observed device time over its devices.

    A job of 32 nodes fails when any of them does, and that is an event on all of them: of failed
    jobs, a node's time counts as often as its job has nodes. The sum is the time that jobs held
    nodes, as for one that no job shares.

    Args:
        hours: Hours of devices and jobs: `system`, `node`, `device`, `job`, `seen_ms`.
        told: What devices said: `system`, `node`, `errors`.

    Returns:
        `lemons.EXPOSURE`.
    """
    node = ["system", "node"]
    nodes = (
        hours.filter(pl.col("job").is_not_null())
        .group_by("system", "job")
        .agg(pl.col("node").n_unique().alias("nodes"))
    )
    seen = (
        hours.join(nodes, on=["system", "job"], how="left")
        .group_by(node)
        .agg(
            pl.col("seen_ms").sum(),
            pl.col("seen_ms").filter(pl.col("job").is_not_null()).sum().alias("held_ms"),
            (pl.col("seen_ms") * pl.col("nodes")).sum().alias("risk_ms"),
            pl.col("device").n_unique().alias("devices"),
        )
    )
    tells = told.group_by(node).agg(pl.col("errors").is_not_null().any().alias("tells_errors"))
    days = pl.col("seen_ms") / pl.col("devices") / DAY_MS
    held, risk = (pl.col(name) / pl.col("devices") / DAY_MS for name in ("held_ms", "risk_ms"))
    failing = pl.when(risk.sum() > 0).then(risk * held.sum() / risk.sum()).otherwise(0.0)
    both = seen.join(tells, on=node, how="left")
    parts = []
    for kind in LEMONS:
        of = failing if kind is Kind.JOB_FAILURE else days
        rows = both.filter(pl.col("tells_errors")) if kind is Kind.ECC else both
        parts.append(rows.select(pl.lit(kind.value).alias("kind"), *node, of.alias("days")))
    return pl.concat(parts).cast(EXPOSURE)


def _events(rows: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Rows as `EVENTS`; columns that they lack are null."""
    missing = [name for name in EVENTS if name not in rows.columns and name != "kind"]
    return (
        rows.with_columns(
            pl.lit(kind.value).alias("kind"), *(pl.lit(None).alias(name) for name in missing)
        )
        .select(EVENTS.names())
        .cast(EVENTS)
    )


def _xids(rows: pl.DataFrame, since: int) -> pl.DataFrame:
    """The hardware's XIDs, each once: agents repeat the last one."""
    of_hardware = rows.filter(pl.col("xid").cast(pl.Int64).is_in(list(HARDWARE)))
    found = of_hardware.select(
        *_DEVICE,
        (pl.col("last_unix_seconds") * 1000).cast(pl.Int64).alias("at_ms"),
        pl.format("XID {}", "xid").alias("what"),
    )
    return _events(found.unique().filter(pl.col("at_ms") >= since), Kind.XID)


def _of_readings(told: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    at = pl.col("hour_ms").alias("at_ms")
    errors = told.filter(pl.col("errors") > 0).select(
        *_DEVICE, at, pl.lit("uncorrectable error").alias("what")
    )
    lost = told.filter("is_lost").select(*_DEVICE, at, pl.lit("lost").alias("what"))
    return _events(errors, Kind.ECC), _events(lost, Kind.LOST)


def _outages(
    path: Path, books: Books, inventory: pl.DataFrame, since: int, until: int
) -> pl.DataFrame:
    """Unplanned times out of use: of the register where it names a node, and of the scheduler."""
    logged = readable(lambda: registers.outages(path))
    if logged is None:
        logged = OUTAGES.schema.to_frame()
    of_node = logged.filter((pl.col("scope") == "node") & ~pl.col("scheduled")).select(
        "system", pl.col("name").alias("node"), pl.col("start_ms").alias("at_ms"),
        pl.coalesce("cause", pl.lit("outage")).alias("what"),
    )  # fmt: skip
    systems = inventory.select("system", "node").unique()
    anywhere = of_node.filter(pl.col("system").is_null()).drop("system").join(systems, on="node")
    states = books.frame("node_states", NODE_STATES)
    broken = states.filter(pl.col("state").is_in(_BROKEN)).select(
        "system", pl.col("host").alias("node"), pl.col("start_ms").alias("at_ms"),
        pl.format("state {}", "state").alias("what"),
    )  # fmt: skip
    columns = ["system", "node", "at_ms", "what"]
    every = pl.concat(
        [of_node.drop_nulls("system").select(columns), anywhere.select(columns), broken]
    )
    return _events(every.filter(pl.col("at_ms").is_between(since, until)), Kind.OUTAGE)


def _failures(books: Books, hours: pl.DataFrame, since: int, until: int) -> pl.DataFrame:
    """Jobs that the infrastructure ended, on each node that they held then."""
    ends = [state for state, cause in OUTCOMES.items() if cause == INFRASTRUCTURE]
    failed = books.frame("accounting", ACCOUNTED).filter(
        pl.col("state").is_in(ends) & pl.col("end_ms").is_between(since, until)
    )
    on = hours.filter(pl.col("job").is_not_null()).select("system", "node", "job").unique()
    found = failed.join(on, on=["system", "job"]).select(
        "system", "node", pl.col("end_ms").alias("at_ms"),
        pl.format("job {}", "job").alias("what"), pl.col("account").alias("owner"),
    )  # fmt: skip
    return _events(found, Kind.JOB_FAILURE)
