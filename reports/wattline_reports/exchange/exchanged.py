"""What factories say they did with one another, and where two of them say it differently.

Both sides of a joint project or of a staff exchange keep a record of it, and so the two bundles can
be held against each other. Which of them is right, bundles do not say: either may have forgotten a
record, named the counterpart otherwise, or booked it in another period.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from types import MappingProxyType

from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import COUNTERPARTS, EXCHANGES, UNKNOWN
from wattline_reports.exchange.disclosure.table import Key

STAFF = "staff_exchange"
SHARED, REUSED = "asset_shared", "asset_reused"
MIRRORS: Mapping[str, str] = MappingProxyType(
    {STAFF: STAFF, "joint_project": "joint_project", SHARED: REUSED, REUSED: SHARED}
)
"""What the other side of an exchange calls it; of a referral it keeps no record."""

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Record:
    """What one factory says it did with one other.

    Attributes:
        factory: Who says so.
        counterpart: With whom; `cubes.UNKNOWN` where the register's name is no factory's.
        kind: What.
        activities: How many.
        person_days: Of a staff exchange; None of anything else.
    """

    factory: str
    counterpart: str
    kind: str
    activities: float
    person_days: float | None

    @property
    def amount(self) -> float:
        """What it is counted in: person-days of staff, else how many."""
        return self.activities if self.person_days is None else self.person_days

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two records of the same exchange that do not agree.

    Attributes:
        kind: What it is called by the first.
        unit: `person-days` of staff exchanges, else `activities`.
        first: A factory.
        first_says: How much; None: it has no record of it.
        second: The other.
        second_says: The same.
        unnamed: How much of that kind those without a record did with somebody whom they do not
            name: it may be this.
    """

    kind: str
    unit: str
    first: str
    first_says: float | None
    second: str
    second_says: float | None
    unnamed: float

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return asdict(self)


def records(bundles: Sequence[Bundle]) -> tuple[Record, ...]:
    """Every record of every bundle, by factory, kind and counterpart."""
    return tuple(
        Record(one.manifest.factory, key[1], key[0], row[0] or 0.0, row[1])
        for one in sorted(bundles, key=lambda one: one.manifest.factory)
        for key, row in sorted(one.cubes.get(EXCHANGES, {}).items())
        if row is not None
    )


def silent(bundles: Sequence[Bundle]) -> tuple[str, ...]:
    """Factories whose bundle says nothing of exchanges, not even that there were none."""
    return tuple(sorted(one.manifest.factory for one in bundles if EXCHANGES not in one.cubes))


def mismatches(bundles: Sequence[Bundle]) -> tuple[Mismatch, ...]:
    """Where two factories' records of the same exchange disagree.

    Only factories whose bundles tell of exchanges, and that others can name, are held against each
    other. Assets that one shares may well be reused by nobody, so there only more reused than
    shared is a contradiction.

    Args:
        bundles: Of one period, one of each factory.
    """
    told = {
        one.manifest.factory: one.cubes[EXCHANGES]
        for one in bundles
        if EXCHANGES in one.cubes and one.manifest.factory in COUNTERPARTS
    }
    cells = {factory: _amounts(cube) for factory, cube in told.items()}
    return tuple(
        found
        for first, second in combinations(sorted(cells), 2)
        for found in _between(cells, first, second)
    )


def _amounts(cube: Mapping[Key, Sequence[float | None] | None]) -> dict[Key, float]:
    return {
        key: (row[1] if key[0] == STAFF else row[0]) or 0.0
        for key, row in cube.items()
        if row is not None
    }


def _between(cells: Mapping[str, Mapping[Key, float]], a: str, b: str) -> Iterator[Mismatch]:
    for kind, mirror in MIRRORS.items():
        mine, other = cells[a].get((kind, b)), cells[b].get((mirror, a))
        one, two = mine or 0.0, other or 0.0
        differ = abs(one - two) > _SAME * max(one, two)
        if kind == SHARED:
            differ = differ and two > one
        elif kind == REUSED:
            differ = differ and one > two
        if differ:
            unnamed = sum(
                cells[factory].get((word, UNKNOWN), 0.0)
                for factory, word, said in ((a, kind, mine), (b, mirror, other))
                if said is None
            )
            unit = "person-days" if kind == STAFF else "activities"
            yield Mismatch(kind, unit, a, mine, b, other, unnamed)
