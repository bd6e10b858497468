"""One device over a period: what it drew and did, what held it back, what failed, who had it."""

from __future__ import annotations

from typing import Any

import polars as pl

from wattline_agents.catalogue import DEVICE, THROTTLE_REASONS
from wattline_collector.access import Sight
from wattline_collector.ledger.books import Books
from wattline_collector.pages import errors, occupied, subject
from wattline_collector.pages.buckets import (
    LOOK_BACK_MS,
    Grid,
    Series,
    growths,
    in_order,
    pace_of,
    summaries,
)
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.store.window import Nodes

SERIES = (
    "power_watts", "power_limit_watts", "sm_active_ratio", "tensor_active_ratio",
    "dram_active_ratio", "busy_ratio", "temperature_celsius", "memory_temperature_celsius",
    "sm_clock_hertz", "memory_clock_hertz", "memory_used_bytes", "memory_size_bytes",
)  # fmt: skip
"""Metrics that are drawn, by their columns."""

REASONS = (*THROTTLE_REASONS, "sync_boost")
"""Why clocks are held back; of the last one there is no counter, only whether it is so."""

EVERY_MS = {metric.column: metric.every_seconds * 1000 for metric in DEVICE.metrics}
_ENDS = {"power_watts": ("power_min_watts", "power_max_watts")}
_IDENTITY = ("vendor", "model", "driver", "vbios", "pci", "serial", "mig", "power_mode",
             "power_scope", "source")  # fmt: skip


def columns() -> list[str]:
    """Columns of table `device` that a timeline is made of."""
    told = [f"throttle_{reason}_active" for reason in REASONS]
    counted = [f"throttle_{reason}_seconds_total" for reason in THROTTLE_REASONS]
    ends = [name for pair in _ENDS.values() for name in pair]
    return ["system", "node", "period_ms", "time_unix_ms", "device",
            *SERIES, *ends, *told, *counted, *errors.COUNTERS]  # fmt: skip


def series(rows: pl.DataFrame, name: str, grid: Grid) -> dict[str, Series]:
    """The metrics of one device that anything is known of; its readings are in order."""
    found = {
        metric: summaries(
            rows, "device", metric, grid, EVERY_MS[metric], *_ENDS.get(metric, (None, None))
        )
        for metric in SERIES
    }
    return {metric: of[name] for metric, of in found.items() if name in of}


def throttle(rows: pl.DataFrame, grid: Grid) -> dict[str, dict[str, Series]]:
    """Share of each bucket in which a reason held the clocks back.

    Args:
        rows: Readings of devices, in order.
        grid: The buckets.

    Returns:
        By reason, of those that are told of, by device.
    """
    found: dict[str, dict[str, Series]] = {}
    devices = rows["device"].n_unique()
    for reason in REASONS:
        made: dict[str, Series] = {}
        if reason in THROTTLE_REASONS:
            counter = f"throttle_{reason}_seconds_total"
            made = growths(rows, "device", counter, grid, EVERY_MS[counter], most=1.0)
        if len(made) < devices:
            told = f"throttle_{reason}_active"
            made = summaries(rows, "device", told, grid, EVERY_MS[told]) | made
        if made:
            found[reason] = {device: {"mean": one["mean"]} for device, one in made.items()}
    return found


