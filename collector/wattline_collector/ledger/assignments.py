"""Which job held which device, of all that was said of it by whom.

Several speak of one device: the scheduler's prolog, its accounting, the processes that run, the job
itself. At every moment the most trusted of them is believed, in the order of the catalogue's
`METHODS`; the others fill the time that it leaves. Pure functions over what was said.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_agents.catalogue import METHODS
from wattline_collector.ledger.inventory import ASSIGNMENTS, OPEN_FOR_MS
from wattline_collector.ledger.overlay import joined, overlay
from wattline_collector.ledger.shares import LEAST_REST

MOST_SHARING = 64
"""Jobs that hold parts of one device at a time: more than any way of sharing allows (48 clients of
one MPS server). Of more the newest count, so that what is said cannot make booking endless."""

ALLOCATIONS = ("prolog", "jobstats", "dcgm-exporter", "amd-exporter", "slurm", "kubernetes")
"""Methods that speak of what a scheduler gave away: it was the job's until the job ended, also
where nobody was left to say so. The others saw a process, and know no more than they saw."""

EPILOG_MS = 300_000
"""An end this long after the job's own is an epilog's: what cleans up behind a job takes minutes at
most. A later one is that of a record that nobody closed in time."""

PROLOG_MS = 30_000
"""A scheduler counts a job from when it gives the nodes away, in whole seconds; its prolog runs a
little later. Where it runs much later, nodes were started for it, and were the job's meanwhile."""

KEY = ["system", "device", "job", "method", "start_ms"]


@dataclass(frozen=True, slots=True)
class Held:
    """Who held devices, as intervals that do not overlap.

    Attributes:
        intervals: `device`, `start`, `end`, `group` (Int32), sorted.
        members: `group`, `job`, `share`; a group of one member with share 1 is a whole device.
            Shares of a group add up to 1 at most; what is left is nobody's.
    """

    intervals: pl.DataFrame
    members: pl.DataFrame


def merge_assignments(
    known: pl.DataFrame, rows: pl.DataFrame, installed: pl.DataFrame
) -> pl.DataFrame:
    """Add what was said of devices and the jobs that hold them; the newest statement counts.

    In no order: there are millions, and who reads them sorts the few it looks at.

    Args:
        known: `ASSIGNMENTS`.
        rows: Rows of table `assignment`.
        installed: `records.INVENTORY`.
    """
    if rows.is_empty():
        return known
    said = rows.select(
        "system", "device", "job", pl.col("start_unix_ms").alias("start_ms"),
        pl.col("end_unix_ms").alias("end_ms"), pl.col("time_unix_ms").alias("stated_ms"),
        pl.col("method").fill_null("job"), "share",
    ).join(_places(installed), on=["system", "device"], how="left")  # fmt: skip
    # A year holds millions of claims and an hour some hundreds: only those are gone through again.
    named = said.select(KEY).unique()
    newest = (
        pl.concat([known.join(named, on=KEY, how="semi"), said.select(ASSIGNMENTS.names())])
        .sort("stated_ms", maintain_order=True)
        .group_by(KEY, maintain_order=True)
        .last()
        .select(ASSIGNMENTS.names())
    )
    return pl.concat([known.join(named, on=KEY, how="anti"), newest])


def found_nodes(known: pl.DataFrame, installed: pl.DataFrame) -> pl.DataFrame:
    """Claims on devices that nobody had heard of when they were made, and that are known now.

    Args:
        known: `ASSIGNMENTS`.
        installed: `records.INVENTORY`.

    Returns:
        Those claims, with their nodes.
    """
    lost = known.filter(pl.col("node").is_null()).drop("node")
    if lost.is_empty():
        return known.clear()
    placed = lost.join(_places(installed), on=["system", "device"])
    return placed.filter(pl.col("node").is_not_null()).select(ASSIGNMENTS.names())


def _places(installed: pl.DataFrame) -> pl.DataFrame:
    return installed.filter(pl.col("kind") == "device").select(
        "system", pl.col("key").alias("device"), "node"
    )


def changes(
    before: tuple[pl.DataFrame, pl.DataFrame], after: tuple[pl.DataFrame, pl.DataFrame]
) -> pl.DataFrame:
    """Time in which something became known or changed.

    Args:
        before: `ASSIGNMENTS`, and when jobs ended by accounting (`system`, `job`, `ended_ms`).
        after: The same, as known now. Of both only what was spoken of need be there, but of a job
            everything.

    Returns:
        `system`, `device`, `low`, `high` (ms).
    """
    key = [*KEY, "share"]
    was, now = (claims(*known).select(*key, "start", "end") for known in (before, after))
    both = was.join(now, on=key, how="full", coalesce=True, nulls_equal=True, suffix="_now")
    edges = []
    # Of a claim that was not there, or is none any more, all of its time changed.
    for edge, other in (("start", "end"), ("end", "start")):
        first = pl.coalesce(edge, f"{other}_now")
        second = pl.coalesce(f"{edge}_now", other)
        edges.append(
            both.filter(first != second).select(
                "system",
                "device",
                pl.min_horizontal(first, second).alias("low"),
                pl.max_horizontal(first, second).alias("high"),
            )
        )
    return pl.concat(edges)


