"""A planted year, booked, and every figure of it held against what it must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattline_agents import cli
from wattline_collector.capability.commercial_guard import Alarm, guard
from wattline_collector.kpi.figure import Figure, Status
from wattline_collector.kpi.registry import REGISTRY, evaluate
from wattline_collector.kpi.view import View, load
from wattline_collector.ledger import scanned
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.booking import book
from wattline_collector.simulated.year.check import compare, expectations
from wattline_collector.simulated.year.expected import Expected
from wattline_collector.simulated.year.plan import Plan
from wattline_collector.simulated.year.planted import Hole
from wattline_collector.simulated.year.truth import Happened, happened
from wattline_collector.simulated.year.write import TRUTH, write_year
from wattline_collector.store.store import Store


@dataclass(frozen=True)
class Year:
    """A year in a store."""

    path: Path
    found: Happened
    view: View

    def misses(self) -> list[str]:
        """Figures that are not what they must be, in words."""
        return [
            f"{one.expected.id} {dict(one.expected.dims)}: {one.expected.value} expected, "
            f"{one.value} found"
            for one in compare(expectations(self.found), self.view, REGISTRY)
            if not one.holds
        ]

    def figure(self, id: str, **dims: str) -> Figure:
        """The one figure of a KPI with these dimensions."""
        kpi = REGISTRY[id]
        by = [name for name in dims if name not in kpi.parts]
        figures = [
            figure for figure in evaluate(kpi, self.view, by) if dims.items() <= figure.dims.items()
        ]
        assert len(figures) == 1, f"{id} {dims}: {len(figures)} figures"
        return figures[0]

    def node_of(self, hole: Hole) -> str:
        """The node that a hole is in the data of."""
        plan = self.found.plan
        node = next(m.node for m in plan.planted.missing if m.hole is hole)
        assert node is not None
        return plan.extent.node_names[node]


def made(plan: Plan, path: Path) -> Year:
    with Store.open(path, write=True) as store:
        found, _ = write_year(store, plan, datetime(2026, 1, 5, tzinfo=UTC))
        book(store, until_ms=plan.extent.end_ms)
    return Year(path, found, load(path, None))


@pytest.fixture(scope="module")
def year(planned: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    yield made(planned, tmp_path_factory.mktemp("year") / "store")


@pytest.fixture(scope="module")
def whole(planned_whole: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """The same year without holes in what is seen of it, as the command makes it."""
    path = tmp_path_factory.mktemp("whole") / "store"
    words = ["--nodes", "6", "--devices", "4", "--days", "42", "--without-holes"]
    assert cli.main(["simulate", "--year", str(path), *words]) == 0
    yield Year(path, happened(planned_whole), load(path, None))


def test_every_figure_of_a_year_is_what_was_planted(whole: Year) -> None:
    assert whole.misses() == []


def test_every_figure_of_a_year_with_holes_is_what_was_planted(year: Year) -> None:
    assert year.misses() == []


@pytest.mark.parametrize("by", [[], ["month"], ["hour", "system"], ["node", "project"]])
def test_figures_of_a_period_too_long_to_be_read_at_once_are_the_same(
    year: Year, by: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanned, "AT_ONCE_BYTES", 0)
    monkeypatch.setattr(scanned, "PART_BYTES", 0)
    in_parts = load(year.path, None)
    # A part of each day, but for the newest, which is read with the one before it.
    assert len(in_parts.device_scan.parts) == 41
    kpis = [kpi for kpi in REGISTRY.values() if set(by) <= set(kpi.by)]
    assert kpis
    for kpi in kpis:
        told, found = (
            {tuple(one.dims.items()): one for one in evaluate(kpi, view, by)}
            for view in (year.view, in_parts)
        )
        assert told.keys() == found.keys()
        for dims, one in told.items():
            other = found[dims]
            assert (other.status, other.n) == (one.status, one.n), kpi.id
            for name in ("value", "numerator", "denominator", "coverage"):
                value = getattr(one, name)
                expected = None if value is None else pytest.approx(value, rel=1e-9)
                assert getattr(other, name) == expected, f"{kpi.id} {dims} {name}"


def test_a_figure_of_which_no_truth_is_planted_does_not_pass(whole: Year) -> None:
    ids = ("I12", "S07", "OEE")
    registry = {id: REGISTRY[id] for id in ids}
    half = [one for one in expectations(whole.found) if one.id == "I12"][:1]
    found = list(compare(half, whole.view, registry))
    assert [one.holds for one in found] == [True, *[False] * (len(found) - 1)]
    assert {one.expected.id for one in found[1:]} == set(ids)


def test_what_is_expected_and_computed_by_no_kpi_does_not_pass(whole: Year) -> None:
    (found,) = compare([Expected("X99", 1.0)], whole.view, {})
    assert not found.holds


def test_every_hour_of_it_balances(year: Year) -> None:
    assert audit(year.path) == []


def test_the_truth_stands_beside_the_store(year: Year) -> None:
    told = json.loads((year.path / TRUTH).read_text())
    figures = expectations(year.found)
    assert [one["value"] for one in told["figures"]] == [one.value for one in figures]
    assert told["figures"][0]["id"] == "OEE_A"
    assert {hole["hole"] for hole in told["holes"]} == {hole.value for hole in Hole}
    assert told["start"] == "2025-01-01T00:00:00+00:00"
    assert told["end"] == "2025-02-12T00:00:00+00:00"


def test_the_planted_commercial_share_raises_the_alarm(year: Year) -> None:
    share = year.figure("I04")
    assert share.value == pytest.approx(21.0, abs=0.2)
    assert share.numerator is not None
    assert guard(float(share.numerator), share.denominator).alarm is Alarm.OVER


@pytest.mark.parametrize(
    ("hole", "id"),
    [
        (Hole.SILENT_FREE, "U01"),
        (Hole.SILENT_FREE, "OEE_A"),
        (Hole.SILENT_BUSY, "E04"),
        (Hole.SILENT_BUSY, "U02"),
        (Hole.NO_ACTIVITY, "E04"),
        (Hole.NO_ACTIVITY, "U02"),
    ],
)
def test_a_hole_in_the_data_of_a_node_lowers_its_coverage(
    year: Year, whole: Year, hole: Hole, id: str
) -> None:
    node = year.node_of(hole)
    without, with_hole = whole.figure(id, node=node), year.figure(id, node=node)
    assert without.coverage == 1
    assert with_hole.coverage is not None
    assert 0.5 < with_hole.coverage < 0.99


@pytest.mark.parametrize(
    ("id", "dims"),
    [
        ("OEE_A", {}),
        ("OEE_P", {}),
        ("U01", {}),
        ("U02", {}),
        ("E04", {}),
        ("S03", {}),
        ("S04", {}),
        ("S08", {"way": "location_annual"}),
        ("S14", {"meter": "it"}),
    ],
)
def test_holes_lower_the_coverage_of_a_ratio_and_do_not_change_it(
    year: Year, whole: Year, id: str, dims: dict[str, str]
) -> None:
    without, with_holes = whole.figure(id, **dims), year.figure(id, **dims)
    assert with_holes.value == pytest.approx(without.value, rel=0.025)
    assert with_holes.coverage is not None
    assert without.coverage is not None
    assert with_holes.coverage < without.coverage
    assert with_holes.status in (Status.OK, Status.PARTIAL)


def test_samples_that_were_not_sent_are_missed(year: Year, whole: Year) -> None:
    with_holes, without = year.figure("Q03").value, whole.figure("Q03").value
    assert with_holes is not None
    assert without is not None
    assert with_holes < without < 100
