"""Incidents of a period by cause: how many, how long, and the GPU-hours that they took.

They are those of the register of outages. What the ledger has as down beyond them is told beside
them: devices that were lost, and outages that nobody logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.outages import clipped, merged
from wattline_collector.kpi.uptime import groups_of_nodes
from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.ledger.accounts import Account
from wattline_collector.pages.read import Json

MOST = 200
"""Incidents listed: the newest."""
_MOST_CHARACTERS = 400
_PLACED = pl.Schema(
    {
        "place": pl.Int64(), "cause": pl.String(), "scheduled": pl.Boolean(),
        "system": pl.String(), "node": pl.String(), "start_ms": pl.Int64(), "end_ms": pl.Int64(),
    }
)  # fmt: skip


def incidents(view: View, system: str | None = None) -> Json:
    """What was logged, by cause and one by one, and what the ledger has beside it.

    GPU-hours of an incident are the devices of its nodes times its time within the period. Of two
    that overlap each has its own; the sums by cause count a node's time once.

    Returns:
        `causes`: `cause`, `scheduled`, `count`, `hours` (of time, overlaps once), `gpu_hours`.
        `rows`: `start_unix_ms`, `end_unix_ms` (null: not over), `scheduled`, `cause`, `system`,
        `scope`, `name`, `text`, `nodes` (null: nobody told which), `hours` and `gpu_hours`.
        `count` of incidents; `down_gpu_hours` and `maintenance_gpu_hours` of the ledger; `note`.
    """
    start_ms, end_ms = view.bounds_ms
    logged = None if view.inputs is None else view.inputs.outages
    note = lacking.register(logged, "outages") or ""
    ledger = {
        "down_gpu_hours": _booked(view, Account.DOWN),
        "maintenance_gpu_hours": _booked(view, Account.MAINTENANCE),
    }
    if logged is None or logged.is_empty():
        return {"causes": [], "rows": [], "count": 0, "note": note, **ledger}
    mine = logged if system is None else logged.filter(
        pl.col("system").is_null() | (pl.col("system") == system)
    )  # fmt: skip
    inside = clipped(mine.with_columns(pl.col("end_ms").alias("over_ms"),
                                       pl.col("start_ms").alias("began_ms")),
                     start_ms, end_ms)  # fmt: skip
    inside = inside.with_columns(pl.col("cause").fill_null("unknown")).with_row_index("place")
    inside = inside.with_columns(pl.col("place").cast(pl.Int64))
    placed = _on_nodes(inside, groups_of_nodes(view))
    devices = _devices(view)
    return {
        "causes": _causes(inside, placed, devices),
        "rows": _rows(inside, placed, devices),
        "count": inside.height,
        "note": "",
        **ledger,
    }


def _causes(
    inside: pl.DataFrame, placed: pl.DataFrame, devices: pl.DataFrame
) -> list[dict[str, object]]:
    key = ["cause", "scheduled"]
    count = inside.group_by(key).agg(pl.len().alias("count"))
    span = pl.col("end_ms") - pl.col("start_ms")
    hours = (
        merged(inside.with_columns(pl.struct(key).alias("what")), "what")
        .unnest("what")
        .group_by(key)
        .agg((span.sum() / MS_PER_HOUR).alias("hours"))
    )
    taken = (
        merged(placed.with_columns(pl.struct(*key, "system", "node").alias("what")), "what")
        .unnest("what")
        .join(devices, on=["system", "node"], how="left")
        .group_by(key)
        .agg((span * pl.col("devices").fill_null(0)).sum().alias("gpu_hours") / MS_PER_HOUR)
    )
    return (
        count.join(hours, on=key, how="left")
        .join(taken, on=key, how="left")
        .sort("scheduled", "gpu_hours", "cause", descending=[False, True, False], nulls_last=True)
        .to_dicts()
    )


def _rows(
    inside: pl.DataFrame, placed: pl.DataFrame, devices: pl.DataFrame
) -> list[dict[str, object]]:
    sizes = (
        placed.join(devices, on=["system", "node"], how="left")
        .group_by("place")
        .agg(pl.col("node").n_unique().alias("nodes"), pl.col("devices").sum())
    )
    hours = (pl.col("end_ms") - pl.col("start_ms")) / MS_PER_HOUR
    return (
        inside.sort("began_ms", "place", descending=[True, False])
        .head(MOST)
        .join(sizes, on="place", how="left", maintain_order="left")
        .select(
            pl.col("began_ms").alias("start_unix_ms"),
            pl.col("over_ms").alias("end_unix_ms"),
            "scheduled",
            "cause",
            "system",
            "scope",
            pl.col("name").str.head(_MOST_CHARACTERS),
            pl.col("text").str.head(_MOST_CHARACTERS),
            "nodes",
            hours.alias("hours"),
            (hours * pl.col("devices")).alias("gpu_hours"),
        )
        .to_dicts()
    )


def _on_nodes(
    inside: pl.DataFrame, groups: Mapping[tuple[str, str, str], Sequence[str]]
) -> pl.DataFrame:
    """Each incident on each node that it was of; those of which nobody told the nodes are not."""
    rows = []
    systems = sorted({system for system, _, _ in groups})
    for place, cause, scheduled, system, scope, name, start, end in inside.select(
        "place", "cause", "scheduled", "system", "scope", "name", "start_ms", "end_ms"
    ).iter_rows():
        for one in systems if system is None else [system]:
            rows.append(
                (place, cause, scheduled, one, list(groups.get((one, scope, name or ""), ())),
                 start, end)
            )  # fmt: skip
    listed = {name: pl.List(pl.String()) if name == "node" else kind
              for name, kind in _PLACED.items()}  # fmt: skip
    frame = pl.DataFrame(rows, schema=listed, orient="row")
    return frame.filter(pl.col("node").list.len() > 0).explode("node", empty_as_null=False)


def _devices(view: View) -> pl.DataFrame:
    """`system`, `node`, `devices`."""
    return (
        view.totals.select("system", "node", "device")
        .unique()
        .group_by(pl.col("system", "node").cast(pl.String))
        .agg(pl.len().cast(pl.Float64).alias("devices"))
    )


def _booked(view: View, account: Account) -> float:
    of = view.totals.filter(pl.col("account").cast(pl.String) == account.value)
    return float(of["duration_ms"].sum()) / MS_PER_HOUR