def reaching_on(changed: pl.DataFrame, known: pl.DataFrame, ended: pl.DataFrame) -> pl.DataFrame:
    """Changed time, up to the end of other claims that reach on beyond it.

    A claim that begins inside another ends it for good, also for the time after its own end.

    Args:
        changed: What `changes` returned.
        known: `ASSIGNMENTS`, all of them.
        ended: `system`, `job`, `ended_ms`: what accounting says.

    Returns:
        `system`, `low`, `high` (ms).
    """
    result = changed.select("system", "low", "high")
    if changed.is_empty():
        return result
    since = changed["low"].min()
    latest = pl.coalesce("end_ms", pl.col("stated_ms") + OPEN_FOR_MS)
    device = ["system", "device"]
    others = (
        known.filter(pl.col("device").is_in(changed["device"].unique().implode()))
        .join(ended, on=["system", "job"], how="left")
        .select(*device, "start_ms", pl.max_horizontal(latest, "ended_ms").alias("until"))
        .filter(pl.col("until") > since)
        .sort("start_ms")
        # Of all that began before a moment, how far any reaches: pairing every claim on a device
        # with every other would take the square of a year's.
        .with_columns(pl.col("until").cum_max().over(device))
    )
    wider = (
        changed.sort("high")
        .join_asof(
            others, left_on="high", right_on="start_ms", by=device, strategy="backward",
            allow_exact_matches=False, check_sortedness=False,
        )
        .filter(pl.col("until") > pl.col("high"))
        .select("system", "low", pl.col("until").alias("high"))
    )  # fmt: skip
    return pl.concat([result, wider])


def trust() -> pl.Expr:
    """The place of `method` in the order of trust: 0 is first, what nobody knows last."""
    places = {method: place for place, method in enumerate(METHODS)}
    return pl.col("method").replace_strict(places, default=len(METHODS), return_dtype=pl.Int32)


def claims(assignments: pl.DataFrame, ended: pl.DataFrame) -> pl.DataFrame:
    """Claims with the ends that are believed of them.

    A claim lasts until its end, an open one until it was not repeated for `OPEN_FOR_MS`. Where
    accounting says when the job ended, nothing lasts longer than an epilog may take; and what the
    scheduler gave away lasted that long, if nobody said that it ended earlier. Where a more trusted
    one of what the scheduler gave away says when the job took or left the device, less trusted ones
    do as well; where it says which devices of a node those were, less trusted ones name no others.

    Args:
        assignments: `ASSIGNMENTS`.
        ended: `system`, `job`, `ended_ms`: what accounting says.

    Returns:
        `ASSIGNMENTS` with `rank` (0 is the most trusted), `start`, `end`; none is empty.
    """
    share = pl.col("share")
    rows = assignments.join(ended, on=["system", "job"], how="left", maintain_order="left")
    stale = pl.col("stated_ms") + OPEN_FOR_MS
    # An end before the claim began is another run's: accounting has not heard of this one yet.
    job_ended = pl.when(pl.col("ended_ms") > pl.col("start_ms")).then("ended_ms")
    given_away = pl.when(pl.col("method").is_in(ALLOCATIONS)).then(job_ended)
    own_end = pl.when((pl.col("end_ms") <= job_ended + EPILOG_MS).fill_null(True)).then("end_ms")
    found = rows.select(
        *(name for name in ASSIGNMENTS.names() if name != "share"),
        pl.when((share > 0) & (share < 1)).then(share).alias("share"),
        trust().alias("rank"),
        pl.col("start_ms").alias("start"),
        pl.coalesce(own_end, given_away, pl.min_horizontal(stale, job_ended)).alias("end"),
        (pl.col("end_ms").is_not_null() | job_ended.is_not_null()).alias("is_closed"),
    ).filter(pl.col("end") > pl.col("start"))
    return _within_better(_of_given_devices(found)).drop("is_closed")


