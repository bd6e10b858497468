"""Bring the books up to date: which hours, and for each the same pure steps.

Hours are booked a day at a time per system, in order. What a chunk needs from outside its hours is
read with it: a look of a quarter of an hour to both sides for idle stretches and neighbouring
samples, and the `holes`, readings on both sides of silences too long for that look, which become
known when a silent device speaks again. Its silent hours are then booked again, now with energy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from wattline_agents.clock import SystemClock
from wattline_collector.ledger import control, device, intervals, inventory, job, node
from wattline_collector.ledger.books import HOLES, Books, Hour, hourly, hours_between
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import CONTROL, HOUR_MS, TIME

LOOK_MS = device.LOOK_MS

METRICS = {
    "device": device.METRICS,
    "node": ("energy_joules_total", "power_watts"),
}
"""The metrics booking looks at, by table."""

Progress = Callable[[int, int], None]
"""Called with hours done and hours there are."""


class Telemetry(Protocol):
    """What booking needs of a store."""

    path: Path

    def read(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Rows of a table over a stretch of time."""
        ...

    def take_dirty(self) -> set[tuple[str, int]]:
        """(system, hour) touched since the last call."""
        ...

    def confirm_booked(self) -> None:
        """The hours taken are in the books, durably."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """Neighbouring hours of one system within one day."""

    system: str
    hours: tuple[Hour, ...]

    def window(self, now_ms: int) -> Window:
        """What is booked and looked at."""
        start, end = self.hours[0].start_ms, self.hours[-1].start_ms + HOUR_MS
        return Window(start, min(end, now_ms), LOOK_MS, now_ms)


def book(
    store: Telemetry,
    *,
    until_ms: int | None = None,
    hours: Iterable[tuple[str, int]] | None = None,
    progress: Progress | None = None,
) -> int:
    """Book every hour that is due.

    Due are hours with new rows and those their new rows reach into, hours that were still open
    when they were booked, and hours nobody said anything in since something was installed.

    Args:
        store: Where the rows are; its `path` is where the ledger goes.
        until_ms: Books are kept up to this moment, rows after it wait; now if None.
        hours: (system, hour start in ms) to book; those the store says were touched if None.
        progress: Told after every chunk.

    Returns:
        How many hours were booked.
    """
    books = Books(store.path)
    now_ms = SystemClock().unix_ms() if until_ms is None else until_ms
    touched = {Hour(system, start) for system, start in (hours or store.take_dirty())}
    due = _reach(touched, now_ms) | _learn(store, books, touched, now_ms)
    done = 0
    # A second round books hours the first found to be missing, or to have become known.
    for _ in range(3):
        due |= _open_or_missing(books, now_ms)
        due = _installed(books, due, now_ms)
        if not due:
            break
        total = done + len(due)
        again: set[Hour] = set()
        for chunk in _chunks(due):
            again |= _book_chunk(store, books, chunk, now_ms)
            done += len(chunk.hours)
            if progress is not None:
                progress(done, total)
        due = again
    if hours is None:
        store.confirm_booked()
    return done


def _reach(touched: set[Hour], now_ms: int) -> set[Hour]:
    """The touched hours, and their neighbours that the look takes evidence from.

    While an hour runs, its rows past the look no longer bear on the hour before.
    """
    due = set(touched)
    for hour in touched:
        running = now_ms < hour.start_ms + HOUR_MS
        if not running or now_ms < hour.start_ms + 2 * LOOK_MS:
            due.add(Hour(hour.system, hour.start_ms - HOUR_MS))
        if not running:
            due.add(Hour(hour.system, hour.start_ms + HOUR_MS))
    return due


def _learn(store: Telemetry, books: Books, touched: set[Hour], now_ms: int) -> set[Hour]:
    """Take in what the touched hours say of devices, jobs and assignments.

    Returns:
        Hours whose assignments became known or changed.
    """
    if not touched:
        return set()
    known, jobs = books.inventory, books.jobs
    held = books.frame("assignments", inventory.ASSIGNMENTS)
    due: set[Hour] = set()
    for low, high in _stretches(touched):
        rows = {
            table: store.read(table, low, high)
            for table in ("device_info", "node_info", "job_info", "assignment", "job")
        }
        known = inventory.merge_inventory(known, rows["device_info"], rows["node_info"])
        held, changed = inventory.merge_assignments(held, rows["assignment"])
        spans = (
            rows["job"]
            .group_by("system", "job")
            .agg(
                pl.col("time_unix_ms").min().alias("first"),
                pl.col("time_unix_ms").max().alias("last"),
            )
        )
        holds = (
            rows["assignment"]
            .group_by("system", "job")
            .agg(
                pl.col("start_unix_ms").min().alias("first"),
                pl.coalesce("end_unix_ms", "time_unix_ms").max().alias("last"),
            )
        )
        before, jobs = jobs, inventory.merge_jobs(jobs, rows["job_info"], spans, holds)
        due |= _recounted(before, jobs, spans, now_ms)
        for system, low_ms, high_ms in changed.iter_rows():
            due.update(hours_between(system, low_ms, min(high_ms, now_ms)))
    books.put("inventory", known)
    books.put("jobs", jobs)
    books.put("assignments", held)
    return due


def _recounted(
    before: pl.DataFrame, jobs: pl.DataFrame, spans: pl.DataFrame, now_ms: int
) -> set[Hour]:
    """Hours over which a job's counter readings are now known to spread.

    A job that counts again after a long silence, or for the first time long after its start, made
    its tokens somewhere in between. Late readings change the spread around them; how far is not
    known without reading on, so a day to both sides is booked again.

    Args:
        before: The jobs as they were known.
        jobs: The jobs as they are known now.
        spans: `system`, `job`, `first`, `last`: the new readings.
        now_ms: Up to when books are kept.
    """
    key = ["system", "job"]
    rows = spans.join(before.select(*key, "counted_ms"), on=key, how="left").join(
        jobs.select(*key, "start_ms"), on=key, how="left"
    )
    due: set[Hour] = set()
    for row in rows.iter_rows(named=True):
        first, last = row["first"], row["last"]
        known = row["start_ms"] if row["counted_ms"] is None else row["counted_ms"]
        if known is not None and first > known + LOOK_MS:
            due.update(hours_between(row["system"], known, min(first, now_ms)))
        elif row["counted_ms"] is not None and last < row["counted_ms"]:
            low = first - 24 * HOUR_MS
            high = min(last + 24 * HOUR_MS, row["counted_ms"], now_ms)
            due.update(hours_between(row["system"], low, high))
    return due


def _stretches(hours: set[Hour]) -> list[tuple[int, int]]:
    """Neighbouring hours, of whatever system, joined to stretches of at most a day."""
    joined: list[tuple[int, int]] = []
    for start in sorted({hour.start_ms for hour in hours}):
        if joined and joined[-1][1] == start and start - joined[-1][0] < 24 * HOUR_MS:
            joined[-1] = (joined[-1][0], start + HOUR_MS)
        else:
            joined.append((start, start + HOUR_MS))
    return joined


def _open_or_missing(books: Books, now_ms: int) -> set[Hour]:
    """Hours of installed things that have no control yet, or were open when booked."""
    spans = books.inventory.group_by("system").agg(
        pl.col("from_ms").min(), pl.col("until_ms").fill_null(now_ms).max()
    )
    booked = books.hours()
    there = set(booked)
    due: set[Hour] = set()
    for system, start_ms, end_ms in spans.iter_rows():
        expected = hours_between(system, start_ms, min(end_ms, now_ms))
        due.update(hour for hour in expected if hour not in there)
        newest = max((hour for hour in booked if hour.system == system), default=None)
        if newest is not None and _is_open(books, newest, now_ms):
            due.add(newest)
    return due


def _installed(books: Books, due: set[Hour], now_ms: int) -> set[Hour]:
    """Those of the hours in which anything was installed; of a new system, all."""
    known = books.inventory.group_by("system").agg(
        pl.col("from_ms").min(), pl.col("until_ms").fill_null(now_ms).max()
    )
    spans = {system: (start, min(end, now_ms)) for system, start, end in known.iter_rows()}
    return {
        hour
        for hour in due
        if hour.start_ms < spans.get(hour.system, (0, now_ms))[1]
        and hour.start_ms + HOUR_MS > spans.get(hour.system, (0, now_ms))[0]
    }


def _is_open(books: Books, hour: Hour, now_ms: int) -> bool:
    frame = books.control(hour)
    if frame is None or frame.is_empty():
        return False
    end = pl.lit(min(hour.start_ms + HOUR_MS, now_ms)).cast(TIME)
    return bool(frame.select((pl.col("booked_until").max() < end).any()).item())


def _chunks(hours: set[Hour]) -> list[Chunk]:
    chunks: list[list[Hour]] = []
    for hour in sorted(hours):
        last = chunks[-1][-1] if chunks else None
        if (
            last is not None
            and last.system == hour.system
            and last.day == hour.day
            and last.start_ms + HOUR_MS == hour.start_ms
        ):
            chunks[-1].append(hour)
        else:
            chunks.append([hour])
    return [Chunk(chunk[0].system, tuple(chunk)) for chunk in sorted(chunks)]


def _book_chunk(store: Telemetry, books: Books, chunk: Chunk, now_ms: int) -> set[Hour]:
    """Book a chunk; returns hours that must be booked again now that more is known."""
    window = chunk.window(now_ms)
    inputs = _read(store, books, chunk, window)
    booked = compute(window, chunk.system, inputs)
    for table, entries in booked.entries.items():
        books.put_day(table, chunk.system, chunk.hours[0].day, hourly(table, entries))
    for hour in chunk.hours:
        at = pl.lit(hour.time).cast(TIME)
        books.put_hour(
            hour,
            {
                table: entries.filter(pl.col("minute").dt.truncate("1h") == at)
                for table, entries in booked.entries.items()
            },
            booked.control.filter(pl.col("hour") == at),
        )
    return _reopened(books, chunk, inputs)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All the evidence of a chunk; booking it is a function of this alone.

    Attributes:
        devices: `subject`, `system`, `node`, `device`, `period_ms`, `low`, `high`.
        nodes: `subject`, `system`, `node`, `period_ms`, `low`, `high`.
        device_samples: `subject`, `time`, and the device table's metrics, sorted.
        node_samples: The same of nodes.
        held: `subject` (device), `job`, `start`, `end`.
        grown: What `job.increments` returned.
        running: `job`, `start`, `end`.
        carried: Newest readings before the window: `kind`, `key`, `last_ms`,
            `last_joules_total`, `last_watts`.
        spoke: First readings of those whose last one lies before what was looked at: `HOLES`.
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
class Booked:
    """A chunk's entries by table, and its control."""

    entries: dict[str, pl.DataFrame]
    control: pl.DataFrame


