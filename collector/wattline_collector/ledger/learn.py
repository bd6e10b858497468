"""Take in what rows say of devices, jobs, their holdings, nodes and outages, before booking.

What is said now may be about hours that are booked: a job's end comes minutes after it, an outage
is written down the day after. Those hours, and only those, are booked again.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from wattline_collector.jobs.condense import (
    ACCOUNTED,
    NODE_STATES,
    merge_accounting,
    merge_node_states,
)
from wattline_collector.ledger import (
    assignments,
    inventory,
    known_jobs,
    replay,
    standing,
    superseded,
    undone,
)
from wattline_collector.ledger.books import Books, Hour, conformed, hours_between
from wattline_collector.ledger.chain import Why
from wattline_collector.ledger.device import LOOK_MS
from wattline_collector.ledger.known import Telemetry, job_ends
from wattline_collector.ledger.records import SERIES
from wattline_collector.ledger.schema import HOUR_MS
from wattline_collector.ledger.trail import Reasons, add_reasons
from wattline_collector.registers.kept import outages

TABLES = (
    "device_info", "node_info", "job_info", "job_model", "assignment", "job", "accounting",
    "node_state",
)  # fmt: skip
"""Tables that say something of other times than their own."""

MOST_LOOKED_UP = 256
"""Jobs of one booking whose earlier rows are looked through for when they reached a step."""

DUE = pl.Schema({"system": pl.String(), "start_ms": pl.Int64(), "why": pl.String()})
"""Hours that are to be booked again, and are not yet; `why` as `chain.Why`, with spaces between."""

_NAMING = ("job_info", "assignment", "job", "accounting")
"""Tables whose rows are of jobs."""

_JOB = ["system", "job"]


def learn(store: Telemetry, books: Books, touched: set[Hour], now_ms: int, at_ms: int) -> Reasons:
    """Take in what the touched hours say.

    Args:
        store: Where the rows are.
        books: What is known is kept in them.
        touched: Hours with new rows.
        now_ms: Up to when books are kept.
        at_ms: The time now: since when it is known.

    Returns:
        Hours about which something became known or changed, and what did.
    """
    out = conformed(outages(store.path), standing.OUTAGES)
    outs = standing.changed_outages(books.frame("outages", standing.OUTAGES), out, now_ms)
    changed = [(outs, Why.OUTAGES)]
    news = {"outages": out} if outs.height else {}
    if not touched:
        return _write_down(books, changed, books.inventory, news, now_ms)
    installed, jobs, models = books.inventory, books.jobs, books.models
    held = books.frame("assignments", inventory.ASSIGNMENTS)
    accounting = books.frame("accounting", ACCOUNTED)
    states = books.frame("node_states", NODE_STATES)
    back = books.frame("undone", undone.UNDONE)
    series = books.frame("series", SERIES)
    before = _Before(jobs, held, accounting, states)
    at_first = {
        "inventory": installed, "jobs": jobs, "assignments": held, "accounting": accounting,
        "node_states": states, "models": models, "undone": back, "series": series,
    }  # fmt: skip
    named: list[pl.DataFrame] = []
    for low, high in stretches(touched):
        rows = {table: store.read(table, low, high) for table in TABLES}
        # Of a year taken in at once, a row for each job of a day, not for each reading.
        named += [rows[t].select(_JOB).unique() for t in _NAMING]
        installed = inventory.merge_inventory(installed, rows["device_info"], rows["node_info"])
        held = assignments.merge_assignments(held, rows["assignment"], installed)
        accounting = merge_accounting(accounting, rows["accounting"])
        states = merge_node_states(states, rows["node_state"])
        models = known_jobs.merge_models(models, rows["job_model"])
        counted = known_jobs.counted(rows["job"])
        fallen = undone.rollbacks(known_jobs.course_of(rows["job"]), jobs)
        known = jobs
        jobs = known_jobs.merge_jobs(jobs, rows["job_info"], counted, _holding(rows["assignment"]))
        back = undone.merge_undone(back, _dated(store, fallen, jobs))
        changed.append((_recounted(known, jobs, series, rows["job"]), Why.LATE))
        series = known_jobs.merge_series(series, rows["job"], known)
    if installed is not at_first["inventory"]:
        placed = assignments.found_nodes(held, installed)
        if placed.height:
            key = assignments.KEY
            held = pl.concat([held.join(placed.select(key), on=key, how="anti"), placed])
            named.append(placed.select(_JOB))
    spoken = pl.concat(named).unique()
    jobs = known_jobs.with_accounting(jobs, accounting.join(spoken, on=_JOB, how="semi"))
    jobs = _kept(store, jobs)
    changed += before.changes(jobs, held, accounting, states, spoken, now_ms)
    now = {
        "inventory": installed, "jobs": jobs, "assignments": held, "accounting": accounting,
        "node_states": states, "models": models, "undone": back, "series": series,
    }  # fmt: skip
    news |= {name: frame for name, frame in now.items() if frame is not at_first[name]}
    for name in superseded.FACTS.keys() & news.keys():
        superseded.keep_facts(books, name, at_first[name], now[name], at_ms)
    return _write_down(books, changed, installed, news, now_ms)


def _write_down(
    books: Books,
    changed: list[tuple[pl.DataFrame, Why]],
    installed: pl.DataFrame,
    news: dict[str, pl.DataFrame],
    now_ms: int,
) -> Reasons:
    """Write down what is known now, and return the hours to book again.

    Those that an earlier booking did not come to are among them. They are written down before what
    they follow from: once that is known, it is no news.
    """
    due: Reasons = {}
    for time, why in changed:
        add_reasons(due, _hours(time, installed, now_ms), why)
    waiting = due_hours(books)
    if not due.keys() <= waiting.keys():
        note_due(books, due, waiting)
    for name, frame in news.items():
        books.put(name, frame)
    for hour, whys in waiting.items():
        due.setdefault(hour, set()).update(whys)
    return due


def due_hours(books: Books) -> Reasons:
    """The hours that are to be booked again, and why."""
    known = {why.value for why in Why}
    return {
        Hour(system, start_ms): {Why(word) for word in (why or "").split() if word in known}
        for system, start_ms, why in books.frame("due", DUE).iter_rows()
    }


def note_due(books: Books, due: Reasons, waiting: Reasons) -> None:
    """Write down hours that are to be booked again, beside those that wait already."""
    rows = [
        (
            hour.system,
            hour.start_ms,
            " ".join(sorted(waiting.get(hour, set()) | due.get(hour, set()))),
        )
        for hour in sorted(due.keys() | waiting.keys())
    ]
    books.put("due", pl.DataFrame(rows, schema=DUE, orient="row"))


def forget_due(books: Books) -> None:
    """Say that all hours that `learn` named are booked."""
    if books.frame("due", DUE).height:
        books.put("due", DUE.to_frame())


class _Before:
    """What was known before, to tell what changed."""

    def __init__(
        self,
        jobs: pl.DataFrame,
        held: pl.DataFrame,
        accounting: pl.DataFrame,
        states: pl.DataFrame,
    ) -> None:
        self._jobs, self._held = jobs, held
        self._accounting, self._states = accounting, states

    def changes(
        self,
        jobs: pl.DataFrame,
        held: pl.DataFrame,
        accounting: pl.DataFrame,
        states: pl.DataFrame,
        spoken: pl.DataFrame,
        now_ms: int,
    ) -> list[tuple[pl.DataFrame, Why]]:
        """Time of which something is known now that was not known, or was known otherwise."""

        def of_spoken(frame: pl.DataFrame) -> pl.DataFrame:
            return frame.join(spoken, on=_JOB, how="semi")

        holding = [
            (of_spoken(claims), job_ends(of_spoken(ends)))
            for claims, ends in ((self._held, self._accounting), (held, accounting))
        ]
        (claims, ends), (claims_now, ends_now) = holding
        # What nobody who speaks of the device changed, the scheduler's end of the job did.
        scheduler = not _same(ends, ends_now)
        by_claim = not scheduler or not _same(claims, claims_now)
        return [
            (
                assignments.reaching_on(assignments.changes(*holding), held, job_ends(accounting)),
                Why.ASSIGNMENT if by_claim else Why.SCHEDULER,
            ),
            (
                known_jobs.changed_runs(of_spoken(self._jobs), of_spoken(jobs), now_ms),
                Why.SCHEDULER if scheduler else Why.JOB,
            ),
            (
                standing.changed_states((self._states, self._accounting), (states, accounting)),
                Why.SCHEDULER,
            ),
            (_replayed(self._jobs, jobs), Why.JOB),
        ]


def _same(before: pl.DataFrame, after: pl.DataFrame) -> bool:
    """Whether two frames hold the same rows, in whatever order."""
    if before.height != after.height:
        return False
    return before.join(after, on=before.columns, how="anti", nulls_equal=True).is_empty()


def _hours(changed: pl.DataFrame, installed: pl.DataFrame, now_ms: int) -> set[Hour]:
    """Hours of the time that changed, as far as anything was installed then.

    Args:
        changed: `system` (null: all), `low`, `high` (ms).
        installed: `records.INVENTORY`.
        now_ms: Up to when books are kept.
    """
    first = installed.group_by("system").agg(pl.col("from_ms").min().alias("first"))
    of_all = changed.filter(pl.col("system").is_null()).drop("system").join(first, how="cross")
    of_one = changed.join(first, on="system")
    bounded = pl.concat([of_one, of_all.select(of_one.columns)]).select(
        "system", pl.max_horizontal("low", "first"), pl.min_horizontal("high", pl.lit(now_ms))
    )
    due: set[Hour] = set()
    for system, low, high in bounded.filter(pl.col("low") < pl.col("high")).unique().iter_rows():
        due.update(hours_between(system, low, high))
    return due


def _replayed(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Time of jobs of which it is known only now what earlier jobs of their run had committed."""
    counting = before.filter(pl.col("counted_ms").is_not_null()).select(
        *_JOB, pl.col("start_ms").alias("low"), pl.col("counted_ms").alias("high")
    )
    now = replay.committed_before(after).join(
        replay.committed_before(before), on=_JOB, how="left", suffix="_was"
    )
    changed = now.filter(pl.col("before").ne_missing(pl.col("before_was")))
    return changed.join(counting, on=_JOB).select("system", "low", "high").drop_nulls()