def _of_given_devices(found: pl.DataFrame) -> pl.DataFrame:
    """Leave out other devices of a node than those that a more trusted one says were given away.

    Schedulers number devices by a count of their own, which is not the driver's on every node. One
    method's list of a job's devices on a node is complete, so the most trusted one is believed.
    """
    of_job, of_device = ["system", "node", "job"], ["system", "device", "job"]
    is_allocation = pl.col("method").is_in(ALLOCATIONS) & pl.col("node").is_not_null()
    best = pl.col("rank").filter(is_allocation).min()
    doubted = found.filter(
        is_allocation
        & (pl.col("rank") > best.over(of_job))
        & (pl.col("rank") == best.over(of_device))
    )
    if doubted.is_empty():
        return found
    spans = (
        found.filter(is_allocation)
        .group_by(*of_job, pl.col("rank").alias("better"))
        .agg(pl.col("start").min().alias("since"), pl.col("end").max().alias("until"))
    )
    wrong = doubted.join(spans, on=of_job).filter(
        (pl.col("better") < pl.col("rank"))
        & (pl.col("since") < pl.col("end"))
        & (pl.col("until") > pl.col("start"))
    )
    return found.join(wrong.select(*KEY).unique(), on=KEY, how="anti")


def _within_better(found: pl.DataFrame) -> pl.DataFrame:
    """Begin and end claims where a more trusted one of the same job and device does.

    Only what speaks of allocations does that: that a process is gone does not mean that its job
    gave the device back.
    """
    subject = ["system", "device", "job"]
    several = pl.col("rank").n_unique().over(subject) > 1
    alone, among = found.filter(~several), found.filter(several)
    if among.is_empty():
        return found
    allocations = among.filter(pl.col("method").is_in(ALLOCATIONS))
    parts = []
    for rank in among["rank"].unique():
        better = allocations.filter(pl.col("rank") < rank).select(
            *subject,
            pl.col("start").alias("better_start"),
            pl.when("is_closed").then("end").alias("better_end"),
        )
        near = among.filter(pl.col("rank") == rank).sort("start")
        ended = near.join_asof(
            better.drop_nulls("better_end").sort("better_end"), left_on="start",
            right_on="better_end", by=subject, strategy="forward", coalesce=False,
            check_sortedness=False,
        ).with_columns(
            pl.when(pl.col("better_start") < pl.col("end"))
            .then(pl.min_horizontal("end", "better_end"))
            .otherwise("end")
            .alias("end")
        ).select(found.columns)  # fmt: skip
        begun = ended.join_asof(
            better.sort("better_start"), left_on="start", right_on="better_start", by=subject,
            strategy="forward", tolerance=PROLOG_MS, coalesce=False, check_sortedness=False,
        ).with_columns(pl.coalesce("better_start", "start").alias("start"))  # fmt: skip
        parts.append(begun.select(found.columns))
    return pl.concat([alone, *parts]).filter(pl.col("end") > pl.col("start"))


def held(assignments: pl.DataFrame, ended: pl.DataFrame, system: str, low: int, high: int) -> Held:
    """Who held the devices of a system.

    Args:
        assignments: `ASSIGNMENTS`.
        ended: `system`, `job`, `ended_ms`: what accounting says.
        system: Whose devices.
        low: First moment, ms.
        high: First moment no longer asked for.
    """
    mine = assignments.filter((pl.col("system") == system) & (pl.col("start_ms") < high))
    near = _reaching(mine, ended, low)
    # Of a year's claims few reach into what is asked for. What began inside one of those ended it
    # for good, also where it is over itself by then; and whatever else is said of the same jobs
    # tells what each is worth.
    since = near.group_by("device").agg(pl.col("start_ms").min().alias("since"))
    began = pl.col("start_ms") + PROLOG_MS
    inside = mine.join(since, on="device").filter(began >= pl.col("since"))
    mine = mine.join(inside.select("job").unique(), on="job", how="semi")
    ended = ended.join(mine.select("system", "job").unique(), on=["system", "job"], how="semi")
    found = claims(mine, ended)
    return _grouped(_believed(found), low, high)


def _reaching(mine: pl.DataFrame, ended: pl.DataFrame, low: int) -> pl.DataFrame:
    """Claims of which any could last beyond a moment; none lasts longer than was said of it."""
    latest = pl.coalesce("end_ms", pl.max_horizontal(pl.col("stated_ms") + OPEN_FOR_MS, "ended_ms"))
    return mine.join(ended, on=["system", "job"], how="left").filter(latest > low)


