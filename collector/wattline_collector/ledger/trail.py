"""Booking's part of the audit trail: hours enter the chain before they take their places.

The order is what makes it hold through a crash: what an hour held is kept, its new files are
written beside it, the chain says which they are, and only then they take their places. A booking
that was cut short in between is done again, as the hour is still due, and finds its record written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from wattline_agents.clock import Clock
from wattline_collector.ledger import audit_cuts, audit_sums, superseded
from wattline_collector.ledger.audit_sums import Kept, kept_sums
from wattline_collector.ledger.books import Books, Hour, Staged, sha256
from wattline_collector.ledger.chain import (
    RULES,
    SETTLED_MS,
    Chain,
    DaySeal,
    Entry,
    Record,
    Sums,
    Why,
    chain_path,
)
from wattline_collector.ledger.day_digest import digests
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS
from wattline_collector.ledger.sealing import sealed
from wattline_collector.ledger.trail_sums import sums_of

MOST_CAUGHT_UP = 31
"""Days that are proved in one booking without having been booked in it: those of an earlier
program, which proved none. A day of 1,000 devices takes some 80 ms."""

_DAY_MS = 24 * HOUR_MS

Reasons = dict[Hour, set[Why]]
"""What reopened hours."""


def add_reasons(reasons: Reasons, hours: Iterable[Hour], why: Why) -> None:
    """Note why hours are booked again."""
    for hour in hours:
        reasons.setdefault(hour, set()).add(why)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the trail looks at of an hour's record."""

    number: int
    at_ms: int
    control: str
    latency: str | None
    rules: int


