"""Slurm's times and durations, as columns.

`sacct` writes times of day of the machine it ran on, without saying which zone that is, unless
SLURM_TIME_FORMAT=%s made them seconds since 1970.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from wattline_collector.jobs.text import said

_DATE = (
    r"\A(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,3})\d*)?"
    r"(?:(Z)|([+-])(\d\d):?(\d\d))?\z"
)
_DURATION = r"\A(?:(\d{1,7})-)?(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2})(?:\.(\d{1,3}))?\z"
_NO_LIMIT = r"(?i)\A(?:unlimited|infinite|partition_limit)\z"


def moment(
    column: str, zone: str, ambiguous: Literal["earliest", "latest"] = "earliest"
) -> pl.Expr:
    """Milliseconds since 1970 of a column of times; null where it says nothing or is no time.

    Args:
        column: `2026-11-21T05:30:00`, with a blank for the `T` or an offset at the end, or seconds
            since 1970. Seconds 0 is how Slurm writes "never".
        zone: Of times that name none, such as `Europe/Berlin`.
        ambiguous: Which of two times of day is meant in the hour that comes twice: `earliest` or
            `latest`.
    """
    text = said(column)
    seconds = pl.when(text.str.contains(r"\A[0-9]{1,11}\z")).then(text.cast(pl.Int64, strict=False))
    parts = text.str.extract_groups(_DATE)
    local = (parts.struct.field("1") + "T" + parts.struct.field("2")).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False
    )
    there = local.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null").dt.epoch(
        "ms"
    )
    minutes = parts.struct.field("6").cast(pl.Int64) * 60 + parts.struct.field("7").cast(pl.Int64)
    offset = (
        pl.when(parts.struct.field("4").is_not_null())
        .then(0)
        .when(parts.struct.field("5") == "-")
        .then(-minutes)
        .otherwise(minutes)
    )
    fraction = parts.struct.field("3").str.pad_end(3, "0").cast(pl.Int64).fill_null(0)
    dated = (
        pl.when(offset.is_not_null())
        .then(local.dt.epoch("ms") - offset * 60_000)
        .otherwise(there)
    ) + fraction  # fmt: skip
    return pl.when(seconds.is_null()).then(dated).when(seconds > 0).then(seconds * 1000)


def told(column: str) -> pl.Expr:
    """Whether a column of times says anything at all: what is told and no moment is damage."""
    text = said(column)
    return (text.is_not_null() & ~text.str.contains(r"\A0+\z")).fill_null(False)


def seconds(column: str) -> pl.Expr:
    """Seconds of a column of durations; null where it says nothing, no limit, or is none.

    Args:
        column: `D-HH:MM:SS`, `HH:MM:SS`, `MM:SS.mmm`, or seconds.
    """
    text = said(column)
    parts = text.str.extract_groups(_DURATION)
    days, hours, minutes, rest = (
        parts.struct.field(str(place)).cast(pl.Float64).fill_null(0) for place in (1, 2, 3, 4)
    )
    fraction = parts.struct.field("5").str.pad_end(3, "0").cast(pl.Float64).fill_null(0) / 1000
    clock = pl.when(parts.struct.field("3").is_not_null()).then(
        ((days * 24 + hours) * 60 + minutes) * 60 + rest + fraction
    )
    plain = pl.when(text.str.contains(r"\A[0-9]{1,12}(?:\.[0-9]{1,6})?\z")).then(
        text.cast(pl.Float64, strict=False)
    )
    return pl.coalesce(plain, clock)


def minutes(column: str) -> pl.Expr:
    """Seconds of a column of whole minutes, as `TimelimitRaw` has them."""
    text = said(column)
    limited = text.str.contains(r"\A[0-9]{1,9}\z") & ~text.str.contains(_NO_LIMIT)
    return pl.when(limited).then(text.cast(pl.Float64, strict=False) * 60)
