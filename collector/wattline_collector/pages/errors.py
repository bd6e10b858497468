"""Errors of devices as events: what counters of errors grew by, and XIDs by number."""

from __future__ import annotations

from typing import Any

import polars as pl

from wattline_agents.catalogue import DEVICE
from wattline_agents.catalogue.declare import Kind
from wattline_collector.alerts import xids
from wattline_collector.pages.buckets import Grid

Row = dict[str, Any]

MOST = 400
"""Events drawn; the newest, and of the others it is said how many there are."""

_BY_NUMBER = "xid_events_total"
"""XIDs have a table of their own, which knows which they were."""

COUNTERS = tuple(
    metric.column
    for metric in DEVICE.metrics
    if metric.kind is Kind.COUNTER
    and metric.unit == "{error}"
    # Of errors in the life of a device those since the driver was loaded are a part.
    and "_aggregate_" not in metric.column
    and metric.column != _BY_NUMBER
)
"""Counters of errors in table `device`."""

_CLASSES = (
    ("critical", xids.CRITICAL),
    ("warning", xids.WARNING),
    ("application", xids.APPLICATION),
    ("noted", xids.NOTED),
)


def counted(rows: pl.DataFrame, grid: Grid) -> list[Row]:
    """Growth of the counters of errors: `device`, `at_ms`, `kind`, `count`, one per bucket.

    Growth over a gap counts where it is seen: something went wrong in between.

    Args:
        rows: `device`, `time_unix_ms` and `COUNTERS`.
        grid: The period, and how fine.
    """
    time = pl.col("time_unix_ms")
    value, before = pl.col("value"), pl.col("value").shift(1).over("device", "kind")
    moved = _moved(rows)
    found = (
        rows.lazy()
        .select("device", "time_unix_ms", *moved["kind"].unique())
        .filter(pl.col("device").is_in(moved["device"].unique().implode()))
        .unpivot(index=["device", "time_unix_ms"], variable_name="kind")
        .join(moved.lazy(), on=["device", "kind"], how="semi")
        .filter(value.is_not_null())
        .sort("device", "kind", "time_unix_ms")
        # A counter that fell began anew at nought.
        .with_columns(pl.when(value < before).then(value).otherwise(value - before).alias("count"))
        .filter((pl.col("count") > 0) & (time > grid.start_ms) & (time <= grid.end_ms))
        .group_by("device", "kind", grid.place())
        .agg(time.last().alias("at_ms"), pl.col("count").sum().cast(pl.Int64))
        .sort("at_ms", "device", "kind")
        .select("device", "at_ms", "kind", "count")
    )
    return found.collect().to_dicts() if moved.height else []


def _moved(rows: pl.DataFrame) -> pl.DataFrame:
    """`device` and `kind` of the counters that are not the same all the time: few, on most days."""
    changed = (pl.col(name).min() != pl.col(name).max() for name in COUNTERS)
    return (
        rows.lazy()
        .group_by("device")
        .agg(changed)
        .unpivot(index="device", variable_name="kind")
        .filter(pl.col("value"))
        .select("device", "kind")
        .collect()
    )


def numbered(rows: pl.DataFrame, grid: Grid) -> list[Row]:
    """XIDs: `device`, `at_ms`, `kind` (`xid`), `xid`, `class`, `count`.

    Args:
        rows: Table `xid`: `device`, `xid`, `time_unix_ms`, `count_total`, `last_unix_seconds`.
        grid: The period.
    """
    happened = pl.coalesce(
        (pl.col("last_unix_seconds") * 1000).cast(pl.Int64), "time_unix_ms"
    ).alias("at_ms")
    total, before = pl.col("count_total"), pl.col("count_total").shift(1).over("device", "xid")
    found = (
        rows.sort("device", "xid", "time_unix_ms")
        .with_columns(happened)
        .unique(["device", "xid", "at_ms"], keep="last", maintain_order=True)
        # Of the first that is told of, the times before it are not known.
        .with_columns(
            pl.when(total > before).then(total - before).otherwise(1).fill_null(1).alias("count")
        )
        .filter((pl.col("at_ms") >= grid.start_ms) & (pl.col("at_ms") < grid.end_ms))
        .sort("at_ms", "device", "xid")
    )
    return [
        {
            "device": device, "at_ms": at, "kind": "xid", "xid": xid,
            "class": next((name for name, those in _CLASSES if xid in those), None),
            "count": count,
        }
        for device, at, xid, count in found.select("device", "at_ms", "xid", "count").iter_rows()
    ]  # fmt: skip


def newest(events: list[Row]) -> tuple[list[Row], int]:
    """The newest `MOST`, in order of time, and how many are left out."""
    ordered = sorted(events, key=lambda event: int(event["at_ms"]))
    return ordered[-MOST:], max(0, len(ordered) - MOST)
