"""Hours that are booked together, so many as memory has room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from wattline_collector.ledger.books import Hour
from wattline_collector.ledger.evidence import LOOK_MS
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import HOUR_MS, MINUTE_MS

MOST_PIECES = 1_600_000
"""Minutes or samples of devices that a chunk may have: a day of 1,000 devices. With what is made of
them a piece takes about a kilobyte."""

MOST_SAMPLES = 500_000
"""Samples of devices booked at once of an hour that has more than `MOST_PIECES`: some nodes at a
time (`divide`). With what is made of them one takes some 650 bytes: an hour of 8,000 devices read
each second would take 20 GB, and is booked again and again while it runs."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Neighbouring hours of one system within one day.

    Attributes:
        system: The system.
        hours: Its hours, in order.
        pieces: About how many minutes or samples of devices they have.
    """

    system: str
    hours: tuple[Hour, ...]
    pieces: int = 0

    def window(self, now_ms: int) -> Window:
        """What is booked and looked at."""
        start, end = self.hours[0].start_ms, self.hours[-1].start_ms + HOUR_MS
        return Window(start, min(end, now_ms), LOOK_MS, now_ms)

    def is_too_large(self, now_ms: int) -> bool:
        """Whether memory has no room for it: an hour of a huge system that has come to something.

        Of an hour that still runs, what there is so far counts, with what is looked at before.
        """
        window = self.window(now_ms)
        looked_at = self.pieces * (window.high - window.low) / HOUR_MS
        is_huge = len(self.hours) == 1 and self.pieces > MOST_PIECES
        return is_huge and looked_at > MOST_SAMPLES


def chunks_of(hours: set[Hour], pace: Mapping[str, float]) -> list[Chunk]:
    """Hours in the order in which they are booked.

    Args:
        hours: Which.
        pace: Pieces of an hour, by system.
    """
    chunks: list[list[Hour]] = []
    for hour in sorted(hours):
        last = chunks[-1] if chunks else []
        most = max(1, int(MOST_PIECES / max(pace.get(hour.system, 1.0), 1.0)))
        if (
            last
            and len(last) < most
            and last[-1].system == hour.system
            and last[-1].day == hour.day
            and last[-1].start_ms + HOUR_MS == hour.start_ms
        ):
            last.append(hour)
        else:
            chunks.append([hour])
    return [
        Chunk(chunk[0].system, tuple(chunk), round(len(chunk) * pace.get(chunk[0].system, 0.0)))
        for chunk in chunks
    ]


def paces(inventory: pl.DataFrame) -> dict[str, float]:
    """How many pieces an hour of each system is booked in: minutes, or samples if they are more.

    A device of which nobody said how often it is read counts by the minute.
    """
    period = pl.col("period_ms")
    often = pl.when(period.is_between(1, MINUTE_MS)).then(HOUR_MS / period)
    pieces = often.fill_null(HOUR_MS / MINUTE_MS).sum()
    devices = inventory.filter(pl.col("kind") == "device")
    return dict(devices.group_by("system").agg(pieces.alias("pieces")).iter_rows())
