"""What an attacker could conclude, worked out apart from the code that hides cells."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from wattline_reports.exchange.cubes import FAMILIES, LINKS
from wattline_reports.exchange.disclosure import suppress, table
from wattline_reports.exchange.disclosure.attack import Attack
from wattline_reports.exchange.disclosure.table import Cell, Key, Part, Published
from wattline_reports.exchange.manifest import Parameters

RULES = Parameters()
Q1, Q2 = (
    ("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),
    (
        "2026-04-01T00:00:00Z",
        "2026-07-01T00:00:00Z",
    ),
)
HALF = (Q1[0], Q2[1])


def widths(
    tables: list[Published], truth: dict[tuple[str, str], dict[Key, Cell]], measure: int
) -> dict[tuple[tuple[str, str], Key], float]:
    """Least and greatest of each hidden cell: one unknown for every cell and shortest stretch.

    Written out with dense matrices and names, and without the code under test.
    """
    ends = sorted({end for t in tables for end in (t.start, t.end)})
    stretches = list(pairwise(ends))
    named = {k for t in tables for k in (*t.shown, *t.hidden) if "_T" not in k}
    unknowns = [(s, k) for s in stretches for k in sorted(named)]
    rows, least, most = [], [], []

    def row_of(t: Published, key: Key) -> list[float]:
        return [
            float(
                t.start <= s[0]
                and s[1] <= t.end
                and all(want in (have, "_T") for want, have in zip(key, k, strict=True))
            )
            for s, k in unknowns
        ]

    for t in tables:
        for key in named:
            if key not in t.shown and key not in t.hidden:
                rows.append(row_of(t, key))
                least.append(0.0)
                most.append(0.0)
        for key, values in t.shown.items():
            half = table.half_width(values[measure], RULES.hour_digits)
            rows.append(row_of(t, key))
            least.append(values[measure] - half)
            most.append(values[measure] + half)
    matrix = np.array(rows)
    found = {}
    for t in tables:
        for key in t.hidden:
            value = truth[t.start, t.end][key].values[measure]
            if value:
                cost = np.array(row_of(t, key))
                low, high = (
                    linprog(
                        sign * cost,
                        np.vstack([matrix, -matrix]),
                        np.concatenate([most, -np.array(least)]),
                        method="highs",
                    )
                    for sign in (1, -1)
                )
                if high.status != 3:
                    found[(t.start, t.end), key] = (-high.fun - low.fun) / value
    return found


@pytest.mark.parametrize("seed", range(4))
def test_every_hidden_cell_stays_wider_than_a_fifth(seed: int, kit: Any) -> None:
    cells = table.cells_of(kit.parts(seed))
    hidden = suppress.suppress(cells, Q1, RULES)
    assert hidden.primary
    assert hidden.table.shown
    for measure in (0, 1):
        found = widths([hidden.table], {Q1: cells}, measure)
        assert min(found.values()) > RULES.width


@pytest.mark.parametrize("seed", range(2))
def test_periods_side_by_side_and_their_sum_tell_no_more(seed: int, kit: Any) -> None:
    parts = [kit.parts(seed, 80), kit.parts(seed + 100, 80)]
    cells = {Q1: table.cells_of(parts[0]), Q2: table.cells_of(parts[1])}
    cells[HALF] = table.cells_of([*parts[0], *parts[1]])
    tables: list[Published] = []
    before: set[Key] = set()
    for period in (Q1, Q2, HALF):
        mine = [key for key in before if key in cells[period]]
        hidden = suppress.suppress(
            cells[period], period, RULES, published=tables, hidden_before=mine
        )
        tables.append(hidden.table)
        before |= hidden.table.hidden
    for measure in (0, 1):
        found = widths(tables, cells, measure)
        assert min(found.values()) > RULES.width


def test_a_cell_alone_beside_its_total_takes_another_with_it() -> None:
    def many(name: str, key: str, count: int, value: float) -> list[Part]:
        return [Part(f"{name}{n}", f"{name}{n}", tuple(key), (value,)) for n in range(count)]

    cells = table.cells_of(
        [*many("a", "x", 2, 50.0), *many("b", "y", 9, 10.0), *many("c", "z", 9, 30.0)]
    )
    hidden = suppress.suppress(cells, Q1, RULES)
    assert hidden.primary == {("x",)}
    assert hidden.secondary == {("y",)}


def test_one_that_makes_nearly_all_is_hidden_and_two_are_too() -> None:
    def cell(*values: float) -> Cell:
        parts = [Part(f"p{n}", f"o{n}", ("x",), (v,)) for n, v in enumerate(values)]
        return table.cells_of(parts)["x",]

    assert suppress.may_not_be_shown(cell(81.0, *[1.0] * 19), RULES)
    assert not suppress.may_not_be_shown(cell(79.0, *[1.0] * 21), RULES)
    assert suppress.may_not_be_shown(cell(44.0, 43.0, *[1.0] * 13), RULES)
    assert not suppress.may_not_be_shown(cell(42.0, 42.0, *[1.0] * 16), RULES)
    assert suppress.may_not_be_shown(cell(1.0, 1.0, 1.0, 1.0), RULES)
    assert not suppress.may_not_be_shown(cell(*[1.0] * 5), Parameters(dominance_two=0.9))


def test_what_was_hidden_the_period_before_stays_hidden(kit: Any) -> None:
    cells = table.cells_of(kit.parts(1))
    plain = suppress.suppress(cells, Q2, RULES)
    shown = next(key for key in plain.table.shown if "_T" not in key)
    again = suppress.suppress(cells, Q2, RULES, hidden_before=[shown])
    assert shown in again.table.hidden


def test_nobody_in_a_table_is_a_table_of_nothing() -> None:
    assert suppress.suppress({}, Q1, RULES).table == Published(*Q1, {}, frozenset())


def test_an_attack_finds_what_a_shown_row_gives_away() -> None:
    shown = Published(*Q1, {("a",): (100.0,), ("_T",): (150.0,)}, frozenset({("b",)}))
    bounds = Attack([shown], 0, 3).bounds([(shown, ("b",))])[f"{Q1[0]}/{Q1[1]}", ("b",)]
    # What is shown as 100 is at least 99.95: below it, numbers are rounded more finely.
    assert [bounds.low, bounds.high] == pytest.approx([49.0, 50.55])
    open_end = Published(*Q1, {}, frozenset({("b",)}))
    bounds = Attack([open_end], 0, 3).bounds([(open_end, ("b",))])[f"{Q1[0]}/{Q1[1]}", ("b",)]
    assert (bounds.low, bounds.high) == (0.0, float("inf"))


def test_sums_that_cannot_be_are_said_to_contradict_each_other() -> None:
    wrong = Published(*Q1, {("a",): (100.0,), ("_T",): (10.0,)}, frozenset({("b",)}))
    with pytest.raises(ValueError, match="contradicts"):
        Attack([wrong], 0, 3).bounds([(wrong, ("b",))])


@pytest.mark.parametrize("seed", [0, 1])
def test_what_one_table_hides_another_of_the_same_sums_does_not_tell(seed: int, kit: Any) -> None:
    dice, links = random.Random(seed), LINKS[FAMILIES[0]]
    parts = kit.parts(seed, 40)
    sectors = [
        Part(one.project, one.organisation, (dice.choice("CFJMQ"), one.key[3]), one.values)
        for one in parts
    ]
    one, other = table.cells_of(parts), table.cells_of(sectors)
    apart = [suppress.suppress(cells, Q1, RULES).table for cells in (one, other)]
    both = {**one, **other}
    assert suppress.exposed(both, table.together(apart), RULES, links=links)
    hidden = suppress.suppress(both, Q1, RULES, links=links).table
    assert not suppress.exposed(both, hidden, RULES, links=links)
    for wide, short in links:
        assert (wide in hidden.hidden) == (short in hidden.hidden)
    assert any(key in hidden.shown for key in one)
    assert any(key in hidden.shown for key in other)


def test_totals_that_are_linked_bind_the_cells_of_both_tables() -> None:
    wide = Published(*Q1, {}, frozenset({("a", "x"), ("_T", "x"), ("a", "_T"), ("_T", "_T")}))
    short = Published(*Q1, {("x",): (50.0,), ("_T",): (50.0,)}, frozenset())
    links = ((("_T", "x"), ("x",)),)
    both = table.together([wide, short])
    bounds = Attack([both], 0, 3, links).bounds([(both, ("a", "x"))])
    found = bounds[f"{Q1[0]}/{Q1[1]}", ("a", "x")]
    assert [found.low, found.high] == pytest.approx([49.95, 50.05])
