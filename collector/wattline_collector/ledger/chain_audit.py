"""Does the audit trail hold, and do the books say what it says?

1. Every line of a chain follows the one before: none was altered, left out or put in between.
2. What stands in the books of an hour is what the newest record of it names, sums included.
3. Every hour that has a record is in the books, and every settled hour in the books has a record.
4. Where a digest was published, the chain still has that record.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wattline_agents.errors import InputError
from wattline_collector.ledger.books import Books, Hour, hours_of, sha256
from wattline_collector.ledger.chain import (
    NOTHING,
    PROOF,
    Chain,
    DaySeal,
    Entry,
    Record,
    Sums,
    chain_path,
    chains,
)
from wattline_collector.ledger.chain import decode as decoded
from wattline_collector.ledger.chain import digest as digest_of
from wattline_collector.ledger.finding import Finding
from wattline_collector.ledger.restatements import compared, moment
from wattline_collector.ledger.schema import HOUR_MS

MOST_HEADS = 1_000
"""Systems of one file of published heads."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record of a chain: it stands for all before it."""

    system: str
    number: int
    at_ms: int
    digest: str

    def to_json(self) -> dict[str, object]:
        """As it leaves the program, to be published or signed."""
        return {
            "system": self.system, "record": self.number, "at": moment(self.at_ms),
            "sha256": self.digest,
        }  # fmt: skip


def heads(store: Path) -> list[Head]:
    """The head of every chain, by system; none of a chain whose end is damaged.

    Raises:
        InputError: A chain cannot be read.
    """
    found = []
    for chain in chains(Books(store).root):
        last = chain.last()
        if last is not None:
            found.append(Head(chain.system, last.number, last.at_ms, last.digest))
    return found


@dataclass(frozen=True, slots=True)
class Followed:
    """What the chain of a system says, read from its beginning to its end.

    Attributes:
        system: Whose.
        records: What its lines say, in order, but for those that are no record.
        newest: The newest record of each hour, by the hour's start in ms.
        seals: By day, what its lines say since an hour of it was booked last: None where not all of
            them say that it holds, and with the same files.
        findings: Where its lines do not follow one another, or why it cannot be read.
        is_known: Whether there is a chain that could be read: books are held against that.
    """

    system: str
    records: Sequence[Record]
    newest: Mapping[int, Record]
    seals: Mapping[str, DaySeal | None]
    findings: tuple[Finding, ...]
    is_known: bool

    def names_sums_of(self, hour: Hour) -> str | None:
        """The digest of the hour's sums by its newest record (`day_digest`), if it names one."""
        record = self.newest.get(hour.start_ms)
        return None if record is None or record.entry is None else record.entry.hourly

    def names_cuts_of(self, start_ms: int) -> str | None:
        """The digest of an hour's cuts by its newest record, if it names one."""
        record = self.newest.get(start_ms)
        return None if record is None or record.entry is None else record.entry.cuts

    def digests_of(self, day: str) -> dict[int, tuple[str, str | None]]:
        """Digests of control and latencies of a day's hours by their newest records.

        By the hour's start in ms; those of which there is no record are left out.
        """
        records = (self.newest.get(hour.start_ms) for hour in hours_of(self.system, day))
        entries = (record.entry for record in records if record is not None)
        return {one.hour_ms: (one.control, one.latency) for one in entries if one is not None}


def followed(
    books: Books, hours: Sequence[Hour], published: Mapping[str, tuple[int, str]] | None = None
) -> list[Followed]:
    """Follow every chain of a store.

    Args:
        books: Whose.
        hours: Every booked hour.
        published: By system, the number and digest of a record that was published.

    Returns:
        System by system, those too that have hours and no chain.
    """
    published = published or {}
    by_system: dict[str, list[Hour]] = {}
    for hour in hours:
        by_system.setdefault(hour.system, []).append(hour)
    there = {chain.system: chain for chain in chains(books.root)}
    found = []
    for system in sorted(by_system.keys() | there.keys() | published.keys()):
        mine = by_system.get(system, [])
        chain = there.get(system)
        if chain is not None:
            found.append(follow(chain, mine, published.get(system)))
            continue
        findings: tuple[Finding, ...] = ()
        if there or system in published or _left_versions(books, system):
            findings = (Finding(_span(system, mine), "every device", "the audit trail is gone"),)
        found.append(Followed(system, (), {}, {}, findings, False))
    return found


