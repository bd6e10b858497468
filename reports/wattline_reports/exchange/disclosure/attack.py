"""What can be concluded about hidden cells from everything that is published.

An attacker knows the tables, that no part is negative, and that totals are sums; each shown number
is known up to its rounding. That makes linear inequalities, over all periods and tables at once: a
year is the sum of its quarters. The least and the greatest value a hidden cell can have under them
is what anybody can know of it, and linear programming finds both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from wattline_reports.exchange.disclosure.table import (
    Key,
    Link,
    Published,
    half_width,
    is_total,
    totals_of,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What can be concluded about one number.

    Attributes:
        low: It is at least this.
        high: It is at most this; infinity where nothing bounds it.
    """

    low: float
    high: float

    @property
    def width(self) -> float:
        """How much stays open."""
        return self.high - self.low


class Attack:
    """Everything published about one measure, as linear inequalities.

    Unknown is every cell of the finest tables in every stretch of time between two ends of periods.
    """

    def __init__(
        self, tables: Sequence[Published], measure: int, digits: int, links: Sequence[Link] = ()
    ) -> None:
        """Put the inequalities together.

        Args:
            tables: All that is published, of any periods.
            measure: Which number of each cell.
            digits: Significant digits that were kept.
            links: Totals of two tables that are the same sum.
        """
        self.tables = tables
        ends = sorted({end for table in tables for end in (table.start, table.end)})
        self._stretches = list(pairwise(ends))
        # A cell that no table names is nought in all of them.
        self._cells = sorted(
            {key for table in tables for key in (*table.shown, *table.hidden) if not is_total(key)}
        )
        self._members: dict[Key, list[int]] = {}
        for place, cell in enumerate(self._cells):
            for key in (cell, *totals_of(cell)):
                self._members.setdefault(key, []).append(place)
        self._rows: list[tuple[list[int], float, float]] = []
        self._equal: list[tuple[list[int], list[int]]] = []
        for table in tables:
            self._add(table, measure, digits)
        sizes = {len(key) for table in tables for key in (*table.shown, *table.hidden)}
        for one, other in links:
            # What a table that nobody published would have in its total binds nothing.
            if {len(one), len(other)} <= sizes:
                self._link(one, other)

    def _add(self, table: Published, measure: int, digits: int) -> None:
        sizes = {len(key) for key in (*table.shown, *table.hidden)}
        for key in self._cells:
            is_of_it = not sizes or len(key) in sizes
            if is_of_it and key not in table.shown and key not in table.hidden:
                self._rows.append((self._unknowns(table, key), 0.0, 0.0))
        for key, values in table.shown.items():
            value = values[measure]
            least, most = (value + side * half_width(value, digits, side) for side in (-1, 1))
            self._rows.append((self._unknowns(table, key), least, most))

    def _link(self, one: Key, other: Key) -> None:
        size = len(self._cells)
        for stretch in range(len(self._stretches)):
            both = (
                [stretch * size + cell for cell in self._members.get(key, ())]
                for key in (one, other)
            )
            self._equal.append((next(both), next(both)))

    def _unknowns(self, table: Published, key: Key) -> list[int]:
        stretches = [
            place
            for place, (start, end) in enumerate(self._stretches)
            if table.start <= start and end <= table.end
        ]
        size = len(self._cells)
        return [stretch * size + cell for stretch in stretches for cell in self._members[key]]

    def bounds(self, wanted: Iterable[tuple[Published, Key]]) -> Mapping[tuple[str, Key], Bounds]:
        """The least and the greatest value of each wanted cell.

        Args:
            wanted: Tables and cells of them.

        Returns:
            By the start and end of the table, joined by a slash, and the cell.

        Raises:
            ValueError: What is published contradicts itself.
        """
        size = len(self._cells) * len(self._stretches)
        matrix, least, most = self._matrix(size)
        found = {}
        for table, key in wanted:
            cost = np.zeros(size)
            cost[self._unknowns(table, key)] = 1.0
            ends = [self._least(sign * cost, matrix, least, most) for sign in (1.0, -1.0)]
            found[f"{table.start}/{table.end}", key] = Bounds(max(ends[0], 0.0), -ends[1])
        return found

    def _matrix(self, size: int) -> tuple[csr_array, np.ndarray, np.ndarray]:
        told = [
            *((unknowns, [], low, high) for unknowns, low, high in self._rows),
            *((more, less, 0.0, 0.0) for more, less in self._equal),
        ]
        rows = np.repeat(np.arange(len(told)), [len(row[0]) + len(row[1]) for row in told])
        columns = np.array([place for row in told for place in (*row[0], *row[1])], dtype=int)
        signs = np.array(
            [s for row in told for s in (*(1.0 for _ in row[0]), *(-1.0 for _ in row[1]))]
        )
        return (
            csr_array((signs, (rows, columns)), shape=(len(told), size)),
            np.array([row[2] for row in told]),
            np.array([row[3] for row in told]),
        )

    @staticmethod
    def _least(cost: np.ndarray, matrix: csr_array, least: np.ndarray, most: np.ndarray) -> float:
        answer = linprog(
            cost,
            A_ub=vstack([matrix, -matrix]) if matrix.shape[0] else None,
            b_ub=np.concatenate([most, -least]) if matrix.shape[0] else None,
            bounds=(0, None),
            method="highs",
        )
        if answer.status == 3:
            return -np.inf
        if not answer.success:
            raise ValueError(f"what is published contradicts itself: {answer.message}")
        return float(answer.fun)