def answer(house: House, question: Question) -> Json:
    """`GET /v1/device?device=ID`: one device over a period, ready to draw.

    Series are lists of one value per bucket of `grid`; null: not known then.

    Raises:
        UsageError: No device is named, or several systems have it.
        Missing: There is none of that name.
    """
    name = subject.named(question, "device")
    books = Books(house.store.path)
    installed = books.inventory.filter((pl.col("kind") == "device") & (pl.col("key") == name))
    live = house.latest.rows("device").filter(pl.col("device") == name).select("system", "node")
    systems = sorted({*installed["system"], *live["system"]})
    system = subject.only_system(question, systems, "device", name)
    start_ms, end_ms = subject.bounds_of(house, question)
    mine = (pl.col("system") == system) & (pl.col("device") == name)
    nodes = _nodes(system, installed, live)
    rows = in_order(
        house.store.rows("device", start_ms - LOOK_BACK_MS, end_ms + 1, columns(), mine, nodes),
        "device",
    )
    grid = Grid.over(start_ms, end_ms, pace_of(rows))
    held = occupied.read(books, system, pl.col("device") == name, start_ms, end_ms)
    events, events_left_out = errors.newest(
        [*errors.counted(rows, grid), *errors.numbered(xids(house, mine, nodes, grid), grid)]
    )
    jobs, jobs_left_out = occupied.jobs(held, grid, question.viewer)
    return {
        "identity": identity(house, system, name, installed, live, end_ms),
        "period": {"start_ms": start_ms, "end_ms": end_ms},
        "grid": grid.to_json(),
        "readings": rows.filter(pl.col("time_unix_ms") > start_ms).height,
        "series": series(rows, name, grid),
        "throttle": {reason: of[name] for reason, of in throttle(rows, grid).items() if name in of},
        "events": [{**event, "device": None} for event in events],
        "events_left_out": events_left_out,
        "accounts": occupied.accounts(held, grid),
        "sums": occupied.sums(held),
        "jobs": jobs,
        "jobs_left_out": jobs_left_out,
        "alerts": subject.alerts(house, question, {"system": system, "device": name}),
    }


def _nodes(system: str, installed: pl.DataFrame, live: pl.DataFrame) -> Nodes:
    """Which nodes can have sent what is not sealed yet of a device.

    Where the books have it, and where it was heard from during the last day; what is sealed may be
    of a time when it stood elsewhere.
    """
    return {
        (system, node)
        for rows in (installed, live)
        for node in rows.filter(pl.col("system") == system)["node"].drop_nulls()
    }


def xids(house: House, wanted: pl.Expr, nodes: Nodes, grid: Grid) -> pl.DataFrame:
    """Rows of table `xid` that tell of a period: each is repeated every ten minutes."""
    names = ["device", "xid", "time_unix_ms", "count_total", "last_unix_seconds"]
    late = grid.end_ms + LOOK_BACK_MS
    return house.store.rows("xid", grid.start_ms - LOOK_BACK_MS, late, names, wanted, nodes)


def identity(
    house: House,
    system: str,
    name: str,
    installed: pl.DataFrame,
    live: pl.DataFrame,
    end_ms: int,
) -> dict[str, Any]:
    """What a device is and where it stands; null where nobody said."""
    mine = (pl.col("system") == system) & (pl.col("device") == name)
    said = subject.newest(house, "device_info", mine, end_ms)
    of_system = installed.filter(pl.col("system") == system).sort("from_ms")
    booked = of_system.tail(1).to_dicts()[0] if of_system.height else {}
    here = live.filter(pl.col("system") == system)["node"]
    return {
        "system": system,
        "device": name,
        "node": said.get("node") or booked.get("node") or (here[0] if here.len() else None),
        "rack": booked.get("rack") or _rack(house, system, said.get("node"), end_ms),
        "index": said.get("index") if said.get("index") is not None else booked.get("index"),
        **{key: said.get(key) or booked.get(key) for key in _IDENTITY},
        "installed_from_ms": booked.get("from_ms"),
        "installed_until_ms": booked.get("until_ms"),
    }


def _rack(house: House, system: str, node: str | None, end_ms: int) -> str | None:
    if node is None:
        return None
    mine = (pl.col("system") == system) & (pl.col("node") == node)
    rack: str | None = subject.newest(house, "node_info", mine, end_ms).get("rack")
    return rack


READS = (
    Read(
        "/v1/device", (Sight.FLEET,), answer, takes=frozenset({"device", "system"}),
        by_viewer=True, small=True,
    ),
)  # fmt: skip
