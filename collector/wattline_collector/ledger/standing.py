"""What stood in the way of nodes: outages, and the states their scheduler put them in.

Precedence, first that holds: a scheduled outage or a node in maintenance; an unscheduled outage, or
a node that is down or failed; a node that drains. A draining node's running job still holds its
devices; only what no job holds is out of use.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.jobs import nodelist
from wattline_collector.ledger.overlay import joined, overlay
from wattline_collector.ledger.schema import HOUR_MS


class Standing(StrEnum):
    """What stands in the way of a node's use; the first of these counts."""

    MAINTENANCE = "maintenance"
    DOWN = "down"
    DRAINING = "draining"


_OF_STATE = {
    "maint": Standing.MAINTENANCE,
    "down": Standing.DOWN,
    "fail": Standing.DOWN,
    "drain": Standing.DRAINING,
}
_ORDER = list(Standing)

HEARD_MS = HOUR_MS
"""An open state holds until its end is stated, and this long after the scheduler was last heard of:
schedulers tell of changes, but one that is not asked any more tells of none."""

_MOST_LISTS = 10_000
"""Different lists of nodes looked through for the nodes of a partition."""

OUTAGES = pl.Schema(
    {
        "system": pl.String(),
        "scope": pl.String(),
        "name": pl.String(),
        "start_ms": pl.Int64(),
        "end_ms": pl.Int64(),
        "scheduled": pl.Boolean(),
    }
)
"""What the books look at of the register of outages."""

_COLUMNS = ["system", "node", "start", "end", "rank"]
NONE = pl.DataFrame(
    schema={
        "system": pl.String,
        "node": pl.String,
        "start": pl.Int64,
        "end": pl.Int64,
        "standing": pl.String,
    }
)
"""No node in anybody's way."""


def of_nodes(
    nodes: pl.DataFrame,
    states: pl.DataFrame,
    outages: pl.DataFrame,
    accounting: pl.DataFrame,
    now_ms: int,
) -> pl.DataFrame:
    """When nodes were out of use, and how.

    Args:
        nodes: `system`, `node`, `rack`: those installed.
        states: `jobs.condense.NODE_STATES`.
        outages: The register of outages.
        accounting: `jobs.condense.ACCOUNTED`: tells when the scheduler was last heard of, and which
            nodes a partition has, those that jobs of it ran on.
        now_ms: Nothing is known after this.

    Returns:
        `system`, `node`, `start`, `end` (ms), `standing`; apart within a node, sorted.
    """
    if (states.is_empty() and outages.is_empty()) or nodes.is_empty():
        return NONE
    found = pl.concat(
        [
            _of_states(nodes, states, accounting),
            _of_outages(nodes, outages, accounting),
        ]
    ).with_columns(pl.col("end").clip(upper_bound=now_ms))
    found = found.filter(pl.col("end") > pl.col("start"))
    if found.is_empty():
        return NONE
    # Names of nodes are a system's own; the two are one key while intervals are laid over another.
    keyed = found.with_columns(pl.struct("system", "node").rank("dense").alias("key"))
    cut = overlay(keyed, "key").unique(["key", "start"]).drop("key")
    named = cut.with_columns(
        pl.col("rank").replace_strict(dict(enumerate(_ORDER)), return_dtype=pl.String)
    ).rename({"rank": "standing"})
    whole = named.with_columns(pl.struct("system", "node").alias("key"))
    return joined(whole, "key").drop("key").sort("system", "node", "start")


def changed_states(
    before: tuple[pl.DataFrame, pl.DataFrame], after: tuple[pl.DataFrame, pl.DataFrame]
) -> pl.DataFrame:
    """Time in which a state of a node became known, ended otherwise, or was taken back.

    Args:
        before: `NODE_STATES` and `ACCOUNTED` as they were known.
        after: As they are known now.

    Returns:
        `system`, `low`, `high` (ms).
    """
    key = ["system", "host", "state", "start_ms"]
    was, now = (_believed(*known).select(*key, "end") for known in (before, after))
    both = now.join(was, on=key, how="left", suffix="_was")
    ended = pl.col("end_was").fill_null(pl.col("start_ms"))
    return both.filter(pl.col("end") != ended).select(
        "system", pl.min_horizontal("end", ended).alias("low"),
        pl.max_horizontal("end", ended).alias("high"),
    )  # fmt: skip


