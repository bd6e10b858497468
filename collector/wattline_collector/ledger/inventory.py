"""What is known of devices and nodes, condensed from all that was ever said.

Agents repeat themselves on purpose, so that a lost batch heals. Here each thing is one row: the
newest statement wins, first and last sightings are kept. Pure functions: what was known and what
came in, to what is known now.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.ledger.records import INVENTORY
from wattline_collector.ledger.schema import MINUTE_MS

ASSIGNMENTS = pl.Schema(
    {
        "system": pl.String(),
        "device": pl.String(),
        "job": pl.String(),
        "start_ms": pl.Int64(),
        "end_ms": pl.Int64(),  # null: still held when last heard of
        "stated_ms": pl.Int64(),
        "method": pl.String(),
        "share": pl.Float64(),  # part of the device; null: all of it
        "node": pl.String(),  # the device's; null: not known when it was said
    }
)

OPEN_FOR_MS = 90_000
"""An open assignment is believed this long after it was last stated: agents repeat it every 30 s,
and three in a row are not lost by chance."""


def merge_inventory(
    known: pl.DataFrame, device_info: pl.DataFrame, node_info: pl.DataFrame
) -> pl.DataFrame:
    """Add what agents said of their devices and nodes.

    A thing counts as installed from the minute it was first heard of, unless a statement says
    since when, until the newest statement says it no longer is.
    """
    devices = device_info.select(
        "system",
        pl.lit("device").alias("kind"),
        pl.col("device").alias("key"),
        "node",
        pl.coalesce("installed_from_unix_ms", "time_unix_ms").alias("from_ms"),
        pl.col("installed_until_unix_ms").alias("until_ms"),
        pl.col("time_unix_ms").alias("stated_ms"),
        pl.lit(None, dtype=pl.Int64).alias("period_ms"),
        "index",
        "vendor",
        "model",
        pl.lit(None, dtype=pl.String).alias("rack"),
        "source",
        "module",
        pl.coalesce("energy_scope", "power_scope").alias("scope"),
    )
    nodes = node_info.select(
        "system",
        pl.lit("node").alias("kind"),
        pl.col("node").alias("key"),
        "node",
        pl.coalesce("installed_from_unix_ms", "time_unix_ms").alias("from_ms"),
        pl.col("installed_until_unix_ms").alias("until_ms"),
        pl.col("time_unix_ms").alias("stated_ms"),
        pl.lit(None, dtype=pl.Int64).alias("period_ms"),
        pl.lit(None, dtype=pl.Int64).alias("index"),
        pl.lit(None, dtype=pl.String).alias("vendor"),
        pl.lit(None, dtype=pl.String).alias("model"),
        "rack",
        pl.col("power_source").alias("source"),
        pl.lit(None, dtype=pl.String).alias("module"),
        pl.lit(None, dtype=pl.String).alias("scope"),
    )
    return _condense_inventory(pl.concat([known, devices, nodes]))


def merge_sightings(known: pl.DataFrame, kind: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Add devices or nodes that sent readings, with the sampling period they state.

    Several sources may tell of a node, each at its own pace. What counts is the pace of those rows
    that energy is booked by, where there are any.
    """
    return merge_seen(known, kind, sightings(kind, rows))


def sightings(kind: str, rows: pl.DataFrame) -> pl.DataFrame:
    """What readings tell of who sent them.

    Returns:
        `system`, `key`, `node_` (the last one it sent from), `from_ms`, `metered_ms` and `paced_ms`
        (the last period stated with a reading of energy, and with any).
    """
    paced = pl.col("period_ms") > 0
    metered = pl.col("energy_joules_total").is_not_null() | pl.col("power_watts").is_not_null()
    period = pl.col("period_ms")
    return rows.group_by("system", pl.col(kind).alias("key")).agg(
        pl.col("node").last().alias("node_"),
        pl.col("time_unix_ms").min().alias("from_ms"),
        period.filter(paced & metered).last().alias("metered_ms"),
        period.filter(paced).last().alias("paced_ms"),
    )


def joined(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What `sightings` of times one after another tell together."""
    return (
        pl.concat(parts)
        .group_by("system", "key", maintain_order=True)
        .agg(
            pl.col("node_").last(),
            pl.col("from_ms").min(),
            pl.col("metered_ms").drop_nulls().last(),
            pl.col("paced_ms").drop_nulls().last(),
        )
    )


def merge_seen(known: pl.DataFrame, kind: str, seen: pl.DataFrame) -> pl.DataFrame:
    """Add devices or nodes that `sightings` tells of."""
    added = seen.select(
        "system",
        pl.lit(kind).alias("kind"),
        "key",
        pl.col("node_").alias("node"),
        "from_ms",
        pl.lit(None, dtype=pl.Int64).alias("until_ms"),
        # A sighting says nothing of until when: it must not outweigh a statement.
        pl.lit(None, dtype=pl.Int64).alias("stated_ms"),
        pl.coalesce("metered_ms", "paced_ms").alias("period_ms"),
        pl.lit(None, dtype=pl.Int64).alias("index"),
        *(
            pl.lit(None, dtype=pl.String).alias(column)
            for column in ("vendor", "model", "rack", "source", "module", "scope")
        ),
    )
    return _condense_inventory(pl.concat([known, added]))


def _condense_inventory(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per thing: earliest start, newest statement, last known value of each label.

    Of sampling periods, which are seen and not stated, the one that came last counts.
    """
    return (
        rows.with_row_index("came")
        .sort("stated_ms", nulls_last=False, maintain_order=True)
        .group_by("system", "kind", "key", maintain_order=True)
        .agg(
            pl.col("node").last(),
            (pl.col("from_ms").min() // MINUTE_MS * MINUTE_MS).alias("from_ms"),
            pl.col("until_ms").last(),
            pl.col("stated_ms").max(),
            pl.col("period_ms").sort_by("came").drop_nulls().last(),
            *(
                pl.col(column).drop_nulls().last()
                for column in ("index", "vendor", "model", "rack", "source", "scope")
            ),
            # A device whose partitions changed may share its meter no longer: null is an answer.
            pl.col("module").last(),
        )
        .select(INVENTORY.names())
        .sort("system", "kind", "key")
    )


def nodes_of(known: pl.DataFrame) -> pl.DataFrame:
    """The nodes of an inventory, those too that only their devices tell of.

    Returns:
        `system`, `node`, `rack`.
    """
    return known.group_by("system", "node", maintain_order=True).agg(
        pl.col("rack").drop_nulls().first()
    )
