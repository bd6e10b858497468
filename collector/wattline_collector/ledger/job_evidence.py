"""The evidence of what jobs made: their counters, however far apart they were read."""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger import job, replay
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.known import Known, Telemetry
from wattline_collector.ledger.schema import HOUR_MS


def job_increments(
    store: Telemetry,
    system: str,
    rows: pl.DataFrame,
    jobs: pl.DataFrame,
    known: Known,
    window: Window,
) -> pl.DataFrame:
    """What jobs made between readings, from all readings that bear on a window.

    Args:
        store: For the few readings that lie far outside the window.
        system: Whose jobs.
        rows: Rows of table `job` in what is looked at.
        jobs: `records.JOBS` of the system.
        known: What is known from earlier rows.
        window: What is booked.

    Returns:
        What `job.increments` returns, with what was done before set apart.
    """
    time = pl.col("time_unix_ms")
    # What was counted up to the window's start, or begun after its end, is no time of its own.
    counting = jobs.filter(
        (pl.col("counted_ms") > window.start_ms)
        & (pl.min_horizontal("start_ms", "counted_from_ms") < window.end_ms)
    ).select("job", "counted_from_ms", "counted_ms")
    series = (
        known.series.filter(pl.col("system") == system)
        .join(counting.select("job"), on="job", how="semi")
        .select("job", "node", "counted_from_ms", "counted_ms")
    )
    # Of a job whose nodes are not told apart, any reading stands for all of them.
    others = counting.join(series, on="job", how="anti")
    far = []
    for who, each in ((series, ["job", "node"]), (others, ["job"])):
        # Who was counting before the window and is silent at its start needs the reading before,
        # however old; who is silent at its end and counted again later, the one after.
        before = who.filter(
            (pl.col("counted_from_ms") < window.low) & (pl.col("counted_ms") > window.start_ms)
        ).join(rows.filter(time <= window.start_ms), on=each, how="anti")
        after = who.filter(pl.col("counted_ms") > window.high).join(
            rows.filter(time >= window.end_ms), on=each, how="anti"
        )
        far += [
            _nearest(store, system, before, each, window.low, backwards=True),
            _nearest(store, system, after, each, window.high + 1, backwards=False),
        ]
    rows = pl.concat([rows, *far])
    starts = jobs.select("job", pl.col("start_ms").alias("start")).join(
        rows.select("job").unique(), on="job", how="semi"
    )
    rows = rows.with_columns(time.alias("time")).sort("job", "node", "time")
    grown = job.increments(rows, starts)
    # The first row of a series that was already running only says where it stood.
    ran_before = starts.filter(pl.col("start") < window.low)["job"].implode()
    first = pl.struct("job", "node").is_first_distinct()
    old = rows.select((first & pl.col("job").is_in(ran_before) & (time < window.low)).alias("old"))
    grown = grown.filter(~old["old"])
    course = replay.steps_of(rows)
    if course.is_empty():
        return grown
    before = _committed(course, known, system)
    return replay.set_apart(grown, course, replay.replays(course, before, starts))


def _committed(course: pl.DataFrame, known: Known, system: str) -> pl.DataFrame:
    """The highest step that jobs had to their account before what is looked at."""
    mine = pl.col("system") == system
    begins = course.group_by("job").agg(pl.col("time").min().alias("begins"))
    own = (
        known.undone.filter(mine)
        .join(begins, on="job")
        .filter(pl.col("until_ms") < pl.col("begins"))
        .select("job", pl.col("step_until").alias("before"))
    )
    earlier = known.before.filter(mine).select("job", "before")
    return pl.concat([earlier, own]).group_by("job").agg(pl.col("before").max())


def _nearest(
    store: Telemetry,
    system: str,
    waiting: pl.DataFrame,
    each: list[str],
    edge_ms: int,
    *,
    backwards: bool,
) -> pl.DataFrame:
    """The counter readings nearest to an edge, looked for further and further away.

    Args:
        store: Where they are.
        system: Whose.
        waiting: `each`, `counted_from_ms`, `counted_ms`.
        each: What to find one of: a job, or a job's node.
        edge_ms: The edge.
        backwards: Whether readings before it are wanted.
    """
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
        rows = rows.join(waiting, on=each, how="semi", maintain_order="left")
        series = rows.group_by("job", "node", maintain_order=True)
        near = series.tail(1) if backwards else series.head(1)
        found.append(near.select(rows.columns))
        waiting = waiting.join(near, on=each, how="anti")
        if (low <= limit) if backwards else (high > limit):
            break
        reach *= 4
    return pl.concat(found)