def changed_outages(before: pl.DataFrame, after: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """Time in which an outage was stated, corrected or taken back.

    Args:
        before: `OUTAGES` as they were known.
        after: As they are known now.
        now_ms: Up to when books are kept.

    Returns:
        `system` (null: all), `low`, `high` (ms).
    """
    rows = [
        one.join(other, on=OUTAGES.names(), how="anti", nulls_equal=True)
        for one, other in ((before, after), (after, before))
    ]
    return pl.concat(rows).select(
        "system", pl.col("start_ms").alias("low"), pl.col("end_ms").fill_null(now_ms).alias("high")
    )


def _believed(states: pl.DataFrame, accounting: pl.DataFrame) -> pl.DataFrame:
    """States with the ends that are believed of them, in `end`."""
    heard = (
        pl.concat([frame.select("system", "stated_ms") for frame in (states, accounting)])
        .group_by("system")
        .agg((pl.col("stated_ms").max() + HEARD_MS).alias("heard_ms"))
    )
    return states.join(heard, on="system", how="left").with_columns(
        pl.coalesce("end_ms", "heard_ms").alias("end")
    )


def _of_states(nodes: pl.DataFrame, states: pl.DataFrame, accounting: pl.DataFrame) -> pl.DataFrame:
    ranks = {state: _ORDER.index(standing) for state, standing in _OF_STATE.items()}
    known = (
        _believed(states, accounting)
        .select(
            "system",
            "host",
            pl.col("start_ms").alias("start"),
            "end",
            pl.col("state")
            .replace_strict(ranks, default=None, return_dtype=pl.Int32)
            .alias("rank"),
        )
        .filter(pl.col("rank").is_not_null())
    )
    # Agents may name a node with its domain, where the scheduler has the bare name.
    names = nodes.select("system", "node", pl.col("node").alias("host"))
    bare = nodes.select(
        "system", "node", pl.col("node").str.split(".").list.first().alias("host")
    ).join(names, on=["system", "host"], how="anti")
    return known.join(pl.concat([names, bare]), on=["system", "host"]).select(_COLUMNS)


def _of_outages(
    nodes: pl.DataFrame, outages: pl.DataFrame, accounting: pl.DataFrame
) -> pl.DataFrame:
    scheduled, unscheduled = (_ORDER.index(s) for s in (Standing.MAINTENANCE, Standing.DOWN))
    out = outages.select(
        pl.col("system").alias("of"),
        "scope",
        "name",
        pl.col("start_ms").alias("start"),
        pl.col("end_ms").fill_null(_EVER).alias("end"),
        pl.when("scheduled").then(scheduled).otherwise(unscheduled).cast(pl.Int32).alias("rank"),
    )
    partitions = partitions_of(out, accounting)
    parts = [nodes.select("system", "node", scope=pl.lit("system"), name=pl.lit(None, pl.String))]
    parts += [
        nodes.select("system", "node", scope=pl.lit(scope), name=pl.col(column))
        for scope, column in (("node", "node"), ("rack", "rack"))
    ]
    parts.append(
        partitions.join(nodes.select("system", "node"), on=["system", "node"], how="semi").select(
            "system", "node", scope=pl.lit("partition"), name=pl.col("partition")
        )
    )
    return (
        pl.concat(parts)
        .join(out, on=["scope", "name"], how="inner", nulls_equal=True)
        .filter(pl.col("of").is_null() | (pl.col("of") == pl.col("system")))
        .select(_COLUMNS)
    )


_EVER = 1 << 62


def partitions_of(out: pl.DataFrame, accounting: pl.DataFrame) -> pl.DataFrame:
    """`system`, `partition`, `node`: the nodes of the partitions that outages name."""
    wanted = out.filter(pl.col("scope") == "partition")["name"].unique()
    lists = (
        accounting.filter(
            pl.col("partition").is_in(wanted.implode()) & pl.col("node_list").is_not_null()
        )
        .select("system", "partition", "node_list")
        .unique(maintain_order=True)
        .head(_MOST_LISTS)
    )
    rows = []
    for system, partition, text in lists.iter_rows():
        try:
            names = nodelist.expand(text)
        except InputError:
            continue  # what a scheduler once wrote that is no list names no node
        rows += [(system, partition, name) for name in names]
    schema = dict.fromkeys(("system", "partition", "node"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row").unique()
