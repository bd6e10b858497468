"""Bring the books up to date: which hours, and for each the same pure steps.

Hours are booked a day at a time per system, in order; of a large system some hours at a time
(`chunks`). What a chunk needs from outside its hours is read with it: a look of a quarter of an
hour to both sides for idle stretches and neighbouring samples, and the `holes`, readings on both
sides of silences too long for that look, which become known when a silent device speaks again. Its
silent hours are then booked again, now with energy.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl

from wattline_agents.clock import Clock, SystemClock
from wattline_collector.ledger import cuts, superseded
from wattline_collector.ledger.books import Books, Hour, hours_between
from wattline_collector.ledger.chain import Why
from wattline_collector.ledger.chunks import MOST_PIECES, Chunk, chunks_of, paces
from wattline_collector.ledger.compute import Booked, compute
from wattline_collector.ledger.divide import in_parts
from wattline_collector.ledger.evidence import (
    LOOK_MS,
    Rows,
    carried_from,
    carried_on,
    fetch,
    gather,
)
from wattline_collector.ledger.known import Telemetry, known_so_far
from wattline_collector.ledger.learn import due_hours, forget_due, learn, note_due, stretches
from wattline_collector.ledger.lost import lost_time
from wattline_collector.ledger.schema import HOUR_MS, TIME
from wattline_collector.ledger.sums import hourly
from wattline_collector.ledger.trail import Reasons, Trail, add_reasons
from wattline_collector.ledger.undone import UNDONE

MOST_WORKERS = 4
"""Chunks computed at once."""

MOST_AT_ONCE = 2 * MOST_PIECES
"""Pieces of all chunks that are computed at once, but for one chunk, which may be of any size."""

MOST_OVERTAKEN = 31 * 24
"""Hours looked through for the end of a silence."""

Progress = Callable[[int, int], None]
"""Called with hours done and hours there are."""


def book(
    store: Telemetry,
    *,
    until_ms: int | None = None,
    hours: Iterable[tuple[str, int]] | None = None,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> int:
    """Book every hour that is due.

    What is booked enters the audit trail (`chain`). Due are hours with new rows and those their new
    rows reach into, hours that were still open when they were booked, and hours nobody said
    anything in since something was installed.

    Args:
        store: Where the rows are; its `path` is where the ledger goes.
        until_ms: Books are kept up to this moment, rows after it wait; now if None.
        hours: (system, hour start in ms) to book; those the store says were touched if None.
        progress: Told after every chunk.
        clock: Says when things are written down; the machine's own if None.

    Returns:
        How many hours were booked.
    """
    books = Books(store.path)
    clock = SystemClock() if clock is None else clock
    now_ms = clock.unix_ms() if until_ms is None else until_ms
    touched = {Hour(system, start) for system, start in (hours or store.take_dirty())}
    reasons: Reasons = {}
    trail = Trail(books, now_ms, clock, reasons)
    trail.adopt()
    due = _reach(touched, now_ms)
    add_reasons(reasons, due, Why.LATE if hours is None else Why.ASKED)
    cut_before = _edges(books) if books.has_cuts else None
    found = learn(store, books, touched, now_ms, clock.unix_ms())
    edges = _edges(books)
    for hour, whys in found.items():
        reasons.setdefault(hour, set()).update(whys)
    due |= found.keys()
    installed = books.inventory
    done = 0
    booked_now: set[Hour] = set()
    # A second round books hours the first found to be missing, or to have become known.
    for _ in range(3):
        missing = _open_or_missing(books, now_ms)
        add_reasons(reasons, missing - due, Why.MISSING)
        due |= missing
        due = _installed(store, books, due, now_ms)
        if not due:
            break
        total = done + len(due)
        booked_now |= due

        def booked(hours: int, total: int = total) -> None:
            nonlocal done
            done += hours
            if progress is not None:
                progress(done, total)

        due = _book_round(store, books, trail, due, now_ms, edges, booked)
        add_reasons(reasons, due, Why.LATE)
    cuts.catch_up(books, cut_before, edges, booked_now)
    trail.close()
    superseded.keep_facts(books, "inventory", installed, books.inventory, clock.unix_ms())
    forget_due(books)
    if due:
        # What still came to light is booked next time.
        note_due(books, {hour: reasons.get(hour, set()) for hour in due}, {})
    if hours is None:
        store.confirm_booked()
    return done


def _edges(books: Books) -> pl.DataFrame:
    """Where hours are cut as lost work begins or ends in them, by what is known."""
    return cuts.edges(lost_time(books.jobs, books.frame("undone", UNDONE)))


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


def _installed(store: Telemetry, books: Books, due: set[Hour], now_ms: int) -> set[Hour]:
    """Those of the hours in which anything was installed; of a new system that sends, all."""
    known = books.inventory.group_by("system").agg(
        pl.col("from_ms").min(), pl.col("until_ms").fill_null(now_ms).max()
    )
    spans = {system: (start, min(end, now_ms)) for system, start, end in known.iter_rows()}
    new = {hour for hour in due if hour.system not in spans}
    for system in _sending(store, new):
        spans[system] = (0, now_ms)
    return {
        hour
        for hour in due
        if hour.system in spans
        and hour.start_ms < spans[hour.system][1]
        and hour.start_ms + HOUR_MS > spans[hour.system][0]
    }


def _sending(store: Telemetry, hours: set[Hour]) -> set[str]:
    """Systems of which there are readings; of an archive of jobs alone there is nothing to book."""
    found: set[str] = set()
    for low, high in stretches(hours):
        for table in ("device", "node"):
            found.update(store.rows(table, low, high, ("system",))["system"].unique())
    return found


def _is_open(books: Books, hour: Hour, now_ms: int) -> bool:
    frame = books.control(hour)
    if frame is None or frame.is_empty():
        return False
    end = pl.lit(min(hour.start_ms + HOUR_MS, now_ms)).cast(TIME)
    return bool(frame.select((pl.col("booked_until").max() < end).any()).item())


def _book_round(
    store: Telemetry,
    books: Books,
    trail: Trail,
    due: set[Hour],
    now_ms: int,
    edges: pl.DataFrame,
    progress: Callable[[int], None],
) -> set[Hour]:
    """Book hours chunk by chunk; returns those to book again now that more is known.

    While chunks are computed, the next one's telemetry is read and the last one's entries are
    written: a chunk needs of the one before only its newest readings, and they are at hand as soon
    as its evidence is.
    """
    again: set[Hour] = set()
    known = known_so_far(store, books)
    chunks = chunks_of(due, paces(books.inventory))
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    carried: dict[Hour, pl.DataFrame] = {}
    computing: deque[tuple[Chunk, Future[Booked]]] = deque()
    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(workers) as computer,
        ThreadPoolExecutor(1) as writer,
    ):
        writing: Future[None] | None = None

        def finish() -> None:
            nonlocal writing
            chunk, booked = computing.popleft()
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, books, trail, chunk, booked.result(), edges)
            progress(len(chunk.hours))

        rows = _fetch_ahead(reader, store, chunks[0], now_ms)
        for place, chunk in enumerate(chunks):
            fetched = rows.result()
            if place + 1 < len(chunks):
                rows = _fetch_ahead(reader, store, chunks[place + 1], now_ms)
            window = chunk.window(now_ms)
            earlier = Hour(chunk.system, window.start_ms - HOUR_MS)
            before = carried.get(earlier)
            if before is None:
                before = carried_from(books.control(earlier))
            while computing and chunk.pieces + sum(c.pieces for c, _ in computing) > MOST_AT_ONCE:
                finish()
            if fetched is None:
                made = in_parts(store, books, known, chunk.system, window, before, progress)
                newest, spoke = made.carried, made.spoke
                future = Future[Booked]()
                future.set_result(made.booked)
                del made
            else:
                inputs = gather(store, books, known, chunk.system, window, fetched, before)
                newest, spoke = carried_on(window, inputs), inputs.spoke
                future = computer.submit(compute, window, chunk.system, inputs)
                del inputs
            carried = {chunk.hours[-1]: newest}
            computing.append((chunk, future))
            overtaken = _overtaken(books, chunk, newest)
            if overtaken:
                _still_to_come(books, overtaken)
            again |= overtaken | _reopened(books, chunk, before, spoke)
            if len(computing) > workers:
                finish()
        while computing:
            finish()
        if writing is not None:
            writing.result()
    return again


def _fetch_ahead(
    reader: ThreadPoolExecutor, store: Telemetry, chunk: Chunk, now_ms: int
) -> Future[Rows | None]:
    """Read a chunk's telemetry; None where it must be read part by part."""

    def read() -> Rows | None:
        if chunk.is_too_large(now_ms):
            return None
        return fetch(store, chunk.system, chunk.window(now_ms))

    return reader.submit(read)


