"""The past of a simulated factory, written into a store as if its agents had been sending.

What live agents would have read minute by minute is computed a day of the whole factory at a time,
by the same formulas (`sources/simulated/physics`), here over columns. The rows then go the way of
all rows: encoded as a node's batches, checked by the intake, logged, sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from itertools import pairwise
from operator import attrgetter

import polars as pl

from wattline_agents.catalogue import (
    ASSIGNMENT,
    DEVICE,
    DEVICE_INFO,
    JOB,
    JOB_INFO,
    NODE,
    NODE_INFO,
    Table,
    Type,
)
from wattline_agents.sources.simulated import physics
from wattline_agents.sources.simulated.physics import Maths, NodeSums, Terms, Waves
from wattline_agents.sources.simulated.profile import SHARED, Profile
from wattline_agents.wire import encode
from wattline_collector.ledger.booking import book
from wattline_collector.simulated import statements
from wattline_collector.simulated.batches import Body, Sender, by_node
from wattline_collector.simulated.jobs import Job
from wattline_collector.simulated.schedule import Schedule
from wattline_collector.simulated.segments import State
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS
from wattline_collector.store.store import Store

PERIOD_MS = MINUTE_MS
PERIOD_SECONDS = PERIOD_MS / 1000

Progress = Callable[[int, int], None]
"""Called with days done and days there are."""

_COLUMNS: Maths[pl.Expr] = Maths(sin=lambda column: column.sin(), exp=lambda column: column.exp())
_TERM_NAMES = tuple(field.name for field in fields(Terms))
_TERMS_PREFIXED = tuple(f"term_{name}" for name in _TERM_NAMES)
_TERMS: Terms[pl.Expr] = Terms(**{name: pl.col(f"term_{name}") for name in _TERM_NAMES})
_term_values = attrgetter(*_TERM_NAMES)
_WAVES: Waves[pl.Expr] = Waves(**{field.name: pl.col(field.name) for field in fields(Waves)})
_TIME = pl.col("time_unix_ms")
_POLARS = {Type.INT: pl.Int64(), Type.FLOAT: pl.Float64(), Type.TEXT: pl.String()}


def write_history(
    store: Store,
    schedule: Schedule,
    start_ms: int,
    end_ms: int,
    progress: Progress | None = None,
) -> int:
    """Write what happened after `start_ms` up to and including `end_ms`.

    The factory's first moment is written with whatever comes first.

    Args:
        store: Open for writing; it is sealed day by day.
        schedule: Of the factory.
        start_ms: On a minute.
        end_ms: On a minute.
        progress: Told after every day.

    Returns:
        How many rows were written.
    """
    shape = schedule.shape
    # A boot for each stretch: the same stretch written again is the same batches, and ignored.
    boot = f"history-{shape.seed}-{start_ms}-{end_ms}"
    sender = Sender(store, shape.system, boot, PERIOD_MS)
    history = History(schedule, start_ms, end_ms)
    days = _days(history.start_ms, end_ms)

    sender.send(history.statements())
    # Sealing a day and making the next one keep two cores busy.
    with ThreadPoolExecutor(1) as worker:
        sealing: Future[None] | None = None
        for done, (low_ms, high_ms) in enumerate(days, start=1):
            sender.send(history.readings(low_ms, high_ms))
            if sealing is not None:
                sealing.result()
            sealing = worker.submit(store.seal)
            if progress is not None:
                progress(done, len(days))
        if sealing is not None:
            sealing.result()
    return sender.rows


def write_and_book(
    store: Store,
    schedule: Schedule,
    written: Progress | None = None,
    booked: Progress | None = None,
) -> tuple[int, int]:
    """Write a factory's whole history and book it: days are booked while later ones are written.

    Args:
        store: Open for writing.
        schedule: Of the factory.
        written: Told of days written.
        booked: Told of hours booked, once all days are written.

    Returns:
        How many rows were written, and how many hours are booked.
    """
    booker = _Booker(store, schedule.shape.start_ms, schedule.shape.present_ms)
    ends = [high_ms for _, high_ms in _days(schedule.shape.origin_ms, schedule.shape.present_ms)]

    def day_written(done: int, total: int) -> None:
        if done < total:
            booker.book_until(ends[done - 1])
        if written is not None:
            written(done, total)

    try:
        rows = write_history(
            store, schedule, schedule.shape.start_ms, schedule.shape.present_ms, day_written
        )
        booker.told = booked
        booker.finish()
    finally:
        booker.close()
    return rows, booker.hours


class _Booker:
    """Books in a thread of its own; while it does, further requests wait for a later one."""

    def __init__(self, store: Store, start_ms: int, end_ms: int) -> None:
        self.told: Progress | None = None
        self.hours = -(-end_ms // HOUR_MS) - start_ms // HOUR_MS
        self._store = store
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._from_ms = start_ms
        self._stop = False
        self._worker = ThreadPoolExecutor(1)
        self._running: Future[int] | None = None

    def book_until(self, until_ms: int) -> None:
        """Book what was written up to then, unless it is booking."""
        if self._running is not None:
            if not self._running.done():
                return
            self._running.result()
        self._running = self._worker.submit(self._book, until_ms)

    def finish(self) -> None:
        """Book all that is left."""
        if self._running is not None:
            self._running.result()
        self._book(self._end_ms)

    def close(self) -> None:
        """End, soon."""
        self._stop = True
        self._worker.shutdown(cancel_futures=True)

    def _book(self, until_ms: int) -> int:
        before = max(0, self._from_ms // HOUR_MS - self._start_ms // HOUR_MS)

        def progress(done: int, _total: int) -> None:
            if self._stop:
                raise _Stopped
            if self.told is not None:
                self.told(min(self.hours, before + done), self.hours)

        try:
            booked = book(self._store, until_ms=until_ms, progress=progress)
        except _Stopped:
            return 0
        self._from_ms = until_ms
        return booked


class _Stopped(Exception):
    """Booking was told to stop."""


class History:
    """Makes the rows and batches of a stretch of time."""

    def __init__(self, schedule: Schedule, start_ms: int, end_ms: int) -> None:
        """Lay out the segments of all devices and the stages of all jobs in that time."""
        self.schedule = schedule
        shape = schedule.shape
        # The factory's very first moment has a sample too.
        self.start_ms = shape.origin_ms if start_ms <= shape.start_ms else start_ms
        self.end_ms = end_ms
        self._segments = _segments(schedule, self.start_ms, end_ms)
        self._stages = _stages(schedule, self.start_ms, end_ms)
        silences = [
            (silence.node, silence.start_ms, silence.end_ms)
            for node in range(shape.nodes)
            for silence in schedule.faults.silences(node)
        ]
        self._silences = pl.DataFrame(
            silences,
            schema={"node": pl.Int32, "silent_from": pl.Int64, "silent_until": pl.Int64},
            orient="row",
        )

    def readings(self, low_ms: int, high_ms: int) -> Iterator[Body]:
        """Batches of the readings after one moment up to and including another."""
        devices = self.device_rows(low_ms, high_ms)
        shape = self.schedule.shape
        names = tuple(shape.node_name(node) for node in range(shape.nodes))
        yield from by_node(NODE, self.node_rows(devices), names)
        yield from by_node(DEVICE, devices, names)
        yield from by_node(JOB, self.job_rows(low_ms, high_ms), names)

    def device_rows(self, low_ms: int, high_ms: int) -> pl.DataFrame:
        """The columns of table `device`, the node's number, and what its readings are made of."""
        seconds = pl.col("seconds")
        rows = self._spoken(_marked(self._segments, low_ms, high_ms)).with_columns(
            ((_TIME - pl.col("start_ms")) / 1000).alias("seconds")
        )
        at = physics.waves(_TERMS, seconds, _COLUMNS)
        # Segments begin and end on minutes, so a sample's minute lies within one of them.
        before = physics.swept(_TERMS, seconds - PERIOD_SECONDS, _COLUMNS)
        activity = physics.mean_activity(_TERMS, before, _WAVES.swept, PERIOD_SECONDS)
        readings = physics.device_values(_TERMS, seconds, _WAVES, pl.col("activity"))
        up = pl.col("up") == 1
        profile = self.schedule.shape.profile
        return _as_metered(
            profile,
            rows.with_columns(getattr(at, field.name).alias(field.name) for field in fields(Waves))
            .with_columns(activity.alias("activity"))
            .select(
                "node",
                "slot",
                "device",
                "time_unix_ms",
                "up",
                "activity",
                physics.joules(_TERMS, seconds, _WAVES).alias("joules"),
                physics.watts(_TERMS, _WAVES).alias("watts"),
                physics.active_seconds(_TERMS, seconds, _WAVES.swept).alias("active_seconds"),
                *(
                    # A meter that devices share stands outside them, and shows lost ones too.
                    pl.when(up | (name in SHARED and profile.dies > 1))
                    .then(value)
                    .cast(_polars(DEVICE, name))
                    .alias(name)
                    for name, value in [
                        *readings.items(),
                        *((name, pl.lit(value)) for name, value in profile.constants.items()),
                    ]
                ),
            ),
        )

    def node_rows(self, devices: pl.DataFrame) -> pl.DataFrame:
        """The columns of table `node` and the node's number, from what `device_rows` returned."""
        shape = self.schedule.shape
        # Every device of a node has the same moments. Added device by device and not by group,
        # because a group's order of addition, and with it the last digit, changes from run to run.
        parts = devices.partition_by("slot", maintain_order=True)
        sums = (
            parts[0]
            .select("node", "time_unix_ms")
            .with_columns(
                sum((part[name] for part in parts[1:]), parts[0][name]).alias(name)
                for name in ("joules", "watts", "active_seconds", "activity")
            )
        )
        values = physics.node_values(
            shape.profile,
            NodeSums(
                seconds=(_TIME - shape.origin_ms) / 1000,
                joules=pl.col("joules"),
                watts=pl.col("watts"),
                active_seconds=pl.col("active_seconds"),
                activity=pl.col("activity"),
            ),
            shape.devices,
        )
        return sums.select(
            "node",
            "time_unix_ms",
            *(value.cast(_polars(NODE, name)).alias(name) for name, value in values.items()),
            pl.lit(shape.profile.host_memory_bytes, pl.Int64).alias("memory_size_bytes"),
        )

    def job_rows(self, low_ms: int, high_ms: int) -> pl.DataFrame:
        """The columns of table `job` and the number of the node that reports."""
        rows = self._spoken(_marked(self._stages, low_ms, high_ms))
        seconds = (_TIME - pl.col("start_ms")) / 1000
        return rows.select(
            "node",
            "job",
            "time_unix_ms",
            *(
                (pl.col(f"made_{name}") + pl.col(f"rate_{name}") * seconds)
                .cast(_polars(JOB, name))
                .alias(name)
                for name in _counted(self.schedule)
            ),
        ).sort("node", maintain_order=True)

    def statements(self) -> Iterator[Body]:
        """Batches of who is there, what runs, and who holds what, as agents would have said it.

        A thing is said when it begins, when it ends, and at the last moment it can be said; what
        agents repeat in between would add nothing.
        """
        schedule = self.schedule
        first_ms = max(self.start_ms, schedule.shape.start_ms)
        for node in range(schedule.shape.nodes):
            name = schedule.shape.node_name(node)
            spoken = list(schedule.spoken(node, first_ms, self.end_ms))
            # Names are repeated at the end, for a collector that starts there.
            for at_ms in sorted({spoken[0][0], spoken[-1][1]} if spoken else ()):
                info = statements.node_info(schedule, node, at_ms)
                yield NODE_INFO, name, encode(NODE_INFO, [info])
                devices = statements.device_info(schedule, node, at_ms)
                yield DEVICE_INFO, name, encode(DEVICE_INFO, devices)
            jobs = [
                statements.job_info(job, at_ms)
                for job in schedule.jobs_by_reporter.get(node, [])
                for at_ms in self._moments(node, job)
            ]
            if jobs:
                yield JOB_INFO, name, encode(JOB_INFO, jobs)
            held = [
                statements.assignment(schedule.device_names[device], job, at_ms)
                for device in schedule.devices_of(node)
                for job in schedule.jobs_of(device)
                for at_ms in self._moments(node, job)
            ]
            if held:
                yield ASSIGNMENT, name, encode(ASSIGNMENT, held)

    def _moments(self, node: int, job: Job) -> list[int]:
        """When a node speaks of a job: at its start and end, and before and after a silence."""
        low, high = max(job.start_ms, self.start_ms), min(job.end_ms, self.end_ms)
        if low > high:
            return []
        spoken = self.schedule.spoken(node, low, high)
        return sorted({at_ms for part in spoken for at_ms in part})

    def _spoken(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of nodes that were not silent."""
        for node, start_ms, end_ms in self._silences.iter_rows():
            silent = (pl.col("node") == node) & (_TIME > start_ms) & (_TIME < end_ms)
            rows = rows.filter(~silent)
        return rows


def _as_metered(profile: Profile, rows: pl.DataFrame) -> pl.DataFrame:
    """Device rows as the sensors of that generation would give them, as live rows are."""
    rows = rows.drop(profile.hidden, strict=False)
    if profile.dies == 1:
        return rows
    module = ["node", pl.col("slot") // profile.dies, "time_unix_ms"]
    first = (pl.col("slot") % profile.dies == 0) & (pl.col("up") == 1)
    return rows.with_columns(
        pl.when(first).then(pl.col(column).sum().over(module)).alias(column) for column in SHARED
    )


def _days(start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The stretch in pieces that each lie in one UTC day."""
    edges = [start_ms, *range(start_ms // DAY_MS * DAY_MS + DAY_MS, end_ms, DAY_MS), end_ms]
    return list(pairwise(edges))


def _segments(schedule: Schedule, start_ms: int, end_ms: int) -> pl.DataFrame:
    """One row per segment of every device, in order."""
    columns: dict[str, list[object]] = {
        name: []
        for name in ("node", "slot", "device", "start_ms", "end_ms", "up", *_TERMS_PREFIXED)
    }
    appends = [columns[name].append for name in columns]
    per_node = schedule.shape.devices
    for device, name in enumerate(schedule.device_names):
        for segment, _, _ in schedule.life(device).within(start_ms, end_ms):
            values = (
                device // per_node,
                device % per_node,
                name,
                segment.start_ms,
                segment.end_ms,
                int(segment.state is not State.LOST),
                *_term_values(segment.terms),
            )
            for append, value in zip(appends, values, strict=True):
                append(value)
    return pl.DataFrame(columns, schema_overrides={"node": pl.Int32, "slot": pl.Int32})


def _stages(schedule: Schedule, start_ms: int, end_ms: int) -> pl.DataFrame:
    """One row per stage of every job that counts something, in order."""
    counted = _counted(schedule)
    rows: list[tuple[object, ...]] = []
    for job in schedule.jobs:
        own = set(job.columns)
        if not own or job.end_ms <= start_ms or job.start_ms >= end_ms:
            continue
        for stage, made in zip(job.stages, job.made_before, strict=True):
            if stage.end_ms <= start_ms or stage.start_ms >= end_ms:
                continue
            rows.append(
                (
                    job.reporter,
                    job.key,
                    stage.start_ms,
                    stage.end_ms,
                    # Null where a job does not count it; nought where it has not begun to.
                    *(made.get(name, 0.0) if name in own else None for name in counted),
                    *(stage.rates.get(name, 0.0) if name in own else None for name in counted),
                )
            )
    schema = {
        "node": pl.Int32,
        "job": pl.String,
        "start_ms": pl.Int64,
        "end_ms": pl.Int64,
        **{f"made_{name}": pl.Float64 for name in counted},
        **{f"rate_{name}": pl.Float64 for name in counted},
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _counted(schedule: Schedule) -> list[str]:
    """The columns of table `job` that any job counts, in the table's order."""
    used = {name for job in schedule.jobs for name in job.columns}
    return [name for name in JOB.columns if name in used]


def _marked(stretches: pl.DataFrame, low_ms: int, high_ms: int) -> pl.DataFrame:
    """A row for every minute after `low_ms` up to `high_ms`, with the stretch it ends in."""
    low = pl.max_horizontal("start_ms", pl.lit(low_ms))
    high = pl.min_horizontal("end_ms", pl.lit(high_ms))
    return (
        stretches.filter((pl.col("start_ms") < high_ms) & (pl.col("end_ms") > low_ms))
        .with_columns(
            pl.int_ranges(low + PERIOD_MS, high + PERIOD_MS, PERIOD_MS).alias("time_unix_ms")
        )
        .explode("time_unix_ms", empty_as_null=False)
    )


def _polars(table: Table, column: str) -> pl.DataType:
    return _POLARS[table.columns[column]]