class Trail:
    """The chains of a store's books while they are brought up to date."""

    def __init__(self, books: Books, now_ms: int, clock: Clock, reasons: Reasons) -> None:
        """Follow a booking.

        Args:
            books: Whose.
            now_ms: Up to when books are kept.
            clock: When things are written down.
            reasons: Why hours are booked, filled as it becomes known.
        """
        self._books, self._now_ms, self._clock, self._reasons = books, now_ms, clock, reasons
        self._run_ms = clock.unix_ms()
        self._indexes: dict[str, dict[int, list[_Known]]] = {}
        self._mine: set[tuple[str, int]] = set()
        self._touched: set[tuple[str, str]] = set()

    def adopt(self) -> None:
        """Begin the chain of every system that was booked before there was one.

        Raises:
            NotDurable: The disk did not take it.
            InputError: What is to be adopted cannot be read.
        """
        by_system: dict[str, list[Hour]] = {}
        for hour in self._books.hours():
            by_system.setdefault(hour.system, []).append(hour)
        for system, hours in by_system.items():
            chain = self._chain(system)
            if chain.exists():
                continue
            settled = [hour for hour in hours if self._is_settled(hour)]
            chain.begin(self._clock.unix_ms(), adopted=len(settled))
            self._enter_as_they_are(system, settled, Why.ADOPTED)

    def enter(
        self,
        staged: Sequence[Staged],
        hourly: Mapping[str, pl.DataFrame],
        cuts: Mapping[str, pl.DataFrame],
    ) -> None:
        """Write hours down that are about to take their places; those that changed nothing are not.

        Args:
            staged: Neighbouring hours of one system.
            hourly: Their sums by table, as the books keep them.
            cuts: Their cuts, likewise.

        Raises:
            NotDurable: The disk did not take it; the hours must not take their places.
            InputError: The chain cannot be read.
        """
        system = staged[0].hour.system
        self._touched.update((system, one.hour.day) for one in staged)
        chain = self._chain(system)
        if not chain.exists():
            chain.begin(self._clock.unix_ms())
        newest = chain.last()
        upto_ms = None if newest is None else newest.upto_ms
        settled = [
            one
            for one in staged
            if self._is_settled(one.hour) or (upto_ms is not None and one.hour.start_ms <= upto_ms)
        ]
        if not settled:
            return
        index = self._index(system)
        sums, proofs, parts = sums_of(hourly), digests(hourly), digests(cuts)
        entries = []
        for one in settled:
            known = index.get(one.hour.start_ms, [])
            newest_is_it = known and (known[-1].control, known[-1].latency) == (
                one.control, one.latency,
            )  # fmt: skip
            self._keep(one.hour, known, one.control)
            if not newest_is_it:
                entries.append(
                    Entry(
                        one.hour.start_ms, one.control, one.latency, self._why(one.hour, known),
                        sums.get(one.hour.start_ms, {}), proofs.get(one.hour.start_ms),
                        parts.get(one.hour.start_ms),
                    )
                )  # fmt: skip
        self._append(system, entries)

    def close(self) -> None:
        """Write down the hours that have settled since they were booked, and the days.

        Raises:
            NotDurable: The disk did not take it; they are written down after the next booking.
            InputError: The chain, or what is to be written down, cannot be read.
        """
        hours = self._books.hours()
        self._enter_settled(hours)
        self._seal_days(hours)

    def _enter_settled(self, hours: Iterable[Hour]) -> None:
        waiting: dict[str, list[Hour]] = {}
        last: dict[str, Record | None] = {}
        for hour in hours:
            if not self._is_settled(hour):
                continue
            system = hour.system
            if system not in last:
                last[system] = self._chain(system).last()
            if self._is_unknown(hour, last[system]):
                waiting.setdefault(system, []).append(hour)
        for system, settled in waiting.items():
            self._enter_as_they_are(system, settled, Why.BOOKED)

    def _seal_days(self, hours: Iterable[Hour]) -> None:
        """Prove the days that are over: those that were booked, and some that never were proved."""
        over: dict[str, dict[str, list[Hour]]] = {}
        for hour in hours:
            if self._is_over(hour):
                over.setdefault(hour.system, {}).setdefault(hour.day, []).append(hour)
        for system, days in over.items():
            chain = self._chain(system)
            never = sorted(days.keys() - chain.days())[-MOST_CAUGHT_UP:]
            booked = {day for of, day in self._touched if of == system} & days.keys()
            if booked or never:
                asked = {day: days[day] for day in booked.union(never)}
                self._append(system, sealed(self._books, chain, asked))

    def _is_unknown(self, hour: Hour, last: Record | None) -> bool:
        index = self._indexes.get(hour.system)
        if index is None and (last is None or last.upto_ms is None):
            index = self._index(hour.system)
        if index is not None:
            return hour.start_ms not in index
        return last is not None and last.upto_ms is not None and hour.start_ms > last.upto_ms

    def _is_settled(self, hour: Hour) -> bool:
        return hour.start_ms + HOUR_MS + SETTLED_MS <= self._now_ms

    def _is_over(self, hour: Hour) -> bool:
        """Whether all hours of its day have settled."""
        last_ms = (hour.start_ms // _DAY_MS + 1) * _DAY_MS - HOUR_MS
        return self._is_settled(Hour(hour.system, last_ms))

    def _enter_as_they_are(self, system: str, hours: Sequence[Hour], why: Why) -> None:
        entries: list[Entry] = []
        self._touched.update((system, hour.day) for hour in hours)
        for day in sorted({hour.day for hour in hours}):
            mine = [hour for hour in hours if hour.day == day]
            kept = kept_sums(self._books, system, day)
            sums = sums_of(_frames(kept))
            proofs = self._proofs(mine, kept)
            parts = audit_cuts.proofs(self._books, mine)
            entries += [self._as_it_is(hour, why, sums, proofs, parts) for hour in mine]
        self._append(system, entries)

    def _proofs(self, hours: Sequence[Hour], kept: Kept) -> dict[int, str]:
        """Digests of sums that are those of their minutes, which is not taken on trust here.

        None of a day of which some cannot be read: there is no saying what its hours' sums are.
        """
        if not kept.is_whole:
            return {}
        found = audit_sums.examined(self._books, hours, kept, ())
        wrong = {finding.hour for finding in found}
        system = hours[0].system
        return {
            start_ms: digest
            for start_ms, digest in digests(_frames(kept)).items()
            if str(Hour(system, start_ms)) not in wrong
        }

    def _as_it_is(
        self,
        hour: Hour,
        why: Why,
        sums: Mapping[int, Sums],
        proofs: Mapping[int, str],
        parts: Mapping[int, str],
    ) -> Entry:
        latency = self._books.path("latency", hour)
        return Entry(
            hour.start_ms,
            sha256(self._books.path("control", hour)),
            sha256(latency) if latency.exists() else None,
            (why.value,),
            sums.get(hour.start_ms, {}),
            proofs.get(hour.start_ms),
            parts.get(hour.start_ms),
        )

    def _why(self, hour: Hour, known: Sequence[_Known]) -> tuple[str, ...]:
        if not known:
            return (Why.BOOKED.value,)
        found = {why.value for why in self._reasons.get(hour, ())}
        if known[-1].rules != RULES:
            found.add(Why.RULES.value)
        return tuple(sorted(found)) or (Why.AGAIN.value,)

    def _keep(self, hour: Hour, known: Sequence[_Known], new: str) -> None:
        """Keep what an hour holds, if it is what one of its records says."""
        path = self._books.path("control", hour)
        if not known or not path.exists():
            return
        held = sha256(path)
        if held == new:
            return
        number = next((one.number for one in reversed(known) if one.control == held), None)
        # Nobody was told what this very booking wrote down first.
        if number is not None and (hour.system, number) not in self._mine:
            times = [(one.number, one.at_ms) for one in known]
            superseded.keep_hour(self._books, hour, number, [*times, (-1, self._clock.unix_ms())])

    def _append(self, system: str, entries: Sequence[Entry | DaySeal]) -> None:
        if not entries:
            return
        records = self._chain(system).append(entries, self._clock.unix_ms(), self._run_ms)
        self._mine.update((system, record.number) for record in records)
        if system in self._indexes:
            _into(self._indexes[system], records)

    def _index(self, system: str) -> dict[int, list[_Known]]:
        if system not in self._indexes:
            self._indexes[system] = {}
            _into(self._indexes[system], self._chain(system).records())
        return self._indexes[system]

    def _chain(self, system: str) -> Chain:
        return Chain(chain_path(self._books.root, system))


def _into(index: dict[int, list[_Known]], records: Iterable[Record]) -> None:
    for record in records:
        entry = record.entry
        if entry is not None:
            index.setdefault(entry.hour_ms, []).append(
                _Known(record.number, record.at_ms, entry.control, entry.latency, record.rules)
            )


def _frames(kept: Kept) -> dict[str, pl.DataFrame]:
    # A file that cannot be read is the audit's to name; the hours are there.
    return {table: kept.frames.get(table, schema.to_frame()) for table, schema in ENTRIES.items()}