def _read(store: Telemetry, books: Books, chunk: Chunk, window: Window) -> Inputs:
    mine = pl.col("system") == chunk.system
    device_rows = store.read("device", window.low, window.high + 1).filter(mine)
    node_rows = store.read("node", window.low, window.high + 1).filter(mine)
    known = books.inventory
    merged = inventory.merge_sightings(known, "device", device_rows)
    merged = inventory.merge_sightings(merged, "node", node_rows)
    if not merged.equals(known):
        books.put("inventory", merged)
    merged = merged.filter(mine)
    devices, nodes = (_bounds(merged, kind, window) for kind in ("device", "node"))
    carried = _carried(books, chunk)
    holes = books.holes.filter(mine)
    device_samples, device_spoke = _samples(devices, "device", device_rows, holes, carried, window)
    node_samples, node_spoke = _samples(nodes, "node", node_rows, holes, carried, window)
    held = inventory.held_intervals(
        books.frame("assignments", inventory.ASSIGNMENTS), chunk.system, window.low, window.high
    )
    held = held.join(devices.select("device", "subject"), on="device").sort("subject", "start")
    jobs = books.jobs.filter(mine)
    return Inputs(
        devices=devices,
        nodes=nodes,
        device_samples=device_samples,
        node_samples=node_samples,
        held=held.select("subject", "job", "start", "end"),
        grown=_job_increments(store, chunk.system, jobs, window),
        running=inventory.running_intervals(jobs, chunk.system, window.now_ms),
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
    return (
        inside.select(
            "subject", "system", "node", pl.col("key").alias(kind), "period_ms", "low", "high"
        )
        if kind == "device"
        else inside.select("subject", "system", "node", "period_ms", "low", "high")
    )


def _carried(books: Books, chunk: Chunk) -> pl.DataFrame:
    """Each subject's newest reading before the chunk, from the control of the hour before."""
    before = books.control(Hour(chunk.system, chunk.hours[0].start_ms - HOUR_MS))
    frame = CONTROL.to_frame() if before is None else before
    return frame.filter(pl.col("last_ms").is_not_null()).select(
        pl.col("kind").cast(pl.String), "key", "last_ms", "last_joules_total", "last_watts"
    )


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
        .sort("subject", "time")
    )
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
    first = near.group_by("subject", maintain_order=True).first()
    spoke = (
        first.join(before.select("subject", pl.col("time").alias("was")), on="subject")
        .filter(pl.col("time") > window.low)
        .join(subjects.select("subject", "system", "node", pl.col(kind).alias("key")), on="subject")
        .with_columns(pl.lit(kind).alias("kind"))
        .select(HOLES.names())
    )
    return samples, spoke


