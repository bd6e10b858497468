"""Hours that were lost in part, added up on both sides of the moment at which that began or ended.

Figures are read from hourly sums. Of an hour in which lost work begins or ends they need what lies
before that moment and what lies after it, which only its minutes tell; of a year those are
thousands of files. So booking adds such hours up once: when it books them, or when such a moment
becomes known. Nothing hangs on it: what is not kept, or does not add up to the hour's own sums, is
read from the minutes by whoever needs it (`lost.post`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import groupby

import polars as pl

from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.schema import CUTS, HOUR_MS, MINUTE_MS, TIME
from wattline_collector.ledger.sums import in_parts

EDGES = pl.Schema({"system": pl.String(), "job": pl.String(), "hour": TIME, "edges": pl.String()})
"""Hours of jobs that are cut, and where: minutes of the hour, in order, with spaces between."""

KEY = ["system", "job", "hour"]

_HOUR = pl.col("minute").dt.truncate("1h").alias("hour")
_SUMS = ("duration_ms", "energy_joules")


def edges(lost: pl.DataFrame) -> pl.DataFrame:
    """Where hours are cut.

    The minute in which work was saved is kept, and that in which it was given up is lost: both ends
    of a lost time are moved on to a whole minute. One that is then a whole hour cuts none.

    Args:
        lost: `lost.LOST`.

    Returns:
        `EDGES`.
    """
    ends = pl.concat(
        [
            lost.select("system", "job", (-(-pl.col(end) // MINUTE_MS)).alias("minute"))
            for end in ("from_ms", "until_ms")
        ]
    ).drop_nulls("minute")
    of_hour = pl.col("minute") % (HOUR_MS // MINUTE_MS)
    return (
        ends.filter(of_hour > 0)
        .group_by(
            "system", "job", ((pl.col("minute") - of_hour) * MINUTE_MS).cast(TIME).alias("hour")
        )
        .agg(of_hour.unique().sort().cast(pl.String).str.join(" ").alias("edges"))
    )


def cut(table: str, minutes: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Add hours up, each part of them by itself.

    Args:
        table: `device` or `node`.
        minutes: Entries per minute; those of other hours and jobs are left out.
        wanted: `EDGES`.

    Returns:
        `CUTS` of that table.
    """
    if wanted.is_empty():
        return CUTS[table].to_frame()
    begins = pl.col("hour") + pl.duration(minutes=pl.col("mark"))
    marks = (
        # An hour's start is a mark too, so that no entry falls to a part of an earlier hour.
        wanted.with_columns(pl.concat_str(pl.lit("0 "), "edges").str.split(" ").alias("mark"))
        .explode("mark")
        .with_columns(pl.col("mark").cast(pl.Int64))
        .select("system", "job", "edges", begins.alias("mark"))
        .sort("mark")
    )
    mine = (
        minutes.filter(pl.col("job").is_in(wanted["job"].unique().implode()))
        .with_columns(_HOUR)
        .join(wanted.select(KEY), on=KEY, how="semi", maintain_order="left")
        .sort("minute", maintain_order=True)
        .join_asof(
            marks, left_on="minute", right_on="mark", by=["system", "job"], strategy="backward",
            check_sortedness=False,
        )
    )  # fmt: skip
    parts = in_parts(table, mine.with_columns(pl.col("mark").alias("minute")))
    return (
        parts.with_columns(_HOUR)
        .join(wanted, on=KEY, how="left", maintain_order="left")
        .select(CUTS[table].names())
    )


