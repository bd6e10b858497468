from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi.view import View
from wattline_reports.exchange import cubes, tables
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import CUBES, UNKNOWN, Row
from wattline_reports.exchange.disclosure.table import Key
from wattline_reports.exchange.exchanged import Mismatch, mismatches, records, silent
from wattline_reports.exchange.merge import merge

Told = Mapping[Key, Row]


@pytest.fixture(scope="session")
def tell(kit: Any) -> Any:
    """From what factories declare to their bundles; None: nothing of it is said."""

    def bundles(**told: Told | None) -> list[Bundle]:
        made = []
        for name, rows in told.items():
            cube = CUBES["exchanges"]
            files = {} if rows is None else {cube.file: cubes.to_csv(cube, rows)}
            made.append(kit.Factory(id=name.replace("_", "-")).bundle(files=files))
        return made

    return bundles


def test_two_that_say_the_same_have_no_mismatch(tell: Any) -> None:
    sent = tell(
        it4lia={("joint_project", "jaif"): (2.0, None), ("staff_exchange", "jaif"): (1.0, 12.0)},
        jaif={("joint_project", "it4lia"): (2.0, None), ("staff_exchange", "it4lia"): (3.0, 12.0)},
    )
    assert mismatches(sent) == ()
    assert len(records(sent)) == 4


def test_two_that_count_differently_are_both_told(tell: Any) -> None:
    sent = tell(
        jaif={("staff_exchange", "it4lia"): (1.0, 10.0)},
        it4lia={("staff_exchange", "jaif"): (1.0, 12.0)},
    )
    wanted = Mismatch("staff_exchange", "person-days", "it4lia", 12.0, "jaif", 10.0, 0.0)
    assert mismatches(sent) == (wanted,)
    assert merge(sent).mismatches == (wanted,)


def test_who_lacks_a_record_may_have_it_without_a_name(tell: Any) -> None:
    sent = tell(
        it4lia={("joint_project", "jaif"): (2.0, None)},
        jaif={("joint_project", UNKNOWN): (5.0, None)},
    )
    (found,) = mismatches(sent)
    assert (found.first_says, found.second_says, found.unnamed) == (2.0, None, 5.0)


@pytest.mark.parametrize(
    ("shared", "reused", "count"), [(3.0, 1.0, 0), (1.0, 1.0, 0), (1.0, 3.0, 1)]
)
def test_only_more_reused_than_shared_is_a_contradiction(
    shared: float, reused: float, count: int, tell: Any
) -> None:
    sent = tell(
        jaif={("asset_shared", "it4lia"): (shared, None)},
        it4lia={("asset_reused", "jaif"): (reused, None)},
    )
    assert len(mismatches(sent)) == count


def test_a_referral_has_one_side_and_a_silent_factory_contradicts_nobody(tell: Any) -> None:
    sent = tell(
        it4lia={("referral", "jaif"): (4.0, None), ("joint_project", "lumi-aif"): (1.0, None)},
        jaif={},
        lumi_aif=None,
    )
    assert mismatches(sent) == ()
    assert silent(sent) == ("lumi-aif",)


def test_a_factory_that_nobody_can_name_is_not_held_against_others(tell: Any) -> None:
    sent = tell(example={("joint_project", "jaif"): (1.0, None)}, jaif={})
    assert mismatches(sent) == ()


def test_exchanges_are_not_added_as_both_sides_have_them(tell: Any) -> None:
    merged = merge(
        tell(
            it4lia={("joint_project", "jaif"): (2.0, None)},
            jaif={("joint_project", "it4lia"): (2.0, None)},
        )
    )
    assert "exchanges" not in merged.cubes
    assert [one.amount for one in merged.exchanges] == [2.0, 2.0]


def test_a_coverage_is_no_sum(kit: Any) -> None:
    cube = CUBES["energy"]

    def sent(id: str, coverage: float | None) -> Bundle:
        rows: dict[Key, Row | None] = {("2026-01", "it"): (10.0, coverage)}
        made: Bundle = kit.Factory(id=id).bundle(files={cube.file: cubes.to_csv(cube, rows)})
        return made

    merged = merge([sent("one", 0.9), sent("two", 0.5)]).cubes["energy"]
    assert merged["2026-01", "it"] == (20.0, 0.5)
    merged = merge([sent("one", 0.9), sent("two", None)]).cubes["energy"]
    assert merged["2026-01", "it"] == (20.0, None)


def _view(rows: list[dict[str, Any]] | None) -> View:
    schema = {
        "kind": pl.String, "start_ms": pl.Int64, "counterpart": pl.String, "network": pl.String,
        "count": pl.Float64, "participants": pl.Float64, "days": pl.Float64,
    }  # fmt: skip
    kept = None if rows is None else pl.DataFrame(rows, schema=schema)
    made: Any = SimpleNamespace(inputs=SimpleNamespace(activities=kept), bounds_ms=(1000, 2000))
    found: View = made
    return found


def test_counterparts_are_told_by_their_id_and_by_nothing_else() -> None:
    def row(counterpart: str | None, network: str | None, **told: Any) -> dict[str, Any]:
        plain = {"kind": "joint_project", "start_ms": 1500, "count": 1.0}
        return {**plain, "counterpart": counterpart, "network": network, **told}

    found = tables.exchanges(
        _view(
            [
                row("IT4LIA AI Factory", "ai_factory"),
                row("it4lia", None),
                row("Jane Doe", "ai_factory"),
                row("University of Somewhere", "research_infrastructure"),
                row("LUMI AIF", "ai_factory", start_ms=2000),
                row("BRAIN++", "ai_factory", kind="staff_exchange", participants=3.0, days=4.0),
                row("JAIF", "ai_factory", kind="training"),
            ]
        )
    )
    assert found == {
        ("joint_project", "it4lia"): (2.0, None),
        ("joint_project", UNKNOWN): (1.0, None),
        ("staff_exchange", "brain-plus-plus"): (1.0, 12.0),
    }
    data = cubes.to_csv(CUBES["exchanges"], found)
    assert cubes.from_csv(CUBES["exchanges"], data, "x") == found


def test_a_store_without_activities_says_nothing_and_one_with_others_says_none() -> None:
    assert tables.exchanges(_view(None)) is None
    assert tables.exchanges(_view([])) is None
    other = {"kind": "training", "start_ms": 1500}
    assert tables.exchanges(_view([other])) == {}
