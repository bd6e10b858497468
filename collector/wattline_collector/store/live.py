"""The picture of this moment: pure functions from newest rows to what `GET /v1/latest` answers.

A device's account here is the momentary one, told from its newest row without the grace time the
ledger gives; the books may therefore call a device busy that is shown as held for ten minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from wattline_agents.catalogue import DEVICE, NODE, TABLES
from wattline_collector.ledger.accounts import WORKING, Account
from wattline_collector.ledger.assignments import trust
from wattline_collector.ledger.device import IDLE_LIMIT, THROTTLE_COLUMNS
from wattline_collector.ledger.intervals import GAP_PERIODS, UNKNOWN_PERIOD_MS
from wattline_collector.ledger.inventory import OPEN_FOR_MS
from wattline_collector.store import segments

TOKEN_COLUMNS = ["tokens_trained_total", "tokens_prompt_total", "tokens_generated_total"]
"""Kinds that add up to all tokens; cached prompt tokens are part of the prompt's."""

PUSH_MS = 10_000
"""Agents send every five seconds by default; a reading that waits its turn is not a gap."""
NETWORK_COLUMNS = ["network_receive_bytes_total", "network_transmit_bytes_total"]
_SLOWED = 0.1
"""A device counts as slowed now if it was held back for a tenth of the time between two readings:
the books have room for both accounts in a minute, a cell on a page has one colour, and heat that
takes a tenth of a device is worth a look."""
ENDED = ("completed", "failed", "cancelled")
_JOB_SHOWN_MS = 600_000
"""A job is shown this long after it was last heard of."""
_RATE_KNOWN_MS = 120_000
"""A rate older than this says nothing of now."""

