"""Which cells to hide.

First those that too few stand behind, or that one or two of them make nearly all of. Then as many
others as it takes: a hidden cell that follows from its row's total is not hidden. What an attacker
could conclude is computed, not guessed, and cells are hidden until every hidden one stays open by
the asked share of its value. What was hidden the period before stays hidden, so that two periods
side by side do not tell more than each.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wattline_reports.exchange.disclosure.attack import Attack, Bounds
from wattline_reports.exchange.disclosure.table import (
    Cell,
    Key,
    Link,
    Published,
    is_total,
    rounded,
    totals_of,
)
from wattline_reports.exchange.manifest import Parameters


@dataclass(frozen=True, slots=True)
class Hidden:
    """What was hidden and why.

    Attributes:
        table: What the world sees.
        primary: Cells that may not be shown by themselves.
        secondary: Cells hidden so that those cannot be concluded.
    """

    table: Published
    primary: frozenset[Key]
    secondary: frozenset[Key]


def may_not_be_shown(cell: Cell, rules: Parameters) -> bool:
    """Whether a cell tells too much by itself."""
    return (
        min(cell.projects, cell.organisations) < rules.contributors
        or cell.one > rules.dominance_one
        or cell.two > rules.dominance_two
    )


def suppress(
    cells: Mapping[Key, Cell],
    period: tuple[str, str],
    rules: Parameters,
    *,
    published: Sequence[Published] = (),
    hidden_before: Collection[Key] = (),
    links: Sequence[Link] = (),
) -> Hidden:
    """Decide what the world sees of a table.

    Args:
        cells: Every cell and total, as `table.cells_of` gives them.
        period: Where it begins and ends.
        rules: The parameters.
        published: What was published of this table before, of other periods.
        hidden_before: Cells that were hidden the period before.
        links: Totals of two tables that are the same sum: hidden in both or in none.

    Complexity: each round solves two linear programmes for each hidden cell and measure; rounds
    are few, as every cell that is still open to conclusion hides one more.
    """
    primary = frozenset(
        key for key, cell in cells.items() if may_not_be_shown(cell, rules) or key in hidden_before
    )
    hidden = set(primary)
    while True:
        hidden |= {key for link in links if hidden & {*link} for key in link if key in cells}
        table = _table(cells, period, hidden, rules)
        weak = exposed(cells, table, rules, published, links)
        more = {key for one in weak if (key := _cover(cells, one, hidden)) is not None}
        if not more:
            return Hidden(table, primary, frozenset(hidden - primary))
        hidden |= more


def exposed(
    cells: Mapping[Key, Cell],
    table: Published,
    rules: Parameters,
    published: Sequence[Published] = (),
    links: Sequence[Link] = (),
) -> list[Key]:
    """Hidden cells of a table of which too much can be concluded.

    Args:
        cells: The true sums.
        table: What the world would see.
        rules: The parameters.
        published: What else it sees.
        links: Totals of two tables that are the same sum.
    """
    wanted = [(table, key) for key in sorted(table.hidden)]
    if not wanted:
        return []
    weak: set[Key] = set()
    for measure in range(len(next(iter(cells.values())).values)):
        attack = Attack([*published, table], measure, rules.hour_digits, links)
        for (_, key), bounds in attack.bounds(wanted).items():
            # Nought tells nothing of anybody.
            if cells[key].values[measure] and not is_open(bounds, rules):
                weak.add(key)
    return sorted(weak)


def is_open(bounds: Bounds, rules: Parameters) -> bool:
    """Whether enough stays open about a number.

    Held against the most it can be, so that whoever does not know the number can check it too: it
    is at most that, so the share of the number itself is larger still.
    """
    return math.isinf(bounds.high) or bounds.width > rules.width * bounds.high


def _table(
    cells: Mapping[Key, Cell], period: tuple[str, str], hidden: Collection[Key], rules: Parameters
) -> Published:
    return Published(
        *period,
        {
            key: tuple(rounded(value, rules.hour_digits) for value in cell.values)
            for key, cell in cells.items()
            if key not in hidden
        },
        frozenset(hidden),
    )


def _cover(cells: Mapping[Key, Cell], weak: Key, hidden: Collection[Key]) -> Key | None:
    """The cell that costs least to hide beside a weak one: the smallest that shares a total.

    Where none is left, the smallest of the totals it adds to; a total is hidden by another.
    """
    if is_total(weak):
        near = [key for key in cells if not is_total(key) and weak in totals_of(key)]
        beside = [key for key in cells if is_total(key) and key != weak and len(key) == len(weak)]
    else:
        shared = set(totals_of(weak))
        near = [key for key in cells if not is_total(key) and key != weak and _closer(shared, key)]
        beside = sorted(shared & set(cells))
    for choice in (near, beside):
        left = [key for key in choice if key not in hidden]
        if left:
            return min(left, key=lambda key: (_weight(cells[key]), key))
    return None


def _closer(shared: Collection[Key], key: Key) -> bool:
    """Whether a cell shares a total that is not the total over everything."""
    mine = [total for total in totals_of(key) if total in shared]
    return len(mine) > 1 or len(key) == 1


def _weight(cell: Cell) -> float:
    return sum(cell.values)