def _write(books: Books, trail: Trail, chunk: Chunk, booked: Booked, edges: pl.DataFrame) -> None:
    of_hour = pl.col("minute").dt.truncate("1h").alias("hour")
    minutes = {
        table: entries.with_columns(of_hour).partition_by("hour", as_dict=True, include_key=False)
        for table, entries in booked.entries.items()
    }
    controls = booked.control.partition_by("hour", as_dict=True)
    latencies = booked.latency.partition_by("hour", as_dict=True)
    staged = []
    for hour in chunk.hours:
        key = (hour.time,)
        of_tables = {
            table: hours.get(key, booked.entries[table].clear()) for table, hours in minutes.items()
        }
        staged.append(
            books.stage_hour(
                hour,
                of_tables,
                controls.get(key, booked.control.clear()),
                latencies.get(key, booked.latency.clear()),
            )
        )
    sums = {table: hourly(table, entries) for table, entries in booked.entries.items()}
    parts = cuts.of_hours(chunk.hours, booked.entries, edges)
    trail.enter(staged, sums, parts)
    for one in staged:
        one.commit()
    # Figures are read from these sums; they follow the hours they are the sums of.
    for table, of_hours in sums.items():
        books.put_day(table, chunk.hours, of_hours)
    cuts.keep(books, chunk.hours, parts)


