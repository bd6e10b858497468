"""How fresh everything is that comes in: agents, schedulers, facility meters, the books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector import registers
from wattline_collector.follow import Followed, TellsMore
from wattline_collector.ledger.books import Books, load
from wattline_collector.ledger.schema import CONTROL
from wattline_collector.registers.kept import path_of
from wattline_collector.registers.schema import METERS

MOST_CELLS = 256
"""Nodes drawn one by one; more are drawn rack by rack."""
MOST_SILENT = 12
"""Silent nodes that are named."""
FOLLOW_PERIODS = 3
"""A scheduler that has not answered for so many of its pauses is late."""
_LEAST_FOLLOW_MS = 60_000
BOOKS_LATE_MS = 300_000
"""Books are brought up to date every fifteen seconds; on a busy day every few minutes."""
METER_INTERVALS = 3
"""Facility meters are late after so many of their usual intervals without a reading."""

Json = dict[str, object]


def agents(nodes: pl.DataFrame, installed: pl.DataFrame) -> Json:
    """Which nodes' agents speak.

    Args:
        nodes: As `store.live.node_rows` gives them.
        installed: `system`, `node`, `rack` of all nodes that are installed: one that was silent for
            a day is not live any more, and is silent all the same.

    Returns:
        `nodes` and `reporting` (counts); `oldest_age_ms` of those that report; `silent`: the first
        `MOST_SILENT` of the others, the longest silent first, with `age_ms` (null: over a day);
        `by` (`node` or `rack`) and `cells`: of each its name, how many nodes it is, and how many of
        them are silent.
    """
    live = nodes.select("system", "node", "rack", "age_ms", "fresh")
    gone = installed.join(live, on=["system", "node"], how="anti").select(
        "system", "node", "rack",
        pl.lit(None, pl.Int64).alias("age_ms"), pl.lit(False).alias("fresh"),
    )  # fmt: skip
    everyone = pl.concat([live, gone.cast(live.schema)]).sort("system", "rack", "node")
    silent = everyone.filter(~pl.col("fresh")).sort(
        "age_ms", descending=True, nulls_last=False, maintain_order=True
    )
    by = "node" if everyone.height <= MOST_CELLS else "rack"
    cells = (
        everyone.group_by("system", by, maintain_order=True)
        .agg(pl.len(), (~pl.col("fresh")).sum().alias("silent"))
        .select(pl.col(by).str.slice(0, 120), "len", "silent")
    )
    return {
        "nodes": everyone.height,
        "reporting": everyone.height - silent.height,
        "oldest_age_ms": everyone.filter("fresh")["age_ms"].max(),
        "silent": silent.head(MOST_SILENT).drop("fresh").to_dicts(),
        "by": by,
        "cells": [list(row) for row in cells.head(MOST_CELLS).iter_rows()],
    }


def followers(followed: Iterable[Followed], now_ms: int) -> list[Json]:
    """How it goes with schedulers and lists that the collector asks.

    Returns:
        `name`, `age_ms` of the newest answer (null: none since the collector was started), `late`,
        and what went wrong: `errors`, `refused`, `set_aside`, `unresolved`.
    """
    found: list[Json] = []
    for one in followed:
        age = now_ms - one.answered_ms if one.answered_ms else None
        most = max(_LEAST_FOLLOW_MS, FOLLOW_PERIODS * round(one.follower.every_seconds * 1000))
        more = dict[str, float]()
        if isinstance(one.follower, TellsMore):
            more = {name: value for name, _, value in one.follower.metrics()}
        found.append(
            {
                "name": one.follower.name,
                "age_ms": age,
                "late": age is None or age > most,
                "errors": one.errors,
                "refused": one.refused,
                "set_aside": round(more.get("set_aside_total", 0)),
                "unresolved": round(more.get("devices_unresolved", 0)),
            }
        )
    return found


def meters(store: Path, now_ms: int) -> Json | None:
    """How fresh the readings of facility meters are.

    Returns:
        `meters` there are, `age_ms` of the newest reading, `interval_ms` between two of them as a
        rule, `late`; None where there is none, or where they may not be read.

    Raises:
        InputError: The register is damaged.
    """
    path = path_of(store, METERS)
    try:
        stat = path.stat()
    except OSError:
        return None
    told = _newest_readings(store, stat.st_mtime_ns, stat.st_size)
    if told is None:
        return None
    count, newest_ms, interval_ms = told
    age = max(0, now_ms - newest_ms)
    late = interval_ms is not None and age > METER_INTERVALS * interval_ms
    return {"meters": count, "age_ms": age, "interval_ms": interval_ms, "late": late}


@lru_cache(maxsize=8)
def _newest_readings(store: Path, _at_ns: int, _size: int) -> tuple[int, int, int | None] | None:
    try:
        rows = registers.meters(store).select("system", "meter", "quantity", "end_ms")
    except InputError as error:
        if isinstance(error.__cause__, PermissionError):
            return None
        raise
    if rows.is_empty():
        return None
    key = ["system", "meter", "quantity"]
    ends = rows.unique().sort(*key, "end_ms")
    apart = ends.select(pl.col("end_ms").diff().over(key).alias("ms"))["ms"].drop_nulls()
    typical = apart.median() if apart.len() else None
    count = rows.select(pl.struct("system", "meter").n_unique()).item()
    newest = int(rows.select(pl.col("end_ms").max()).item())
    return int(count), newest, int(typical) if isinstance(typical, float | int) else None


def booked_until(books: Books) -> dict[str, int]:
    """Up to where each system is booked, by the newest hour that has a control.

    Only the newest day's directory is looked into: a year has thousands of hours.

    Raises:
        InputError: That control cannot be read.
    """
    found: dict[str, int] = {}
    for system in sorted((books.root / "control").glob("*")):
        for day in sorted(system.glob("*"), reverse=True):
            hours = sorted(day.glob("*.parquet"))
            if hours:
                until = load(hours[-1], CONTROL)["booked_until"].dt.epoch("ms").max()
                if isinstance(until, int):
                    found[system.name] = until
                break
    return found


def books(until_ms: Mapping[str, int], systems: Sequence[str], now_ms: int) -> list[Json]:
    """How far behind each system's books are: `system`, `age_ms` (null: not booked), `late`."""
    names = sorted({*until_ms, *systems})
    ages = {name: max(0, now_ms - until_ms[name]) for name in names if name in until_ms}
    return [
        {
            "system": name,
            "age_ms": ages.get(name),
            "late": name not in ages or ages[name] > BOOKS_LATE_MS,
        }
        for name in names
    ]


def installed(books: Books, kind: str, now_ms: int) -> pl.DataFrame:
    """`system`, `node`, `key`, `rack` of what is installed now, `device` or `node`."""
    until = pl.col("until_ms")
    return books.inventory.filter(
        (pl.col("kind") == kind) & (pl.col("from_ms") <= now_ms)
        & (until.is_null() | (until > now_ms))
    ).select("system", "node", "key", "rack")  # fmt: skip