def follow(
    chain: Chain, hours: Sequence[Hour], published: tuple[int, str] | None = None
) -> Followed:
    """Follow one chain.

    Args:
        chain: Which.
        hours: The booked hours of its system.
        published: The number and digest of a record that was published.
    """
    system = chain.system
    records: list[Record] = []
    try:
        findings = tuple(_links(chain, records, published))
    except InputError as error:
        problem = Finding(_span(system, hours), "audit trail", str(error))
        return Followed(system, (), {}, {}, (problem,), False)
    newest = {record.entry.hour_ms: record for record in records if record.entry is not None}
    return Followed(system, records, newest, _seals(system, records), findings, True)


def _seals(system: str, records: Sequence[Record]) -> dict[str, DaySeal | None]:
    """What is said of days since an hour of them was booked last."""
    said: dict[str, set[DaySeal]] = {}
    for record in records:
        if record.entry is not None:
            said.pop(Hour(system, record.entry.hour_ms).day, None)
        elif (seal := record.seal) is not None and seal.proof == PROOF:
            said.setdefault(seal.day, set()).add(seal)
    # Without a booking in between, nobody has a reason to say something else of the same day.
    return {
        day: one if not others and one.files is not None else None
        for day, (one, *others) in said.items()
    }


def notes(store: Path) -> list[str]:
    """What is no fault and must be known of the audit trail.

    Raises:
        InputError: A chain cannot be read.
    """
    books = Books(store)
    told = []
    there = chains(books.root)
    for chain in there:
        # The lines of hours, which are nearly all, need not be taken apart.
        rare = (line for line in chain.lines() if b'"begin":' in line or b'"cut":' in line)
        for record in filter(None, map(decoded, rare)):
            if record.is_first and record.adopted:
                told.append(
                    f"{chain.system}: the audit trail began on {moment(record.at_ms)} with "
                    f"{record.adopted:,} hours that were in the books already; what they held "
                    "before is not proved"
                )
            if record.cut:
                told.append(
                    f"{chain.system}: before record {record.number} of {moment(record.at_ms)}, "
                    f"{record.cut:,} bytes were cut off that a crash had left unfinished"
                )
        left = chain.unfinished()
        if left:
            told.append(
                f"{chain.system}: the audit trail ends in {left:,} bytes that a crash left "
                "unfinished; the next booking cuts them off"
            )
    if not there and books.hours():
        told.append("the books have no audit trail yet; the next booking begins one")
    return told


def read_published(path: Path) -> dict[str, tuple[int, str]]:
    """Heads as `wattline audit --head --format json` printed them.

    Raises:
        InputError: It is not such a file.
    """
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(4 * 1024 * 1024))
        found = {
            str(head["system"]): (int(head["record"]), str(head["sha256"]))
            for head in said["heads"][:MOST_HEADS]
        }
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            "not what `wattline audit --head --format json` printed", path=path
        ) from error
    return found


def _links(
    chain: Chain, records: list[Record], published: tuple[int, str] | None
) -> Iterator[Finding]:
    """Breaks in a chain; fills in its records."""
    before: Record | None = None
    previous, expected, is_met = NOTHING, 0, published is None
    for line in chain.lines():
        record = decoded(line)
        if record is None:
            yield _broken(chain.system, before, f"line {expected + 1} of the trail is no record")
        else:
            if record.number != expected and before is not None:
                yield _broken(
                    chain.system, record,
                    f"record {before.number} of the trail is followed by record {record.number}: "
                    + ("records were taken out" if record.number > expected else "one was put in"),
                )  # fmt: skip
            elif record.previous != previous and before is not None:
                yield _broken(
                    chain.system, before,
                    f"record {before.number} of the trail was altered: record {record.number} "
                    "names another digest",
                )  # fmt: skip
            elif before is None and (record.previous != NOTHING or not record.is_first):
                yield _broken(chain.system, record, "the beginning of the trail is gone")
            if published == (record.number, record.digest):
                is_met = True
            records.append(record)
            before, expected = record, record.number
        previous = digest_of(line) if record is None else record.digest
        expected += 1
    if published is not None and not is_met:
        yield Finding(
            f"({chain.system})", "every device",
            f"the trail has no record {published[0]} with the digest that was published: it was "
            "rewritten, or cut off before it",
        )  # fmt: skip


