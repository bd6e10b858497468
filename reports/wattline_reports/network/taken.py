"""Which of the bundles that were given the report is made of, and why not of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Period
from wattline_reports.exchange import bundle, dictionary, keys
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.keys import Ring
from wattline_reports.exchange.refused import Refused
from wattline_reports.exchange.verify import verify
from wattline_reports.quoted import clean
from wattline_reports.words import period_name, shown

LEAST = 2
"""Fewer factories are no network."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A bundle whose signatures and disclosure were checked.

    Attributes:
        file: The name of its file.
        bundle: What it says.
        signers: Who signed it, as `owner (role, key)`.
        valid_until: The last day on which all keys that signed it hold.
    """

    file: str
    bundle: Bundle
    signers: tuple[str, ...]
    valid_until: date

    @property
    def factory(self) -> str:
        """Whose it is."""
        return self.bundle.manifest.factory


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A bundle that the report is not made of.

    Attributes:
        file: The name of its file.
        why: The reason, and its word in brackets where it was refused.
    """

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a report is made of.

    Attributes:
        period: Of every bundle.
        sent: One of each factory, by its id.
        left_out: Those given that are not among them, in the order they were given.
    """

    period: Period
    sent: tuple[Sent, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """The bundles themselves."""
        return tuple(one.bundle for one in self.sent)

    @property
    def factories(self) -> tuple[str, ...]:
        """Whose they are."""
        return tuple(one.factory for one in self.sent)


def read_ring(path: Path) -> Ring:
    """The public keys.

    Raises:
        UsageError: There are none.
        Refused: They are not in order.
    """
    if not path.exists():
        raise UsageError(
            f"there is no ring of public keys at {path}: the factories, or the organiser, give it "
            "out; --ring FILE says where it is"
        )
    return keys.read_ring(path)


def take(
    paths: Sequence[Path],
    ring: Ring,
    period: Period | None,
    read: Callable[[Path], Bundle] = bundle.read,
) -> Taken:
    """Read and verify bundles, and choose those that can stand side by side.

    Args:
        paths: Their files.
        ring: Public keys.
        period: The period asked for; None: that of most bundles, the later one of two.
        read: Reads one.

    Raises:
        UsageError: Fewer than two factories remain; the message says what became of the others.
    """
    held: list[Sent] = []
    left: list[LeftOut] = []
    for path in paths:
        one = verified(path, ring, period, read)
        if isinstance(one, Sent):
            held.append(one)
        else:
            left.append(one)
    if held:
        held, more = alike(held)
        left += more
    if len(held) < LEAST:
        reasons = "; ".join(f"{one.file}: {one.why}" for one in left)
        raise UsageError(
            f"bundles that can stand side by side: {len(held)}, and a network has at least "
            f"{LEAST} factories{': ' if reasons else ''}{reasons}"
        )
    return Taken(held[0].bundle.manifest.period, tuple(held), tuple(left))


def verified(
    path: Path,
    ring: Ring,
    period: Period | None = None,
    read: Callable[[Path], Bundle] = bundle.read,
) -> Sent | LeftOut:
    """Read and verify one bundle by itself; or why it is not taken."""
    try:
        one = read(path)
        found = verify(one, ring, dictionary.accepted(), period=period)
    except Refused as refused:
        words = f"{refused.field}: {refused.reason}" if refused.field else refused.reason
        return _left(path.name, words)
    signers = tuple(f"{key.owner} ({key.role}, {key.id})" for key in found.keys)
    return Sent(path.name, one, signers, min(key.valid_until for key in found.keys))


def alike(held: Sequence[Sent]) -> tuple[list[Sent], list[LeftOut]]:
    """The newest of each factory of the period and dictionary that most are of; and the others."""
    wanted = _most(held)
    chosen: dict[str, Sent] = {}
    left = []
    for one in held:
        told = one.bundle.manifest
        if told.period != wanted[0]:
            words = f"of {period_name(told.period)}; the others are of {period_name(wanted[0])}"
            left.append(_left(one.file, f"{words}, and --period takes the one it names"))
        elif told.dictionary != wanted[1]:
            left.append(_left(one.file, "made with another KPI dictionary than most of the others"))
        else:
            before = chosen.setdefault(one.factory, one)
            if before is not one:
                older, newer = sorted((before, one), key=_revision)
                chosen[one.factory] = newer
                words = f"revision {_revision(newer)} of the same factory and period, {newer.file},"
                left.append(_left(older.file, f"{words} is taken in its place"))
    return [one for _, one in sorted(chosen.items())], left


def _revision(one: Sent) -> int:
    return one.bundle.manifest.revision


def _most(held: Sequence[Sent]) -> tuple[Period, str]:
    """Period and dictionary of most factories; of the later period where two have as many."""
    manifests = [one.bundle.manifest for one in held]
    counted = Counter(
        (period, dictionary)
        for _, period, dictionary in {
            (told.factory, told.period, told.dictionary) for told in manifests
        }
    )
    return max(counted, key=lambda one: (counted[one], one[0].end, one[0].start, one[1]))


def _left(file: str, why: str) -> LeftOut:
    return LeftOut(shown(file), clean(why))
