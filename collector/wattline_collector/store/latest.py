"""The newest row of everything, in memory, for the live pages.

New rows only queue up; they are digested many at a time, when somebody looks or the queue is long,
because folding a thousand rows into a frame costs little more than folding one.

An agent reads some metrics less often than others, so the newest row of a device has holes. They
are filled from its earlier rows of the last ten minutes, kept as two generations of five; not so
when the newest row says that the device is lost.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from wattline_agents.catalogue import (
    ASSIGNMENT,
    DEVICE,
    DEVICE_INFO,
    JOB,
    NODE,
    NODE_INFO,
    TABLES,
    Table,
)
from wattline_agents.clock import Clock, SystemClock
from wattline_collector.ledger.device import THROTTLE_COLUMNS
from wattline_collector.store import live
from wattline_collector.store.segments import schema, whole
from wattline_collector.store.store import Store
from wattline_collector.store.window import Chunk, labelled

CARRY_MS = 600_000
_GENERATION_MS = CARRY_MS // 2
_REPEATED_MS = 3_600_000
"""What things are is repeated every ten minutes, by agents that may have been away."""
_QUEUE = 2048
"""Chunks that wait at most; reached only when nobody looks and nothing calls `digest`."""
_RATE_MS = 60_000
"""Tokens per second are a mean over this long: steps of large jobs take tens of seconds."""
_FORGET_MS = 86_400_000
"""What was silent for a day is no longer live."""

_CARRIED = ("device", "node")
_SHOWN = (
    *_CARRIED, "job", "device_info", "node_info", "job_info", "assignment", "xid", "agent",
)  # fmt: skip
"""What `live` makes its picture of, and alerts are judged by. Rows of other tables, of processes
above all, would only fill memory: a node that starts thousands of them a day has that many newest
rows."""
_AT = "at_ms"
"""When a row was true for us: its time, or ours if its sender's clock runs ahead."""


@dataclass(slots=True)
class _Carry:
    """Last known values of a table, young and old."""

    since_ms: int
    young: pl.DataFrame
    old: pl.DataFrame


@dataclass(slots=True)
class _State:
    newest: dict[str, pl.DataFrame] = field(default_factory=dict)
    carry: dict[str, _Carry] = field(default_factory=dict)
    throttle: pl.DataFrame | None = None
    network: pl.DataFrame | None = None
    made: pl.DataFrame | None = None
    offsets: pl.DataFrame = field(default_factory=live.OFFSETS.to_frame)


