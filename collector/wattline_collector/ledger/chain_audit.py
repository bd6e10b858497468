"""Does the audit trail hold, and do the books say what it says?

1. Every line of a chain follows the one before: none was altered, left out or put in between.
2. What stands in the books of an hour is what the newest record of it names, sums included.
3. Every hour that has a record is in the books, and every settled hour in the books has a record.
4. Where a digest was published, the chain still has that record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.ledger.books import Books, Hour, load, sha256
from wattline_collector.ledger.chain import (
    NOTHING,
    Chain,
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
from wattline_collector.ledger.schema import ENTRIES
from wattline_collector.ledger.trail import sums_of

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


def audit_chains(
    store: Path,
    published: Mapping[str, tuple[int, str]] | None = None,
    wrong: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Examine every chain of a store, and the books against it.

    Args:
        store: The store's directory.
        published: By system, the number and digest of a record that was published.
        wrong: Hours, as findings name them, whose sums are known to be none of their minutes.

    Returns:
        What was found, system by system.
    """
    books = Books(store)
    published = published or {}
    hours: dict[str, list[Hour]] = {}
    for hour in books.hours():
        hours.setdefault(hour.system, []).append(hour)
    there = {chain.system: chain for chain in chains(books.root)}
    findings: list[Finding] = []
    for system in sorted(hours.keys() | there.keys() | published.keys()):
        mine = hours.get(system, [])
        chain = there.get(system)
        if chain is None:
            if there or system in published or _left_versions(books, system):
                findings.append(
                    Finding(_span(system, mine), "every device", "the audit trail is gone")
                )
            continue
        newest: dict[int, Record] = {}
        try:
            findings += _links(chain, newest, published.get(system))
        except InputError as error:
            findings.append(Finding(_span(system, mine), "audit trail", str(error)))
            continue
        findings += _against_books(books, system, mine, newest, wrong)
    return findings


def notes(store: Path) -> list[str]:
    """What is no fault and must be known of the audit trail.

    Raises:
        InputError: A chain cannot be read.
    """
    books = Books(store)
    told = []
    there = chains(books.root)
    for chain in there:
        for record in chain.records():
            if record.entry is None and record.adopted:
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
    chain: Chain, newest: dict[int, Record], published: tuple[int, str] | None
) -> Iterator[Finding]:
    """Breaks in a chain; fills in the newest record of every hour."""
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
            elif before is None and (record.previous != NOTHING or record.entry is not None):
                yield _broken(chain.system, record, "the beginning of the trail is gone")
            if published == (record.number, record.digest):
                is_met = True
            if record.entry is not None:
                newest[record.entry.hour_ms] = record
            before, expected = record, record.number
        previous, expected = digest_of(line), expected + 1
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


def _against_books(
    books: Books,
    system: str,
    hours: list[Hour],
    newest: dict[int, Record],
    wrong: frozenset[str],
) -> Iterator[Finding]:
    there = {hour.start_ms for hour in hours}
    for start_ms in sorted(newest.keys() - there):
        record = newest[start_ms]
        yield Finding(
            str(Hour(system, start_ms)), "every device",
            f"the hour is gone: record {record.number} of the trail put it into the books",
        )  # fmt: skip
    last = max(newest, default=None)
    day, sums = "", None
    for hour in hours:
        found = newest.get(hour.start_ms)
        if found is None or found.entry is None:
            if last is not None and hour.start_ms < last:
                yield Finding(
                    str(hour), "every device",
                    "the hour was put in: no record of the trail tells of it",
                )  # fmt: skip
            continue
        if day != hour.day:
            day, sums = hour.day, _sums_of_day(books, system, hour.day)
        known = None if sums is None or str(hour) in wrong else sums.get(hour.start_ms, {})
        yield from _hour(books, hour, found, found.entry, known)


def _hour(
    books: Books, hour: Hour, record: Record, entry: Entry, sums: Sums | None
) -> Iterator[Finding]:
    control, latency = books.path("control", hour), books.path("latency", hour)
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
    if (sha256(latency) if latency.exists() else None) != entry.latency:
        yield Finding(str(hour), "latencies", f"altered since {said}")


def _sums_of_day(books: Books, system: str, day: str) -> Mapping[int, Sums] | None:
    """The sums of a day's hours; None where they cannot be read: that is named elsewhere."""
    frames: dict[str, pl.DataFrame] = {}
    for table, schema in ENTRIES.items():
        try:
            frames[table] = load(books.day_path(table, system, day), schema)
        except InputError:
            return None
    return sums_of(frames)


def _left_versions(books: Books, system: str) -> bool:
    return (books.root / "superseded" / "hours" / system).is_dir() and not chain_path(
        books.root, system
    ).exists()


def _span(system: str, hours: list[Hour]) -> str:
    if not hours:
        return f"({system})"
    return f"{hours[0].time:%Y-%m-%dT%HZ} to {hours[-1].time:%Y-%m-%dT%HZ} ({system})"
