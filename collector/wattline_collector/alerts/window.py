"""The samples of the last while, as a Prometheus that scrapes would have them.

At every turn the live picture is looked at, and what of it is new is added: a row that has not
changed since is no new sample. Subjects are numbered, so that a sample is 20 bytes: a column of
1,000 devices looked at every 15 seconds takes 1.2 MB for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from wattline_collector.alerts.series import Series

LOOK_BACK_MS = 300_000
"""A newest value that is older is not known: as long as Prometheus believes one by default."""
_MOST_FORGOTTEN = 10_000
"""Subjects without samples that are kept at most: jobs come and go."""

_SAMPLES = {"id": pl.UInt32, "at_ms": pl.Int64, "value": pl.Float64}


@dataclass(slots=True)
class _Subjects:
    """Who has samples in a table: their labels, number and newest sample's time."""

    known: pl.DataFrame
    next: int = 0


class Window:
    """Samples by series. One thread uses it."""

    def __init__(self, spans: Mapping[Series, int]) -> None:
        """Keep nothing yet.

        Args:
            spans: The series to keep, and for how many seconds.
        """
        self._spans = {
            # A minute more: coverage counts the minute that a window begins in as a whole.
            series: max(LOOK_BACK_MS, seconds * 1000) + 60_000
            for series, seconds in spans.items()
        }
        self._samples = {series: pl.DataFrame(schema=_SAMPLES) for series in spans}
        self._subjects: dict[str, _Subjects] = {}
        self._newest: dict[str, pl.DataFrame] = {}

    @property
    def tables(self) -> frozenset[str]:
        """The tables that are looked at."""
        return frozenset(series.table for series in self._spans)

    @property
    def bytes(self) -> int:
        """Memory the samples take."""
        return int(sum(samples.estimated_size() for samples in self._samples.values()))

    def add(self, table: str, rows: pl.DataFrame, now_ms: int) -> None:
        """Take in what is newest of a table.

        Args:
            table: Its name.
            rows: `system`, the keys of its series, `at_ms` (when it was true), and columns.
            now_ms: What is older than a window before it is forgotten.
        """
        series = [one for one in self._spans if one.table == table]
        if not series:
            return
        keys = ["system", *series[0].keys]
        rows = rows.filter(
            pl.all_horizontal(pl.col(key).is_not_null() for key in keys)
        ).with_columns(pl.col(key).cast(pl.String) for key in keys)
        self._newest[table] = rows.select(*keys, "at_ms")
        numbered = self._numbered(table, keys, rows)
        for one in series:
            kept = self._samples[one].filter(pl.col("at_ms") >= now_ms - self._spans[one])
            if one.column in rows.columns:
                new = numbered.select(
                    "id", "at_ms", pl.col(one.column).cast(pl.Float64).alias("value")
                ).filter(pl.col("value").is_finite())  # null is not finite either
                kept = pl.concat([kept, new], rechunk=True)
            self._samples[one] = kept
        self._forget(table, series)

    def fill(self, table: str, rows: pl.DataFrame, slot_ms: int) -> None:
        """Take in what was before: many rows of each subject, while nothing else is known.

        Args:
            table: Its name.
            rows: As for `add`, with any number of times; columns may be missing.
            slot_ms: Of a subject's samples in so much time the last one is kept.
        """
        series = [one for one in self._spans if one.table == table]
        if not series or table in self._subjects or rows.is_empty():
            return
        keys = ["system", *series[0].keys]
        rows = rows.with_columns(pl.col(key).cast(pl.String) for key in keys).sort(
            "at_ms", maintain_order=True
        )
        known = rows.group_by(keys).agg(pl.col("at_ms").max().alias("last_ms"))
        known = known.with_row_index("id").select(pl.col("id").cast(pl.UInt32), "last_ms", *keys)
        self._subjects[table] = _Subjects(known, known.height)
        rows = rows.join(known.drop("last_ms"), on=keys, maintain_order="left")
        for one in series:
            if one.column not in rows.columns:
                continue
            sample = rows.select(
                "id", "at_ms", pl.col(one.column).cast(pl.Float64).alias("value")
            ).filter(pl.col("value").is_finite())
            slot = (pl.col("at_ms") // slot_ms).alias("slot")
            self._samples[one] = (
                sample.group_by("id", slot)
                .agg(pl.col("at_ms", "value").last())
                .sort("at_ms")
                .select(*_SAMPLES)
            )

    def keys(self, table: str) -> list[str]:
        """What tells the subjects of a table apart, `system` first."""
        return ["system", *next(one.keys for one in self._spans if one.table == table)]

    def columns(self, table: str) -> list[str]:
        """The columns of a table that are looked at."""
        return [one.column for one in self._spans if one.table == table]

    @property
    def longest_ms(self) -> int:
        """How far back the oldest samples may be."""
        return max(self._spans.values(), default=0)

    def samples(self, series: Series, first_ms: int, last_ms: int) -> pl.DataFrame:
        """`id`, `at_ms`, `value` of a series within times, both included; in order per subject."""
        return self._samples[series].filter(pl.col("at_ms").is_between(first_ms, last_ms))

    def named(self, series: Series, values: pl.DataFrame) -> pl.DataFrame:
        """Values by `id` with the subjects' labels in its place."""
        keys = ["system", *series.keys]
        subjects = self._subjects.get(series.table)
        if subjects is None:
            schema = dict.fromkeys(keys, pl.String())
            return pl.DataFrame(schema={**schema, "value": pl.Float64()})
        return values.join(subjects.known, on="id").select(*keys, "value")

    def heard(self, series: Series) -> pl.DataFrame:
        """All subjects there are now, and `at_ms` of their newest sample."""
        found = self._newest.get(series.table)
        if found is not None:
            return found
        schema = dict.fromkeys(["system", *series.keys], pl.String())
        return pl.DataFrame(schema={**schema, "at_ms": pl.Int64()})

    def _numbered(self, table: str, keys: list[str], rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that are newer than their subject's newest sample, with its number."""
        rows = rows.unique(keys, keep="last", maintain_order=True)
        subjects = self._subjects.get(table)
        if subjects is None:
            schema = {"id": pl.UInt32(), "last_ms": pl.Int64(), **dict.fromkeys(keys, pl.String())}
            subjects = self._subjects[table] = _Subjects(pl.DataFrame(schema=schema))
        fresh = rows.join(subjects.known, on=keys, how="left", maintain_order="left").filter(
            pl.col("last_ms").is_null() | (pl.col("at_ms") > pl.col("last_ms"))
        )
        new = pl.col("id").is_null()
        numbers = subjects.next + new.cast(pl.Int64).cum_sum() - 1
        fresh = fresh.with_columns(
            pl.when(new)
            .then(numbers)
            .otherwise(pl.col("id").cast(pl.Int64))
            .cast(pl.UInt32)
            .alias("id")
        )
        seen = fresh.select("id", pl.col("at_ms").alias("last_ms"), *keys)
        subjects.next += fresh.height - subjects.known.join(seen, on="id", how="semi").height
        rest = subjects.known.join(seen, on="id", how="anti")
        subjects.known = pl.concat([rest, seen], rechunk=True)
        return fresh

    def _forget(self, table: str, series: Iterable[Series]) -> None:
        subjects = self._subjects[table]
        there = self._newest[table].height
        if subjects.known.height <= 2 * there + _MOST_FORGOTTEN:
            return
        used = pl.concat([self._samples[one].select("id") for one in series]).unique()
        subjects.known = subjects.known.join(used, on="id", how="semi")