def _broken(system: str, record: Record | None, problem: str) -> Finding:
    where = f"({system})"
    if record is not None and record.entry is not None:
        where = str(Hour(system, record.entry.hour_ms))
    return Finding(where, "audit trail", problem)


def gone(trail: Followed, hours: Sequence[Hour], bounds: tuple[int, int]) -> Iterator[Finding]:
    """Hours of the trail that are not in the books.

    Args:
        trail: Of a system.
        hours: The hours of that system in the books.
        bounds: From when to when hours are looked at, in ms.
    """
    there = {hour.start_ms for hour in hours}
    for start_ms in sorted(trail.newest.keys() - there):
        if bounds[0] - HOUR_MS < start_ms < bounds[1]:
            record = trail.newest[start_ms]
            yield Finding(
                str(Hour(trail.system, start_ms)), "every device",
                f"the hour is gone: record {record.number} of the trail put it into the books",
            )  # fmt: skip


def against_books(
    books: Books,
    trail: Followed,
    hours: Sequence[Hour],
    sums: Mapping[int, Sums],
    wrong: Collection[str] = (),
) -> Iterator[Finding]:
    """Hours that are not what their newest record says.

    Args:
        books: Whose.
        trail: Of their system.
        hours: Which.
        sums: Of those of these hours whose sums can be read.
        wrong: Hours, as findings name them, whose sums are known to be none of their minutes.
    """
    last = max(trail.newest, default=None)
    for hour in hours:
        found = trail.newest.get(hour.start_ms)
        if found is None or found.entry is None:
            if last is not None and hour.start_ms < last:
                yield Finding(
                    str(hour), "every device",
                    "the hour was put in: no record of the trail tells of it",
                )  # fmt: skip
            continue
        known = None if str(hour) in wrong else sums.get(hour.start_ms)
        yield from _hour(books, hour, found, found.entry, known)


def _hour(
    books: Books, hour: Hour, record: Record, entry: Entry, sums: Sums | None
) -> Iterator[Finding]:
    control, latency = books.place("control", hour), books.place("latency", hour)
    said = f"record {record.number} of {moment(record.at_ms)}"
    changes = [] if sums is None else [str(change) for change in compared(entry.sums, sums)]
    if sha256(control) != entry.control:
        what = "; ".join(changes) or ("the sums are the same" if sums is not None else "")
        yield Finding(
            str(hour), "every device",
            f"altered since {said}, or a copy of before was put back, or a booking was cut short"
            f"{': ' if what else ''}{what}",
        )  # fmt: skip
    elif changes:
        yield Finding(str(hour), "every device", f"not the sums of {said}: {'; '.join(changes)}")
    if _sha256(latency) != entry.latency:
        yield Finding(str(hour), "latencies", f"altered since {said}")


def _sha256(path: str) -> str | None:
    """A file's SHA-256; None if it is not there."""
    try:
        return sha256(path)
    except FileNotFoundError:
        return None


def _left_versions(books: Books, system: str) -> bool:
    return (books.root / "superseded" / "hours" / system).is_dir() and not chain_path(
        books.root, system
    ).exists()


def _span(system: str, hours: Sequence[Hour]) -> str:
    if not hours:
        return f"({system})"
    return f"{hours[0].time:%Y-%m-%dT%HZ} to {hours[-1].time:%Y-%m-%dT%HZ} ({system})"
