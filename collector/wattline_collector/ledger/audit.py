"""Do the books balance, and where not?

Five proofs, each naming hour and device:

1. What is written is what was booked: every hour since something was installed has its files, each
   file has the digest its control recorded, and an altered row is traced to its device
   (`audit_hours`).
2. The invariants (design 9): seconds booked = seconds installed, exactly; joules booked = what the
   meter counted, within 1 J; tokens booked = what the jobs' counters grew by (`balance`).
3. The hourly sums that figures are taken from are the sums of the minutes, and so are the parts of
   hours that were lost in part (`audit_sums`).
4. The audit trail holds, and the books are what it says (`chain_audit`).
5. The sealed telemetry the books were made from is there, unaltered.

Whoever reports on a period proves the hours of that period, and the trail from its beginning to its
end, as that is what every hour hangs on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger import audit_cuts, audit_hours, audit_sums, chain_audit
from wattline_collector.ledger.audit_sums import Kept, kept_sums
from wattline_collector.ledger.books import Books, Hour, hours_between, sha256
from wattline_collector.ledger.chain import Sums
from wattline_collector.ledger.chain_audit import Followed
from wattline_collector.ledger.day_digest import digests
from wattline_collector.ledger.finding import Finding, named
from wattline_collector.ledger.schema import CONTROL, ENTRIES, HOUR_MS, TIME
from wattline_collector.ledger.trail import sums_of
from wattline_collector.store import filenames, manifest

_AT_ONCE_BYTES = 2 << 20
"""Files of sums of devices that are looked at together: some ten days of 1,000 devices."""

EVER = (0, 1 << 52)
"""Bounds that leave nothing out."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was examined, and what was found.

    Attributes:
        findings: Where the books do not balance, by hour; empty if they do.
        hours: Booked hours that were examined, in order.
        trails: What the audit trail of each system says.
        added_up: Of how many of those the sums were added up again from their minutes; the sums of
            the others are those that the audit trail names.
    """

    findings: tuple[Finding, ...]
    hours: tuple[Hour, ...]
    trails: tuple[Followed, ...]
    added_up: int


def audit(
    store: Path,
    progress: Callable[[int, int], None] | None = None,
    published: Mapping[str, tuple[int, str]] | None = None,
) -> list[Finding]:
    """Examine all of a store's books, and take no sum on trust.

    Args:
        store: The store's directory.
        progress: Told hours done and hours there are.
        published: By system, the number and digest of a record of its audit trail that was
            published: the trail must still have it.

    Returns:
        What was found, by hour; empty if the books balance.

    Raises:
        UsageError: The directory holds no books.
    """
    return list(prove(store, progress, published, trusts_trail=False).findings)


def prove(
    store: Path,
    progress: Callable[[int, int], None] | None = None,
    published: Mapping[str, tuple[int, str]] | None = None,
    *,
    bounds: tuple[int, int] = EVER,
    trusts_trail: bool = True,
) -> Proof:
    """Examine the books of a time.

    Args:
        store: The store's directory.
        progress: Told hours done and hours there are.
        published: By system, the number and digest of a record of its audit trail that was
            published: the trail must still have it.
        bounds: From when to when hours are examined, in ms; the audit trail is always followed
            from its beginning to its end.
        trusts_trail: Whether an hour whose sums are those that its line of the trail names need
            not be added up again from its minutes. Its files are held against their digests in
            either case.

    Raises:
        UsageError: The directory holds no books.
    """
    books = Books(store)
    every = books.hours()
    ends = books.ends(bounds[1])
    if not every and not ends:
        if books.frame("accounting", ACCOUNTED).height:
            # An archive of jobs, with nothing installed that any time could be booked of.
            return Proof((), (), (), 0)
        raise UsageError(
            f"{store} holds no booked hours: `wattline import` brings in a recording, "
            "`wattline up` measures this machine"
        )
    hours = [hour for hour in every if bounds[0] - HOUR_MS < hour.start_ms < bounds[1]]
    trails = {trail.system: trail for trail in chain_audit.followed(books, every, published)}
    days = _Days(books, trails, bounds, trusts_trail)
    for some in _stretches(books, hours):
        days.examine(some)
        if progress is not None:
            progress(days.hours, len(hours))
    findings = [
        *_telemetry(store, books, bounds), *_inventory(books, hours),
        *_missing(books, every, ends, bounds), *days.entries, *days.sums, *days.cuts,
    ]  # fmt: skip
    for system, trail in trails.items():
        findings += trail.findings
        if trail.is_known:
            there = [hour for hour in every if hour.system == system]
            findings += chain_audit.gone(trail, there, bounds)
            findings += days.trail.get(system, ())
    return Proof(tuple(findings), tuple(hours), tuple(trails.values()), days.added_up)


def _stretches(books: Books, hours: Sequence[Hour]) -> Iterator[list[list[Hour]]]:
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


class _Days:
    """The proofs that go by the day, as sums are kept."""

    def __init__(
        self,
        books: Books,
        trails: Mapping[str, Followed],
        bounds: tuple[int, int],
        trusts_trail: bool,
    ) -> None:
        self._books, self._trails = books, trails
        self._bounds, self._trusts_trail = bounds, trusts_trail
        self.hours = self.added_up = 0
        self.entries: list[Finding] = []
        self.sums: list[Finding] = []
        self.cuts: list[Finding] = []
        self.trail: dict[str, list[Finding]] = {}

    def examine(self, days: Sequence[Sequence[Hour]]) -> None:
        """Examine some days of one system."""
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
        trusted = trail if self._trusts_trail else None
        self.cuts += audit_cuts.examined(books, hours, self._bounds, trusted)
        if trail.is_known:
            # What is not the sum of its minutes is named; that it is not what was booked says no
            # more. Nor does it of sums that cannot be read.
            named = {finding.hour for finding in wrong}
            sums = self._sums(hours, trail, whole, proved, kept)
            self.trail.setdefault(system, []).extend(
                chain_audit.against_books(books, trail, hours, sums, named)
            )
        self.hours += len(hours)
        self.added_up += len(hours) - len(proved)

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


def _telemetry(store: Path, books: Books, bounds: tuple[int, int]) -> list[Finding]:
    """Sealed telemetry that is missing or altered, by the hours and devices it stood for."""
    findings = []
    for segment in manifest.load(store / filenames.MANIFEST, repair=False).segments:
        if segment.last_ms < bounds[0] or segment.first_ms >= bounds[1]:
            continue
        path = store / segment.file
        if not path.exists():
            problem = "is missing"
        elif sha256(path) != segment.sha256:
            problem = "was altered"
        else:
            continue
        since = pl.col("from_ms") <= segment.last_ms
        until = pl.col("until_ms").is_null() | (pl.col("until_ms") > segment.first_ms)
        first, last = (Hour("", ms).time for ms in (segment.first_ms, segment.last_ms))
        findings.append(
            Finding(
                f"{first:%Y-%m-%dT%HZ} to {last:%Y-%m-%dT%HZ}",
                _named_things(books.inventory.filter(since & until)),
                f"telemetry segment {segment.file} {problem}",
            )
        )
    return findings


def _inventory(books: Books, hours: Sequence[Hour]) -> list[Finding]:
    """Systems with booked hours that the inventory knows nothing of."""
    known = set(books.inventory["system"])
    findings = []
    for system in sorted({hour.system for hour in hours} - known):
        mine = [hour for hour in hours if hour.system == system]
        control = books.control(mine[0])
        control = CONTROL.to_frame() if control is None else control
        keys = control.filter(pl.col("kind").cast(pl.String) == "device")["key"]
        when = f"{mine[0].time:%Y-%m-%dT%HZ} to {mine[-1].time:%Y-%m-%dT%HZ} ({system})"
        findings.append(Finding(when, named("device", keys.to_list()), "not in the inventory"))
    return findings


def _missing(
    books: Books, hours: Sequence[Hour], ends: Mapping[str, int], bounds: tuple[int, int]
) -> list[Finding]:
    """Hours of installed devices that have no control."""
    there = set(hours)
    findings = []
    inventory = books.inventory
    for system, end_ms in ends.items():
        mine = inventory.filter(pl.col("system") == system)
        if mine.is_empty():
            continue
        first_ms = max(min(mine["from_ms"]), bounds[0])
        for hour in hours_between(system, first_ms, min(end_ms, bounds[1])):
            if hour in there:
                continue
            installed = mine.filter(
                (pl.col("from_ms") < hour.start_ms + HOUR_MS)
                & (pl.col("until_ms").is_null() | (pl.col("until_ms") > hour.start_ms))
            )
            if installed.height:
                findings.append(
                    Finding(str(hour), _named_things(installed), "the hour is not in the books")
                )
    return findings


def _named_things(inventory: pl.DataFrame) -> str:
    devices = inventory.filter(pl.col("kind") == "device")["key"].to_list()
    return named("device", devices) if devices else named("node", inventory["key"].to_list())
