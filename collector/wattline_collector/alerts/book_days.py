"""Days of the books, added up: each system's device time, whose it was, its energy. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl

from wattline_collector.kpi.entitled import COMMERCIAL, whose
from wattline_collector.ledger.accounts import ASSIGNED, OFFERED, Account
from wattline_collector.registers.tagging import tag_jobs

MS_PER_DAY = 86_400_000
MS_PER_HOUR = 3_600_000

TIME = pl.Schema(
    {
        "system": pl.String(),
        "all_ms": pl.Int64(),
        "offered_ms": pl.Int64(),
        "unseen_ms": pl.Int64(),
    }
)
USED = pl.Schema(
    {
        "system": pl.String(),
        "project": pl.String(),
        "is_commercial": pl.Boolean(),
        "ms": pl.Int64(),
    }
)
OPEN = pl.Schema({**USED, "job": pl.String(), "is_held": pl.Boolean()})
"""As `USED`, of one job that the day's ends cut: seen to hold a device in it, or accounted for."""
ENERGY = pl.Schema(
    {
        "system": pl.String(),
        "node": pl.String(),
        "gpu_joules": pl.Float64(),
        "node_joules": pl.Float64(),
        "node_known_ms": pl.Float64(),
        "node_ms": pl.Float64(),
    }
)


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of the books, added up.

    Attributes:
        start_ms: Its first moment.
        time: `TIME`: device time of each system; `unseen_ms` is what nobody observed.
        used: `USED`: access time by project, as KPIs count it; null: of no project that is
            registered.
        energy: `ENERGY`: by node, from its devices' meters and from its own.
        open: `OPEN`: jobs of which other days must tell whether an agent ever saw them.
    """

    start_ms: int
    time: pl.DataFrame
    used: pl.DataFrame
    energy: pl.DataFrame
    open: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=OPEN))


def day_of(
    start_ms: int,
    device: pl.DataFrame,
    node: pl.DataFrame,
    jobs: pl.DataFrame,
    projects: pl.DataFrame | None,
    told: pl.DataFrame | None = None,
) -> Day:
    """Add a day of the books up.

    Args:
        start_ms: The day's first moment.
        device: Its entries, `schema.DEVICE`.
        node: Its entries, `schema.NODE`.
        jobs: `system`, `job`, `start_ms`, `submit_ms`, `account`, `project`: the jobs in it, at
            least.
        projects: The register of projects; None where it cannot be read.
        told: `system`, `job`, `gpu_hours`, `is_cut`: the jobs of that day as their scheduler
            accounts for them, and whether they ran before it or after it too.
    """
    account = pl.col("account").cast(pl.String)
    ms = pl.col("duration_ms")

    def of(*accounts: Account) -> pl.Expr:
        return pl.when(account.is_in([one.value for one in accounts])).then(ms).otherwise(0).sum()

    time = device.group_by("system").agg(
        ms.sum().alias("all_ms"),
        of(*OFFERED).alias("offered_ms"),
        of(Account.UNOBSERVED).alias("unseen_ms"),
    )
    by_job = (
        device.filter(pl.col("job").is_not_null() & account.is_in([a.value for a in ASSIGNED]))
        .group_by("system", "job")
        .agg(ms.sum().alias("ms"))
    )
    used, opened = pl.DataFrame(schema=USED), pl.DataFrame(schema=OPEN)
    if projects is not None:
        rows = _with_accounted(by_job, told)
        tagged = tag_jobs(rows.join(jobs, on=["system", "job"], how="left"), projects).select(
            "system", "job", "ms", "is_held", "is_cut",
            pl.col("project_id").alias("project"),
            (whose() == COMMERCIAL).fill_null(False).alias("is_commercial"),
        )  # fmt: skip
        used = _summed(tagged.filter(pl.col("is_held") | ~pl.col("is_cut")))
        opened = tagged.filter("is_cut").select(OPEN.names()).cast(OPEN)
    gpu = device.group_by("system", "node").agg(total("energy_joules").alias("gpu_joules"))
    own = node.group_by("system", "node").agg(
        total("energy_joules").alias("node_joules"),
        pl.col("energy_ms").sum().alias("node_known_ms"),
        ms.sum().alias("node_ms"),
    )
    energy = gpu.join(own, on=["system", "node"], how="full", coalesce=True)
    return Day(
        start_ms,
        time.select(TIME.names()).cast(TIME),
        used,
        energy.select(ENERGY.names()).cast(ENERGY),
        opened,
    )


def settled(days: Sequence[Day]) -> list[Day]:
    """Days with the accounted time of the jobs that no agent saw on any of them in `used`."""
    key = ["system", "job"]
    opened = [day.open for day in days if day.open.height]
    if not opened:
        return list(days)
    seen = pl.concat([one.filter("is_held").select(key) for one in opened]).unique()
    return [
        day
        if day.open.is_empty()
        else replace(
            day,
            used=_summed(
                pl.concat(
                    [
                        day.used,
                        day.open.filter(~pl.col("is_held"))
                        .join(seen, on=key, how="anti")
                        .select(USED.names()),
                    ]
                )
            ),
        )
        for day in days
    ]


def _with_accounted(held: pl.DataFrame, told: pl.DataFrame | None) -> pl.DataFrame:
    """`system`, `job`, `ms`, `is_held`, `is_cut`: jobs that held devices, and those accounted for.

    A job is in one of the two books, as in `kpi.access_time`: the ledger is believed before the
    scheduler.
    """
    key = ["system", "job"]
    seen = held.with_columns(pl.lit(True).alias("is_held"))
    if told is None:
        return seen.with_columns(pl.lit(False).alias("is_cut"))
    ms = (pl.col("gpu_hours") * MS_PER_HOUR).round().cast(pl.Int64).alias("ms")
    cut = told.select(*key, "is_cut")
    seen = seen.join(cut, on=key, how="left").with_columns(pl.col("is_cut").fill_null(False))
    unseen = told.join(held, on=key, how="anti").select(
        *key, ms, pl.lit(False).alias("is_held"), "is_cut"
    )
    return pl.concat([seen.cast({"ms": pl.Int64}), unseen])


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    sums = rows.group_by("system", "project", "is_commercial").agg(pl.col("ms").sum())
    return sums.select(USED.names()).cast(USED)


def of_system(days: Iterable[Day], table: str, system: str) -> pl.DataFrame:
    """The rows of one system in a table (`time`, `used`, `energy`) of days."""
    schema = {"time": TIME, "used": USED, "energy": ENERGY}[table]
    frames: list[pl.DataFrame] = [getattr(day, table) for day in days]
    return pl.concat([pl.DataFrame(schema=schema), *frames]).filter(pl.col("system") == system)


def total(column: str) -> pl.Expr:
    """A sum that is null where nothing of it is known."""
    return pl.when(pl.col(column).is_not_null().any()).then(pl.col(column).sum())