def standing_for(cuts: pl.DataFrame, hours: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """The cuts that can stand for their hours: where they have to be, and with nothing missing.

    Args:
        cuts: `CUTS` of a table.
        hours: Hourly sums of the same table.
        wanted: `EDGES`.

    Returns:
        The columns of the table, and `hour`.
    """
    mine = cuts.with_columns(_HOUR).join(
        wanted.select(*KEY, "edges"), on=[*KEY, "edges"], how="semi", maintain_order="left"
    )
    key = [*KEY, *(name for name in ("node", "device", "account") if name in mine.columns)]
    sums = [pl.col(name).fill_null(0).sum() for name in _SUMS]
    of_hours = hours.with_columns(_HOUR).join(mine.select(KEY).unique(), on=KEY, how="semi")
    both = (
        mine.group_by(key)
        .agg(sums)
        .join(
            of_hours.group_by(key).agg(sums), on=key, how="full", coalesce=True, suffix="_of_hour"
        )
    )
    # Sums of the same minutes in another order differ in their last digits.
    same = pl.all_horizontal(
        (pl.col(name) - pl.col(f"{name}_of_hour")).abs() <= 1e-9 * pl.col(name).abs() + 1e-6
        for name in _SUMS
    )
    wrong = both.filter(~same.fill_null(False)).select(KEY).unique()
    return mine.join(wrong, on=KEY, how="anti", maintain_order="left").drop("edges")


def unlike(table: str, kept: pl.DataFrame, minutes: pl.DataFrame) -> pl.DataFrame:
    """The cuts that are not the sums of their minutes.

    Args:
        table: `device` or `node`.
        kept: `CUTS` of that table.
        minutes: Entries per minute of the same hours.

    Returns:
        `hour`, `job`.
    """
    wanted = kept.with_columns(_HOUR).select(EDGES.names()).unique()
    made = cut(table, minutes, wanted.unique(KEY))
    dims = [name for name in kept.columns if not kept.schema[name].is_numeric()]
    dims.remove("energy_method")
    values = [name for name in kept.columns if kept.schema[name].is_numeric()]
    both = kept.join(
        made, on=dims, how="full", coalesce=True, nulls_equal=True, suffix="_made",
        maintain_order="left_right",
    )  # fmt: skip
    is_kept = pl.lit(True)
    for name in values:
        was, now = pl.col(name).fill_null(-1.0), pl.col(f"{name}_made").fill_null(-1.0)
        is_kept &= (was - now).abs() <= 1e-6 * now.abs() + 1e-3
    return both.filter(~is_kept).select(_HOUR, "job").unique().sort(pl.all())


def of_hours(
    hours: Sequence[Hour], entries: Mapping[str, pl.DataFrame], wanted: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """The cuts of hours that are booked.

    Args:
        hours: Hours of one system.
        entries: Their minutes by table.
        wanted: `EDGES`, of any hours.

    Returns:
        `CUTS` by table, in the order in which they are kept.
    """
    mine = wanted.filter(pl.col("system") == hours[0].system)
    mine = mine.join(_times(hours), on="hour", how="semi")
    return {
        table: cut(table, entries[table], mine).sort("minute", maintain_order=True)
        for table in CUTS
    }


def keep(books: Books, hours: Sequence[Hour], made: Mapping[str, pl.DataFrame]) -> None:
    """Keep the cuts of hours in place of those there were.

    Args:
        books: Whose.
        hours: Hours of one system and day.
        made: Their cuts, `CUTS` by table.
    """
    for table in CUTS:
        books.put_cuts(table, hours[0].system, hours[0].day, _times(hours), made[table])


def _times(hours: Sequence[Hour]) -> pl.DataFrame:
    return pl.DataFrame({"hour": [hour.time for hour in hours]}, schema={"hour": TIME})


def catch_up(
    books: Books, before: pl.DataFrame | None, now: pl.DataFrame, booked: Set[Hour]
) -> None:
    """Cut the hours in which an edge became known, or moved, after they were booked.

    Args:
        books: Whose.
        before: `EDGES` as they were when cuts were last kept; None: of earlier hours none are.
        now: As they are known.
        booked: Hours whose cuts were kept with what is known now.
    """
    was = EDGES.to_frame() if before is None else before
    every = [*KEY, "edges"]
    changed = pl.concat(
        [one.join(other, on=every, how="anti") for one, other in ((now, was), (was, now))]
    ).select(KEY)
    jobs: dict[Hour, list[str]] = {}
    for system, job, time in changed.unique().iter_rows():
        hour = Hour(system, round(time.timestamp() * 1000))
        if hour not in booked:
            jobs.setdefault(hour, []).append(job)
    for (system, day), some in groupby(sorted(jobs), lambda hour: (hour.system, hour.day)):
        hours = list(some)
        pairs = pl.DataFrame(
            [(system, job, hour.time) for hour in hours for job in jobs[hour]],
            schema={name: EDGES[name] for name in KEY}, orient="row",
        )  # fmt: skip
        wanted = now.join(pairs, on=KEY, how="semi")
        for table in CUTS:
            minutes = books.minutes_of(table, hours, wanted["job"])
            books.put_cuts(table, system, day, pairs, cut(table, minutes, wanted))
    if before is None:
        books.begin_cuts()