_DEVICE_METRICS = [metric.column for metric in DEVICE.metrics]
_NODE_METRICS = [metric.column for metric in NODE.metrics]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "devices": (
        "system", "node", "rack", "index", "device", "model", "source", "age_ms", "period_ms",
        "job", "account", *_DEVICE_METRICS, "throttled_ratio",
    ),
    "nodes": (
        "system", "node", "rack", "age_ms", "period_ms", "devices", *_NODE_METRICS,
        "network_receive_bytes_per_second", "network_transmit_bytes_per_second",
    ),
    "jobs": (
        "system", "job", "name", "kind", "state", "tokens_per_second", "devices", "power_watts",
        "tokens_per_joule", "age_ms",
    ),
}  # fmt: skip
"""What each table of `frames` says of a row."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "devices": ("system", "node", "device"), "nodes": ("system", "node"), "jobs": ("system", "job"),
}  # fmt: skip
"""What of it says which row it is."""

OFFSETS = pl.Schema(
    {"system": pl.String(), "node": pl.String(), "offset_ms": pl.Int64(), "heard_ms": pl.Int64()}
)
"""The time of the newest rows a node sent, less ours when we looked at them, and when that was:
clocks that are wrong show there."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is newest.

    Attributes:
        newest: Newest row per subject of each table, with `at_ms`.
        throttle: The last two readings of each device's throttle counters.
        network: The last two readings of each node's network counters.
        made: Token counters of each job's last minute, sorted by time.
        offsets: `OFFSETS` of every node that has sent anything since the start.
    """

    newest: Mapping[str, pl.DataFrame]
    throttle: pl.DataFrame | None
    network: pl.DataFrame | None
    made: pl.DataFrame | None
    offsets: pl.DataFrame = field(default_factory=OFFSETS.to_frame)

    def with_rows(self, rows: Mapping[str, pl.DataFrame]) -> Known:
        """The same with other newest rows of some tables."""
        return replace(self, newest={**self.newest, **rows})

    def rows(self, table: str) -> pl.DataFrame:
        """Newest rows of a table, perhaps none."""
        if table in self.newest:
            return self.newest[table]
        return pl.DataFrame(schema={**segments.schema(TABLES[table]), "at_ms": pl.Int64})


def frames(known: Known, now_ms: int) -> dict[str, Any]:
    """All that is live: `devices`, `nodes` and `jobs` as frames, and what is said beside them."""
    devices = device_rows(known, now_ms)
    nodes = node_rows(known, devices, now_ms)
    jobs = job_rows(known, devices, now_ms)
    return {
        "time_unix_ms": now_ms,
        "devices": devices.drop("fresh", "part_watts"),
        "nodes": nodes.drop("fresh"),
        "jobs": jobs,
        "totals": totals(devices, nodes, jobs),
    }


def snapshot(known: Known, now_ms: int) -> dict[str, Any]:
    """The same with tables by columns, as JSON holds them."""
    return {
        name: lists(value) if isinstance(value, pl.DataFrame) else value
        for name, value in frames(known, now_ms).items()
    }


def lists(rows: pl.DataFrame) -> dict[str, list[object]]:
    """A table by columns, as JSON holds it."""
    return {name: rows[name].to_list() for name in rows.columns}


def _age(now_ms: int) -> pl.Expr:
    return (pl.lit(now_ms) - pl.col("at_ms")).clip(lower_bound=0).alias("age_ms")


def _fresh() -> pl.Expr:
    period = pl.when(pl.col("period_ms") > 0).then("period_ms").otherwise(UNKNOWN_PERIOD_MS)
    return (pl.col("age_ms") <= GAP_PERIODS * period + PUSH_MS).alias("fresh")


def device_rows(known: Known, now_ms: int) -> pl.DataFrame:
    """A row per device, with its job and its account."""
    info = known.rows("device_info")
    gone = info.filter(pl.col("installed_until_unix_ms") <= now_ms).select("system", "device")
    held = open_assignments(known, now_ms).select("system", "device", "job")
    rows = (
        known.rows("device")
        .join(gone, on=["system", "device"], how="anti")
        .with_columns(_age(now_ms))
        .with_columns(_fresh())
        .join(
            info.select("system", "device", "index", "model", "source", "module"),
            ["system", "device"],
            "left",
        )
        .join(_racks(known), ["system", "node"], "left")
        .join(held, ["system", "device"], "left")
        .join(throttled(known), ["system", "node", "device"], "left")
        .with_columns(account().alias("account"), _part_watts())
        .sort("system", "node", "index", "device", nulls_last=True)
    )
    return rows.select(*COLUMNS["devices"], "fresh", "part_watts")


def _part_watts() -> pl.Expr:
    """A device's part of the power its meter reads: where several share one, in equal parts."""
    watts, module = pl.col("power_watts"), ["system", "node", "module"]
    is_shared = pl.col("module").is_not_null() & (watts.count().over(module) == 1)
    part = watts.sum().over(module) / pl.len().over(module)
    return pl.when(is_shared).then(part).otherwise(watts).alias("part_watts")


def account() -> pl.Expr:
    """The momentary account, by the precedence of the ledger."""
    activity = pl.coalesce("sm_active_ratio", "busy_ratio")
    return (
        pl.when(~pl.col("fresh"))
        .then(pl.lit(Account.UNOBSERVED.value))
        .when(pl.col("up") == 0)
        .then(pl.lit(Account.DOWN.value))
        .when(pl.col("job").is_null())
        .then(pl.lit(Account.FREE.value))
        .when(activity.is_null())
        .then(pl.lit(Account.UNMEASURED.value))
        .when(activity < IDLE_LIMIT)
        .then(pl.lit(Account.HELD.value))
        .when((pl.col("throttled_ratio") > _SLOWED).fill_null(False))
        .then(pl.lit(Account.SLOWED.value))
        .otherwise(pl.lit(Account.BUSY.value))
    )


