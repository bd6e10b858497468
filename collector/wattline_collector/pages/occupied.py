"""What the books say of devices over a period: their account and the jobs that held them, as runs.

A run is a stretch of neighbouring buckets that say the same. Where a bucket has time in several
accounts, the run is of the one with most of it; the sums beside it have every second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from wattline_collector.access import Viewer, may_see_job
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.books import Books, Hour, hours_between, load_all
from wattline_collector.ledger.lost import lost_time, post
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS, MINUTE_MS
from wattline_collector.ledger.undone import UNDONE
from wattline_collector.pages.buckets import Grid

BY_THE_MINUTE_MS = 8 * 86_400_000
"""Periods up to this long are read minute by minute, longer ones by the hour."""

MOST_JOBS = 400
"""Bars of jobs; more is a wall of bars, and the newest are what somebody looks for."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Occupied:
    """Entries of the books of some devices.

    Attributes:
        entries: `schema.DEVICE`, lost work posted.
        jobs: `books.JOBS`.
        grain_ms: How long an entry's time is.
    """

    entries: pl.DataFrame
    jobs: pl.DataFrame
    grain_ms: int

    @property
    def booked(self) -> bool:
        """Whether the books have anything of them in the period."""
        return not self.entries.is_empty()


def read(books: Books, system: str, wanted: pl.Expr, start_ms: int, end_ms: int) -> Occupied:
    """Read what is booked of some devices of a system.

    Args:
        books: The ledger.
        system: Theirs.
        wanted: Which entries, by `node` and `device`.
        start_ms: First moment.
        end_ms: First moment after.
    """
    jobs = books.jobs
    mine = (pl.col("system") == system) & wanted
    if end_ms - start_ms <= BY_THE_MINUTE_MS:
        grain = MINUTE_MS
        paths = [books.path("device", hour) for hour in hours_between(system, start_ms, end_ms)]
    else:
        grain = HOUR_MS
        start_ms, end_ms = start_ms // HOUR_MS * HOUR_MS, -(-end_ms // HOUR_MS) * HOUR_MS
        days = {Hour(system, ms).day: None for ms in range(start_ms, end_ms, HOUR_MS)}
        paths = [books.day_path("device", system, day) for day in days]
    entries = load_all([path for path in paths if path.exists()], ENTRIES["device"], mine)
    at = pl.col("minute").dt.epoch("ms")
    low = start_ms // grain * grain
    entries = entries.filter((at >= low) & (at < end_ms))
    lost = lost_time(jobs, books.frame("undone", UNDONE))
    posted = post(books, "device", entries, lost, low, -(-end_ms // grain) * grain)
    # Parts of hours that were lost in part are of all devices of the job.
    return Occupied(posted.filter(mine), jobs, grain)


def sums(occupied: Occupied) -> Row:
    """Hours in every account, the energy as far as it is known, and how much was observed."""
    entries = occupied.entries
    hours = dict(entries.group_by("account").agg(pl.col("duration_ms").sum() / HOUR_MS).iter_rows())
    joules = entries["energy_joules"]
    total = sum(hours.values())
    unseen = hours.get(Account.UNOBSERVED.value, 0.0)
    return {
        "device_hours": {a.value: hours[a.value] for a in Account if hours.get(a.value)},
        "energy_joules": joules.sum() if joules.count() else None,
        "observed_ratio": 1 - unseen / total if total else None,
    }


def accounts(occupied: Occupied, grid: Grid) -> list[Row]:
    """Runs of accounts of every device: `device`, `account`, `start_ms`, `end_ms`."""
    step = max(grid.step_ms, occupied.grain_ms)
    largest = (
        occupied.entries.group_by("device", _bucket(step), "account")
        .agg(pl.col("duration_ms").sum())
        .sort("device", "bucket", "duration_ms", "account")
        .unique(["device", "bucket"], keep="last", maintain_order=True)
    )
    return _runs(largest, ["device"], ["account"], step).to_dicts()


def jobs(occupied: Occupied, grid: Grid, viewer: Viewer) -> tuple[list[Row], int]:
    """Runs of jobs that held any of the devices, the oldest first, and how many are left out.

    `job`, `name`, `kind`, `state` and `user` are null where the viewer may not see the job; that
    some job held the device, its account says anyway.
    """
    step = max(grid.step_ms, occupied.grain_ms)
    held = (
        occupied.entries.filter(pl.col("job").is_not_null())
        .group_by("system", "job", _bucket(step))
        .agg(pl.col("device").n_unique().alias("devices"))
        .sort("system", "job", "bucket")
    )
    runs = (
        _runs(held, ["system", "job"], [], step, pl.col("devices").max())
        .join(
            occupied.jobs.select(
                "system", "job", "name", "kind", "state", "user", "project",
                pl.col("start_ms").alias("began_ms"), pl.col("end_ms").alias("ended_ms"),
            ),
            on=["system", "job"], how="left",
        )
        .with_columns(
            # A bucket is coarser than what is known of when a job began and ended; of one that
            # has not ended nothing cuts the last.
            pl.max_horizontal("start_ms", pl.min_horizontal("began_ms", "end_ms")),
            pl.min_horizontal(
                "end_ms", pl.max_horizontal(pl.coalesce("ended_ms", "end_ms"), "start_ms")
            ),
        )
        .sort("start_ms", "job")
    )  # fmt: skip
    newest = runs.tail(MOST_JOBS)
    return [_narrowed(row, viewer) for row in newest.to_dicts()], runs.height - newest.height


def _narrowed(row: Row, viewer: Viewer) -> Row:
    shown = may_see_job(viewer, row["user"], row["project"])
    words = ("job", "name", "kind", "state", "user")
    named = {name: row[name] if shown else None for name in words}
    return {
        "system": row["system"], **named, "devices": row["devices"],
        "start_ms": row["start_ms"], "end_ms": row["end_ms"],
    }  # fmt: skip


def _bucket(step_ms: int) -> pl.Expr:
    return (pl.col("minute").dt.epoch("ms") // step_ms * step_ms).alias("bucket")


def _runs(
    rows: pl.DataFrame, subject: list[str], said: list[str], step_ms: int, *more: pl.Expr
) -> pl.DataFrame:
    """Neighbouring buckets of a subject that say the same as one, with `start_ms` and `end_ms`.

    Args:
        rows: `bucket` and the columns, sorted by subject and bucket.
        subject: Of what.
        said: What must be the same.
        step_ms: How long a bucket is.
        more: What else to know of a run.
    """
    follows = pl.col("bucket") == pl.col("bucket").shift(1) + step_ms
    same = pl.all_horizontal(
        follows, *(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (*subject, *said))
    )
    return (
        rows.with_columns((~same).fill_null(True).cum_sum().alias("run"))
        .group_by("run", *subject, *said, maintain_order=True)
        .agg(
            pl.col("bucket").first().alias("start_ms"),
            (pl.col("bucket").last() + step_ms).alias("end_ms"),
            *more,
        )
        .drop("run")
    )
