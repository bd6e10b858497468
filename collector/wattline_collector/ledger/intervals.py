"""From samples to pieces of time that are each wholly inside one minute and one assignment.

A sample describes the interval that ends with it. Intervals are cut at every minute, at every start
and end of an assignment, and at the bounds of the time a subject was installed, so that a piece has
one minute, one job and one interval. The work is done on integers and positions: subjects are
numbered, events are sorted once, and attributes are fetched by position, so that a day of 256
devices at one-minute sampling is a matter of half a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_collector.ledger.schema import HOUR_MS, METHOD, MINUTE_MS

GAP_PERIODS = 3
"""An interval longer than this many sampling periods is a gap: two lost samples are bad luck,
three say that nobody was looking (design 9)."""

UNKNOWN_PERIOD_MS = 60_000
"""Taken where a sender stated no period: the slowest sampling in common use."""

INTEGRATION_LIMIT_MS = 60_000
"""Power is integrated across a hole up to this long: recordings by others have holes of 20 s whose
authors integrate over them, and over a minute power says little about what lies between."""

MOST_WATTS = 100_000
"""More than any node draws. A counter that stands for more than this, over the time since it was
read before, did not begin at nought in between: it only slipped back."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is booked, and what is looked at to book it.

    Attributes:
        start_ms: First moment booked; on a minute.
        end_ms: First moment no longer booked; on a minute unless the hour is still open.
        look_ms: How far before and after evidence is looked at.
        now_ms: Nothing is known after this.
    """

    start_ms: int
    end_ms: int
    look_ms: int
    now_ms: int

    @property
    def low(self) -> int:
        """The earliest moment looked at."""
        return self.start_ms - self.look_ms

    @property
    def high(self) -> int:
        """The latest moment looked at."""
        return min(self.end_ms + self.look_ms, self.now_ms)


def gap_limit() -> pl.Expr:
    """How long an interval ending with this sample may be, in ms; needs column `period_ms`."""
    period = pl.when(pl.col("period_ms") > 0).then(pl.col("period_ms"))
    return GAP_PERIODS * period.fill_null(UNKNOWN_PERIOD_MS)


def paces(samples: pl.DataFrame) -> pl.DataFrame:
    """How far apart a subject's samples were meant to be, hour by hour.

    A sender's pace may change, and a booked hour may be booked again long after: what was expected
    of an hour is what its own rows say. Of several sources of one subject those count that energy
    is booked by, where there are any.

    Args:
        samples: `subject`, `time`, `period_ms`, `energy_joules_total`, `power_watts`, sorted.

    Returns:
        `subject`, `hour` (its start, ms), `pace_ms`.
    """
    period = pl.col("period_ms")
    metered = pl.col("energy_joules_total").is_not_null() | pl.col("power_watts").is_not_null()
    return (
        samples.filter(period > 0)
        .group_by("subject", (pl.col("time") // HOUR_MS * HOUR_MS).alias("hour"))
        .agg(pl.coalesce(period.filter(metered).last(), period.last()).alias("pace_ms"))
    )


def with_pace(booked: pl.DataFrame, paces: pl.DataFrame) -> pl.DataFrame:
    """Put the pace of its hour in the place of each entry's `period_ms`.

    An hour without rows has that of the hour before, else of the one after, else what is known of
    the subject.

    Args:
        booked: `subject`, `minute` (ms), `period_ms` and anything else.
        paces: What `paces` returned.
    """
    hours = (
        booked.select("subject", (pl.col("minute") // HOUR_MS * HOUR_MS).alias("hour"))
        .unique()
        .join(paces, on=["subject", "hour"], how="left")
        .sort("subject", "hour")
        .with_columns(
            pl.coalesce(
                pl.col("pace_ms").forward_fill().over("subject"),
                pl.col("pace_ms").backward_fill().over("subject"),
            )
        )
    )
    return (
        booked.with_columns((pl.col("minute") // HOUR_MS * HOUR_MS).alias("hour"))
        .join(hours, on=["subject", "hour"], how="left", maintain_order="left")
        .with_columns(pl.coalesce("pace_ms", "period_ms").alias("period_ms"))
        .drop("hour", "pace_ms")
    )


def before(column: str) -> pl.Expr:
    """The value in the sample before, of the same subject; needs `subject`, sorted."""
    same = pl.col("subject") == pl.col("subject").shift(1)
    return pl.when(same).then(pl.col(column).shift(1))


def tells_energy() -> pl.Expr:
    """Whether energy is booked by this sample; needs `subject`, sorted, and the columns of energy.

    From a subject's first counter reading on, those that have the counter; before it, and of
    subjects without one, those that have power. Not every sample does: a lost device has neither,
    and a node's meter is one source of its rows among others. A sample is judged by those before
    it alone, so that an hour does not depend on which later ones it is booked with.
    """
    counter = pl.col("energy_joules_total").is_not_null()
    counted = counter.cast(pl.Int8).cum_max().over("subject") == 1
    return pl.when(counted).then(counter).otherwise(pl.col("power_watts").is_not_null())


def energy_rates(samples: pl.DataFrame) -> pl.DataFrame:
    """Joules per millisecond of every interval between two energy readings.

    Between two readings of an energy counter its difference is booked; before the first of them,
    and without a counter, power over time by the trapezoidal rule. Where a counter runs backwards
    it was reset: the joules since the reading before are then taken from power, and where there is
    no power, from the counter's new value, which misses what was used before the reset. Where that
    value is more than can have been used since, nothing is known of the interval.

    Args:
        samples: `subject`, `time`, `period_ms`, `energy_joules_total`, `power_watts`, sorted by
            subject and time.

    Returns:
        `subject`, `since`, `time` (the interval's ends), `joules_per_ms` (null: not known; also
        before the first reading), `integrated` (bool).
    """
    readings = samples.filter(tells_energy()).select(
        "subject", "time", "period_ms", "energy_joules_total", "power_watts"
    )
    elapsed = pl.col("time") - before("time")
    increase = pl.col("energy_joules_total") - before("energy_joules_total")
    near = elapsed <= pl.max_horizontal(gap_limit(), pl.lit(INTEGRATION_LIMIT_MS))
    trapezoid = pl.when(near).then(
        (pl.col("power_watts") + before("power_watts")) / 2 * elapsed / 1000
    )
    counted = increase.is_not_null()
    reset = (increase < 0).fill_null(False)
    possible = pl.col("energy_joules_total") <= MOST_WATTS * elapsed / 1000
    since_reset = pl.when(possible).then("energy_joules_total")
    joules = (
        pl.when(reset)
        .then(pl.coalesce(trapezoid, since_reset))
        .when(counted)
        .then(increase)
        .otherwise(trapezoid)
    )
    integrated = trapezoid.is_not_null() & (reset | ~counted)
    return readings.select(
        "subject",
        before("time").alias("since"),
        "time",
        (joules / elapsed).alias("joules_per_ms"),
        integrated.alias("integrated"),
    )


def throttle_rates(samples: pl.DataFrame, reasons: list[str]) -> pl.DataFrame:
    """Share of every interval in which the hardware held the clocks back.

    Reasons overlap in time, so the longest of them counts, not their sum.

    Returns:
        `subject`, `time` (the interval's end), `throttled` (0-1; null: not known).
    """
    readings = samples.filter(pl.any_horizontal(pl.col(reasons).is_not_null()))
    elapsed = pl.col("time") - before("time")
    longest = pl.max_horizontal(
        *((pl.col(reason) - before(reason)).clip(lower_bound=0) for reason in reasons)
    )
    return readings.select(
        "subject", "time", (longest * 1000 / elapsed).clip(0, 1).alias("throttled")
    )


def last_samples(samples: pl.DataFrame, subjects: int) -> pl.Series:
    """Time of each subject's newest sample, by subject number; null where it has none."""
    newest = samples.group_by("subject").agg(pl.col("time").max())
    every = pl.DataFrame({"subject": pl.int_range(subjects, dtype=pl.Int32, eager=True)})
    return every.join(newest, on="subject", how="left", maintain_order="left")["time"]


def cut(
    window: Window,
    bounds: pl.DataFrame,
    marks: list[pl.DataFrame],
) -> pl.DataFrame:
    """Pieces between neighbouring marks of a subject, inside its bounds.

    Args:
        window: Every minute of it is a mark.
        bounds: `subject` (Int32, 0..n-1 in order), `low`, `high`: when the subject was installed.
        marks: Frames of `subject`, `time` to cut at; those outside the bounds are left out.

    Returns:
        `subject`, `start`, `end`, sorted, without gaps and without empty pieces.
    """
    minutes = (
        bounds.select(
            "subject",
            pl.int_ranges(
                (pl.col("low") // MINUTE_MS + 1) * MINUTE_MS, pl.col("high"), MINUTE_MS
            ).alias("time"),
        )
        .explode("time", empty_as_null=False)
        .drop_nulls("time")
    )
    edges = [
        bounds.select("subject", pl.col("low").alias("time")),
        bounds.select("subject", pl.col("high").alias("time")),
    ]
    every = pl.concat([minutes, *edges, *(mark.select("subject", "time") for mark in marks)])
    # Marks outside the bounds would make pieces outside them; inside, a doubled mark only makes
    # an empty piece, which is dropped below. That is cheaper than making marks unique.
    every = every.join(bounds, on="subject", how="inner", maintain_order="left").filter(
        pl.col("time").is_between("low", "high")
    )
    every = every.select("subject", "time").sort("subject", "time")
    following = pl.col("subject") == pl.col("subject").shift(-1)
    return every.select(
        "subject",
        pl.col("time").alias("start"),
        pl.when(following).then(pl.col("time").shift(-1)).alias("end"),
    ).filter(pl.col("end") > pl.col("start"))


def ending_at_or_after(pieces: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """For each piece, the reading whose interval holds it: the first at or after its end.

    Args:
        pieces: `subject`, `start`, `end`, sorted by subject and time.
        readings: `subject`, `time` and values, sorted by subject and time.

    Returns:
        The columns of `readings` but `subject`, one row per piece; null where there is none.
    """
    values = [column for column in readings.columns if column != "subject"]
    joined = pieces.select("subject", "end").join_asof(
        readings,
        left_on="end",
        right_on="time",
        by="subject",
        strategy="forward",
        coalesce=False,
        check_sortedness=False,
    )
    return joined.select(values)


def within(pieces: pl.DataFrame, known: pl.DataFrame, column: str) -> pl.Series:
    """What holds of each piece, null where nothing does.

    Args:
        pieces: `subject`, `start`, `end`, sorted, already cut at starts and ends of `known`.
        known: `subject`, `start`, `end` and the column, without overlap within a subject.
        column: Which column of `known` is wanted.
    """
    joined = pieces.select("subject", pl.col("start")).join_asof(
        known.select("subject", "start", pl.col("end").alias("until"), column).sort(
            "subject", "start"
        ),
        on="start",
        by="subject",
        strategy="backward",
        check_sortedness=False,
    )
    return joined.select(pl.when(pl.col("start") < pl.col("until")).then(column).alias(column))[
        column
    ]


def settle(pieces: pl.DataFrame) -> pl.Series:
    """Joules of each piece, with power readings across a job's edge left to the time outside it.

    Between a power reading before a job and the first one inside it, nobody knows how much of the
    energy is the job's. It is booked to the unassigned time of that interval, and the job's moments
    in it have unknown energy: less than one sampling period at each end of a job, and what the
    authors of recordings do who integrate from the first to the last reading inside a run. Where
    one job follows another without a pause, and wherever a counter is read, the joules are spread
    evenly over the interval. An hour keeps its joules: each has to balance by itself.

    Args:
        pieces: `subject`, `start`, `duration_ms`, `assigned` (bool), `reading` (end of the energy
            interval), `joules_per_ms`, `integrated`.
    """
    even = pl.col("joules_per_ms") * pl.col("duration_ms")
    key = ["subject", "reading", "hour"]
    pieces = pieces.with_columns((pl.col("start") // HOUR_MS).alias("hour"))
    free = ~pl.col("assigned")
    shared = (
        pieces.filter(pl.col("integrated") & pl.col("joules_per_ms").is_not_null())
        .group_by(key)
        .agg(
            even.sum().alias("whole"),
            pl.col("duration_ms").filter(free).sum().alias("free_ms"),
            (pl.col("assigned").any() & free.any()).alias("shared"),
        )
        .filter("shared")
    )
    if shared.is_empty():
        return pieces.select(even.alias("joules"))["joules"]
    joined = pieces.join(shared, on=key, how="left", maintain_order="left")
    outside = pl.col("whole") * pl.col("duration_ms") / pl.col("free_ms")
    return joined.select(
        pl.when(pl.col("shared").is_null())
        .then(even)
        .when(free)
        .then(outside)
        .otherwise(None)
        .alias("joules")
    )["joules"]


def energy_method(known: pl.Expr) -> pl.Expr:
    """How an entry's joules were found; needs columns `energy_ms` and `integrated_ms`."""
    return (
        pl.when(~known)
        .then(None)
        .when(pl.col("integrated_ms") == 0)
        .then(pl.lit("counter"))
        .when(pl.col("integrated_ms") >= pl.col("energy_ms"))
        .then(pl.lit("integrated"))
        .otherwise(pl.lit("mixed"))
        .cast(METHOD)
        .alias("energy_method")
    )
