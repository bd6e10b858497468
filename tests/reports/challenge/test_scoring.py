"""Runs, measures, flags and ranks, on figures that can be checked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wattline_reports.challenge import flags, measures, ranks, runs, spec
from wattline_reports.challenge.flags import Flag, Looked
from wattline_reports.challenge.measures import Measures
from wattline_reports.challenge.rules import Rules, rules_of
from wattline_reports.challenge.runs import Run, Series
from wattline_reports.exchange.refused import Reason

TRAIN: Rules = rules_of(spec.parse(spec.text("time-to-train"), "x")["rules"], 9, "x")
SERVE: Rules = rules_of(spec.parse(spec.text("tokens-per-joule"), "x")["rules"], 9, "x")
START = datetime(2027, 3, 2, tzinfo=UTC)


def _run(figure: float, *, item: int | None = 0, ok: bool = True, **told: Any) -> Run:
    plain = {
        "id": f"r{figure}", "item": item, "start": START, "seconds": figure, "joules": figure * 10,
        "euros": 2.0, "work": 1.0, "quality": 1.0, "is_converged": ok, "figure": figure,
        "output": None, "log": "sha256:0",
    }  # fmt: skip
    return Run(**{**plain, **told})


def _series(*figures: float, item: int | None = 0) -> Series:
    return runs.series(
        replace(TRAIN, runs=len(figures), public_runs=len(figures)),
        [_run(one, item=item) for one in figures], item, "x",
    )  # fmt: skip


def test_the_best_and_the_worst_run_are_left_out_of_the_mean() -> None:
    found = _series(10.0, 12.0, 11.0, 99.0, 1.0)
    assert [run.figure for run in found.kept] == [10.0, 11.0, 12.0]
    assert found.mean == 11.0


def test_a_run_that_missed_the_target_is_worse_than_any_that_did_not() -> None:
    told = [_run(one) for one in (10.0, 11.0, 12.0, 13.0)] + [_run(1.0, ok=False)]
    found = runs.series(TRAIN, told, 0, "x")
    assert [run.figure for run in found.kept] == [11.0, 12.0, 13.0]
    assert found.unconverged == 1
    # Its time says nothing, and is no part of the scatter.
    assert found.spread == pytest.approx(1.290994 / 11.5)


def test_of_rates_the_highest_is_the_best(refused: Any) -> None:
    told = [_run(one) for one in (1.0, 2.0, 3.0, 4.0)] + [_run(9.0, ok=False)]
    assert runs.series(SERVE, told, 0, "x").mean == 2.0
    two = [replace(run, is_converged=False) for run in told]
    refused(Reason.NOT_CONVERGED, lambda: runs.series(SERVE, two, 0, "x"))


def test_one_figure_has_no_scatter() -> None:
    assert runs.spread_of([3.0]) is None
    assert runs.spread_of([2.0, 4.0]) == pytest.approx(2**0.5 / 3)


def test_measures_are_sums_over_sums_by_hand() -> None:
    items = [_series(9.0, 10.0, 30.0), _series(19.0, 20.0, 40.0, item=1)]
    references: dict[int | None, float] = {0: 5.0, 1: 40.0}
    found = measures.measured(TRAIN, items, references, 1e15, 2.5)
    assert found.score == (10 / 5 + 20 / 40) / 2
    # Kept: one run of each; outputs 5 and 40, 300 J, 4 euros, 30 s.
    assert found.per_kwh == pytest.approx(45 / (300 / 3.6e6))
    assert found.per_euro == 45 / 4
    assert found.per_peak_flop == pytest.approx(45 / (30 * 1e15))
    assert found.baseline == 2.5 / 1.25


def test_a_rate_over_its_reference_has_less_output_of_an_easier_item() -> None:
    one = runs.series(SERVE, [_run(2.0, work=100.0)] * 5, 0, "x")
    found = measures.measured(SERVE, [one], {0: 4.0}, 1e15, 1.0)
    assert found.score == 0.5 and found.baseline == 0.5
    assert found.per_euro == 3 * 100 / 4 / 6


def test_what_one_run_does_not_tell_is_unknown_and_not_nothing() -> None:
    told = [_run(10.0, euros=None if number == 2 else 1.0) for number in range(5)]
    told = [replace(run, id=str(number)) for number, run in enumerate(told)]
    found = measures.measured(TRAIN, [runs.series(TRAIN, told, 0, "x")], {}, 1e15, None)
    assert found.per_euro is None and found.baseline is None and found.per_kwh is not None
    assert ranks.points(TRAIN, found) is None


def test_a_measure_without_weight_may_be_unknown() -> None:
    rules = replace(TRAIN, weights={**TRAIN.weights, "per_euro": 0, "baseline": 0})
    assert ranks.points(rules, Measures(1.0, 4.0, None, 9.0, None)) == pytest.approx(6.0)


def test_less_of_a_time_is_more_points() -> None:
    rules = replace(TRAIN, weights={**dict.fromkeys(TRAIN.weights, 0), "score": 1})
    assert ranks.points(rules, Measures(4.0, None, None, None, None)) == pytest.approx(0.25)
    rules = replace(SERVE, weights=rules.weights)
    assert ranks.points(rules, Measures(4.0, None, None, None, None)) == pytest.approx(4.0)


def test_entrants_closer_than_the_tie_share_their_rank() -> None:
    told = {"a": 1.0, "b": 1.01, "c": 1.2, "d": None}
    assert ranks.ranks(told, 0.02) == {"a": 2, "b": 2, "c": 1, "d": None}


_POSITIVE = some.floats(1e-3, 1e3)
_MEASURES = some.dictionaries(
    some.sampled_from("abcdef"),
    some.builds(Measures, _POSITIVE, _POSITIVE, _POSITIVE, _POSITIVE, _POSITIVE),
    min_size=2,
)


def _ranks(told: dict[str, Measures], tie: float = 0.0) -> dict[str, int | None]:
    return ranks.ranks({id: ranks.points(TRAIN, one) for id, one in told.items()}, tie)


@given(_MEASURES, some.floats(0.01, 100.0))
def test_no_unit_and_no_other_entrant_changes_the_order(
    told: dict[str, Measures], scale: float
) -> None:
    points = {id: ranks.points(TRAIN, one) for id, one in told.items()}
    known = sorted(value for value in points.values() if value is not None)
    gaps = [b / a - 1 for a, b in pairwise(known)]
    if any(gap < 1e-9 for gap in gaps):
        return  # closer than the arithmetic can tell
    before = _ranks(told)
    scaled = {id: replace(one, per_kwh=(one.per_kwh or 0.0) * scale) for id, one in told.items()}
    assert _ranks(scaled) == before
    gone = max(told, key=lambda id: before[id] or 0)
    rest = {id: one for id, one in told.items() if id != gone}
    assert _ranks(rest) == {id: before[id] for id in rest}


@given(
    some.lists(some.floats(-0.004, 0.004), min_size=3, max_size=3),
    some.permutations((1.0, 1.1, 1.21)),
)
def test_noise_below_the_tie_changes_no_rank_of_entrants_well_apart(
    noise: list[float], points: list[float]
) -> None:
    before = ranks.ranks(dict(zip("abc", points, strict=True)), 0.02)
    shaken = [one * (1 + by) for one, by in zip(points, noise, strict=True)]
    assert ranks.ranks(dict(zip("abc", shaken, strict=True)), 0.02) == before


# Flags


def _looked(**told: Any) -> Looked:
    plain = {
        "secret": (_series(10.0, 10.1, 10.2),), "public": None, "gap": None,
        "deltas": {"jaif": 0.01}, "canaries": {}, "attempt": 1,
    }  # fmt: skip
    return Looked(**{**plain, **told})


def _flags(**told: Any) -> list[Flag]:
    return [one.flag for one in flags.raised(TRAIN, _looked(**told))]


def test_nothing_is_flagged_where_all_is_well() -> None:
    assert _flags() == []


def test_who_is_better_on_what_is_public_is_flagged_unless_it_may_be_scatter() -> None:
    quiet, loud = _series(5.0, 5.01, 5.02, item=None), _series(2.0, 5.0, 8.0, item=None)
    assert _flags(public=quiet, gap=1.0) == [Flag.OVERFIT]
    assert _flags(public=quiet, gap=0.05) == []
    assert _flags(public=quiet, gap=-1.0) == []
    assert _flags(public=loud, gap=0.6) == []


def test_the_gap_is_how_much_better_the_public_runs_are() -> None:
    public = _series(5.0, 5.0, 5.0, item=None)
    assert flags.gap_of(TRAIN, 2.0, public, {None: 5.0}) == pytest.approx(1.0)
    assert flags.gap_of(SERVE, 0.5, public, {None: 5.0}) == pytest.approx(1.0)
    assert flags.gap_of(TRAIN, 2.0, None, {}) is None


def test_an_answer_that_nobody_should_have_is_flagged() -> None:
    told = [_run(10.0, id=str(number), output="sha256:song") for number in range(5)]
    secret = (runs.series(TRAIN, told, 0, "x"),)
    assert _flags(secret=secret, canaries={0: frozenset({"sha256:song"})}) == [Flag.CANARY]
    assert _flags(secret=secret, canaries={1: frozenset({"sha256:song"})}) == []


def test_scatter_retries_and_second_sites_are_flagged() -> None:
    assert _flags(secret=(_series(8.0, 10.0, 12.0),)) == [Flag.SCATTER]
    assert _flags(attempt=2) == [Flag.RETRIED]
    assert _flags(deltas={"jaif": -0.2}) == [Flag.SECOND_SITE]
    assert _flags(deltas={}) == [Flag.NOT_RERUN]


_ANY = some.floats(1e-12, 1e30)


@given(
    some.lists(some.tuples(some.floats(1e-6, 1e9), _ANY, _ANY, _ANY), min_size=5, max_size=5),
    some.sampled_from(["seconds", "joules", "work_per_second", "work_per_joule"]),
    _ANY, _ANY, _ANY,
)  # fmt: skip
def test_numbers_at_the_ends_of_what_is_allowed_give_numbers(
    told: list[tuple[float, float, float, float]], score: str, peak: float, reference: float,
    baseline: float,
) -> None:  # fmt: skip
    rules = replace(SERVE, score=score, work="counted")
    runs_ = runs.read(
        rules,
        [
            {"id": str(number), "item": 0, "start": "2027-03-02T00:00:00Z", "seconds": seconds,
             "joules": joules, "euros": euros, "work": work, "size": None, "bits": None,
             "quality": 0.0, "output": None, "log": str(number)}
            for number, (seconds, joules, euros, work) in enumerate(told)
        ],
        datetime(2099, 1, 1, tzinfo=UTC), "x",
    )  # fmt: skip
    found = measures.measured(
        rules, [runs.series(rules, runs_, 0, "x")], {0: reference}, peak, baseline
    )
    numbers = [one for one in found.to_json().values() if one is not None]
    assert len(numbers) == 5 and all(0 < one < float("inf") for one in numbers)
    points = ranks.points(rules, found)
    assert points is not None and 0 < points < float("inf")
