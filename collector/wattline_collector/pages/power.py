"""Power of the last hours minute by minute, from the books, against what a system may draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from wattline_collector.kpi.view import NODE_METER_FROM
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.books import Books, Hour, load_all
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS, MINUTE_MS
from wattline_collector.profile.schema import FactoryProfile

COURSE_MS = 2 * HOUR_MS
LEAST_KNOWN = 0.5
"""Part of a minute's device time whose power must be known for the minute to be told."""

_COLUMNS = ("system", "minute", "node", "duration_ms", "energy_joules", "energy_ms")
_SCHEMA = pl.Schema(
    {
        "system": pl.String(),
        "minute_ms": pl.Int64(),
        "joules": pl.Float64(),
        "known_ms": pl.Float64(),
        "all_ms": pl.Float64(),
    }
)
_BELIEVED_MS = 600_000
_AWAITED_MS = 300_000
Mark = tuple[str, int, int]
"""A file's path, when it was written, and its size: it tells whether it was written again."""


def course(books: Books, until_ms: Mapping[str, int], now_ms: int) -> dict[str, object]:
    """Watts of each system in every minute of the last `COURSE_MS`.

    Args:
        books: The store's.
        until_ms: Up to where each system is booked.
        now_ms: The time.

    Returns:
        `start_ms` of the first minute, `step_ms`, `watts` by system: a number for each minute,
        null where less than half of it is known; and `coverage`: device time with known energy
        over all of it, null where nothing is booked. Nothing is added for what was not metered.
    """
    start_ms = (now_ms - COURSE_MS) // MINUTE_MS * MINUTE_MS
    booked_ms = max(until_ms.values(), default=now_ms)
    # What will be booked in a moment is not unknown yet, and left out.
    end_of_all = booked_ms if 0 <= now_ms - booked_ms <= _AWAITED_MS else now_ms
    count = (end_of_all - start_ms) // MINUTE_MS
    minutes = pl.DataFrame({"minute_ms": [start_ms + n * MINUTE_MS for n in range(count)]})
    watts: dict[str, list[float | None]] = {}
    known_ms = all_ms = 0.0
    for system, end_ms in until_ms.items():
        hours = range(start_ms // HOUR_MS * HOUR_MS, now_ms, HOUR_MS)
        parts = [_of_hour(_marks(books, Hour(system, hour))) for hour in hours]
        # The minute that is being booked is not whole yet.
        booked = pl.concat([_SCHEMA.to_frame(), *parts]).filter(
            pl.col("minute_ms").is_between(start_ms, end_ms - MINUTE_MS)
        )
        enough = (pl.col("all_ms") > 0) & (pl.col("known_ms") >= LEAST_KNOWN * pl.col("all_ms"))
        mean = pl.col("joules") / (MINUTE_MS / 1000)
        told = booked.select("minute_ms", pl.when(enough).then(mean).alias("watts"))
        joined = minutes.join(told, on="minute_ms", how="left", maintain_order="left")
        watts[system] = joined["watts"].round(1).to_list()
        known_ms += float(booked["known_ms"].sum())
        all_ms += float(booked["all_ms"].sum())
    coverage = known_ms / all_ms if all_ms else None
    return {"start_ms": start_ms, "step_ms": MINUTE_MS, "watts": watts, "coverage": coverage}


def in_maintenance(books: Books, until_ms: Mapping[str, int], now_ms: int) -> pl.DataFrame:
    """`system`, `device` of what the books' last minute has in a scheduled outage.

    Books that are more than ten minutes behind say nothing of now.
    """
    found = [pl.DataFrame(schema={"system": pl.String, "device": pl.String})]
    for system, end_ms in until_ms.items():
        if now_ms - end_ms <= _BELIEVED_MS:
            minute_ms = (end_ms - 1) // MINUTE_MS * MINUTE_MS
            mark = _mark(books.path("device", Hour(system, minute_ms // HOUR_MS * HOUR_MS)))
            found.append(_maintained(mark, minute_ms) if mark else found[0])
    return pl.concat(found)


@lru_cache(maxsize=8)
def _maintained(mark: Mark, minute_ms: int) -> pl.DataFrame:
    in_it = pl.col("account").cast(pl.String) == Account.MAINTENANCE.value
    wanted = in_it & (pl.col("minute").dt.epoch("ms") == minute_ms)
    rows = load_all([Path(mark[0])], ENTRIES["device"], wanted, ["system", "device"])
    return rows.unique(maintain_order=True)


def caps(profile: FactoryProfile | None, systems: Sequence[str]) -> dict[str, float | None]:
    """What each system may draw, as the profile says; null where it does not say."""
    known = {} if profile is None else profile.systems
    return {
        system: known[system].power_budget_watts if system in known else None for system in systems
    }


def _marks(books: Books, hour: Hour) -> tuple[Mark | None, Mark | None]:
    device, node = (_mark(books.path(table, hour)) for table in ("device", "node"))
    return device, node


def _mark(path: Path) -> Mark | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return str(path), stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=64)
def _of_hour(marks: tuple[Mark | None, Mark | None]) -> pl.DataFrame:
    """An hour's joules by minute, node by node at the widest boundary that is metered."""
    device, node = (
        load_all([Path(mark[0])] if mark else [], ENTRIES[table], pl.lit(True),
                 [*_COLUMNS, "account"])
        for table, mark in zip(("device", "node"), marks, strict=True)
    )  # fmt: skip
    # As figures of energy do: time nobody observed says nothing of which meters there are.
    metered = (
        node.filter(pl.col("account") != Account.UNOBSERVED)
        .group_by("node")
        .agg((pl.col("energy_ms").sum() / pl.col("duration_ms").sum()).alias("known"))
        .filter(pl.col("known") >= NODE_METER_FROM)
        .select("node")
    )
    parts = (
        node.join(metered, on="node", how="semi"),
        device.join(metered, on="node", how="anti"),
    )
    ms = ("duration_ms", "energy_ms")
    rows = pl.concat(
        [part.select(_COLUMNS).with_columns(pl.col(ms).cast(pl.Float64)) for part in parts]
    )
    return rows.group_by("system", pl.col("minute").dt.epoch("ms").alias("minute_ms")).agg(
        pl.col("energy_joules").sum().alias("joules"),
        pl.col("energy_ms").sum().alias("known_ms"),
        pl.col("duration_ms").sum().alias("all_ms"),
    ).select(_SCHEMA.names()).cast(_SCHEMA)  # fmt: skip
