"""Nodes that fail more often than their like: counted, and held against the fleet. Pure.

What comes in a burst is one incident: events of a kind on a node with less than six hours between
them. A node's incidents are held against the fleet's with the exact test of two Poisson rates: of
all incidents of that kind, how many should fall to a node that has so much of the fleet's time?
Chances are adjusted for all nodes and kinds that are looked at: a report on a fleet in which
nothing is wrong names nobody in 99 cases of 100.

Nobody is accused on thin data: a node needs three incidents on three days, a fleet eight nodes and
30 node-days. Of jobs that failed there must be three, and of more than one project where projects
are known: who starts a broken job again on the same node has not found a broken node.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.warning.exact import adjusted, at_least
from wattline_collector.warning.finding import ALPHA, LEMONS, Finding, Kind

DAY_MS = 86_400_000
QUIET_MS = 6 * 3_600_000
"""Events of one kind on one node that are nearer than that are one incident."""
LEAST_INCIDENTS = 3
LEAST_NODES = 8
LEAST_NODE_DAYS = 30.0
_NAMED = 3
"""What was seen that the evidence names one by one."""

_OF = {Kind.JOB_FAILURE: " of jobs, by their nodes"}

EVENTS = pl.Schema(
    {
        "kind": pl.String(),
        "system": pl.String(),
        "node": pl.String(),
        "device": pl.String(),
        "at_ms": pl.Int64(),
        "what": pl.String(),
        "owner": pl.String(),
    }
)
"""What happened: `what` in a word (`XID 79`, `job 12`), `owner` the project whose job it was."""
EXPOSURE = pl.Schema(
    {"kind": pl.String(), "system": pl.String(), "node": pl.String(), "days": pl.Float64()}
)
"""How long each node could have had events of a kind, in node-days; see `gather.exposure`."""


def lemons(events: pl.DataFrame, exposure: pl.DataFrame, alpha: float = ALPHA) -> list[Finding]:
    """The nodes that fail more often than chance would have it, the surest first.

    Args:
        events: `EVENTS`; those of nodes that have no exposure are left out.
        exposure: `EXPOSURE`.
        alpha: How often a report on a healthy fleet may name anybody.
    """
    exposed = exposure.filter(pl.col("days") > 0)
    counted = _incidents(events.join(exposed, on=["kind", "system", "node"], how="semi"))
    tested = 0
    chances: list[float] = []
    found: list[tuple[Kind, dict[str, object], float]] = []
    for kind in LEMONS:
        fleet = exposed.filter(pl.col("kind") == kind.value)
        days = float(fleet["days"].sum())
        if fleet.height < LEAST_NODES or days < LEAST_NODE_DAYS:
            continue
        tested += fleet.height
        mine = counted.filter(pl.col("kind") == kind.value)
        total = int(mine["incidents"].sum())
        enough = mine.filter(
            (pl.col("incidents") >= LEAST_INCIDENTS)
            & (pl.col("days_with") >= LEAST_INCIDENTS)
            & ((pl.col("owners") != 1) | pl.lit(kind is not Kind.JOB_FAILURE))
        ).join(fleet, on=["kind", "system", "node"])
        for row in enough.iter_rows(named=True):
            chances.append(at_least(int(row["incidents"]), total, float(row["days"]) / days))
            others_days = days - float(row["days"])
            others = (total - int(row["incidents"])) / others_days if others_days else 0.0
            found.append((kind, row, others))
    sure = adjusted(chances, tested) if chances else []
    findings = [
        _finding(kind, row, others, chance)
        for (kind, row, others), chance in zip(found, sure, strict=True)
        if chance <= alpha
    ]
    return sorted(findings, key=lambda one: (one.chance, one.system, one.node, one.kind))


def _incidents(events: pl.DataFrame) -> pl.DataFrame:
    """Events gathered: per kind and node, how many incidents on how many days, and what."""
    node = ["kind", "system", "node"]
    marked = events.sort(*node, "at_ms", nulls_last=True).with_columns(
        (pl.col("at_ms").diff().over(node).fill_null(QUIET_MS) >= QUIET_MS).alias("begins")
    )
    return (
        marked.group_by(node, maintain_order=True)
        .agg(
            pl.col("begins").sum().alias("incidents"),
            (pl.col("at_ms").filter("begins") // DAY_MS).n_unique().alias("days_with"),
            pl.col("at_ms").min().alias("first_ms"),
            pl.col("owner").drop_nulls().n_unique().alias("owners"),
            pl.col("device").drop_nulls().unique(maintain_order=True).alias("devices"),
            pl.col("what").drop_nulls().value_counts(sort=True).alias("whats"),
        )
    )  # fmt: skip


def _finding(kind: Kind, row: dict[str, object], others: float, chance: float) -> Finding:
    incidents, days = int(str(row["incidents"])), float(str(row["days"]))
    devices, whats = row["devices"], row["whats"]
    assert isinstance(devices, Sequence) and isinstance(whats, Sequence)
    rate = incidents / days
    expected = others * days
    seen = ", ".join(f"{one['what']} x{one['count']}" for one in whats[:_NAMED])
    more = ", ..." if len(whats) > _NAMED else ""
    return Finding(
        kind,
        str(row["system"]),
        str(row["node"]),
        str(devices[0]) if len(devices) == 1 else None,
        int(str(row["first_ms"])),
        chance,
        rate / others if others else float(incidents),
        f"{incidents} incidents in {days:.3g} days{_OF.get(kind, '')}, where others have "
        f"{expected:.2g}" + (f" ({seen}{more})" if seen else ""),
    )
