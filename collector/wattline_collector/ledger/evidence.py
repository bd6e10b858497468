"""All the evidence that booking some hours needs, gathered from the store and from earlier books.

Here is the reading; what is made of it is `compute`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_collector.ledger import (
    assignments,
    device,
    inventory,
    known_jobs,
    shared_meter,
    standing,
)
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.intervals import Window, tells_energy
from wattline_collector.ledger.job_evidence import job_increments
from wattline_collector.ledger.known import Known, Telemetry
from wattline_collector.ledger.part import Part
from wattline_collector.ledger.records import HOLES
from wattline_collector.ledger.schema import CONTROL

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


@dataclass(frozen=True, slots=True)
class Inputs:
    """All the evidence of a chunk; booking it is a function of this alone.

    Attributes:
        devices: `subject`, `system`, `node`, `device`, `module`, `period_ms`, `low`, `high`.
        nodes: `subject`, `system`, `node`, `period_ms`, `low`, `high`.
        device_samples: `subject`, `time`, and the device table's metrics, sorted.
        node_samples: The same of nodes.
        held: `subject` (device), `group`, `start`, `end`.
        members: `group`, `job`, `share`.
        standing: `subject` (device), `start`, `end`, `standing`.
        node_standing: The same of nodes.
        grown: What `job.increments` returned, with what was done before set apart.
        latency: Rows of table `latency`.
        starts: `job`, `start`: when each job started, where known.
        running: `job`, `start`, `end`.
        carried: Newest readings of energy before the window: `kind`, `key`, `last_ms`,
            `last_joules_total`, `last_watts`.
        spoke: First readings of energy after silences that the hours before do not see the end of,
            as `HOLES`.
    """

    devices: pl.DataFrame
    nodes: pl.DataFrame
    device_samples: pl.DataFrame
    node_samples: pl.DataFrame
    held: pl.DataFrame
    members: pl.DataFrame
    standing: pl.DataFrame
    node_standing: pl.DataFrame
    grown: pl.DataFrame
    latency: pl.DataFrame
    starts: pl.DataFrame
    running: pl.DataFrame
    carried: pl.DataFrame
    spoke: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Rows:
    """A system's telemetry in what a window looks at, as it came."""

    device: pl.DataFrame
    node: pl.DataFrame
    job: pl.DataFrame
    latency: pl.DataFrame


def fetch(store: Telemetry, system: str, window: Window, part: Part | None = None) -> Rows:
    """Read a window's telemetry; nothing else is looked at, so it can be done ahead of time.

    Args:
        store: Where it is.
        system: Whose.
        window: Which.
        part: Of these nodes alone, and of jobs only with the part that leads; all if None.
    """
    sender = ("system", "node", "period_ms", "time_unix_ms")
    mine = pl.col("system") == system
    low, high = window.low, window.high + 1
    device, node = (*sender, "device", *METRICS["device"]), (*sender, *METRICS["node"])
    if part is None:
        devices = store.rows("device", low, high, device).filter(mine)
        nodes = store.rows("node", low, high, node).filter(mine)
    else:
        devices = store.rows("device", low, high, device, mine & part.devices())
        nodes = store.rows("node", low, high, node, mine & part.nodes())
    until = high if part is None or part.leads else low
    return Rows(
        device=devices,
        node=nodes,
        job=store.read("job", low, until).filter(mine),
        latency=store.read("latency", low, until).filter(mine),
    )


