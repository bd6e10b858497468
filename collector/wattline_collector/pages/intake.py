"""What came in and could not be used, by whom, and whose clock is wrong: as far as is known now."""

from __future__ import annotations

from typing import Any

import polars as pl

from wattline_collector.pages.read import House
from wattline_collector.store.live import Known

AHEAD_MS = 2_000
"""A clock so far ahead is wrong; less may be the time that rows wait to be looked at."""
BEHIND_MS = 60_000
"""A node that speaks, and whose newest row was this old when it came, has a clock that is behind,
or sends what had waited."""
MOST_NODES = 20
MOST_LACKS = 60
_HEARD_MS = 120_000
"""What a node sent before says nothing of its clock now."""
LACKS_MS = 1_800_000
"""What cannot be read is repeated every ten minutes."""

COUNTED = {
    "read_errors_total": "reads that failed",
    "read_timeouts_total": "reads that did not end in time",
    "batches_dropped_total": "batches that left a full spool unsent",
    "batches_refused_total": "batches that were refused and set aside",
    "exports_failed_total": "exports that were given up",
}
"""Counters of agents since they were started, and what they count."""

Json = dict[str, Any]


def versions(known: Known, only: str | None) -> list[Json]:
    """Versions of agents, the commonest first: `version` (null: not said), `nodes`, `named`."""
    rows = of(known.rows("node_info"), only)
    found = (
        rows.group_by("agent_version")
        .agg(pl.len().alias("nodes"), pl.col("node").sort().head(MOST_NODES).alias("named"))
        .sort("nodes", "agent_version", descending=[True, False])
    )
    return found.select(
        pl.col("agent_version").str.slice(0, 80).alias("version"), "nodes", "named"
    ).head(MOST_NODES).to_dicts()  # fmt: skip


def skew(offsets: pl.DataFrame, now_ms: int, only: str | None) -> Json:
    """Nodes that speak now and whose clocks are wrong, the worst first.

    Args:
        offsets: `store.live.OFFSETS`: we look at rows up to some seconds after they came.
        now_ms: The time.
        only: Of this system.

    Returns:
        `nodes` looked at, `ahead` and `behind` (counts), and `worst`: of these, with `offset_ms`.
    """
    rows = of(offsets, only).filter(pl.col("heard_ms") > now_ms - _HEARD_MS)
    wrong = rows.filter((pl.col("offset_ms") > AHEAD_MS) | (pl.col("offset_ms") < -BEHIND_MS)).sort(
        pl.col("offset_ms").abs(), "system", "node", descending=[True, False, False]
    )
    return {
        "nodes": rows.height,
        "ahead": wrong.filter(pl.col("offset_ms") > 0).height,
        "behind": wrong.filter(pl.col("offset_ms") < 0).height,
        "worst": wrong.head(MOST_NODES).drop("heard_ms").to_dicts(),
    }


def counted(known: Known, only: str | None) -> list[Json]:
    """What agents count of what went wrong: `column`, `what`, `count`, `nodes`, `worst` node."""
    rows = of(known.rows("agent"), only)
    found = []
    for column, what in COUNTED.items():
        some = rows.filter(pl.col(column) > 0).sort(column, descending=True)
        found.append(
            {
                "column": column,
                "what": what,
                "count": int(some[column].sum()) if rows[column].count() else None,
                "nodes": some.height,
                "worst": some["node"][0] if some.height else None,
            }
        )
    return found


def refused(house: House) -> Json:
    """What this collector refused since it was started, and what its recovery set aside."""
    return {
        "batches": house.store.refused_total,
        "damages": [problem[:400] for problem in house.store.problems[:MOST_NODES]],
        "damaged": len(house.store.problems),
    }


def lacks(house: House, now_ms: int, only: str | None) -> list[Json]:
    """Metrics that no source can read: `source`, `column`, `reason`, `nodes`, `devices`.

    One row for each reason, those that most devices have first.
    """
    columns = ["system", "node", "source", "device", "column", "reason"]
    rows = house.store.rows("capability", now_ms - LACKS_MS, now_ms + 1, ["time_unix_ms", *columns])
    found = (
        of(rows, only)
        .select(columns)
        .unique()
        .group_by("source", "column", "reason")
        .agg(
            pl.struct("system", "node").n_unique().alias("nodes"),
            pl.struct("system", "device")
            .filter(pl.col("device").is_not_null())
            .n_unique()
            .alias("devices"),
        )
        .sort("devices", "nodes", "source", "column", descending=[True, True, False, False])
    )
    shown = found.head(MOST_LACKS).with_columns(
        pl.col("source", "column", "reason").str.slice(0, 300)
    )
    return shown.to_dicts()


def of(rows: pl.DataFrame, only: str | None) -> pl.DataFrame:
    """The rows of one system; all if None."""
    return rows if only is None else rows.filter(pl.col("system") == only)
