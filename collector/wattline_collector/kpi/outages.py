"""Outages as people log them, added up: what of a system was out, how often, how long.

How outages become S and U, when they overlap or are of a part of the system:

- Every outage is one of nodes: those that the system, partition, rack or node named by it has. A
  node that is in two outages at once is out once.
- A moment in which a node is in a scheduled and in an unscheduled outage is scheduled: the ledger
  books it so as well (`ledger/standing.py`).
- S and U are node-hours over the nodes of the system. A tenth of the nodes out for ten hours is one
  hour.
- n_s and n_u count the outages of the whole system, merged where they overlap or touch: a rack that
  fails interrupts jobs, not the system. The share of nodes from which it does is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from wattline_collector.kpi.quantiles import exact
from wattline_collector.ledger.overlay import joined, overlay

MS_PER_HOUR = 3_600_000
SYSTEM = "system"
_RANKS = {True: 0, False: 1}  # scheduled before unscheduled


@dataclass(frozen=True, slots=True)
class Tally:
    """Outages of a system in a period, added up.

    Attributes:
        hours: The period.
        scheduled_hours: Node-hours of scheduled outages over nodes.
        unscheduled_hours: The same of unscheduled ones.
        scheduled: Scheduled outages of the system.
        unscheduled: Unscheduled ones.
        ongoing: Outages without an end; they count up to the period's.
        unplaced: Outages of partitions or racks whose nodes nobody told: they are in no sum.
    """

    hours: float
    scheduled_hours: float
    unscheduled_hours: float
    scheduled: int
    unscheduled: int
    ongoing: int
    unplaced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """A05: how long it took.

    Attributes:
        n: Outages that are over.
        mean_hours: Their mean; None if there was none.
        p95_hours: The shortest time within which 95 % of them were over.
        ongoing: Outages that are not over; in no figure.
    """

    n: int
    mean_hours: float | None
    p95_hours: float | None
    ongoing: int


def tally(
    outages: pl.DataFrame,
    nodes: Sequence[str],
    *,
    start_ms: int,
    end_ms: int,
    members: Mapping[tuple[str, str], Sequence[str]] | None = None,
    system: str | None = None,
    system_share: float = 1.0,
) -> Tally:
    """Add the outages of a system up, by the rules above.

    Args:
        outages: As `registers.outages` gives them: `system` (null: all), `scope`, `name`,
            `start_ms`, `end_ms` (null: ongoing), `scheduled`.
        nodes: Of the system; an outage of one that is not in it does not count.
        start_ms: Start of the period.
        end_ms: Its end; ask for none that is not over yet.
        members: The nodes of a partition or rack, by `(scope, name)`.
        system: Only outages of it, and of all.
        system_share: Share of nodes out from which it is an outage of the system.

    Raises:
        ValueError: There is no node, or no period.
    """
    if not nodes or end_ms <= start_ms:
        raise ValueError("availability needs nodes and a period")
    mine = _within(outages, system, start_ms, end_ms)
    placed, unplaced = _on_nodes(mine, frozenset(nodes), members or {})
    hours = (end_ms - start_ms) / MS_PER_HOUR
    out = {True: 0.0, False: 0.0}
    counts = {True: 0, False: 0}
    if not placed.is_empty():
        counted = overlay(placed, "node").unique(["node", "start", "end"], keep="any")
        summed = counted.group_by("rank").agg((pl.col("end") - pl.col("start")).sum().alias("ms"))
        sums = dict(summed.iter_rows())
        for kind, rank in _RANKS.items():
            out[kind] = sums.get(rank, 0) / MS_PER_HOUR / len(set(nodes))
            of_kind = pl.col("rank") == rank
            least = system_share * len(set(nodes))
            counts[kind] = _interruptions(placed.filter(of_kind), counted.filter(of_kind), least)
    return Tally(
        hours, out[True], out[False], counts[True], counts[False],
        int(mine["end_ms"].is_null().sum()), unplaced,
    )  # fmt: skip


def repair(
    outages: pl.DataFrame,
    *,
    start_ms: int,
    end_ms: int,
    system: str | None = None,
    scopes: Sequence[str] | None = None,
) -> Repair:
    """A05: time to repair of unscheduled outages that ended in the period.

    Outages of one thing that overlap or touch are one. Each counts whole, even what of it was
    before the period: half a repair is no shorter repair.

    Args:
        outages: As `registers.outages` gives them.
        start_ms: Start of the period.
        end_ms: Its end.
        system: Only outages of it, and of all.
        scopes: Only of these scopes.
    """
    mine = outages.filter(~pl.col("scheduled"), pl.col("start_ms") < end_ms)
    if system is not None:
        mine = mine.filter(pl.col("system").is_null() | (pl.col("system") == system))
    if scopes is not None:
        mine = mine.filter(pl.col("scope").is_in(list(scopes)))
    whole = merged(
        mine.select(
            pl.struct("system", "scope", "name").alias("what"), "start_ms",
            pl.col("end_ms").fill_null(2**62),
        ),
        "what",
    )  # fmt: skip
    over = whole.filter(pl.col("end_ms") < 2**62)
    over = over.filter(pl.col("end_ms") > start_ms, pl.col("end_ms") <= end_ms)
    took = ((over["end_ms"] - over["start_ms"]) / MS_PER_HOUR).to_list()
    return Repair(
        len(took),
        sum(took) / len(took) if took else None,
        exact(took, 0.95),
        whole.filter(pl.col("end_ms") == 2**62).height,
    )


def _within(
    outages: pl.DataFrame, system: str | None, start_ms: int, end_ms: int
) -> pl.DataFrame:  # fmt: skip
    over = pl.col("end_ms").is_null() | (pl.col("end_ms") > start_ms)
    mine = outages.filter((pl.col("start_ms") < end_ms) & over)
    if system is not None:
        mine = mine.filter(pl.col("system").is_null() | (pl.col("system") == system))
    return mine.with_columns(
        pl.col("start_ms").clip(lower_bound=start_ms).alias("start"),
        pl.col("end_ms").fill_null(end_ms).clip(upper_bound=end_ms).alias("end"),
    )


def _on_nodes(
    outages: pl.DataFrame, nodes: frozenset[str], members: Mapping[tuple[str, str], Sequence[str]]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """`node`, `start`, `end`, `rank` of every outage on every node; and those nobody can place."""
    rows, unplaced = [], dict[str, None]()
    kept = outages.select("scope", "name", "start", "end", "scheduled")
    for scope, name, start, end, scheduled in kept.iter_rows():
        if scope == SYSTEM:
            hit = list(nodes)
        elif scope == "node":
            hit = [name] if name in nodes else []
        elif (scope, name) in members:
            hit = [node for node in members[scope, name] if node in nodes]
        else:
            unplaced[f"{scope} {name}"] = None
            continue
        rows.append((hit, start, end, _RANKS[scheduled]))
    schema = pl.Schema(
        {"node": pl.List(pl.String()), "start": pl.Int64(), "end": pl.Int64(), "rank": pl.Int64()}
    )
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    frame = frame.filter(pl.col("node").list.len() > 0, pl.col("end") > pl.col("start"))
    return frame.explode("node", empty_as_null=False), tuple(unplaced)


def _interruptions(placed: pl.DataFrame, counted: pl.DataFrame, least: float) -> int:
    """Stretches of time in which at least that many nodes were out, and some of it counts."""
    if placed.is_empty():
        return 0
    alone = overlay(placed, "node").unique(["node", "start", "end"], keep="any").drop("rank")
    out = joined(alone, "node")
    edges = pl.concat(
        [
            out.select(pl.col("start").alias("time"), pl.lit(1).alias("step")),
            out.select(pl.col("end").alias("time"), pl.lit(-1).alias("step")),
        ]
    )
    count = edges.group_by("time").agg(pl.col("step").sum()).sort("time")
    nodes_out = count["step"].cum_sum()
    is_out = nodes_out >= least * (1 - 1e-12)
    changes = count.filter(is_out != is_out.shift(1, fill_value=False))["time"].to_list()
    found = 0
    # A failure that is wholly within maintenance interrupted nobody.
    for begun, over in zip(changes[::2], changes[1::2], strict=True):
        overlaps = (counted["start"] < over) & (counted["end"] > begun)
        found += bool(overlaps.any())
    return found


def clipped(frame: pl.DataFrame, start_ms: int, end_ms: int) -> pl.DataFrame:
    """Intervals `start_ms`, `end_ms` (null: to the end) cut to a period; those outside left out."""
    return frame.with_columns(
        pl.col("start_ms").clip(lower_bound=start_ms),
        pl.col("end_ms").fill_null(end_ms).clip(upper_bound=end_ms),
    ).filter(pl.col("end_ms") > pl.col("start_ms"))


def merged(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Intervals of each subject laid together where they overlap or touch."""
    ordered = frame.sort(key, "start_ms")
    before = pl.col("end_ms").cum_max().shift(1).over(key)
    apart = ((pl.col("start_ms") > before) | before.is_null()).cum_sum().alias("stretch")
    return (
        ordered.with_columns(apart)
        .group_by("stretch", maintain_order=True)
        .agg(pl.col(key).first(), pl.col("start_ms").min(), pl.col("end_ms").max())
        .drop("stretch")
    )
