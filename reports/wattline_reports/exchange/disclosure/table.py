"""Tables of sums: cells by their dimensions, with the totals that are published beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from wattline_reports.exchange.settled import GUARD, twice

TOTAL = "_T"
"""What stands in a dimension that a total runs over, as in SDMX."""

Key = tuple[str, ...]
"""A cell: one value for each dimension, or `TOTAL`."""

Link = tuple[Key, Key]
"""Totals of two tables of the same projects, by what both are split by: they are the same sum."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one project adds to a table.

    Attributes:
        project: Which; never published.
        organisation: Whose; None where it is not known. Never published.
        key: The cell it adds to: one value for each dimension.
        values: What it adds, one number for each measure, none negative.
    """

    project: str
    organisation: str | None
    key: Key
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One sum before anything is hidden.

    Attributes:
        key: Which.
        values: The sums, one for each measure.
        projects: How many projects add to it.
        organisations: How many organisations do; all that are not known count as one.
        one: Largest share of one organisation in any measure.
        two: Largest share of two together.
    """

    key: Key
    values: tuple[float, ...]
    projects: int
    organisations: int
    one: float
    two: float


def totals_of(key: Key) -> Iterable[Key]:
    """The totals that a cell of the table adds to: by each dimension alone, and over all."""
    size = len(key)
    for kept in (0, 1) if size > 1 else (0,):
        for places in combinations(range(size), kept):
            yield tuple(key[i] if i in places else TOTAL for i in range(size))


def is_total(key: Key) -> bool:
    """Whether a key is that of a total."""
    return TOTAL in key


def cells_of(parts: Sequence[Part]) -> dict[Key, Cell]:
    """Add parts up to cells and their totals.

    Args:
        parts: All of one table; with the same number of values each.

    Raises:
        ValueError: A value is negative, or a part names a total as its cell.
    """
    members: dict[Key, list[Part]] = {}
    for part in parts:
        if is_total(part.key) or any(value < 0 for value in part.values):
            raise ValueError(f"not a part of a table: {part.key}")
        if not any(part.values):
            continue  # it adds nothing: nobody can learn of it
        for key in (part.key, *totals_of(part.key)):
            members.setdefault(key, []).append(part)
    return {key: _cell(key, members[key]) for key in sorted(members)}


def _cell(key: Key, parts: Sequence[Part]) -> Cell:
    measures = range(len(parts[0].values))
    # A project whose organisation is not known stands alone in dominance, which is the cautious
    # side there, and shares one name with all such in the count, which is the cautious side here.
    shares = [_shares(parts, measure) for measure in measures]
    return Cell(
        key,
        tuple(sum(part.values[measure] for part in parts) for measure in measures),
        len({part.project for part in parts}),
        len({part.organisation for part in parts}),
        max(share[0] for share in shares),
        max(share[1] for share in shares),
    )


def _shares(parts: Sequence[Part], measure: int) -> tuple[float, float]:
    sums: dict[object, float] = {}
    for part in parts:
        who = part.organisation or ("project", part.project)
        sums[who] = sums.get(who, 0.0) + part.values[measure]
    whole = sum(sums.values())
    if not whole:
        return 0.0, 0.0
    largest = sorted(sums.values(), reverse=True)
    return largest[0] / whole, sum(largest[:2]) / whole


def rounded(value: float, digits: int) -> float:
    """A number at so many significant digits; see `settled`, why it is rounded twice."""
    return twice(value, digits)


def half_width(value: float, digits: int, side: int = 1) -> float:
    """How far the true number may lie from a rounded one.

    Args:
        value: The rounded one, not negative.
        digits: Its significant digits.
        side: Above it, 1, or below it, -1: below 1000 numbers are rounded ten times as finely.
    """
    if not value:
        return 0.0
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    step = 10.0 ** (int(exponent) - digits + 1)
    step *= 1 + 10.0 ** (digits - GUARD)  # what it was rounded to first may be as far off
    return 0.5 * (step / 10 if side < 0 and float(mantissa) == 1.0 else step)


def rounded_count(count: int, base: int) -> int:
    """A count at the nearest multiple of a base; halves go up."""
    return (2 * count + base) // (2 * base) * base


@dataclass(frozen=True, slots=True)
class Published:
    """What the world sees of one table, or of several with different numbers of dimensions.

    Attributes:
        start: Where its period begins, in any order that compares (`2026-01-01T00:00:00Z`).
        end: Where it ends.
        shown: Rounded sums of cells that are shown, one for each measure. A cell that is in
            neither is known to be nought.
        hidden: Cells that are there and not shown.
    """

    start: str
    end: str
    shown: Mapping[Key, tuple[float, ...]]
    hidden: frozenset[Key]


def together(tables: Sequence[Published]) -> Published:
    """Tables of one period, with different numbers of dimensions, as one."""
    return Published(
        tables[0].start,
        tables[0].end,
        {key: values for table in tables for key, values in table.shown.items()},
        frozenset(key for table in tables for key in table.hidden),
    )
