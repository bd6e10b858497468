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
end, as that is what every hour hangs on. A day that was proved already, as the trail says, and of
whose files no byte has changed since, is not taken apart again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger import chain_audit
from wattline_collector.ledger.audit_days import EVER, Days, stretches
from wattline_collector.ledger.books import Books, Hour, hours_between, sha256
from wattline_collector.ledger.chain_audit import Followed
from wattline_collector.ledger.finding import Finding, named
from wattline_collector.ledger.schema import CONTROL, HOUR_MS
from wattline_collector.store import filenames, manifest


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
        trusts_trail: Whether a day that the trail says was proved need not be taken apart where
            its files are what they were then, and an hour whose sums are those that its line names
            need not be added up again from its minutes. Files are held against their digests in
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
    days = Days(books, trails, bounds, trusts_trail)
    for some in stretches(books, hours):
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
