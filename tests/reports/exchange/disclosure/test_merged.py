"""What an attacker could conclude who has the bundles of all factories and periods, and their sum.

Worked out apart from the code that hides cells: an unknown for every cell of every factory and
quarter, and an inequality for every number that anybody let out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.disclosure import table
from wattline_reports.exchange.disclosure.table import TOTAL, Cell, Key
from wattline_reports.exchange.manifest import Parameters
from wattline_reports.exchange.merge import merge

RULES = Parameters()
SENDERS = ("it4lia", "jaif", "lumi-aif")
MEASURE = 1

Unknown = tuple[str, int, Key]
"""A factory, a quarter and a cell."""


@pytest.fixture(scope="module")
def sent(kit: Any) -> dict[tuple[str, int], Bundle]:
    """Two quarters of three factories, the second made knowing the first."""
    found: dict[tuple[str, int], Bundle] = {}
    for place, name in enumerate(SENDERS):
        factory = kit.Factory(id=name)
        first = factory.bundle(1, seed=10 + place)
        found[name, 1] = first
        found[name, 2] = factory.bundle(2, seed=20 + place, previous=first, earlier=[first])
    return found


def truth(kit: Any) -> dict[tuple[str, int], dict[Key, Cell]]:
    """The sums before anything was hidden."""
    return {
        (name, quarter): table.cells_of(kit.parts(10 * quarter + place))
        for place, name in enumerate(SENDERS)
        for quarter in (1, 2)
    }


def told(sent: Mapping[tuple[str, int], Bundle]) -> Iterator[tuple[list[Unknown], float, float]]:
    """Every number that was let out, as a sum of unknowns between two ends."""
    named = {key for one in sent.values() for key in one.cubes["access"] if TOTAL not in key}
    for (name, quarter), one in sent.items():
        cells = one.cubes["access"]
        for key in sorted({*named, *cells}):
            row = cells.get(key, (0.0, 0.0, 0.0))
            if row is not None:
                value = float(row[MEASURE] or 0.0)
                half = table.half_width(value, RULES.hour_digits)
                yield (
                    [(name, quarter, one) for one in under(key, named)],
                    value - half,
                    value + half,
                )
    for quarter in (1, 2):
        mine = [sent[name, quarter] for name in SENDERS]
        for key, row in merge(mine).cubes["access"].items():
            if row is None:
                continue
            parts = [one.cubes["access"].get(key, (0.0, 0.0, 0.0)) for one in mine]
            half = sum(
                table.half_width(float(part[MEASURE] or 0.0), RULES.hour_digits)
                for part in parts
                if part is not None
            )
            value = float(row[MEASURE] or 0.0)
            unknowns = [(name, quarter, one) for name in SENDERS for one in under(key, named)]
            yield unknowns, value - half, value + half


def under(key: Key, named: set[Key]) -> list[Key]:
    """The cells that a total is the sum of; a cell itself."""
    return [
        one
        for one in sorted(named)
        if all(want in (have, TOTAL) for want, have in zip(key, one, strict=True))
    ]


def test_no_hidden_cell_is_narrowed_by_all_factories_and_periods_together(
    sent: dict[tuple[str, int], Bundle], kit: Any
) -> None:
    rows = list(told(sent))
    places = {
        one: n for n, one in enumerate(sorted({u for unknowns, _, _ in rows for u in unknowns}))
    }
    columns = np.array([places[one] for unknowns, _, _ in rows for one in unknowns])
    of_row = np.repeat(np.arange(len(rows)), [len(unknowns) for unknowns, _, _ in rows])
    matrix = csr_array((np.ones(len(columns)), (of_row, columns)), shape=(len(rows), len(places)))
    limits = np.concatenate([[high for _, _, high in rows], [-low for _, low, _ in rows]])
    both = vstack([matrix, -matrix])
    named = {key for _, _, key in places}
    checked = 0
    for sender, cells in truth(kit).items():
        for key, row in sent[sender].cubes["access"].items():
            value = cells[key].values[MEASURE]
            # Totals are sums of the same unknowns; the cells themselves are the sharper question.
            if row is not None or not value or TOTAL in key:
                continue
            cost = np.zeros(len(places))
            cost[[places[(*sender, one)] for one in under(key, named)]] = 1.0
            low, high = (linprog(sign * cost, both, limits, method="highs") for sign in (1.0, -1.0))
            assert low.status == 0
            width = np.inf if high.status == 3 else -high.fun - low.fun
            assert width > RULES.width * value, (sender, key)
            checked += 1
    assert checked > 10


def test_a_sum_that_one_factory_hides_its_part_of_is_not_let_out(
    sent: dict[tuple[str, int], Bundle],
) -> None:
    mine = [sent[name, 1] for name in SENDERS]
    merged = merge(mine).cubes["access"]
    hidden = {key for one in mine for key, row in one.cubes["access"].items() if row is None}
    assert hidden
    assert hidden == {key for key, row in merged.items() if row is None}
