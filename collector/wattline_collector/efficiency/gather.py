"""Read from a store all that is known of one job. Everything after this is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from wattline_agents.errors import InputError, UsageError
from wattline_collector.access import Viewer
from wattline_collector.capability.checkpoints import interrupted
from wattline_collector.efficiency.evidence import BUCKETS, DEVICES, HELD, METHODS, Evidence
from wattline_collector.efficiency.find import Found, concerned, find, known_jobs
from wattline_collector.efficiency.telemetry import Telemetry
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.sums import total
from wattline_collector.kpi.view import device_scope, utc
from wattline_collector.ledger.assignments import bearing_on, held, methods_used
from wattline_collector.ledger.books import Books, hours_between
from wattline_collector.ledger.inventory import ASSIGNMENTS, OPEN_FOR_MS
from wattline_collector.ledger.known import job_ends
from wattline_collector.ledger.lost import lost_time, post
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS, MINUTE_MS
from wattline_collector.ledger.undone import UNDONE
from wattline_collector.registers import projects
from wattline_collector.store.store import Store

MINUTES_FOR_MS = 8 * 24 * HOUR_MS
"""Longer than this the books are read by the hour: 200 files of minutes open in a second or two."""

_UNFINISHED = ("running", "suspended", "pending")

_LAST_WORD_MS = 300_000
"""A job's entries may lie this long after its end: schedulers state ends in whole seconds, and a
job's last count comes when it has ended."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        id: The job's key, or the id that people know.
        viewer: Who asks.
        now_ms: When.
        system: Only there.
        period: Only this part of it.
    """

    id: str
    viewer: Viewer
    now_ms: int
    system: str | None = None
    period: Period | None = None


def gather(store: Path, question: Question, live: Store | None = None) -> Evidence:
    """All that is known of the job that is asked for.

    Args:
        store: The store's directory.
        question: Which job, and who asks.
        live: The store, where this process has it open for writing.

    Raises:
        NotThere: There is no such job, or it is not the viewer's.
        Several: The id fits more than one.
        UsageError: The store holds nothing, or the job did not run in the period.
        InputError: A file of it is damaged.
    """
    books = Books(store)
    if not store.is_dir():
        raise UsageError(
            f"{store} holds no store: `wattline import` brings in a recording, "
            "`wattline up` measures this machine"
        )
    jobs = books.jobs
    accounting = books.frame("accounting", ACCOUNTED)
    near = concerned(jobs, accounting, question.id)
    found = find(known_jobs(*near), question.id, question.viewer, question.system)
    about, accounted = _row(jobs, found), _row(accounting, found)
    as_of_ms = _booked_until(books, found.system)
    start_ms, end_ms = _span(about, accounted, as_of_ms, question)
    grain_ms = MINUTE_MS if end_ms - start_ms <= MINUTES_FOR_MS else HOUR_MS
    last_ms = end_ms if question.period is not None else end_ms + _LAST_WORD_MS
    entries = {
        table: _entries(books, table, found, start_ms, last_ms, grain_ms) for table in ENTRIES
    }
    lost = lost_time(_of_job(jobs, found), _of_job(books.frame("undone", UNDONE), found))
    said, ended = _claims(books, found), job_ends(accounting)
    mine = _held(said, ended, found, start_ms, end_ms)
    devices = _devices(books, found, mine, entries["device"])
    telemetry = Telemetry(store, found.system, start_ms, end_ms, live)
    nodes = sorted({*devices.filter(pl.col("device").is_in(mine["device"].implode()))["node"],
                    *entries["node"]["node"].unique()})  # fmt: skip
    return Evidence(
        system=found.system,
        job=found.job,
        start_ms=start_ms,
        end_ms=end_ms,
        now_ms=question.now_ms,
        as_of_ms=as_of_ms,
        grain_ms=grain_ms,
        about=about,
        accounting=accounted,
        model=_row(books.models, found),
        project=_project(store, found, accounted.get("account") or about.get("project")),
        attempts=found.attempts,
        device=post(books, "device", entries["device"], lost, start_ms, end_ms),
        node=post(books, "node", entries["node"], lost, start_ms, end_ms),
        made=entries["job"],
        devices=devices,
        shared_nodes=_shared(books, found, nodes, devices, start_ms, end_ms),
        held=mine,
        methods=_methods(said, ended, found),
        readings=telemetry.readings(mine),
        hosts=telemetry.hosts(nodes),
        ranks=telemetry.ranks(found.job),
        buckets=_buckets(books, found, start_ms, end_ms),
        **_interruptions(accounting, found.system, question.now_ms),
    )


def _of_job(frame: pl.DataFrame, found: Found) -> pl.DataFrame:
    return frame.filter((pl.col("system") == found.system) & (pl.col("job") == found.job))


def _row(frame: pl.DataFrame, found: Found) -> Mapping[str, Any]:
    rows = _of_job(frame, found)
    return rows.row(0, named=True) if rows.height else {}


def _booked_until(books: Books, system: str) -> int | None:
    """Up to when the books of the system are kept."""
    newest = max((hour for hour in books.hours() if hour.system == system), default=None)
    control = None if newest is None else books.control(newest)
    if control is None or control.is_empty():
        return None
    return int(control.select(pl.col("booked_until").dt.epoch("ms").max()).item())


def _span(
    about: Mapping[str, Any],
    accounted: Mapping[str, Any],
    as_of_ms: int | None,
    question: Question,
) -> tuple[int, int]:
    """From its start to its end, or to what is known by now; within the period asked for."""
    start = about.get("start_ms") or accounted.get("start_ms")
    end = about.get("end_ms") or accounted.get("end_ms")
    if start is None:  # it never started: there is no time to look at
        submitted = accounted.get("submit_ms") or question.now_ms
        return submitted, submitted
    if end is None:
        state = about.get("state") or accounted.get("state")
        if state in _UNFINISHED or accounted:
            end = question.now_ms if as_of_ms is None else min(question.now_ms, as_of_ms)
        else:
            # Nobody says that it ended, and nobody says any more that it runs.
            end = (about.get("seen_ms") or start) + OPEN_FOR_MS
    end = max(start, end)
    if question.period is None:
        return start, end
    low, high = (round(t.timestamp() * 1000) for t in (question.period.start, question.period.end))
    if low >= end or high <= start:
        ran = Period(utc(start), utc(max(end, start + 1))).to_json()
        raise UsageError(f"the job did not run then: it ran from {ran['from']} to {ran['to']}")
    return max(start, low), min(end, high)


def _entries(
    books: Books, table: str, found: Found, start_ms: int, end_ms: int, grain_ms: int
) -> pl.DataFrame:
    """The job's entries, by the minute or, of a long job, by the hour."""
    mine = (pl.col("job") == found.job) & (pl.col("system") == found.system)
    schema = ENTRIES[table]
    first, last = start_ms // MINUTE_MS * MINUTE_MS, -(-end_ms // MINUTE_MS) * MINUTE_MS
    if grain_ms == HOUR_MS:
        return books.read(table, first, last).filter(mine)
    minute = pl.col("minute").dt.epoch("ms")
    inside = mine & minute.is_between(first, last, closed="left")
    parts = [schema.to_frame()]
    for hour in hours_between(found.system, first, last):
        path = books.path(table, hour)
        if not path.exists():
            continue
        try:
            parts.append(pl.scan_parquet(path, glob=False).filter(inside).collect())
        except pl.exceptions.PolarsError as error:
            reason = "cannot be read; `wattline audit` says what else is damaged"
            raise InputError(reason, path=path) from error
    # Hours booked before a column was known lack it: there it is null.
    return pl.concat(parts, how="diagonal").select(schema.names())


