"""A period cut into hours, days, months and the like, for what is no sum over entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from wattline_collector.kpi import times
from wattline_collector.kpi.declare import TIME


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of a period.

    Attributes:
        names: What it is called, by dimension: `{"month": "2026-11"}`; empty for all of it.
        start_ms: Its first moment, Unix ms.
        end_ms: The first one after it.
    """

    names: Mapping[str, str]
    start_ms: int
    end_ms: int

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.end_ms - self.start_ms) / 3_600_000


def buckets(by: Sequence[str], start_ms: int, end_ms: int, zone: str) -> list[Bucket]:
    """Cut a period by the dimensions of time among those asked for.

    Args:
        by: Any dimensions; those that are not of time cut nothing.
        start_ms: Start of the period.
        end_ms: Its end.
        zone: The time zone whose days and months are meant.

    Returns:
        In order of time; the whole where no dimension of time is asked for, none for no period.
    """
    wanted = [name for name in TIME if name in by]
    if end_ms <= start_ms:
        return []
    whole = pl.DataFrame({"start": [start_ms], "end": [end_ms]})
    if not wanted:
        return [Bucket({}, start_ms, end_ms)]
    pieces = (
        times.cut(whole, wanted, zone)
        .group_by(wanted, maintain_order=True)
        .agg(pl.col("start").min(), pl.col("end").max())
        .sort("start")
    )
    return [
        Bucket({name: row[name] for name in wanted}, row["start"], row["end"])
        for row in pieces.iter_rows(named=True)
    ]


def years(start_ms: int, end_ms: int, zone: str) -> float:
    """How many calendar years a time is, each of its days by its own year; 0 for no time.

    Args:
        start_ms: Its first moment.
        end_ms: The first one after it.
        zone: The time zone whose years are meant.
    """
    if end_ms <= start_ms:
        return 0.0
    total = 0.0
    for year in range(day_of(start_ms, zone).year, day_of(end_ms - 1, zone).year + 1):
        begun, over = (midnight_ms(date(one, 1, 1), zone) for one in (year, year + 1))
        total += (min(end_ms, over) - max(start_ms, begun)) / (over - begun)
    return total


def day_of(ms: int, zone: str) -> date:
    """The day on which a moment is."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone)).date()


def stated_day(ms: int, zone: str, *, closes: bool = False) -> date:
    """The day that a time in a register stands for.

    A date is kept as the midnight of the zone it was imported in, which may be UTC's and not the
    factory's; at either it is that date. Any other time of day is of the factory's day.

    Args:
        ms: The time as it is kept.
        zone: The factory's time zone.
        closes: Whether a date means the end of that day, as in columns that end something.
    """
    for at in (zone, "UTC"):
        day = day_of(ms, at)
        if midnight_ms(day, at) == ms:
            return day - timedelta(days=1) if closes else day
    return day_of(ms, zone)


def midnight_ms(day: date, zone: str) -> int:
    """When a day begins."""
    return round(datetime.combine(day, time(), ZoneInfo(zone)).timestamp() * 1000)
