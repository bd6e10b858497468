from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from wattline_reports.exchange import cubes
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import Row
from wattline_reports.exchange.disclosure.table import Key
from wattline_reports.exchange.manifest import Parameters
from wattline_reports.exchange.refused import Reason
from wattline_reports.exchange.verify import verify


@pytest.fixture(scope="module")
def chain(factory: Any) -> list[Bundle]:
    """Three quarters, the second sent twice."""
    first = factory.bundle(1)
    second = factory.bundle(2, seed=2, previous=first, earlier=[first])
    again = factory.bundle(2, seed=3, previous=first, supersedes=second, earlier=[first, second])
    third = factory.bundle(3, seed=4, previous=again, earlier=[first, second, again])
    return [first, second, again, third]


def test_a_chain_is_taken_link_by_link(chain: list[Bundle], factory: Any, kit: Any) -> None:
    taken: list[Bundle] = []
    for one in chain:
        told = verify(one, factory.ring, [kit.DICTIONARY], earlier=taken)
        assert told.chained == bool(taken)
        taken.append(one)


def test_a_bundle_that_was_taken_before_is_not_taken_again(
    chain: list[Bundle], factory: Any, kit: Any, refused: Any
) -> None:
    for again in chain[:3]:
        refused(
            Reason.REPLAYED,
            lambda again=again: verify(again, factory.ring, [kit.DICTIONARY], earlier=chain[:3]),
        )


def test_a_bundle_that_does_not_follow_is_refused(
    chain: list[Bundle], factory: Any, kit: Any, refused: Any
) -> None:
    first, second, again, third = chain

    def asked(one: Bundle, *earlier: Bundle) -> Any:
        return lambda: verify(one, factory.ring, [kit.DICTIONARY], earlier=earlier)

    loose = factory.bundle(3, seed=4)
    refused(Reason.CHAIN, asked(loose, first, second, again))
    refused(Reason.CHAIN, asked(third, first, second))
    refused(Reason.CHAIN, asked(factory.bundle(2, seed=5, previous=first, supersedes=first), first))
    wrong = factory.seal(replace(first.manifest, revision=2), first.files)
    refused(Reason.CHAIN, asked(wrong))


def test_another_factorys_bundles_are_no_part_of_the_chain(chain: list[Bundle], kit: Any) -> None:
    other = kit.Factory(id="jaiaf")
    told = verify(other.bundle(1), other.ring, [kit.DICTIONARY], earlier=chain)
    assert not told.chained