def _job_increments(
    store: Telemetry, system: str, jobs: pl.DataFrame, window: Window
) -> pl.DataFrame:
    mine = pl.col("system") == system
    rows = store.read("job", window.low, window.high + 1).filter(mine)
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


def compute(window: Window, system: str, inputs: Inputs) -> Booked:
    """Book a window: from all the evidence to entries and control, without I/O.

    Args:
        window: What to book.
        system: Whose.
        inputs: The evidence.
    """
    bounds = inputs.devices.select("subject", "low", "high")
    pieces = device.pieces(window, inputs.device_samples, bounds, inputs.held)
    devices = device.entries(window, inputs.devices, pieces)

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
    node_bounds = inputs.nodes.select("subject", "low", "high")
    node_pieces = node.pieces(window, inputs.node_samples, node_bounds, edges)
    shares = node.held_shares(node_pieces, placed, inputs.held)
    nodes = node.entries(window, inputs.nodes, node_pieces, shares, inputs.node_samples, devices)

    jobs = job.entries(window, system, inputs.grown, inputs.running)
    return Booked(
        {"device": devices, "node": nodes, "job": jobs},
        _control(window, system, inputs, devices, nodes, jobs),
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


def _reopened(books: Books, chunk: Chunk, inputs: Inputs) -> set[Hour]:
    """Write down silences that ended; their hours are booked again, with the energy in them."""
    if inputs.spoke.is_empty():
        return set()
    before = inputs.carried.select("kind", "key", "last_ms", "last_joules_total", "last_watts")
    pairs = inputs.spoke.join(before, on=["kind", "key"])
    left = pairs.select(
        "system", "kind", "key", "node", pl.col("last_ms").alias("time"), "period_ms",
        pl.col("last_joules_total").alias("energy_joules_total"),
        pl.col("last_watts").alias("power_watts"),
    )  # fmt: skip
    known = books.holes
    new = pl.concat([left, inputs.spoke]).join(
        known, on=["system", "kind", "key", "time"], how="anti"
    )
    if new.is_empty():
        return set()
    books.put("holes", pl.concat([known, new]).sort("system", "kind", "key", "time"))
    again: set[Hour] = set()
    for since in pairs["last_ms"]:
        again.update(hours_between(chunk.system, since, chunk.hours[0].start_ms))
    return again