class Latest:
    """What is newest. `feed` may be called from one thread and `snapshot` from others."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Know nothing yet."""
        self._clock = clock or SystemClock()
        self._queue: dict[str, list[Chunk]] = {}
        self._waiting = 0
        self._queueing = threading.Lock()  # guards the queue; held for a list operation
        self._digesting = threading.Lock()  # guards the state; held while frames are folded
        self._state = _State()

    def feed(self, table: str, chunk: Chunk) -> None:
        """Take in new rows; those of tables that no page shows are let go."""
        if table not in _SHOWN:
            return
        with self._queueing:
            self._queue.setdefault(table, []).append(chunk)
            self._waiting += 1
            long = self._waiting >= _QUEUE
        if long:
            self.digest()

    def fill(self, store: Store) -> None:
        """Learn what a store knows of the last minutes, so that a restart shows no hole.

        What was silent before them is known by what was told of it during the last day: it is
        there, silent for at least as long, and of its values nothing is known.
        """
        now = self._clock.unix_ms()
        with self._digesting:
            for table in map(TABLES.__getitem__, _SHOWN):
                back = _GENERATION_MS if table.metrics else _REPEATED_MS
                rows = store.read(table.name, now - back, now + _FORGET_MS)
                self._fold(table, rows, now)
            for told, table in ((NODE_INFO, NODE), (DEVICE_INFO, DEVICE)):
                self._fold(told, self._told_before(store, told, now), now)
                self._fold(table, self._silent(told, table, now), now)

    def _told_before(self, store: Store, told: Table, now_ms: int) -> pl.DataFrame:
        """What things are that told it during the last day, and not since.

        It is repeated all day long by all there is, so at first it is only looked for names.
        """
        subject = _subject(told)
        start, end = now_ms - _FORGET_MS, now_ms - _REPEATED_MS
        names = store.rows(told.name, start, end, {*subject, "node", "time_unix_ms"})
        others = [name for name in names.columns if name not in subject]
        last = names.group_by(subject).agg(pl.col(others).last())
        known = self._state.newest.get(told.name)
        if known is not None:
            last = last.join(known, on=subject, how="anti")
        if last.is_empty():
            return last
        mine = pl.col("node").is_in(last["node"].unique().implode())
        since = min(last["time_unix_ms"])
        rows = store.rows(told.name, since, end, list(schema(told)), mine)
        return rows.join(last, on=subject, how="semi", maintain_order="left")

    def _silent(self, told: Table, table: Table, now_ms: int) -> pl.DataFrame:
        """A row without values for each thing of which there is no other, as old as is known."""
        known = self._state.newest.get(told.name)
        if known is None:
            return pl.DataFrame()
        newest, subject = self._state.newest.get(table.name), _subject(table)
        silent = known if newest is None else known.join(newest, on=subject, how="anti")
        # Whatever spoke during the last minutes has a row.
        heard = pl.min_horizontal("time_unix_ms", pl.lit(now_ms - _GENERATION_MS))
        return whole(table, silent.select(*subject, "period_ms", heard.alias("time_unix_ms")))

    def digest(self) -> None:
        """Fold what waits into what is known."""
        with self._digesting:
            self._digest()

    def snapshot(self) -> dict[str, Any]:
        """All of it, as `GET /v1/latest` answers."""
        return live.snapshot(*self.known())

    def frames(self) -> dict[str, Any]:
        """The same, its tables as frames."""
        return live.frames(*self.known())

    def known(self) -> tuple[live.Known, int]:
        """All of it, holes filled, and the time."""
        with self._digesting:
            self._digest()
            now = self._clock.unix_ms()
            state = self._state
            known = live.Known(
                newest=dict(state.newest),
                throttle=state.throttle,
                network=state.network,
                made=state.made,
                offsets=state.offsets,
            )
            filled = {
                table: _filled(TABLES[table], rows, state.carry.get(table))
                for table, rows in state.newest.items()
                if table in _CARRIED
            }
        return known.with_rows(filled), now

    def rows(self, table: str) -> pl.DataFrame:
        """Newest row per subject of a table, with `at_ms` and its holes: for what is told whole.

        To fill the holes of 8,000 devices takes twenty times as long.
        """
        with self._digesting:
            self._digest()
            return live.Known(self._state.newest, None, None, None).rows(table)

    def _digest(self) -> None:
        with self._queueing:
            queue, self._queue, self._waiting = self._queue, {}, 0
        now = self._clock.unix_ms()
        for name, chunks in queue.items():
            table = TABLES[name]
            rows = whole(table, pl.DataFrame(labelled(chunks)))
            self._fold(table, rows, now)
            if name in _CARRIED:
                self._compare_clocks(rows, now)

    def _compare_clocks(self, rows: pl.DataFrame, now_ms: int) -> None:
        node = ["system", "node"]
        heard = rows.group_by(node).agg(
            (pl.col("time_unix_ms").max() - now_ms).alias("offset_ms"),
            pl.lit(now_ms, pl.Int64).alias("heard_ms"),
        )
        others = self._state.offsets.join(heard, on=node, how="anti")
        self._state.offsets = pl.concat([others, heard.cast(live.OFFSETS)])

    def _fold(self, table: Table, rows: pl.DataFrame, now_ms: int) -> None:
        if rows.is_empty():
            return
        at = pl.min_horizontal("time_unix_ms", pl.lit(now_ms)).alias(_AT)
        rows = rows.with_columns(at)
        state = self._state
        subject = _subject(table)
        before = state.newest.get(table.name)
        newest = _newest(_under(before, rows), subject)
        state.newest[table.name] = newest.filter(pl.col(_AT) > now_ms - _FORGET_MS)
        if table.name in _CARRIED:
            self._carry(table, rows, now_ms)
        if table is DEVICE:
            state.throttle = _last_two(state.throttle, rows, subject, THROTTLE_COLUMNS)
        if table is NODE:
            state.network = _last_two(state.network, rows, subject, live.NETWORK_COLUMNS)
        if table is JOB:
            columns = [*subject, _AT, *live.TOKEN_COLUMNS]
            state.made = _last_minute(_under(state.made, rows.select(columns)), subject, now_ms)

    def _carry(self, table: Table, rows: pl.DataFrame, now_ms: int) -> None:
        carry = self._state.carry.get(table.name)
        if carry is None:
            carry = self._state.carry[table.name] = _Carry(now_ms, rows.clear(), rows.clear())
        if now_ms - carry.since_ms >= _GENERATION_MS:
            carry.since_ms, carry.old, carry.young = now_ms, carry.young, rows.clear()
        subject = _subject(table)
        carry.young = _last_known(_under(carry.young, rows), subject, table)
        if table is DEVICE:
            newest = self._state.newest[table.name]
            lost = newest.filter(pl.col("up") == 0).select(subject)
            carry.young = carry.young.join(lost, on=subject, how="anti")
            carry.old = carry.old.join(lost, on=subject, how="anti")