def gather(
    store: Telemetry,
    books: Books,
    known: Known,
    system: str,
    window: Window,
    rows: Rows,
    carried: pl.DataFrame,
    part: Part | None = None,
) -> Inputs:
    """Put together everything that bears on a window of one system's time.

    What readings tell of devices and nodes that nobody had announced goes into the inventory; where
    there are parts, `divide` has put it there.

    Args:
        store: For the few readings that lie far outside the window.
        books: What is known from earlier booking.
        known: What is known from earlier rows.
        system: Whose time.
        window: Which.
        rows: What `fetch` returned.
        carried: Newest readings before the window, as `Inputs.carried`.
        part: What `rows` are of, if not of all.
    """
    mine = pl.col("system") == system
    installed = books.inventory
    if part is None:
        merged = inventory.merge_sightings(installed, "device", rows.device)
        merged = inventory.merge_sightings(merged, "node", rows.node)
        if not merged.equals(installed):
            books.put("inventory", merged)
        merged = merged.filter(mine)
    else:
        merged = installed.filter(mine & part.nodes())
    devices, nodes = (_bounds(merged, kind, window) for kind in ("device", "node"))
    if part is not None:
        carried = _carried_by(carried, devices, nodes)
    holes = books.holes.filter(mine)
    device_samples, device_spoke = _samples(devices, "device", rows.device, holes, carried, window)
    node_samples, node_spoke = _samples(nodes, "node", rows.node, holes, carried, window)
    held = assignments.held(known.assignments, known.ended, system, window.low, window.high)
    out_of_use = standing.of_nodes(
        inventory.nodes_of(merged), known.states, known.outages, known.accounting, window.now_ms
    ).filter((pl.col("start") < window.high) & (pl.col("end") > window.low))
    leads = part is None or part.leads
    # Without jobs nothing of them bears on the window, not even what lies far outside it.
    jobs = known.jobs.filter(mine & pl.lit(leads))
    return Inputs(
        devices=devices,
        nodes=nodes,
        device_samples=device_samples,
        node_samples=node_samples,
        held=_by_subject(held.intervals, devices, "device"),
        members=held.members,
        standing=_by_subject(out_of_use.filter(mine).drop("system"), devices, "node"),
        node_standing=_by_subject(out_of_use.filter(mine).drop("system"), nodes, "node"),
        grown=job_increments(store, system, rows.job, jobs, known, window),
        latency=rows.latency,
        starts=jobs.select("job", pl.col("start_ms").alias("start")),
        running=known_jobs.running_intervals(known_jobs.booked(jobs), system, window.now_ms),
        carried=carried,
        spoke=pl.concat([device_spoke, node_spoke]),
    )


def _carried_by(carried: pl.DataFrame, devices: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """What is carried of these devices and nodes alone."""
    keys = [
        subjects.select(pl.lit(kind).alias("kind"), pl.col(kind).alias("key"))
        for kind, subjects in (("device", devices), ("node", nodes))
    ]
    return carried.join(pl.concat(keys), on=["kind", "key"], how="semi", maintain_order="left")


def _by_subject(intervals: pl.DataFrame, subjects: pl.DataFrame, of: str) -> pl.DataFrame:
    """Intervals of devices, or of nodes, by subject number."""
    named = intervals.join(subjects.select(of, "subject"), on=of).drop(of)
    return named.sort("subject", "start")


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
    return samples, _spoke(subjects, kind, near, numbers, carried, window)


def _spoke(
    subjects: pl.DataFrame,
    kind: str,
    near: pl.DataFrame,
    numbers: pl.DataFrame,
    carried: pl.DataFrame,
    window: Window,
) -> pl.DataFrame:
    """First readings of energy after silences that began before the window and outlast a look.

    The hours before end their look a quarter of an hour after the window's start: of a silence that
    goes on for longer they cannot know the end, however late it began.
    """
    known = numbers.join(
        carried.filter((pl.col("kind") == kind) & (pl.col("last_ms") <= window.start_ms)), on="key"
    ).select("subject", "last_ms", pl.col("last_joules_total").is_not_null().alias("counts"))
    tells = pl.col("energy_joules_total").is_not_null() | (
        ~pl.col("counts") & pl.col("power_watts").is_not_null()
    )
    after = pl.col("time") > window.start_ms
    soon = near.filter(after & (pl.col("time") <= window.start_ms + window.look_ms))
    heard = soon.join(known, on="subject").filter(tells)["subject"].unique()
    long = known.filter(
        (pl.col("last_ms") < window.low) | ~pl.col("subject").is_in(heard.implode())
    )
    if long.is_empty():
        return HOLES.to_frame()
    return (
        near.filter(after & (pl.col("time") <= window.high))
        .join(long, on="subject", maintain_order="left")
        .filter(tells)
        .group_by("subject", maintain_order=True)
        .first()
        .join(subjects.select("subject", "system", "node", pl.col(kind).alias("key")), on="subject")
        .with_columns(pl.lit(kind).alias("kind"))
        .select(HOLES.names())
    )