def _claims(books: Books, found: Found) -> pl.DataFrame:
    """Everything that was ever said of the devices the job is said to have held."""
    return bearing_on(books.frame("assignments", ASSIGNMENTS), found.system, [found.job])


def _held(
    said: pl.DataFrame, ended: pl.DataFrame, found: Found, start_ms: int, end_ms: int
) -> pl.DataFrame:
    """Which devices it held when, as the books believe it."""
    believed = held(said, ended, found.system, start_ms, end_ms)
    mine = believed.members.filter(pl.col("job") == found.job)
    return (
        believed.intervals.join(mine, on="group")
        .select("device", pl.col("start").alias("start_ms"), pl.col("end").alias("end_ms"), "share")
        .cast(HELD)
    )


def _methods(said: pl.DataFrame, ended: pl.DataFrame, found: Found) -> pl.DataFrame:
    used = methods_used(said, ended, found.system, [found.job])
    return used.select("method", "seconds").cast(METHODS)


def _buckets(books: Books, found: Found, start_ms: int, end_ms: int) -> pl.DataFrame:
    """Latencies of the hours that the time touches, at the bounds that all of them have."""
    hours = _of_job(books.latency(start_ms // HOUR_MS * HOUR_MS, end_ms), found)
    every = hours.group_by("kind").agg(pl.col("hour").n_unique().alias("hours"))
    return (
        hours.group_by("kind", "le_seconds")
        .agg(pl.col("count").sum(), total("seconds").alias("seconds"), pl.len().alias("having"))
        .join(every, on="kind")
        .filter(pl.col("having") == pl.col("hours"))
        .select(BUCKETS.names())
        .sort("kind", "le_seconds", nulls_last=True)
        .cast(BUCKETS)
    )


def _devices(books: Books, found: Found, mine: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Every device of the nodes it ran on, with who it is."""
    installed = books.inventory.filter(
        (pl.col("system") == found.system) & (pl.col("kind") == "device")
    ).select(pl.col("key").alias("device"), "node", "index", "model", device_scope())
    named = [*{*mine["device"], *entries["device"]}]
    nodes = installed.filter(pl.col("device").is_in(named))["node"].unique()
    return (
        installed.filter(pl.col("node").is_in(nodes.implode())).sort("node", "index").cast(DEVICES)
    )


def _shared(
    books: Books, found: Found, nodes: list[str], devices: pl.DataFrame, start_ms: int, end_ms: int
) -> bool | None:
    """Whether another job held a device of its nodes meanwhile; null without devices to tell by."""
    if not nodes or devices.is_empty():
        return None
    others = books.frame("assignments", ASSIGNMENTS).filter(
        (pl.col("system") == found.system)
        & (pl.col("job") != found.job)
        & pl.col("device").is_in(devices["device"].implode())
        & (pl.col("start_ms") < end_ms)
        & (pl.coalesce("end_ms", pl.col("stated_ms") + OPEN_FOR_MS) > start_ms)
    )
    return not others.is_empty()


def _project(store: Path, found: Found, name: str | None) -> Mapping[str, Any]:
    """The project's row of the register, by its name or its scheduler's account."""
    if name is None:
        return {}
    try:
        registered = projects(store)
    except InputError:
        # The register may name people and is its owner's to read: without it there is no title.
        return {}
    rows = registered.filter(
        (pl.col("system").is_null() | (pl.col("system") == found.system))
        # Slurm keeps accounts in lower case, whatever the grant's own name is.
        & pl.any_horizontal(pl.col("project", "account").str.to_lowercase() == name.lower())
    )
    return rows.row(0, named=True) if rows.height else {}


def _interruptions(accounting: pl.DataFrame, system: str, now_ms: int) -> dict[str, Any]:
    """How often nodes of the system failed under a job, and in how much node time."""
    found = interrupted(accounting.filter(pl.col("system") == system), now_ms)
    count, node_ms = found.select("interruptions", "node_ms").row(0) if found.height else (0, 0)
    return {"interruptions": count, "node_seconds": node_ms / 1000}