def bearing_on(assignments: pl.DataFrame, system: str, jobs: list[str]) -> pl.DataFrame:
    """All that was said which bears on the devices that jobs are said to have held.

    That is, on those devices, of all jobs; and of those jobs, on all devices: what a more trusted
    method says of one device tells what a less trusted one is worth on another.

    Args:
        assignments: `ASSIGNMENTS`.
        system: Whose jobs.
        jobs: Their keys.

    Returns:
        Some of `assignments`.
    """
    of_system = assignments.filter(pl.col("system") == system)
    devices = of_system.filter(pl.col("job").is_in(jobs)).select("device").unique()
    others = of_system.join(devices, on="device", how="semi").select("job").unique()
    return of_system.join(others, on="job", how="semi")


def methods_used(
    assignments: pl.DataFrame, ended: pl.DataFrame, system: str, jobs: list[str]
) -> pl.DataFrame:
    """How it is known that jobs held their devices.

    Args:
        assignments: `ASSIGNMENTS`.
        ended: `system`, `job`, `ended_ms`: what accounting says.
        system: Whose jobs.
        jobs: Their keys.

    Returns:
        `job`, `method`, `seconds` (device time that was decided by it), the most first.
    """
    found = claims(bearing_on(assignments, system, jobs), ended)
    time = (pl.col("end") - pl.col("start")) * pl.col("share").fill_null(1.0)
    return (
        _believed(found)
        .filter(pl.col("job").is_in(jobs))
        .group_by("job", "method")
        .agg((time.sum() / 1000).alias("seconds"))
        .sort("job", "seconds", "method", descending=[False, True, False])
    )


def _believed(found: pl.DataFrame) -> pl.DataFrame:
    """Of one system's claims those that count: `device`, `job`, `start`, `end`, `share`, `method`.

    Where one claim of a method begins before another on the device ended, the earlier ends there: a
    device is one job's at a time, and the end of an open one is only the latest moment it may still
    have been held. Claims of parts of a device stand beside each other.
    """
    source = ["device", "rank"]
    whole = pl.col("share").is_null()
    ordered = found.sort(*source, "start", "job").with_columns(
        pl.col("start").shift(-1).over(source).alias("next"),
        pl.when(whole).then("start").shift(-1).backward_fill().over(source).alias("next_whole"),
        pl.col("start").shift(-MOST_SHARING).over(source).alias("too_many"),
    )
    until = pl.min_horizontal(
        "end", pl.when(whole).then("next").otherwise("next_whole"), "too_many"
    )
    apart = ordered.with_columns(until.alias("end")).filter(pl.col("end") > pl.col("start"))
    cut = overlay(
        apart.select("device", "job", "start", "end", "rank", "share", "method", "start_ms"),
        "device",
    )
    # A job that holds several parts by one method's word holds what it said last.
    return (
        cut.sort("device", "start", "start_ms", maintain_order=True)
        .unique(["device", "start", "job"], keep="last", maintain_order=True)
        .select("device", "job", "start", "end", "share", "method")
    )


def _grouped(believed: pl.DataFrame, low: int, high: int) -> Held:
    """Number those who hold a device at the same time."""
    inside = believed.filter((pl.col("end") > low) & (pl.col("start") < high)).with_columns(
        pl.col("start").clip(lower_bound=low), pl.col("end").clip(upper_bound=high)
    )
    several = pl.len().over("device", "start") > 1
    is_shared = pl.col("share").is_not_null() | several
    whole = inside.filter(~is_shared)
    jobs = whole.select("job").unique().sort("job")
    numbers = jobs.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("group"))
    columns = ["device", "start", "end", "group"]
    intervals = whole.join(numbers, on="job", how="left", maintain_order="left").select(columns)
    members = numbers.select("group", "job", pl.lit(1.0).alias("share"))
    shared = inside.filter(is_shared)
    if shared.height:
        parts, more = _sharing(shared, jobs.height)
        intervals = pl.concat([intervals, parts.select(columns)])
        members = pl.concat([members, more])
    return Held(joined(intervals, "device"), members)


def _sharing(shared: pl.DataFrame, first: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Intervals of devices that jobs hold parts of, and the members of their groups."""
    at_once = (
        shared.sort("device", "start", "job")
        .group_by("device", "start", "end", maintain_order=True)
        .agg("job", pl.col("share").fill_null(1.0))
    )
    kinds = at_once.select("job", "share").unique(maintain_order=True)
    kinds = kinds.with_columns((first + pl.int_range(pl.len(), dtype=pl.Int32)).alias("group"))
    intervals = at_once.join(kinds, on=["job", "share"], how="left", maintain_order="left")
    members = kinds.explode("job", "share", empty_as_null=False)
    total = pl.col("share").sum().over("group")
    # More was given away than there is: each gets its part of the whole.
    scaled = pl.when(total > 1 + LEAST_REST).then(pl.col("share") / total).otherwise("share")
    return intervals, members.select("group", "job", scaled.alias("share"))
