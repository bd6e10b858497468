"""One node over a period: its own metrics, each of its devices, what failed, and who had it."""

from __future__ import annotations

from typing import Any

import polars as pl

from wattline_agents.catalogue import NODE
from wattline_collector.access import Sight
from wattline_collector.ledger.books import Books
from wattline_collector.pages import device, errors, occupied, subject
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

GAUGES = ("power_watts", "cpu_busy_ratio", "memory_used_bytes", "memory_size_bytes",
          "temperature_celsius")  # fmt: skip
COUNTERS = ("network_receive_bytes_total", "network_transmit_bytes_total")
MOST_OF_A_DEVICE = 500
"""Buckets of each device's series: a node may have sixteen devices, each in a row of its own."""
MOST_DEVICES = 64
"""Devices with series of their own; a recording may put more under one name."""

_EVERY_MS = {metric.column: metric.every_seconds * 1000 for metric in NODE.metrics}
_OF_DEVICE = ("power_watts", "sm_active_ratio", "busy_ratio", "temperature_celsius")
_SAID = ("rack", "partition", "os", "cores", "power_source", "agent_version")


def answer(house: House, question: Question) -> Json:
    """`GET /v1/node?node=NAME`: one node over a period, ready to draw.

    Series of the node are lists of one value per bucket of `grid`, those of its devices per bucket
    of `device_grid`; null: not known then.

    Raises:
        UsageError: No node is named, or several systems have it.
        Missing: There is none of that name.
    """
    name = subject.named(question, "node")
    books = Books(house.store.path)
    inventory = books.inventory.filter(pl.col("node") == name)
    live = [house.latest.rows(of).filter(pl.col("node") == name) for of in ("node", "device")]
    systems = sorted({*inventory["system"], *(s for rows in live for s in rows["system"])})
    system = subject.only_system(question, systems, "node", name)
    start_ms, end_ms = subject.bounds_of(house, question)
    mine = (pl.col("system") == system) & (pl.col("node") == name)
    names = ["system", "node", "period_ms", "time_unix_ms", *GAUGES, *COUNTERS]
    sender, low = {(system, name)}, start_ms - LOOK_BACK_MS
    rows = in_order(house.store.rows("node", low, end_ms + 1, names, mine, sender), "node")
    of_devices = in_order(
        house.store.rows("device", low, end_ms + 1, device.columns(), mine, sender), "device"
    )
    grid = Grid.over(start_ms, end_ms, pace_of(rows))
    coarse = Grid.over(start_ms, end_ms, pace_of(of_devices), MOST_OF_A_DEVICE)
    held = occupied.read(books, system, pl.col("node") == name, start_ms, end_ms)
    told = house.latest.rows("device_info").filter(mine)
    listed = _devices(inventory.filter(pl.col("system") == system), of_devices, told)
    events, events_left_out = errors.newest(
        [
            *errors.counted(of_devices, coarse),
            *errors.numbered(device.xids(house, mine, sender, coarse), coarse),
        ]
    )
    said = subject.newest(house, "node_info", mine, end_ms)
    jobs, jobs_left_out = occupied.jobs(held, grid, question.viewer)
    return {
        "identity": {
            "system": system,
            "node": name,
            **{key: said.get(key) for key in _SAID},
        },
        "period": {"start_ms": start_ms, "end_ms": end_ms},
        "grid": grid.to_json(),
        "device_grid": coarse.to_json(),
        "readings": rows.filter(pl.col("time_unix_ms") > start_ms).height,
        "series": _series(rows, name, grid),
        "devices": _with_series(listed[:MOST_DEVICES], of_devices, coarse),
        "devices_left_out": max(0, len(listed) - MOST_DEVICES),
        "events": events,
        "events_left_out": events_left_out,
        "accounts": occupied.accounts(held, coarse),
        "sums": occupied.sums(held),
        "jobs": jobs,
        "jobs_left_out": jobs_left_out,
        "alerts": subject.alerts(house, question, {"system": system, "node": name}),
    }


def _series(rows: pl.DataFrame, node: str, grid: Grid) -> dict[str, Series]:
    found = {name: summaries(rows, "node", name, grid, _EVERY_MS[name]) for name in GAUGES}
    found |= {
        name.replace("_total", "_per_second"): growths(rows, "node", name, grid, _EVERY_MS[name])
        for name in COUNTERS
    }
    return {name: of[node] for name, of in found.items() if node in of}


def _devices(
    inventory: pl.DataFrame, rows: pl.DataFrame, told: pl.DataFrame
) -> list[dict[str, Any]]:
    """The devices of a node by their place on it: those booked, and those that sent readings."""
    keys = {
        key: {"device": key, "index": index, "model": model}
        for key, index, model in (
            *inventory.filter(pl.col("kind") == "device")
            .select("key", "index", "model")
            .iter_rows(),
            *told.select("device", "index", "model").iter_rows(),
        )
    }
    for key in rows["device"].unique():
        keys.setdefault(key, {"device": key, "index": None, "model": None})
    last = max((one["index"] or 0 for one in keys.values()), default=0) + 1
    return sorted(
        keys.values(),
        key=lambda one: (last if one["index"] is None else one["index"], one["device"]),
    )


def _with_series(
    listed: list[dict[str, Any]], rows: pl.DataFrame, grid: Grid
) -> list[dict[str, Any]]:
    """Devices with a value per bucket of what is drawn of each; null: nothing is known of it."""
    shown = {
        name: summaries(rows, "device", name, grid, device.EVERY_MS[name]) for name in _OF_DEVICE
    }
    held_back = device.throttle(rows, grid)

    def mean(name: str, id: str) -> list[float | None] | None:
        found = shown[name].get(id)
        return None if found is None else found["mean"]

    def longest(id: str) -> list[float | None] | None:
        # Reasons overlap in time, so the longest of them counts, as in the ledger.
        shares = [of[id]["mean"] for of in held_back.values() if id in of]
        return [
            max((share for share in at if share is not None), default=None)
            for at in zip(*shares, strict=True)
        ] or None

    return [
        {
            **one,
            **{name: mean(name, one["device"]) for name in _OF_DEVICE},
            "throttled_ratio": longest(one["device"]),
        }
        for one in listed
    ]


READS = (
    Read(
        "/v1/node", (Sight.FLEET,), answer, takes=frozenset({"node", "system"}), by_viewer=True,
        small=True,
    ),
)  # fmt: skip
