"""Restatements: hours that were booked again and came out otherwise, with what changed and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wattline_collector.kpi.figure import iso
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.chain import MEANING, Record, Sums, Why, chains

JOULES = 0.5
"""A change of less is rounding: nobody's figure shows it."""

MILLISECONDS = 0.5
"""Times are whole milliseconds; a node's are shared in fractions."""


@dataclass(frozen=True, slots=True)
class Change:
    """One sum of an hour that changed.

    Attributes:
        table: `device`, `node` or `tokens`.
        name: The account, or the kind of tokens.
        unit: `ms`, `J` or `1`.
        before: What the record before says; null: not known, or nothing of it.
        after: What this one says.
    """

    table: str
    name: str
    unit: str
    before: float | None
    after: float | None

    @property
    def by(self) -> float:
        """By how much; what is not known counts as nothing."""
        return (self.after or 0) - (self.before or 0)

    def __str__(self) -> str:
        """For people: `busy (device) +1,200.000 s`."""
        if self.unit == "1":
            return f"{self.name} tokens {self.by:+,.0f}"
        amount = f"{self.by / 1000:+,.3f} s" if self.unit == "ms" else f"{self.by:+,.1f} J"
        return f"{self.name} ({self.table}) {amount}"


@dataclass(frozen=True, slots=True)
class Restatement:
    """An hour that was booked again, with other files than before.

    Attributes:
        hour: Which.
        number: The record in its chain.
        at_ms: When.
        before_number: The record before it of the same hour.
        before_at_ms: When that one was written.
        why: `chain.Why` values.
        changes: What came out otherwise; empty where no sum did.
    """

    hour: Hour
    number: int
    at_ms: int
    before_number: int
    before_at_ms: int
    why: tuple[str, ...]
    changes: tuple[Change, ...]

    def is_of(self, from_ms: int | None, to_ms: int | None) -> bool:
        """Whether its hour begins in a time, of which either end may be open."""
        start_ms = self.hour.start_ms
        return (from_ms is None or start_ms >= from_ms) and (to_ms is None or start_ms < to_ms)

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return {
            "system": self.hour.system,
            "hour": iso(self.hour.time),
            "record": self.number,
            "at": moment(self.at_ms),
            "instead_of": {"record": self.before_number, "at": moment(self.before_at_ms)},
            "why": list(self.why),
            "changes": [
                {
                    "table": change.table, "name": change.name, "unit": change.unit,
                    "before": change.before, "after": change.after,
                }
                for change in self.changes
            ],
        }  # fmt: skip


def restatements(
    store: Path,
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    since_ms: int | None = None,
) -> Iterator[Restatement]:
    """Every restatement, system by system in the order they were made.

    Args:
        store: The store's directory.
        from_ms: Hours from this moment on.
        to_ms: Hours that begin before this moment.
        since_ms: Only what was restated at or after this moment.

    Raises:
        InputError: A chain cannot be read.
    """
    for chain in chains(Books(store).root):
        for one in of_records(chain.system, chain.records()):
            if one.is_of(from_ms, to_ms) and (since_ms is None or one.at_ms >= since_ms):
                yield one


def of_records(system: str, records: Iterable[Record]) -> Iterator[Restatement]:
    """The restatements that a chain tells of.

    What one booking wrote down twice for the first time is none: in a later hour of a long import a
    device may speak again, and tell what it used in the hours before.

    Args:
        system: Whose chain.
        records: Its records, in order.
    """
    newest: dict[int, Record] = {}
    first_run: dict[int, int] = {}
    for record in records:
        entry = record.entry
        if entry is None:
            continue
        before = newest.get(entry.hour_ms)
        newest[entry.hour_ms] = record
        is_first = first_run.setdefault(entry.hour_ms, record.run_ms) == record.run_ms
        if before is None or before.entry is None or is_first:
            continue
        yield Restatement(
            hour=Hour(system, entry.hour_ms),
            number=record.number,
            at_ms=record.at_ms,
            before_number=before.number,
            before_at_ms=before.at_ms,
            why=entry.why,
            changes=tuple(compared(before.entry.sums, entry.sums)),
        )


def compared(before: Sums, after: Sums) -> Iterator[Change]:
    """The sums that differ by more than rounding."""
    if before == after:
        return
    for table in ("device", "node", "tokens"):
        was, now = before.get(table, {}), after.get(table, {})
        units = ("1",) if table == "tokens" else ("ms", "J")
        for name in sorted(was.keys() | now.keys()):
            for place, unit in enumerate(units):
                one, other = _at(was.get(name, ()), place), _at(now.get(name, ()), place)
                least = {"ms": MILLISECONDS, "J": JOULES, "1": MILLISECONDS}[unit]
                become_known = (one is None) != (other is None) and (one or other)
                if become_known or abs((other or 0) - (one or 0)) >= least:
                    yield Change(table, name, unit, one, other)


def _at(values: object, place: int) -> float | None:
    return values[place] if isinstance(values, list) and place < len(values) else None


def reason(why: Iterable[str]) -> str:
    """Why, for people; words of a later program as they are."""
    known = {each.value for each in Why}
    return ", ".join(MEANING[Why(word)] if word in known else word for word in why)


def moment(ms: int) -> str:
    """A time as ISO 8601 with a trailing Z."""
    return iso(Hour("", ms).time)
