"""From all the evidence of a window to its entries and their control, without I/O."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_collector.ledger import control, device, intervals, job, latency, node
from wattline_collector.ledger.evidence import Inputs
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import CONTROL, HOUR_MS, TIME


@dataclass(frozen=True, slots=True)
class Booked:
    """A chunk's entries by table, its control and its latencies."""

    entries: dict[str, pl.DataFrame]
    control: pl.DataFrame
    latency: pl.DataFrame


def compute(window: Window, system: str, inputs: Inputs) -> Booked:
    """Book a window: from all the evidence to entries and control, without I/O.

    Args:
        window: What to book.
        system: Whose.
        inputs: The evidence.
    """
    bounds = inputs.devices.select("subject", "low", "high")
    pieces = device.pieces(
        window, inputs.device_samples, bounds, inputs.held, inputs.members, inputs.standing
    )
    devices = device.entries(window, inputs.devices, pieces, inputs.members, inputs.device_samples)

    node_number = inputs.nodes.select("node", pl.col("subject").alias("of_node"))
    placed = inputs.devices.join(node_number, on="node").select(
        pl.col("subject").alias("device"), pl.col("of_node").alias("node"), "low", "high"
    )
    held_at = inputs.held.join(
        placed.select(pl.col("device").alias("subject"), "node"), on="subject"
    )
    edges = pl.concat(
        [
            held_at.select(pl.col("node").alias("subject"), pl.col(edge).alias("time"))
            for edge in ("start", "end")
        ]
    )
    # Of a node with devices, their entries say what stood in its way.
    bare = inputs.node_standing.join(placed.select(subject="node").unique(), "subject", how="anti")
    edges = pl.concat([edges, *(bare.select("subject", time=edge) for edge in ("start", "end"))])
    node_bounds = inputs.nodes.select("subject", "low", "high")
    node_pieces = node.pieces(window, inputs.node_samples, node_bounds, edges)
    shares = node.held_shares(node_pieces, placed, inputs.held, inputs.members)
    accounts = pl.concat(
        [node.accounts_of(devices), node.bare_accounts(window, inputs.nodes, node_pieces, bare)]
    )
    nodes = node.entries(window, inputs.nodes, node_pieces, shares, inputs.node_samples, accounts)

    jobs = job.entries(window, system, inputs.grown, inputs.running)
    return Booked(
        {"device": devices, "node": nodes, "job": jobs},
        _control(window, system, inputs, devices, nodes, jobs),
        latency.entries(window, system, inputs.latency, inputs.starts),
    )


def _control(
    window: Window,
    system: str,
    inputs: Inputs,
    devices: pl.DataFrame,
    nodes: pl.DataFrame,
    jobs: pl.DataFrame,
) -> pl.DataFrame:
    parts = []
    for kind, subjects, samples, entries in (
        ("device", inputs.devices, inputs.device_samples, devices),
        ("node", inputs.nodes, inputs.node_samples, nodes),
    ):
        expected = control.expected_time(window, subjects.select("subject", "low", "high"))
        evidence = (
            expected.join(
                control.metered_joules(window, intervals.energy_rates(samples)),
                on=["subject", "hour"],
                how="left",
            )
            .join(control.last_readings(window, samples), on=["subject", "hour"], how="left")
            .join(subjects.select("subject", "node", pl.col(kind).alias("key")), on="subject")
            .sort("key", "hour")
        )
        evidence = _inherit(evidence, inputs.carried.filter(pl.col("kind") == kind))
        parts.append(_with_booked(kind, evidence, entries))
    made = control.booked("job", jobs)
    expected_jobs = made.select(
        "key", "hour", pl.col("duration_ms").cast(pl.Int64).alias("expected_ms")
    )
    metered = pl.concat(
        [
            job.metered(part, inputs.grown).with_columns(pl.lit(part.start_ms).alias("hour_ms"))
            for part in _hourly_windows(window)
        ]
    )
    evidence = expected_jobs.join(
        metered.select(
            pl.col("job").alias("key"), pl.col("hour_ms").cast(TIME).alias("hour"), "metered_tokens"
        ),
        on=["key", "hour"],
        how="left",
    ).with_columns(pl.col("hour").dt.epoch("ms"))
    parts.append(_with_booked("job", evidence, jobs))
    whole = pl.concat(parts, how="diagonal").with_columns(
        pl.lit(system).alias("system"),
        pl.min_horizontal(
            pl.col("hour").dt.offset_by("1h"), pl.lit(window.end_ms).cast(TIME)
        ).alias("booked_until"),
    )
    missing = [pl.lit(None, dtype=CONTROL[c]).alias(c) for c in CONTROL if c not in whole.columns]
    return whole.with_columns(missing).select(CONTROL.names()).cast(CONTROL)


def _hourly_windows(window: Window) -> list[Window]:
    starts = range(window.start_ms, window.end_ms, HOUR_MS)
    return [
        Window(start, min(start + HOUR_MS, window.end_ms), window.look_ms, window.now_ms)
        for start in starts
    ]


def _inherit(evidence: pl.DataFrame, carried: pl.DataFrame) -> pl.DataFrame:
    """An hour without a reading carries on the newest reading of the hours before."""
    last = ["last_ms", "last_joules_total", "last_watts"]
    spoke = pl.col("last_ms").is_not_null()
    before = carried.select("key", *(pl.col(c).alias(f"carried_{c}") for c in last))
    # Values of one reading stay together: a reading without a counter must not inherit one.
    filled = evidence.with_columns(
        pl.when(spoke).then(pl.struct(last)).alias("reading")
    ).with_columns(pl.col("reading").forward_fill().over("key"))
    joined = filled.join(before, on="key", how="left")
    return joined.with_columns(
        pl.when(pl.col("reading").is_not_null())
        .then(pl.col("reading").struct.field(c))
        .otherwise(pl.col(f"carried_{c}"))
        .alias(c)
        for c in last
    ).drop("reading", *(f"carried_{c}" for c in last))


def _with_booked(kind: str, evidence: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    return (
        evidence.with_columns(
            pl.lit(kind).alias("kind"), pl.col("hour").cast(TIME), pl.col("key").cast(pl.String)
        )
        .drop("subject", strict=False)
        .join(control.booked(kind, entries), on=["key", "hour"], how="left")
        .with_columns(pl.col("duration_ms").fill_null(0.0), pl.col("entries").fill_null(0))
    )
