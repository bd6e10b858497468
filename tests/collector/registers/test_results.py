from __future__ import annotations

import pytest

from wattline_collector.registers import cells
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Malformed, Values
from wattline_collector.registers.schema import RESULTS
from wattline_collector.registers.schema.results import NEEDS

GOOD = {
    "id": "1", "when": "2026-03-01", "value": "0.5", "unit": "s", "benchmark": "b", "run": "r",
    "start": "2026-02-01", "model": "m", "metric": "accuracy", "evidence": "sha256:" + "0" * 64,
    "event": "e", "entrant": "x", "parameters": "1e10", "tokens": "1e12",
}  # fmt: skip


def _row(kind: str, **more: str) -> Values:
    rates = {"unit": "TFLOP/s"} if kind.startswith("hpl") else {}
    return cells.row(RESULTS, {**GOOD, **rates, **more, "kind": kind}, Setting())


@pytest.mark.parametrize("kind", NEEDS)
def test_a_result_needs_what_its_kind_is_about(kind: str) -> None:
    assert _row(kind)["kind"] == kind
    for name in NEEDS[kind]:
        with pytest.raises(Malformed) as caught:
            _row(kind, **{name: ""})
        assert (caught.value.field, caught.value.reason) == (
            name, f"missing: a result of kind {kind} needs it"
        )  # fmt: skip


def test_rates_times_and_energy_are_kept_in_base_units() -> None:
    hpl = _row("hpl", value="1.5", unit="EFLOP/s", low="1.4", high="1.6")
    assert (hpl["value"], hpl["low"], hpl["high"], hpl["unit"]) == (
        1.5e18,
        1.4e18,
        1.6e18,
        "FLOP/s",
    )
    time = _row("training_time", value="2", unit="min", energy="3", power_level="L1")
    assert (time["value"], time["unit"], time["energy"]) == (120, "s", 10.8e6)
    assert _row("score", value="71.5", unit="points")["unit"] == "points"


@pytest.mark.parametrize(
    ("kind", "more", "field"),
    [
        ("hpl", {"unit": "s"}, "unit"),
        ("hpl", {"value": "-1"}, "value"),
        ("quality", {"evidence": "md5:0123"}, "evidence"),
        ("recomputed", {"value": "1.5"}, "value"),
        ("recomputed", {"model": "", "run": ""}, "model"),
        ("training_time", {"energy": "3"}, "power_level"),
        ("projection", {"low": "3", "high": "2"}, "high"),
        ("run", {"start": "2026-04-01"}, "when"),
        ("score", {"site": "third"}, "site"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_field(
    kind: str, more: dict[str, str], field: str
) -> None:
    with pytest.raises(Malformed) as caught:
        _row(kind, **more)
    assert caught.value.field == field