def _holding(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by(_JOB).agg(
        pl.col("start_unix_ms").min().alias("start_ms"),
        pl.coalesce("end_unix_ms", "time_unix_ms").max().alias("seen_ms"),
    )


def _dated(store: Telemetry, fallen: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Rollbacks with the time their work began, looked up where the rows at hand do not tell."""
    unknown = fallen.filter(pl.col("from_ms").is_null()).drop("from_ms", "step_until")
    if unknown.is_empty():
        return fallen
    found = _looked_up(store, unknown, jobs)
    return (
        fallen.join(found, on=[*_JOB, "step_from", "until_ms"], how="left", suffix="_found")
        .with_columns(pl.coalesce("from_ms", "from_ms_found", "until_ms").alias("from_ms"))
        .select(undone.UNDONE.names())
    )


def _kept(store: Telemetry, jobs: pl.DataFrame) -> pl.DataFrame:
    """Jobs with the step that later ones of their run went on from, and when it was reached."""
    new = undone.kept_steps(jobs).join(
        jobs.select(
            *_JOB, "step_highest", "step_resumed", "step_saved", "saved_ms", "counted_ms",
            pl.col("step_kept").alias("was"), "kept_ms",
        ), on=_JOB,
    ).filter(pl.col("step_kept").ne_missing(pl.col("was")))  # fmt: skip
    if new.is_empty():
        return jobs
    # Nothing of what it went on from itself is its own work, and nothing is lost of what was kept.
    some = (pl.col("step_kept") > pl.col("step_resumed").fill_null(0)) & (
        pl.col("step_kept") < pl.col("step_highest")
    )
    saved = pl.when(pl.col("step_kept") == pl.col("step_saved")).then("saved_ms")
    partly = new.filter(some).with_columns(saved.alias("kept_ms"))
    wanted = partly.filter(pl.col("kept_ms").is_null()).select(
        *_JOB, pl.col("step_kept").alias("step_from"), pl.col("counted_ms").alias("until_ms")
    )
    found = _looked_up(store, wanted, jobs).select(*_JOB, pl.col("from_ms").alias("found"))
    dated = partly.join(found, on=_JOB, how="left").select(
        # Where it cannot be told when, nothing is called lost.
        *_JOB, pl.coalesce("kept_ms", "found", "counted_ms").alias("kept_ms_now"),
    )  # fmt: skip
    changed = new.select(*_JOB, pl.col("step_kept").alias("step_kept_now")).join(
        dated, on=_JOB, how="left"
    )
    is_changed = pl.col("step_kept_now").is_not_null()
    return (
        jobs.join(changed, on=_JOB, how="left", maintain_order="left")
        .with_columns(
            pl.when(is_changed).then(f"{name}_now").otherwise(name).alias(name)
            for name in ("step_kept", "kept_ms")
        )
        .select(jobs.columns)
    )


def _looked_up(store: Telemetry, wanted: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """When jobs had come as far as a step, from all their rows.

    Args:
        store: Where the rows are.
        wanted: `system`, `job`, `step_from`, `until_ms`.
        jobs: `records.JOBS`: from when on they counted.

    Returns:
        What `undone.reached` returns, for at most `MOST_LOOKED_UP` of them.
    """
    columns = ("system", "node", "job", "time_unix_ms", "step", "step_resumed", "step_saved",
               "steps_total")  # fmt: skip
    begins = wanted.head(MOST_LOOKED_UP).join(
        jobs.select(*_JOB, "counted_from_ms"), on=_JOB, how="inner"
    )
    found = [undone.reached(_NO_COURSE, wanted.clear())]
    for row in begins.iter_rows(named=True):
        rows = store.rows("job", row["counted_from_ms"], row["until_ms"] + 1, columns).filter(
            (pl.col("system") == row["system"]) & (pl.col("job") == row["job"])
        )
        course = known_jobs.course_of(rows).unnest("job")
        one = wanted.filter(
            (pl.col("system") == row["system"]) & (pl.col("job") == row["job"])
            & (pl.col("step_from") == row["step_from"]) & (pl.col("until_ms") == row["until_ms"])
        )  # fmt: skip
        reached = undone.reached(course.select("system", "job", "time", "step"), one)
        found.append(reached)
    return pl.concat(found)


_NO_COURSE = pl.DataFrame(
    schema={"system": pl.String, "job": pl.String, "time": pl.Int64, "step": pl.Int64}
)


def _recounted(
    before: pl.DataFrame, jobs: pl.DataFrame, series: pl.DataFrame, rows: pl.DataFrame
) -> pl.DataFrame:
    """Time over which counter readings of a job's nodes are now known to spread.

    A node that counts again after a long silence, or for the first time long after the job's start,
    made its tokens somewhere in between. Late readings change the spread around them; how far is
    not known without reading on, so a day to both sides is booked again.

    Args:
        before: The jobs as they were known.
        jobs: The jobs as they are known now.
        series: `records.SERIES` as they were known.
        rows: The new rows of table `job`.

    Returns:
        `system`, `low`, `high` (ms).
    """
    time = pl.col("time_unix_ms")
    spans = rows.group_by(*_JOB, "node").agg(time.min().alias("first"), time.max().alias("last"))
    # Of a job whose nodes are not told apart, any reading stands for all of them.
    known_by_node = series.select(_JOB).unique().with_columns(pl.lit(True).alias("by_node"))
    rows = (
        spans.join(before.select(*_JOB, counted_any="counted_ms"), on=_JOB, how="left")
        .join(jobs.select(*_JOB, "start_ms"), on=_JOB, how="left")
        .join(series.select(*_JOB, "node", "counted_ms"), on=[*_JOB, "node"], how="left")
        .join(known_by_node, on=_JOB, how="left")
        .with_columns(
            pl.when("by_node").then("counted_ms").otherwise("counted_any").alias("counted_ms")
        )
    )
    first, last, counted = (pl.col(name) for name in ("first", "last", "counted_ms"))
    known = pl.coalesce("counted_ms", "start_ms")
    resumed = (first > known + LOOK_MS).fill_null(False)
    late = ~resumed & (last < counted).fill_null(False)
    return pl.concat(
        [
            rows.filter(resumed).select("system", low=known, high=first),
            rows.filter(late).select(
                "system",
                low=first - 24 * HOUR_MS,
                high=pl.min_horizontal(last + 24 * HOUR_MS, counted),
            ),
        ]
    )


def stretches(hours: Iterable[Hour]) -> list[tuple[int, int]]:
    """Neighbouring hours, of whatever system, joined to stretches of at most a day."""
    joined: list[tuple[int, int]] = []
    for start in sorted({hour.start_ms for hour in hours}):
        if joined and joined[-1][1] == start and start - joined[-1][0] < 24 * HOUR_MS:
            joined[-1] = (joined[-1][0], start + HOUR_MS)
        else:
            joined.append((start, start + HOUR_MS))
    return joined
