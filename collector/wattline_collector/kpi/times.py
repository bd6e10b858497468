"""Time as people name it: hours, days, weeks, months, quarters and years of a time zone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from wattline_collector.kpi.declare import TIME

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

_FORMATS = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
_LENGTHS = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}


def named(times: pl.Series, dimensions: Sequence[str], zone: str) -> pl.DataFrame:
    """What those times are called.

    Args:
        times: Moments in UTC.
        dimensions: Any of `declare.TIME`; others are left out.
        zone: A time zone; hours bear their offset, as a day may have one twice.

    Returns:
        The times, and for each dimension a column: `2026-11-01T05:00+02:00`, `2026-11-01`,
        `2026-W44` (ISO 8601), `2026-11`, `2026-Q4`, `2026`.
    """
    return times.to_frame().with_columns(_names(times.name, dimensions, zone))


def _names(at: str, dimensions: Sequence[str], zone: str) -> list[pl.Expr]:
    local = pl.col(at).dt.convert_time_zone(zone)
    offset = "Z" if zone == "UTC" else "%:z"
    names = {
        "hour": local.dt.truncate("1h").dt.strftime("%Y-%m-%dT%H:%M" + offset),
        "quarter": pl.format("{}-Q{}", local.dt.year(), local.dt.quarter()),
        **{name: local.dt.strftime(form) for name, form in _FORMATS.items()},
    }
    return [names[name].alias(name) for name in dimensions if name in TIME]


def with_times(frame: Frame, at: str, dimensions: Sequence[str], zone: str) -> Frame:
    """A frame with a column for each dimension of time.

    Every different moment is named once: entries are many, hours are few.

    Args:
        frame: Has the column `at`: moments in UTC, or milliseconds since 1970.
        at: Which time of a row counts; a row without it has null.
        dimensions: Any of `declare.TIME`; others are left out.
        zone: As for `named`.
    """
    wanted = [name for name in dimensions if name in TIME]
    if not wanted:
        return frame
    if frame.collect_schema()[at].is_integer():
        # Jobs start at any millisecond: to the hour there are few moments again.
        key = pl.col(at).cast(pl.Datetime("ms", "UTC")).dt.truncate("1h")
    else:
        key = pl.col(at)
    keyed = frame.select(key.alias("_at"))
    if isinstance(keyed, pl.LazyFrame):
        names = keyed.drop_nulls().unique().with_columns(_names("_at", wanted, zone))
        told = frame.with_columns(key.alias("_at"))
        return told.join(names, on="_at", how="left", maintain_order="left").drop("_at")
    names = named(keyed["_at"].drop_nulls().unique(), wanted, zone)
    return frame.with_columns(
        keyed.join(names, on="_at", how="left", maintain_order="left").drop("_at")
    )


def cut(frame: pl.DataFrame, dimensions: Sequence[str], zone: str) -> pl.DataFrame:
    """Intervals cut where a new hour, day or other unit of time begins.

    Args:
        frame: `start` and `end`, milliseconds since 1970, and any other columns.
        dimensions: Any of `declare.TIME`; others are left out.
        zone: As for `named`.

    Returns:
        The pieces, with a column for each dimension.
    """
    wanted = [name for name in TIME if name in dimensions]
    if not wanted:
        return frame
    # Weeks do not end with months: with both, days are parts of each.
    finest = "day" if "week" in wanted and wanted[0] != "hour" else wanted[0]
    # Hours are whole ones of UTC, as those of the books are.
    beat = "UTC" if finest == "hour" else zone
    moment = pl.Datetime("ms", "UTC")
    length = _LENGTHS[finest]
    begins = pl.col("start").cast(moment).dt.convert_time_zone(beat).dt.truncate(length)
    last = (pl.col("end") - 1).cast(moment).dt.convert_time_zone(beat)
    pieces = (
        frame.drop(wanted, strict=False)
        .filter(pl.col("end") > pl.col("start"))
        .with_columns(pl.datetime_ranges(begins, last, interval=length).alias("_from"))
        .explode("_from")
        .with_columns(pl.col("_from").dt.offset_by(length).alias("_until"))
        .with_columns(
            pl.max_horizontal("start", pl.col("_from").dt.epoch("ms")).alias("start"),
            pl.min_horizontal("end", pl.col("_until").dt.epoch("ms")).alias("end"),
        )
        .drop("_from", "_until")
    )
    return with_times(pieces, "start", wanted, zone)
