"""Work that was for nothing, posted where figures are read.

That work was thrown away is known when its job has ended, or when the next job of its run goes on
from an earlier step: long after its minutes were booked. The minutes stay as they are; the
adjustment is made where figures are read, so history is never rewritten. Only the time in which the
work was first done is lost; what does it again is kept, and its steps are counted once.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger import cuts
from wattline_collector.ledger.accounts import WORKING, Account
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.scanned import Scanned
from wattline_collector.ledger.schema import ACCOUNT, HOUR_MS, MINUTE_MS, TIME

FAILED = ("failed", "out_of_memory", "node_fail", "boot_fail")
"""States of jobs whose work is lost but for what was saved. A job that ran out of its time, or was
cancelled or preempted, may have saved what it made and told nobody: of it only that is lost which
another job is seen to do again."""

LOST = pl.Schema(
    {"system": pl.String(), "job": pl.String(), "from_ms": pl.Int64(), "until_ms": pl.Int64()}
)
"""Time whose work was for nothing; null: from its start, up to its end."""

_JOB = ["system", "job"]


def lost_time(jobs: pl.DataFrame, undone: pl.DataFrame) -> pl.DataFrame:
    """When jobs worked for nothing.

    A job that another one of its run went on from worked for nothing after the step that was gone
    on from. One that failed, and that none went on from, after its newest checkpoint; without any,
    all of its time.

    Args:
        jobs: `records.JOBS`.
        undone: `undone.UNDONE`: jobs that went back by themselves.

    Returns:
        `LOST`.
    """
    failed = pl.col("state").is_in(FAILED)
    went_on = pl.col("step_kept").is_not_null()
    # A checkpoint of a step that the job itself went on from is not its work.
    saved = pl.when(pl.col("step_saved") > pl.col("step_resumed").fill_null(-1)).then("saved_ms")
    whole = jobs.filter(
        (went_on & (pl.col("step_kept") < pl.col("step_highest"))) | (failed & ~went_on)
    ).select(
        "system",
        "job",
        pl.when(went_on).then("kept_ms").otherwise(saved).alias("from_ms"),
        pl.lit(None, dtype=pl.Int64).alias("until_ms"),
    )
    back = undone.join(whole.filter(pl.col("from_ms").is_null()), on=["system", "job"], how="anti")
    return pl.concat([whole, back.select(LOST.names())])


def post(
    books: Books, table: str, entries: pl.DataFrame, lost: pl.DataFrame, start_ms: int, end_ms: int
) -> pl.DataFrame:
    """Entries with lost work in the account `lost`, to the minute.

    Args:
        books: Where the parts of an hour are that was lost in part, or its minutes.
        table: `device` or `node`.
        entries: What `books.read` returned of that table and period, all or some of its jobs.
        lost: `LOST`.
        start_ms: The period's first moment.
        end_ms: The first moment after it.
    """
    return post_scanned(books, table, Scanned.of(entries), lost, start_ms, end_ms).collect()


def post_scanned(
    books: Books, table: str, entries: Scanned, lost: pl.DataFrame, start_ms: int, end_ms: int
) -> Scanned:
    """The same of what `books.scan` returned."""
    # Of all that a year holds, little was lost: the rest is not looked at.
    is_theirs = _any_of(lost)
    mine = entries.collect(lambda part: part.filter(is_theirs))
    if mine.is_empty():
        return entries
    rest = entries.each(lambda part: part.filter(~is_theirs))
    theirs = lost.join(mine.select(_JOB).unique(), on=_JOB, how="semi")
    parted = _parted(books, table, mine, cuts.edges(theirs), start_ms, end_ms)
    return rest.with_more(_marked(parted, theirs))


def _any_of(lost: pl.DataFrame) -> pl.Expr:
    """Whether an entry is of one of those jobs."""
    found = pl.lit(False)
    for system, jobs in lost.group_by("system").agg("job").iter_rows():
        names = pl.Series(jobs, dtype=pl.String).unique().implode()
        # Time without a job is nobody's. (What is filled here is a column: Polars cannot filter a
        # long frame by a filled constant.)
        found |= ((pl.col("system") == system) & pl.col("job").is_in(names)).fill_null(False)
    return found


def _parted(
    books: Books, table: str, entries: pl.DataFrame, edges: pl.DataFrame, start_ms: int, end_ms: int
) -> pl.DataFrame:
    """Entries, those of hours that were lost in part by their parts, else by their minutes."""
    hourly = entries.with_columns(pl.col("minute").dt.truncate("1h").alias("hour"))
    partly = hourly.select(cuts.KEY).unique().join(edges, on=cuts.KEY)
    if partly.is_empty():
        return entries
    # Few hours of few jobs: only they are looked up one by one.
    near = pl.all_horizontal(
        pl.col(name).is_in(partly[name].unique().implode()) for name in ("job", "hour")
    )
    nearby = hourly.filter(near)
    far = hourly.filter(~near)
    others = nearby.join(partly, on=cuts.KEY, how="anti", maintain_order="left")
    split = nearby.join(partly, on=cuts.KEY, how="semi", maintain_order="left")
    hour = pl.col("hour").dt.epoch("ms")
    inside = (hour >= start_ms) & (hour + HOUR_MS <= end_ms)
    # What is there by the minute stays so.
    coarse = split.group_by(cuts.KEY).agg((pl.col("minute") == pl.col("hour")).all().alias("is"))
    whole = partly.filter(inside).join(coarse.filter("is"), on=cuts.KEY, how="semi")
    first, last = -(-start_ms // HOUR_MS) * HOUR_MS, end_ms // HOUR_MS * HOUR_MS
    parts = cuts.standing_for(books.cuts(table, first, last), split, whole)
    missing = partly.join(parts, on=cuts.KEY, how="anti")
    hours = [
        Hour(system, round(start.timestamp() * 1000))
        for system, start in missing.select("system", "hour").unique().sort(pl.all()).iter_rows()
    ]
    bounds = [pl.lit(ms).cast(TIME) for ms in (start_ms, end_ms)]
    minutes = (
        books.minutes_of(table, hours, missing["job"])
        .filter((pl.col("minute") >= bounds[0]) & (pl.col("minute") < bounds[1]))
        .with_columns(pl.col("minute").dt.truncate("1h").alias("hour"))
        .join(missing, on=cuts.KEY, how="semi", maintain_order="left")
    )
    return pl.concat([part.select(entries.columns) for part in (far, others, parts, minutes)])


def _marked(entries: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    minute = pl.col("minute").dt.epoch("ms")
    numbered = entries.with_row_index("row")
    # The minute in which the work was saved is kept, that in which it was given up is lost.
    since = -(-pl.col("from_ms") // MINUTE_MS) * MINUTE_MS
    in_vain = (
        numbered.select("row", "system", "job", "minute")
        .join(lost, on=["system", "job"])
        .filter(
            (pl.col("from_ms").is_null() | (minute >= since))
            & (pl.col("until_ms").is_null() | (minute < pl.col("until_ms")))
        )
        .select("row")
        .unique()
    )
    working = pl.col("account").is_in([account.value for account in WORKING])
    is_lost = pl.col("row").is_in(in_vain["row"].implode())
    return numbered.with_columns(
        pl.when(working & is_lost)
        .then(pl.lit(Account.LOST, dtype=ACCOUNT))
        .otherwise("account")
        .alias("account")
    ).drop("row")