def open_assignments(known: Known, now_ms: int) -> pl.DataFrame:
    """Which job holds which device now, as the books believe it.

    Of several that claim one the most trusted method's; by one method the one that started last.
    """
    rows = known.rows("assignment")
    ends = pl.col("end_unix_ms")
    # What is stated open is believed for a while past its statement, as in the books.
    is_open = (ends.is_null() & (pl.col("at_ms") + OPEN_FOR_MS >= now_ms)) | (ends > now_ms)
    return (
        rows.filter(is_open & (pl.col("start_unix_ms") <= now_ms))
        .sort(-trust(), "start_unix_ms", "job")
        .unique(["system", "device"], keep="last", maintain_order=True)
    )


def throttled(known: Known) -> pl.DataFrame:
    """`throttled_ratio` per device: share of the time between its last two readings.

    Reasons overlap in time, so the longest of them counts, not their sum.
    """
    subject = ["system", "node", "device"]
    if known.throttle is None:
        schema = {**dict.fromkeys(subject, pl.String), "throttled_ratio": pl.Float64}
        return pl.DataFrame(schema=schema)
    longest = pl.max_horizontal(_grown(pl.col(name)) for name in THROTTLE_COLUMNS)
    return known.throttle.group_by(subject, maintain_order=True).agg(
        (longest / _elapsed()).clip(0, 1).alias("throttled_ratio")
    )


def network(known: Known) -> pl.DataFrame:
    """Bytes per second of each node between its last two readings."""
    subject = ["system", "node"]
    rates = {name: name.replace("_total", "_per_second") for name in NETWORK_COLUMNS}
    if known.network is None:
        schema = {name: pl.String for name in subject} | dict.fromkeys(rates.values(), pl.Float64)
        return pl.DataFrame(schema=schema)
    return known.network.group_by(subject, maintain_order=True).agg(
        (_grown(pl.col(name)) / _elapsed()).alias(rate) for name, rate in rates.items()
    )


def _elapsed() -> pl.Expr:
    seconds = (pl.col("at_ms").last() - pl.col("at_ms").first()) / 1000
    return pl.when(seconds > 0).then(seconds)


def _grown(counter: pl.Expr) -> pl.Expr:
    """Growth from first to last; null where it fell: then it was reset, and nothing is known."""
    growth = counter.last() - counter.first()
    return pl.when(growth >= 0).then(growth)


def _racks(known: Known) -> pl.DataFrame:
    return known.rows("node_info").select("system", "node", "rack")


