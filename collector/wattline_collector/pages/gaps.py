"""How completely nodes were observed over a period: a cell per node and stretch of time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from wattline_collector.kpi.quality import completeness
from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.schema import HOUR_MS

MOST_ROWS = 64
"""Nodes shown one by one: the least complete of them all."""
MOST_GAPS = 100

_STEPS = ((14, "1h"), (93, "6h"), (400, "1d"))
"""Days up to which a step is taken, so that there are some 370 columns at most."""
_LONGEST = "7d"
_MS = {"1h": HOUR_MS, "6h": 6 * HOUR_MS, "1d": 24 * HOUR_MS, "7d": 168 * HOUR_MS}
_BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Cells:
    """A heat map.

    Attributes:
        start_ms: When the first column begins.
        step_ms: How long a column is.
        columns: How many there are.
        rows: `system`, `node`, `ratio` (of the whole period) and `cells`: of each column the part
            of the expected samples that came, in per cent; null where nothing was expected.
        nodes: How many nodes there are, with those that are not shown.
    """

    start_ms: int
    step_ms: int
    columns: int
    rows: pl.DataFrame
    nodes: int


def cells(view: View) -> Cells:
    """The completeness of telemetry (KPI Q03) of each node over time, the least complete first."""
    start_ms, end_ms = view.bounds_ms
    step = _step(view.period.end - view.period.start)
    first = start_ms // _MS[step] * _MS[step]
    columns = -(-(end_ms - first) // _MS[step])
    bucket = ((pl.col("minute").dt.epoch("ms") - first) // _MS[step]).alias(_BUCKET)
    split = replace(
        view,
        device_scan=view.device_scan.each(lambda part: part.with_columns(bucket)),
        node=view.node.with_columns(bucket),
    )
    key = ["system", "node"]
    whole = completeness(view, key).select(
        *key, (pl.col("numerator") / pl.col("denominator")).alias("ratio")
    )
    shown = whole.sort("ratio", *key, nulls_last=False).head(MOST_ROWS)
    places = shown.select(key).with_row_index("row")
    parts = completeness(split, [*key, _BUCKET]).join(places, on=key)
    percent = (pl.col("numerator") / pl.col("denominator") * 100).floor().cast(pl.Int64)
    grid = (
        places.join(pl.DataFrame({_BUCKET: list(range(columns))}), how="cross")
        .cast({_BUCKET: pl.Int64})
        .join(parts.select("row", _BUCKET, percent.alias("percent")), on=["row", _BUCKET],
              how="left", maintain_order="left")
        .group_by("row", maintain_order=True)
        .agg(pl.col("percent").alias("cells"))
    )  # fmt: skip
    rows = shown.with_row_index("row").join(grid, on="row", maintain_order="left").drop("row")
    return Cells(first, _MS[step], columns, rows, whole.height)


def gaps(view: View) -> pl.DataFrame:
    """Stretches of hours in which devices of a node were not observed, the largest first.

    A node without devices stands for itself.

    Returns:
        `system`, `node`, `from_ms`, `to_ms` (whole hours, or the period's ends), `device_hours`
        that nobody observed, and `devices` concerned.
    """
    start_ms, end_ms = view.bounds_ms
    hour = pl.col("minute").dt.truncate("1h").dt.epoch("ms")
    key = ["system", "node"]
    bare = view.node.join(view.totals.select(key).unique(), on=key, how="anti").select(
        *key, "minute", "account", "duration_ms", pl.col("node").alias("device")
    )
    columns = ("minute", "account", pl.col("duration_ms").cast(pl.Float64), "device")
    is_unseen = pl.col("account") == Account.UNOBSERVED
    seen = view.collected(lambda part: part.filter(is_unseen).select(*key, *columns))
    unseen = (
        pl.concat([seen, bare.filter(is_unseen)])
        .group_by(*key, hour.alias("hour"))
        .agg(pl.col("duration_ms").sum(), pl.col("device").n_unique().alias("devices"))
        .sort(*key, "hour")
    )
    begins = (pl.col("hour").diff().over(key) != HOUR_MS).fill_null(True)
    return (
        unseen.with_columns(begins.cum_sum().over(key).alias("run"))
        .group_by(*key, "run", maintain_order=True)
        .agg(
            pl.col("hour").min().clip(lower_bound=start_ms).alias("from_ms"),
            (pl.col("hour").max() + HOUR_MS).clip(upper_bound=end_ms).alias("to_ms"),
            (pl.col("duration_ms").sum() / MS_PER_HOUR).alias("device_hours"),
            pl.col("devices").max(),
        )
        .drop("run")
        .sort("device_hours", *key, descending=[True, False, False])
    )


def _step(length: timedelta) -> str:
    days = length.total_seconds() / 86_400
    return next((step for most, step in _STEPS if days <= most), _LONGEST)
