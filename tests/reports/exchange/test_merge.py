from __future__ import annotations

from typing import Any

import pytest

from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.merge import Merged, merge
from wattline_reports.exchange.refused import Reason


@pytest.fixture(scope="module")
def three(kit: Any) -> list[Bundle]:
    return [kit.Factory(id=f"f{seed}").bundle(seed=seed) for seed in (1, 2, 3)]


def _one(merged: Merged, id: str) -> Any:
    return next(figure for figure in merged.figures if figure["id"] == id)


def test_sums_are_added_and_ratios_made_anew(three: list[Bundle]) -> None:
    merged = merge(three)
    assert merged.factories == ("f1", "f2", "f3")
    assert _one(merged, "P01")["value"] == pytest.approx(4.2e12 * 6)
    used = _one(merged, "U01")
    assert (used["numerator"], used["denominator"]) == (4800.0, 6000.0)
    assert used["value"] == pytest.approx(80.0)
    assert (used["factories"], used["of"]) == (3, 3)


def test_a_ratio_is_not_an_average_of_ratios(kit: Any) -> None:
    def use(above: float, below: float) -> Any:
        return kit.figure("U01", 100 * above / below, unit="%", numerator=above, denominator=below)

    one = kit.Factory(id="small").bundle(figures=[use(10.0, 100.0)])
    two = kit.Factory(id="large").bundle(figures=[use(900.0, 1000.0)])
    assert _one(merge([one, two]), "U01")["value"] == pytest.approx(100 * 910 / 1100)


def test_pue_is_weighted_by_energy_and_only_over_three(kit: Any) -> None:
    def pue(total: float, it: float) -> Any:
        return kit.figure("S03", total / it, numerator=total, denominator=it)

    sent = [
        kit.Factory(id=f"f{place}").bundle(figures=[pue(total, it)])
        for place, (total, it) in enumerate([(110.0, 100.0), (390.0, 300.0), (240.0, 200.0)])
    ]
    wanted = (110 * 1.1 + 390 * 1.3 + 240 * 1.2) / (110 + 390 + 240)
    assert _one(merge(sent), "S03")["value"] == pytest.approx(wanted)
    assert _one(merge(sent[:2]), "S03")["value"] is None


def test_what_one_does_not_know_is_left_out_and_said(kit: Any) -> None:
    known = kit.figure("U01", 50.0, unit="%", numerator=50.0, denominator=100.0)
    unknown = kit.figure("U01", None, unit="%", status="unknown", n=0)
    percentile = kit.figure("P06", 120.0, unit="ms", dims={"quantile": "p50"})
    one = kit.Factory(id="one").bundle(figures=[known, percentile])
    two = kit.Factory(id="two").bundle(figures=[unknown, percentile])
    merged = merge([one, two])
    used = _one(merged, "U01")
    assert (used["value"], used["factories"], used["of"]) == (50.0, 1, 2)
    assert _one(merged, "P06")["value"] is None


def test_a_cell_that_one_hides_is_not_shown(three: list[Bundle]) -> None:
    merged = merge(three).cubes["access"]
    for key, row in merged.items():
        rows = [one.cubes["access"][key] for one in three if key in one.cubes["access"]]
        if None in rows:
            assert row is None
        else:
            assert row is not None
            for place, value in enumerate(row):
                assert value == pytest.approx(sum(float(r[place] or 0) for r in rows if r))


def test_what_cannot_be_added_is_refused(three: list[Bundle], kit: Any, refused: Any) -> None:
    other = kit.Factory(id="late").bundle(2)
    refused(Reason.PERIOD, lambda: merge([three[0], other]))
    refused(Reason.REPLAYED, lambda: merge([three[0], three[0]]))
    refused(Reason.UNREADABLE, lambda: merge([]))