def node_rows(known: Known, devices: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """A row per node; one that only its devices speak for has null metrics."""
    counted = devices.group_by("system", "node").agg(
        pl.len().cast(pl.Int64).alias("devices"),
        pl.col("age_ms").min().alias("device_age_ms"),
        pl.col("period_ms").min().alias("device_period_ms"),
    )
    rows = known.rows("node").with_columns(_age(now_ms))
    return (
        rows.join(counted, on=["system", "node"], how="full", coalesce=True)
        .with_columns(
            pl.coalesce("age_ms", "device_age_ms").alias("age_ms"),
            pl.coalesce("period_ms", "device_period_ms").alias("period_ms"),
            pl.col("devices").fill_null(0),
        )
        .with_columns(_fresh())
        .join(_racks(known), ["system", "node"], "left")
        .join(network(known), ["system", "node"], "left")
        .sort("system", "node")
        .select(*COLUMNS["nodes"], "fresh")
    )


def job_rows(known: Known, devices: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """A row per job heard of lately; its power is that of its devices."""
    subject = ["system", "job"]
    heard = [
        known.rows(table).select(*subject, "at_ms") for table in ("job", "job_info", "assignment")
    ]
    jobs = pl.concat(heard).group_by(subject).agg(_age(now_ms).min())
    powers = (
        devices.filter(pl.col("job").is_not_null())
        .group_by(subject)
        .agg(
            pl.len().cast(pl.Int64).alias("devices"),
            _sum(pl.col("part_watts").filter("fresh")).alias("power_watts"),
            (pl.col("fresh") & pl.col("part_watts").is_not_null()).all().alias("all_known"),
        )
    )
    info = known.rows("job_info").select(*subject, "name", "kind", "state")
    whole = pl.col("all_known") & (pl.col("power_watts") > 0)
    return (
        jobs.filter(pl.col("age_ms") <= _JOB_SHOWN_MS)
        .join(info, subject, "left")
        .join(token_rates(known, now_ms), subject, "left")
        .join(powers, subject, "left")
        .with_columns(
            # The last minute of a job that has ended is no rate of now.
            pl.when(~pl.col("state").is_in(ENDED).fill_null(False))
            .then("tokens_per_second")
            .alias("tokens_per_second")
        )
        .with_columns(
            pl.col("devices").fill_null(0),
            pl.when(whole)
            .then(pl.col("tokens_per_second") / pl.col("power_watts"))
            .alias("tokens_per_joule"),
        )
        .sort("system", "job")
        .select(COLUMNS["jobs"])
    )


def token_rates(known: Known, now_ms: int) -> pl.DataFrame:
    """`tokens_per_second` per job: what its counters grew by over about the last minute."""
    if known.made is None:
        schema = {"system": pl.String, "job": pl.String, "tokens_per_second": pl.Float64}
        return pl.DataFrame(schema=schema)
    # A counter that runs backwards began anew at nought.
    grown = [
        pl.when(pl.col(name).diff() < 0).then(pl.col(name)).otherwise(pl.col(name).diff())
        for name in TOKEN_COLUMNS
    ]
    seconds = (pl.col("at_ms").last() - pl.col("at_ms").first()) / 1000
    known_now = (seconds > 0) & (pl.col("at_ms").last() >= now_ms - _RATE_KNOWN_MS)
    tokens = pl.sum_horizontal(_sum(expr) for expr in grown)
    counted = pl.any_horizontal(pl.col(name).count() > 1 for name in TOKEN_COLUMNS)
    return (
        known.made.group_by("system", "node", "job", maintain_order=True)
        .agg(pl.when(known_now & counted).then(tokens / seconds).alias("tokens_per_second"))
        .group_by("system", "job")
        .agg(_sum(pl.col("tokens_per_second")))
    )


def totals(devices: pl.DataFrame, nodes: pl.DataFrame, jobs: pl.DataFrame) -> dict[str, object]:
    """The factory in one line."""
    power, boundary = _power(devices, nodes)
    tokens = jobs.select(_sum(pl.col("tokens_per_second"))).item()
    accounts = dict(devices.group_by("account").len().iter_rows())

    def count(*wanted: Account) -> int:
        return sum(accounts.get(account.value, 0) for account in wanted)

    return {
        "devices": devices.height,
        "fresh": int(devices["fresh"].sum()),
        "power_watts": power,
        "power_boundary": boundary,
        "tokens_per_second": tokens,
        "tokens_per_joule": tokens / power if tokens is not None and power else None,
        "working": count(*WORKING),
        "held": count(Account.HELD),
        "free": count(Account.FREE),
        "unmeasured": count(Account.UNMEASURED),
        "down": count(Account.DOWN),
        "silent": count(Account.UNOBSERVED),
    }


def _power(devices: pl.DataFrame, nodes: pl.DataFrame) -> tuple[float | None, str]:
    """Power of all that is fresh: a node's own meter where there is one, else its devices'."""
    metered = nodes.filter(pl.col("fresh") & pl.col("power_watts").is_not_null())
    others = devices.filter(pl.col("fresh") & pl.col("power_watts").is_not_null()).join(
        metered, on=["system", "node"], how="anti"
    )
    parts = [rows["power_watts"].sum() for rows in (metered, others) if rows.height]
    boundary = {(True, True): "mixed", (True, False): "node"}.get(
        (bool(metered.height), bool(others.height)), "gpu"
    )
    return (float(sum(parts)) if parts else None), boundary


def _sum(values: pl.Expr) -> pl.Expr:
    """A sum that is null, not nought, where nothing is known."""
    return pl.when(values.count() > 0).then(values.sum())
