"""The proofs of booked hours that go by the day, as their sums are kept.

A day that the audit trail says was proved, and whose files are to the byte what they were then, is
not taken apart again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import groupby

import polars as pl

from wattline_collector.ledger import audit_cuts, audit_hours, audit_sums, chain_audit
from wattline_collector.ledger.audit_sums import Kept, kept_sums
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.chain import Sums
from wattline_collector.ledger.chain_audit import Followed
from wattline_collector.ledger.day_digest import digests
from wattline_collector.ledger.day_seal import day_files
from wattline_collector.ledger.finding import Finding
from wattline_collector.ledger.schema import ENTRIES, TIME
from wattline_collector.ledger.trail_sums import sums_of

EVER = (0, 1 << 52)
"""Bounds that leave nothing out."""

_AT_ONCE_BYTES = 2 << 20
"""Files of sums of devices that are looked at together: some ten days of 1,000 devices."""


def stretches(books: Books, hours: Sequence[Hour]) -> Iterator[list[list[Hour]]]:
    """Hours by the day, as many days of a system at once as memory has room for."""
    some: list[list[Hour]] = []
    size = 0
    for (system, day), of_day in groupby(hours, lambda hour: (hour.system, hour.day)):
        sums = books.day_path("device", system, day)
        size += sums.stat().st_size if sums.exists() else 0
        if some and (size > _AT_ONCE_BYTES or some[0][0].system != system):
            yield some
            some, size = [], 0
        some.append(list(of_day))
    if some:
        yield some


class Days:
    """The proofs that go by the day, as sums are kept.

    Attributes:
        hours: How many hours were examined.
        added_up: Of how many of them the sums were added up again from their minutes.
        entries: What was found of entries and control.
        sums: Of hourly sums.
        cuts: Of the parts of hours that were lost in part.
        trail: Of what the audit trail says of hours, by system.
    """

    def __init__(
        self,
        books: Books,
        trails: Mapping[str, Followed],
        bounds: tuple[int, int],
        trusts_trail: bool,
    ) -> None:
        """Begin.

        Args:
            books: Whose.
            trails: What the audit trail of each system says.
            bounds: From when to when parts of hours are looked at, in ms.
            trusts_trail: Whether what the trail names is believed where it is there unaltered.
        """
        self._books, self._trails = books, trails
        self._bounds, self._trusts_trail = bounds, trusts_trail
        self.hours = self.added_up = 0
        self.entries: list[Finding] = []
        self.sums: list[Finding] = []
        self.cuts: list[Finding] = []
        self.trail: dict[str, list[Finding]] = {}

    def examine(self, days: Sequence[Sequence[Hour]]) -> None:
        """Examine hours of some days of one system."""
        apart: list[Sequence[Hour]] = []
        cut: list[Hour] = []
        for day in days:
            self.hours += len(day)
            is_sealed, has_sealed_cuts = self._is_sealed(day)
            apart += [] if is_sealed else [day]
            cut += [] if has_sealed_cuts else day
        if apart:
            self._take_apart(apart)
        if cut:
            trail = self._trails[cut[0].system] if self._trusts_trail else None
            self.cuts += audit_cuts.examined(self._books, cut, self._bounds, trail)

    def _is_sealed(self, day: Sequence[Hour]) -> tuple[bool, bool]:
        """Whether a day's files are what they were when it was proved, and those of its cuts too.

        The lines of its hours are held against them all the same: to make others believe what it
        likes, a line of a day alone is not enough.
        """
        system, name = day[0].system, day[0].day
        trail = self._trails[system]
        seal = trail.seals.get(name) if self._trusts_trail else None
        if seal is None:
            return False, False
        try:
            there = day_files(self._books, system, name)
        except OSError:
            return False, False  # it is named where it is looked at
        is_sealed = there.files == seal.files and there.hours == trail.digests_of(name)
        return is_sealed, is_sealed and there.cuts == seal.cuts

    def _take_apart(self, days: Sequence[Sequence[Hour]]) -> None:
        books = self._books
        hours = [hour for day in days for hour in day]
        system = hours[0].system
        trail = self._trails[system]
        kept = {day[0].day: kept_sums(books, system, day[0].day) for day in days}
        whole = {
            table: pl.concat(
                [
                    ENTRIES[table].to_frame(),
                    *(one.frames[table] for one in kept.values() if one.is_whole),
                ]
            )
            for table in ENTRIES
        }
        proved = self._proved(hours, trail, whole)
        self.entries += audit_hours.examined(books, hours)
        wrong: list[Finding] = []
        for day in days:
            wrong += audit_sums.examined(books, day, kept[day[0].day], proved)
        self.sums += wrong
        if trail.is_known:
            # What is not the sum of its minutes is named; that it is not what was booked says no
            # more. Nor does it of sums that cannot be read.
            named = {finding.hour for finding in wrong}
            sums = self._sums(hours, trail, whole, proved, kept)
            self.trail.setdefault(system, []).extend(
                chain_audit.against_books(books, trail, hours, sums, named)
            )
        self.added_up += len(hours) - len(proved)

    @property
    def findings(self) -> list[Finding]:
        """Everything that was found."""
        of_trails = [finding for found in self.trail.values() for finding in found]
        return [*self.entries, *self.sums, *self.cuts, *of_trails]

    def _proved(
        self, hours: Sequence[Hour], trail: Followed, sums: Mapping[str, pl.DataFrame]
    ) -> set[Hour]:
        asked = [hour for hour in hours if trail.names_sums_of(hour)]
        if not self._trusts_trail or not asked:
            return set()
        there = digests(sums)
        return {hour for hour in asked if trail.names_sums_of(hour) == there.get(hour.start_ms)}

    @staticmethod
    def _sums(
        hours: Sequence[Hour],
        trail: Followed,
        hourly: Mapping[str, pl.DataFrame],
        proved: Set[Hour],
        kept: Mapping[str, Kept],
    ) -> dict[int, Sums]:
        """What hours add up to; those that are proved have the sums of their line."""
        found: dict[int, Sums] = {}
        others = []
        for hour in hours:
            if hour in proved and (entry := trail.newest[hour.start_ms].entry) is not None:
                found[hour.start_ms] = entry.sums
            elif kept[hour.day].is_whole:
                found[hour.start_ms] = {}
                others.append(hour.time)
        if not others:
            return found
        asked = pl.col("minute").is_in(pl.Series(others, dtype=TIME).implode())
        return found | sums_of({table: one.filter(asked) for table, one in hourly.items()})