def _subject(table: Table) -> list[str]:
    """What a row is about, over all times."""
    if table is ASSIGNMENT:
        return ["system", "device", "job", "start_unix_ms"]
    if table.name in ("job_info", "device_info"):
        return ["system", *table.key]
    return ["system", "node", *table.key]


def _under(above: pl.DataFrame | None, below: pl.DataFrame) -> pl.DataFrame:
    return below if above is None else pl.concat([above.select(below.columns), below])


def _newest(rows: pl.DataFrame, subject: list[str]) -> pl.DataFrame:
    return rows.sort(_AT, maintain_order=True).unique(subject, keep="last", maintain_order=True)


def _last_known(rows: pl.DataFrame, subject: list[str], table: Table) -> pl.DataFrame:
    """One row per subject, each metric's last value that is not null."""
    rows = rows.sort(_AT, maintain_order=True)
    others = [name for name in rows.columns if name not in subject]
    return (
        rows.group_by(subject)
        .agg(pl.col(name).drop_nulls().last() for name in others)
        .select(rows.columns)
    )


def _last_two(
    known: pl.DataFrame | None, rows: pl.DataFrame, subject: list[str], counters: list[str]
) -> pl.DataFrame:
    """The last two readings of counters that a source may read less often than others."""
    readings = rows.filter(pl.any_horizontal(pl.col(counters).is_not_null()))
    whole = _under(known, readings.select(*subject, _AT, *counters))
    return whole.sort(_AT, maintain_order=True).group_by(subject, maintain_order=True).tail(2)


def _last_minute(rows: pl.DataFrame, subject: list[str], now_ms: int) -> pl.DataFrame:
    """Readings of the last minute before each subject's newest, and two at least."""
    rows = rows.filter(pl.col(_AT) > now_ms - CARRY_MS).sort(*subject, _AT, maintain_order=True)
    recent = pl.col(_AT) >= pl.col(_AT).max().over(subject) - _RATE_MS
    place = pl.int_range(pl.len()).over(subject)
    return rows.filter(recent | (place >= pl.len().over(subject) - 2))


def _filled(table: Table, newest: pl.DataFrame, carry: _Carry | None) -> pl.DataFrame:
    """Newest rows with the holes filled from what was known up to ten minutes before."""
    if carry is None:
        return newest
    subject = _subject(table)
    metrics = [metric.column for metric in table.metrics]
    joined = newest
    for name, known in (("young", carry.young), ("old", carry.old)):
        columns = [pl.col(metric).alias(f"{name}_{metric}") for metric in metrics]
        joined = joined.join(
            known.select(*subject, pl.col(_AT).alias(f"{name}_at"), *columns),
            on=subject,
            how="left",
            maintain_order="left",
        )

    def value(metric: str, name: str) -> pl.Expr:
        near = pl.col(_AT) - pl.col(f"{name}_at") <= CARRY_MS
        return pl.when(near).then(f"{name}_{metric}")

    alive = pl.col("up").fill_null(1) != 0 if "up" in metrics else pl.lit(True)
    return joined.with_columns(
        pl.when(alive)
        .then(pl.coalesce(metric, value(metric, "young"), value(metric, "old")))
        .otherwise(pl.col(metric))
        .alias(metric)
        for metric in metrics
    ).select(newest.columns)