def test_a_period_that_was_not_asked_for_is_refused(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    verify(made, factory.ring, [kit.DICTIONARY], period=kit.quarter_of(1))
    refused(
        Reason.PERIOD,
        lambda: verify(made, factory.ring, [kit.DICTIONARY], period=kit.quarter_of(2)),
    )


def test_a_wrong_digest_of_the_dictionary_is_refused(
    made: Bundle, factory: Any, refused: Any
) -> None:
    refused(Reason.DICTIONARY, lambda: verify(made, factory.ring, ["0" * 64]))


def test_a_figure_made_of_few_projects_must_be_hidden(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    few = kit.figure("P01", 7.0, n=2)
    shown = factory.with_file(made, "kpis.json", kit.kpis([few]))
    refused(Reason.DISCLOSURE, lambda: verify(shown, factory.ring, [kit.DICTIONARY]))
    for fine in (
        {**few, "value": None, "status": "suppressed", "flags": ["A"]},
        kit.figure("A03", 700.0, n=2),
        kit.figure("P01", None, n=0, status="unknown"),
    ):
        told = factory.with_file(made, "kpis.json", kit.kpis([fine]))
        verify(told, factory.ring, [kit.DICTIONARY])


def test_a_cell_that_follows_from_a_total_is_refused(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    cube = kit.CUBES["access"]
    no = ("no",)
    rows = {
        ("DE", "sme", "fast_lane", *no): (100.0, 100.0, 10.0),
        ("FR", "sme", "fast_lane", *no): None,
        ("_T", "_T", "_T", "_T"): (150.0, 150.0, 10.0),
    }
    open_total = factory.with_file(made, "cubes/access.csv", kit.cubes.to_csv(cube, rows))
    words = refused(Reason.DISCLOSURE, lambda: verify(open_total, factory.ring, [kit.DICTIONARY]))
    assert "follows" in words


def test_a_cell_of_few_projects_that_is_shown_is_refused(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    rows = {("DE", "sme", "fast_lane", "no"): (100.0, 100.0, 3.0)}
    data = kit.cubes.to_csv(kit.CUBES["access"], rows)
    shown = factory.with_file(made, "cubes/access.csv", data)
    refused(Reason.DISCLOSURE, lambda: verify(shown, factory.ring, [kit.DICTIONARY]))


def test_sums_that_contradict_each_other_are_refused(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    rows = {
        ("DE", "sme", "fast_lane", "no"): (100.0, 100.0, 10.0),
        ("FR", "sme", "fast_lane", "no"): None,
        ("_T", "_T", "_T", "_T"): (10.0, 10.0, 10.0),
    }
    data = kit.cubes.to_csv(kit.CUBES["access"], rows)
    shown = factory.with_file(made, "cubes/access.csv", data)
    refused(Reason.SCHEMA, lambda: verify(shown, factory.ring, [kit.DICTIONARY]))


def test_rules_that_are_laxer_than_everybodys_are_refused(
    factory: Any, kit: Any, refused: Any
) -> None:
    for lax in (
        Parameters(contributors=2),
        Parameters(dominance_one=0.9),
        Parameters(dominance_two=0.9),
        Parameters(width=0.1),
        Parameters(count_base=1),
        Parameters(hour_digits=6),
    ):
        one = factory.bundle(rules=lax)
        refused(Reason.DISCLOSURE, lambda one=one: verify(one, factory.ring, [kit.DICTIONARY]))
    strict = factory.bundle(rules=Parameters(contributors=8, hour_digits=2))
    verify(strict, factory.ring, [kit.DICTIONARY])


def test_a_day_before_the_period_was_over_is_no_day_to_sign_it(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    # An old key could otherwise sign for later periods, with a day on which it still held.
    early = replace(made, signatures=()).signed(factory.private, "factory", date(2026, 3, 31))
    words = refused(Reason.PERIOD, lambda: verify(early, factory.ring, [kit.DICTIONARY]))
    assert "before its period was over" in words


@pytest.mark.parametrize("id", ["I04", "U04"])
def test_a_figure_that_tells_what_a_cell_hides_is_refused(
    id: str, factory: Any, kit: Any, refused: Any
) -> None:
    shown = kit.figure(id, 12.0, unit="%", numerator=123.0, denominator=1025.0)
    made = factory.bundle(figures=[shown])
    verify(made, factory.ring, [kit.DICTIONARY])
    cells = dict(made.cubes["access"])
    cells.update({key: None for key in cells if key[:3] == ("_T", "_T", "_T")})
    hidden = factory.with_file(made, "cubes/access.csv", cubes.to_csv(cubes.CUBES["access"], cells))
    words = refused(Reason.DISCLOSURE, lambda: verify(hidden, factory.ring, [kit.DICTIONARY]))
    assert f"kpis.json {id}" in words


def test_a_total_that_one_cube_hides_and_another_tells_is_refused(
    factory: Any, kit: Any, refused: Any
) -> None:
    places = (("DE", "sme", "fast_lane"), ("_T",) * 3)
    hidden: dict[Key, Row | None] = {(*place, "yes"): None for place in places}
    hidden |= {("DE", "_T", "_T", "_T"): None, ("_T", "sme", "_T", "_T"): None}
    hidden |= {("_T", "_T", "fast_lane", "_T"): None, ("_T",) * 4: None}
    access = cubes.to_csv(cubes.CUBES["access"], hidden)
    sectors = cubes.to_csv(
        cubes.CUBES["sectors"],
        {
            key: (9.0, 9.0, 5.0)
            for key in (("energy", "yes"), ("energy", "_T"), ("_T", "yes"), ("_T", "_T"))
        },
    )
    alone = factory.bundle(files={"cubes/access.csv": access})
    verify(alone, factory.ring, [kit.DICTIONARY])
    both = factory.with_file(alone, "cubes/sectors.csv", sectors)
    words = refused(Reason.DISCLOSURE, lambda: verify(both, factory.ring, [kit.DICTIONARY]))
    assert "follows from what is shown" in words