def _overtaken(books: Books, chunk: Chunk, newest: pl.DataFrame) -> set[Hour]:
    """Hours after a chunk in which a silence goes on that is known now to have begun elsewhere.

    Late rows move the reading that a silence begins with. The hours after theirs are booked again
    as a matter of course; this finds those of longer silences, up to where they end.
    """
    hour = chunk.hours[-1]
    was = carried_from(books.control(hour))
    changed = was.join(newest, on=["kind", "key"], suffix="_now").filter(
        pl.col("last_ms") != pl.col("last_ms_now")
    )
    again: set[Hour] = set()
    while changed.height and len(again) < MOST_OVERTAKEN:
        hour = Hour(hour.system, hour.start_ms + HOUR_MS)
        control = books.control(hour)
        if control is None:
            break
        again.add(hour)
        spoke = carried_from(control).filter(pl.col("last_ms") > hour.start_ms)
        changed = changed.join(spoke, on=["kind", "key"], how="anti")
    return again


def _reopened(books: Books, chunk: Chunk, carried: pl.DataFrame, spoke: pl.DataFrame) -> set[Hour]:
    """Write down silences that ended; their hours are booked again, with the energy in them.

    Args:
        books: Where.
        chunk: In which they ended.
        carried: As `Inputs.carried`.
        spoke: As `Inputs.spoke`.
    """
    if spoke.is_empty():
        return set()
    before = carried.select("kind", "key", "last_ms", "last_joules_total", "last_watts")
    pairs = spoke.join(before, on=["kind", "key"])
    left = pairs.select(
        "system", "kind", "key", "node", pl.col("last_ms").alias("time"), "period_ms",
        pl.col("last_joules_total").alias("energy_joules_total"),
        pl.col("last_watts").alias("power_watts"),
    )  # fmt: skip
    known = books.holes
    new = pl.concat([left, spoke]).join(known, on=["system", "kind", "key", "time"], how="anti")
    if new.is_empty():
        return set()
    again: set[Hour] = set()
    for since in pairs["last_ms"]:
        again.update(hours_between(chunk.system, since, chunk.hours[0].start_ms))
    _still_to_come(books, again)
    books.put("holes", pl.concat([known, new]).sort("system", "kind", "key", "time"))
    return again


def _still_to_come(books: Books, hours: set[Hour]) -> None:
    """Write down that hours are to be booked again, before what tells so is no news any more."""
    waiting = due_hours(books)
    if not hours <= waiting.keys():
        note_due(books, {hour: {Why.LATE} for hour in hours}, waiting)
