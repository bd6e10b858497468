"""The books as they stood at a moment, so that what was reported then can be computed again.

Hours are read as the record of their chain has them that was the newest then: where they are, or
where they were kept when they were booked again. Jobs and nodes are read with later changes undone.
Hours that were not settled at that moment had no record and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError, UsageError
from wattline_collector.ledger.books import (
    Books,
    Hour,
    between,
    conformed,
    load,
    sha256,
)
from wattline_collector.ledger.chain import chains
from wattline_collector.ledger.schema import CONTROL, ENTRIES, LATENCY, TIME
from wattline_collector.ledger.sums import hourly
from wattline_collector.ledger.superseded import FACTS, facts_at, version_path
from wattline_collector.registers.kept import outages


@dataclass(frozen=True, slots=True)
class _Version:
    """An hour as one of its records has it."""

    number: int
    control: str
    is_newest: bool


class BooksAsOf(Books):
    """The ledger directory of a store, read as it was; nothing is written through it."""

    def __init__(self, store: Path, when: datetime) -> None:
        """Find which version of every hour stood at that moment.

        Raises:
            UsageError: How the books stood then is not known.
            InputError: A chain cannot be read.
        """
        super().__init__(store)
        self.when_ms = round(when.timestamp() * 1000)
        self._versions: dict[Hour, _Version] = {}
        found = chains(self.root)
        if not found:
            raise UsageError(
                f"{store} has no audit trail, so only what the books say now is known; the next "
                "booking begins one"
            )
        for chain in found:
            newest: dict[int, int] = {}
            then: dict[int, tuple[int, str]] = {}
            for record in chain.records():
                if record.entry is None:
                    if record.is_first:
                        self._check_begin(chain.system, record.adopted, record.at_ms)
                    continue
                newest[record.entry.hour_ms] = record.number
                if record.at_ms <= self.when_ms:
                    then[record.entry.hour_ms] = (record.number, record.entry.control)
            for hour_ms, (number, control) in then.items():
                hour = Hour(chain.system, hour_ms)
                self._versions[hour] = _Version(number, control, newest[hour_ms] == number)

    def _check_begin(self, system: str, adopted: int, began_ms: int) -> None:
        if adopted and began_ms > self.when_ms:
            began = datetime.fromtimestamp(began_ms / 1000, UTC)
            raise UsageError(
                f"how the books of {system} stood is known from {began:%Y-%m-%dT%H:%M:%SZ} on: "
                "then their audit trail began"
            )

    def frame(self, name: str, schema: pl.Schema) -> pl.DataFrame:
        """A whole file at the root, with later changes undone."""
        if name == "outages":
            return conformed(outages(self.root.parent, self.when_ms), schema)
        current = super().frame(name, schema)
        return facts_at(self.root, name, current, self.when_ms) if name in FACTS else current

    def hours(self) -> list[Hour]:
        """Every hour that was settled in the books, in order."""
        return sorted(self._versions)

    def minutes(self, table: str, hour: Hour) -> pl.DataFrame | None:
        """An hour's entries per minute as they were; None where it had none."""
        path = self._place(table, hour)
        return load(path, ENTRIES[table]) if path is not None and path.exists() else None

    def control(self, hour: Hour) -> pl.DataFrame | None:
        """An hour's control as it was; None where it was not in the books."""
        path = self._place("control", hour)
        return None if path is None else load(path, CONTROL)

    def _minute_places(self, table: str, hours: Iterable[Hour]) -> list[Path]:
        places = (self._place(table, hour) for hour in hours)
        return [path for path in places if path is not None and path.exists()]

    def _control_places(self, hours: Iterable[Hour]) -> list[Path]:
        return [path for hour in hours if (path := self._place("control", hour)) is not None]

    def latency(self, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Histograms of the hours that begin in the period, as they were."""
        places = [
            self._place("latency", hour)
            for hour in self.hours()
            if start_ms <= hour.start_ms < end_ms
        ]
        there = [path for path in places if path is not None and path.exists()]
        return pl.concat([LATENCY.to_frame(), *(load(path, LATENCY) for path in there)])

    @property
    def _can_scan(self) -> bool:
        return False

    def _hourly(self, table: str, start_ms: int, end_ms: int) -> Iterator[pl.DataFrame]:
        """Hourly sums: those that still hold as they are kept, the others from their minutes."""
        by_day: dict[tuple[str, str], list[Hour]] = {}
        for hour in self.hours():
            if start_ms <= hour.start_ms < end_ms:
                by_day.setdefault((hour.system, hour.day), []).append(hour)
        for (system, day), hours in sorted(by_day.items()):
            path = self.day_path(table, system, day)
            kept = load(path, ENTRIES[table]) if path.exists() else ENTRIES[table].to_frame()
            still = [hour.time for hour in hours if self._versions[hour].is_newest]
            parts = [kept.filter(pl.col("minute").is_in(pl.Series(still, dtype=TIME).implode()))]
            for hour in hours:
                if not self._versions[hour].is_newest:
                    entries = self.minutes(table, hour)
                    if entries is not None:
                        parts.append(hourly(table, entries))
            whole = pl.concat(parts).sort("minute", maintain_order=True)
            yield between(whole, start_ms, end_ms)

    def cuts(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Those of hours that are still what they were."""
        kept = (
            super()
            .cuts(table, start_ms, end_ms)
            .with_columns(pl.col("minute").dt.truncate("1h").alias("hour"))
        )
        still = pl.DataFrame(
            [(hour.system, hour.time) for hour, one in self._versions.items() if one.is_newest],
            schema={"system": pl.String, "hour": TIME}, orient="row",
        )  # fmt: skip
        return kept.join(still, on=["system", "hour"], how="semi", maintain_order="left").drop(
            "hour"
        )

    def _place(self, table: str, hour: Hour) -> Path | None:
        """Where a file of an hour stands as it was then.

        Raises:
            InputError: It is not kept, or is not what it was.
        """
        version = self._versions.get(hour)
        if version is None:
            return None
        folder = version_path(self.root, hour, version.number)
        control = folder / "control.parquet"
        if version.is_newest and not control.exists():
            return self.path(table, hour)
        if not control.exists():
            raise InputError(
                f"{hour} as record {version.number} of its chain has it is not kept", path=folder
            )
        path = folder / f"{table}.parquet"
        stated = {"control": version.control} if table == "control" else self._stated(control)
        if sha256(control) != version.control or (
            table in stated and path.exists() and sha256(path) != stated[table]
        ):
            raise InputError(
                f"not what record {version.number} of the chain of {hour.system} says", path=path
            )
        return path

    @staticmethod
    def _stated(control: Path) -> dict[str, str]:
        stated = load(control, CONTROL).select(pl.col("kind").cast(pl.String), "file_sha256")
        return dict(stated.drop_nulls().unique().iter_rows())
