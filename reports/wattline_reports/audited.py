"""The audit statement of a report: is the chain whole, do hours balance, was anything restated?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from wattline_collector.kpi.figure import Period
from wattline_collector.ledger.audit import prove
from wattline_collector.ledger.chain_audit import Followed, Head, heads
from wattline_collector.ledger.chain_audit import notes as chain_notes
from wattline_collector.ledger.restatements import Restatement, of_records, reason
from wattline_collector.ledger.restatements import moment as iso_moment
from wattline_reports.document import Statement
from wattline_reports.quoted import clean
from wattline_reports.words import count_of, grouped, moment

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Restated:
    """The restatements of a period's hours, added up.

    Attributes:
        count: How many hours were booked again and came out otherwise.
        after: How many of them after the moment whose books the report is made of.
        newest: When the newest of them was made, ISO 8601; empty where there is none.
        by_reason: How many by reason.
        device_hours: By account, by how much device-time changed, in hours.
        energy_joules: By account of the devices, by how much energy changed.
    """

    count: int = 0
    after: int = 0
    newest: str = ""
    by_reason: Mapping[str, int] = field(default_factory=dict)
    device_hours: Mapping[str, float] = field(default_factory=dict)
    energy_joules: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audited:
    """What the proof says.

    Attributes:
        hours: Hours of the period that are booked, over all systems; all were checked.
        findings: Lines of the audit of these hours, and of the audit trail that they hang on.
        heads: The newest record of each system's audit trail.
        notes: What is no fault and must be known of the trail.
        restated: What was booked again.
        as_of: The moment whose books the report is made of; None: as they stand.
        first: When the first of the hours began, ISO 8601; empty where there is none.
        last: When the last of them began.
        added_up: Of how many the sums were added up again from their minutes; those of the others
            are what the audit trail says that they are.
    """

    hours: int
    findings: tuple[str, ...]
    heads: tuple[Head, ...]
    notes: tuple[str, ...]
    restated: Restated
    as_of: datetime | None = None
    first: str = ""
    last: str = ""
    added_up: int = 0

    @property
    def balanced(self) -> bool:
        """Whether there are hours, and nothing was found."""
        return bool(self.hours) and not self.findings

    def statement(self) -> Statement:
        """What the cover says of the books."""
        checked = count_of(self.hours, "booked hour")
        if self.findings:
            count = count_of(len(self.findings), "finding")
            return Statement(
                False,
                "The books do NOT balance",
                f"The audit of {checked} has {count}: there the books differ from what was "
                "installed, metered or counted, or were altered. Figures of this report may be "
                "wrong; “wattline audit” lists every finding.",
            )
        if not self.hours:
            return Statement(
                False,
                "The books have not been audited",
                "No hour of this period has been booked, so there is nothing to audit.",
            )
        text = (
            f"In all {checked} checked, the seconds of the accounts add up to the time devices "
            "were installed, their joules to what the meters counted, and tokens booked to tokens "
            f"counted. {self._trail()}"
        )
        return Statement(True, "The books balance", text)

    def _trail(self) -> str:
        if not self.heads:
            return "There is no audit trail yet, so that nothing was altered is not proved."
        said = f"The audit trail is whole ({count_of(len(self.heads), 'chain')})"
        if not self.restated.count:
            return f"{said}; no hour of the period was restated."
        times = count_of(self.restated.count, "restatement")
        when = moment(datetime.fromisoformat(self.restated.newest))
        text = f"{said}, with {times} of hours of the period, the newest of {when}\u00a0UTC"
        if self.as_of is not None:
            text += f"; {grouped(self.restated.after)} after the moment this report is as of"
        return f"{text}."

    def checked(self) -> str:
        """Which hours were checked, and what their sums were held against."""
        if not self.hours:
            return "No hour was checked."
        first, last = (moment(datetime.fromisoformat(at)) for at in (self.first, self.last))
        text = (
            f"Checked: {count_of(self.hours, 'hour')}, of which the first began at "
            f"{first}\u00a0UTC and the last at {last}\u00a0UTC; each of their files has the digest "
            "it was booked with"
        )
        named = self.hours - self.added_up
        if not named:
            return f"{text}, and all sums were added up again from the minutes."
        said = f"{text}. The sums of {grouped(named)} are those that the audit trail names"
        rest = f"; those of {grouped(self.added_up)} were added up again from the minutes"
        return f"{said}{rest if self.added_up else ''}."

    def summary(self) -> dict[str, object]:
        """The same as the overview of a period has it."""
        return {
            "balanced": not self.findings,
            "findings": len(self.findings),
            "checked_hours": self.hours,
        }

    def to_json(self) -> dict[str, object]:
        """As it stands in a report's JSON."""
        return {
            "balanced": self.balanced,
            "hours": self.hours,
            "checked_hours": {
                "count": self.hours,
                "first": self.first or None,
                "last": self.last or None,
                "added_up_again": self.added_up,
            },
            "findings": list(self.findings),
            "trail": [head.to_json() for head in self.heads],
            "notes": list(self.notes),
            "restatements": {
                "count": self.restated.count,
                "after_as_of": self.restated.after,
                "newest": self.restated.newest or None,
                "by_reason": dict(self.restated.by_reason),
                "device_hours": dict(self.restated.device_hours),
                "energy_joules": dict(self.restated.energy_joules),
            },
        }


