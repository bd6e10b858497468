"""All the evidence that booking some hours needs, gathered from the store and from earlier books.

Here is the reading; what is made of it is `compute`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from wattline_collector.ledger import device, inventory, job, shared_meter
from wattline_collector.ledger.books import HOLES, Books
from wattline_collector.ledger.intervals import Window, tells_energy
from wattline_collector.ledger.schema import CONTROL, HOUR_MS

LOOK_MS = device.LOOK_MS

CARRIED = [
    pl.col("kind").cast(pl.String),
    pl.col("key"),
    pl.col("last_ms"),
    pl.col("last_joules_total"),
    pl.col("last_watts"),
]
"""What of a subject's newest reading of energy is carried from hour to hour."""

METRICS = {
    "device": device.METRICS,
    "node": ("energy_joules_total", "power_watts"),
}
"""The metrics booking looks at, by table."""


class Telemetry(Protocol):
    """What booking needs of a store."""

    path: Path

    def read(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Rows of a table over a stretch of time."""
        ...

    def rows(
        self, table: str, start_ms: int, end_ms: int, columns: Collection[str]
    ) -> pl.DataFrame:
        """Some columns of them in the order they came; what was sent twice stands there twice."""
        ...

    def take_dirty(self) -> set[tuple[str, int]]:
        """(system, hour) touched since the last call."""
        ...

    def confirm_booked(self) -> None:
        """The hours taken are in the books, durably."""
        ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """All the evidence of a chunk; booking it is a function of this alone.

    Attributes:
        devices: `subject`, `system`, `node`, `device`, `module`, `period_ms`, `low`, `high`.
        nodes: `subject`, `system`, `node`, `period_ms`, `low`, `high`.
        device_samples: `subject`, `time`, and the device table's metrics, sorted.
        node_samples: The same of nodes.
        held: `subject` (device), `job`, `start`, `end`.
        grown: What `job.increments` returned.
        running: `job`, `start`, `end`.
        carried: Newest readings of energy before the window: `kind`, `key`, `last_ms`,
            `last_joules_total`, `last_watts`.
        spoke: First readings of energy of those whose last one lies before what was looked at, as
            `HOLES`.
    """

    devices: pl.DataFrame
    nodes: pl.DataFrame
    device_samples: pl.DataFrame
    node_samples: pl.DataFrame
    held: pl.DataFrame
    grown: pl.DataFrame
    running: pl.DataFrame
    carried: pl.DataFrame
    spoke: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Rows:
    """A system's telemetry in what a window looks at, as it came."""

    device: pl.DataFrame
    node: pl.DataFrame
    job: pl.DataFrame


def fetch(store: Telemetry, system: str, window: Window) -> Rows:
    """Read a window's telemetry; nothing else is looked at, so it can be done ahead of time."""
    sender = ("system", "node", "period_ms", "time_unix_ms")
    mine = pl.col("system") == system
    low, high = window.low, window.high + 1
    return Rows(
        device=store.rows("device", low, high, (*sender, "device", *METRICS["device"])).filter(
            mine
        ),
        node=store.rows("node", low, high, (*sender, *METRICS["node"])).filter(mine),
        job=store.read("job", low, high).filter(mine),
    )


def gather(
    store: Telemetry,
    books: Books,
    system: str,
    window: Window,
    rows: Rows,
    carried: pl.DataFrame,
) -> Inputs:
    """Put together everything that bears on a window of one system's time.

    What readings tell of devices and nodes that nobody had announced goes into the inventory.

    Args:
        store: For the few readings that lie far outside the window.
        books: What is known from earlier booking.
        system: Whose time.
        window: Which.
        rows: What `fetch` returned.
        carried: Newest readings before the window, as `Inputs.carried`.
    """
    mine = pl.col("system") == system
    known = books.inventory
    merged = inventory.merge_sightings(known, "device", rows.device)
    merged = inventory.merge_sightings(merged, "node", rows.node)
    if not merged.equals(known):
        books.put("inventory", merged)
    merged = merged.filter(mine)
    devices, nodes = (_bounds(merged, kind, window) for kind in ("device", "node"))
    holes = books.holes.filter(mine)
    device_samples, device_spoke = _samples(devices, "device", rows.device, holes, carried, window)
    node_samples, node_spoke = _samples(nodes, "node", rows.node, holes, carried, window)
    held = inventory.held_intervals(
        books.frame("assignments", inventory.ASSIGNMENTS), system, window.low, window.high
    )
    held = held.join(devices.select("device", "subject"), on="device").sort("subject", "start")
    jobs = books.jobs.filter(mine)
    return Inputs(
        devices=devices,
        nodes=nodes,
        device_samples=device_samples,
        node_samples=node_samples,
        held=held.select("subject", "job", "start", "end"),
        grown=_job_increments(store, system, rows.job, jobs, window),
        running=inventory.running_intervals(jobs, system, window.now_ms),
        carried=carried,
        spoke=pl.concat([device_spoke, node_spoke]),
    )


def _bounds(known: pl.DataFrame, kind: str, window: Window) -> pl.DataFrame:
    """Numbered subjects with the part of the window they were installed in."""
    until = pl.min_horizontal((pl.col("until_ms") + 59_999) // 60_000 * 60_000, pl.lit(window.high))
    inside = (
        known.filter(pl.col("kind") == kind)
        .with_columns(
            pl.col("from_ms").clip(lower_bound=window.low).alias("low"),
            until.fill_null(window.high).alias("high"),
        )
        .filter(pl.col("low") < pl.col("high"))
        .sort("key")
        .with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("subject"))
    )
    own = [pl.col("key").alias(kind), pl.col("module")] if kind == "device" else []
    return inside.select("subject", "system", "node", *own, "period_ms", "low", "high")


def carried_from(control: pl.DataFrame | None) -> pl.DataFrame:
    """Each subject's newest reading up to the end of an hour, from that hour's control."""
    frame = CONTROL.to_frame() if control is None else control
    return frame.filter(pl.col("last_ms").is_not_null()).select(CARRIED)


def carried_on(window: Window, inputs: Inputs) -> pl.DataFrame:
    """Each subject's newest reading up to a window's end: what its control will say."""
    parts = []
    for kind, subjects, samples in (
        ("device", inputs.devices.rename({"device": "key"}), inputs.device_samples),
        ("node", inputs.nodes.with_columns(pl.col("node").alias("key")), inputs.node_samples),
    ):
        newest = (
            samples.filter(tells_energy())
            .filter((pl.col("time") > window.start_ms) & (pl.col("time") <= window.end_ms))
            .group_by("subject")
            .agg(
                pl.col("time").last().alias("last_ms"),
                pl.col("energy_joules_total").last().alias("last_joules_total"),
                pl.col("power_watts").last().alias("last_watts"),
            )
            .join(subjects.select("subject", "key"), on="subject")
        )
        parts.append(newest.select(pl.lit(kind).alias("kind"), *CARRIED[1:]))
    spoke = pl.concat(parts)
    silent = inputs.carried.join(spoke, on=["kind", "key"], how="anti")
    return pl.concat([spoke, silent])


def _samples(
    subjects: pl.DataFrame,
    kind: str,
    rows: pl.DataFrame,
    holes: pl.DataFrame,
    carried: pl.DataFrame,
    window: Window,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Samples by subject number, with readings from beyond the look where there are any.

    Returns:
        The samples, and those that end a silence longer than the look, as `HOLES`.
    """
    numbers = subjects.select("subject", pl.col(kind).alias("key"))
    # Subjects are numbered in the order of their keys, so a key's place among them is its number;
    # finding it as an enumeration's is many times as fast as joining on it.
    places = pl.Enum(numbers["key"])
    near = (
        rows.select(
            pl.col(kind).cast(places, strict=False).to_physical().cast(pl.Int32).alias("subject"),
            pl.col("time_unix_ms").alias("time"),
            "period_ms",
            *METRICS[kind],
        )
        .filter(pl.col("subject").is_not_null())
        .sort("subject", "time", maintain_order=True)
    )
    again = (pl.col("subject") == pl.col("subject").shift(1)) & (
        pl.col("time") == pl.col("time").shift(1)
    )
    near = near.filter(~again.fill_null(False))
    if kind == "device":
        near = shared_meter.spread(near, subjects)
    before = numbers.join(
        carried.filter((pl.col("kind") == kind) & (pl.col("last_ms") < window.low)), on="key"
    ).select(
        "subject",
        pl.col("last_ms").alias("time"),
        pl.col("last_joules_total").alias("energy_joules_total"),
        pl.col("last_watts").alias("power_watts"),
    )
    far = (
        holes.filter(pl.col("kind") == kind)
        .join(numbers, on="key")
        .filter((pl.col("time") < window.low) | (pl.col("time") > window.high))
        .select("subject", "time", "period_ms", "energy_joules_total", "power_watts")
    )
    samples = near
    if before.height or far.height:
        samples = (
            pl.concat([near, before, far], how="diagonal")
            .unique(["subject", "time"], keep="first", maintain_order=False)
            .sort("subject", "time")
        )
    if before.is_empty():
        return samples, HOLES.to_frame()
    inside = pl.col("time").is_between(window.low, window.high, closed="right")
    spoke = (
        samples.filter(tells_energy())
        .filter(inside)
        .group_by("subject", maintain_order=True)
        .first()
        .join(before.select("subject"), on="subject", how="semi")
        .join(subjects.select("subject", "system", "node", pl.col(kind).alias("key")), on="subject")
        .with_columns(pl.lit(kind).alias("kind"))
        .select(HOLES.names())
    )
    return samples, spoke


def _job_increments(
    store: Telemetry, system: str, rows: pl.DataFrame, jobs: pl.DataFrame, window: Window
) -> pl.DataFrame:
    starts = jobs.select("job", pl.col("start_ms").alias("start"))
    counting = jobs.filter(pl.col("counted_from_ms").is_not_null())
    time = pl.col("time_unix_ms")
    # A job that was counting before the window and is silent at its start needs the reading before,
    # however old; one that is silent at its end and counted again later, the one after.
    before = counting.filter(pl.col("counted_from_ms") < window.low).join(
        rows.filter(time <= window.start_ms), on="job", how="anti"
    )
    after = counting.filter(pl.col("counted_ms") > window.high).join(
        rows.filter(time >= window.end_ms), on="job", how="anti"
    )
    rows = pl.concat(
        [
            _nearest(store, system, before, window.low, backwards=True),
            rows,
            _nearest(store, system, after, window.high + 1, backwards=False),
        ]
    )
    rows = rows.with_columns(time.alias("time")).sort("job", "node", "time")
    grown = job.increments(rows, starts)
    # The first row of a series that was already running only says where it stood.
    ran_before = starts.filter(pl.col("start") < window.low)["job"].implode()
    first = pl.struct("job", "node").is_first_distinct()
    old = rows.select((first & pl.col("job").is_in(ran_before) & (time < window.low)).alias("old"))
    return grown.filter(~old["old"])


def _nearest(
    store: Telemetry, system: str, jobs: pl.DataFrame, edge_ms: int, *, backwards: bool
) -> pl.DataFrame:
    """The counter readings of jobs nearest to an edge, looked for further and further away."""
    waiting = jobs.select("job", "counted_from_ms", "counted_ms")
    found = [store.read("job", edge_ms, edge_ms)]
    reach = 4 * HOUR_MS
    while waiting.height:
        if backwards:
            limit = min(waiting["counted_from_ms"].to_list())
            low, high = max(edge_ms - reach, limit), edge_ms
        else:
            limit = max(waiting["counted_ms"].to_list())
            low, high = edge_ms, min(edge_ms + reach, limit + 1)
        rows = store.read("job", low, high).filter(pl.col("system") == system)
        rows = rows.join(waiting, on="job", how="semi", maintain_order="left")
        series = rows.group_by("job", "node", maintain_order=True)
        near = series.tail(1) if backwards else series.head(1)
        found.append(near.select(rows.columns))
        waiting = waiting.join(near, on="job", how="anti")
        if (low <= limit) if backwards else (high > limit):
            break
        reach *= 4
    return pl.concat(found)