def audited(
    store: Path,
    period: Period,
    as_of: datetime | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audited:
    """Prove the books, and say what that means for a period.

    The proof is of the books as they stand: hours that were superseded are held against the trail
    as they are read. It is of the hours of the period; of the audit trail it is of all, as that is
    what every hour hangs on.

    Args:
        store: The store's directory.
        period: Whose hours are checked.
        as_of: The moment whose books the report is made of.
        progress: Told hours done and hours there are.

    Raises:
        InputError: A chain cannot be read.
    """
    start_ms, end_ms = (round(at.timestamp() * 1000) for at in (period.start, period.end))
    proof = prove(store, progress, bounds=(start_ms, end_ms))
    starts = [hour.start_ms for hour in proof.hours]
    return Audited(
        hours=len(proof.hours),
        findings=tuple(clean(str(finding)) for finding in proof.findings),
        heads=tuple(heads(store)),
        notes=tuple(clean(note) for note in chain_notes(store)),
        restated=_restated(proof.trails, start_ms, end_ms, as_of),
        as_of=as_of,
        first=_text(min(starts, default=None)),
        last=_text(max(starts, default=None)),
        added_up=proof.added_up,
    )


def _text(ms: int | None) -> str:
    return "" if ms is None else iso_moment(ms)


def _restated(
    trails: Sequence[Followed], start_ms: int, end_ms: int, as_of: datetime | None
) -> Restated:
    as_of_ms = None if as_of is None else round(as_of.timestamp() * 1000)
    count = after = newest = 0
    why: dict[str, int] = defaultdict(int)
    hours: dict[str, float] = defaultdict(float)
    joules: dict[str, float] = defaultdict(float)
    every = (one for trail in trails for one in of_records(trail.system, trail.records))
    for one in every:
        if not one.changes or not one.is_of(start_ms, end_ms):
            continue
        count += 1
        after += as_of_ms is not None and one.at_ms > as_of_ms
        newest = max(newest, one.at_ms)
        why[reason(one.why)] += 1
        _add(one, hours, joules)
    return Restated(
        count, after, _text(newest or None), dict(sorted(why.items())),
        {name: round(amount, 9) for name, amount in sorted(hours.items())},
        {name: float(f"{amount:.9g}") for name, amount in sorted(joules.items())},
    )  # fmt: skip


def _add(one: Restatement, hours: dict[str, float], joules: dict[str, float]) -> None:
    for change in one.changes:
        if change.table == "device" and change.unit == "ms":
            hours[change.name] += change.by / _HOUR_MS
        elif change.table == "device" and change.unit == "J":
            joules[change.name] += change.by
