from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HPL = {
    "id": "hpl-1", "kind": "hpl", "start": "2026-10-01T10:00", "when": "2026-10-01T12:00",
    "value": "36", "unit": "PFLOP/s", "energy": "1000", "power_level": "L2", "valid": "yes",
}  # fmt: skip


def test_rmax_over_mean_power_of_the_core_phase(site: Any) -> None:
    """36 PFLOP/s for two hours on 1,000 kWh: 500 kW, so 72 GFLOPS/W."""
    site.book()
    site.result(**HPL)
    figure = site.figure("S11")
    assert figure.value == pytest.approx(72.0)
    assert figure.dims == {"power_level": "L2"}
    assert figure.note == "hpl-1 of 2026-10-01: 500.0 kW over 2.0 h"


def test_levels_stand_side_by_side_and_the_newest_of_each_counts(site: Any) -> None:
    site.book()
    site.result(**HPL)
    later = {"start": "2026-10-20T10:00", "when": "2026-10-20T12:00"}
    site.result(**(HPL | later | {"id": "hpl-2", "energy": "900"}))
    site.result(**(HPL | later | {"id": "hpl-3", "energy": "800", "power_level": "L1"}))
    site.result(**(HPL | later | {"id": "hpl-4", "energy": "1", "valid": "no"}))
    found = {f.dims["power_level"]: f.value for f in site.figures("S11")}
    assert found == {"L1": pytest.approx(90.0), "L2": pytest.approx(80.0)}


def test_operations_and_energy_of_several_systems_add_up(site: Any) -> None:
    site.book()
    site.result(**(HPL | {"system": "a"}))
    site.result(**(HPL | {"id": "hpl-2", "system": "b", "value": "1", "energy": "100",
                          "valid": ""}))  # fmt: skip
    figure = site.figure("S11")
    assert (figure.value, figure.n) == (pytest.approx(37e6 * 7200 / (1100 * 3.6e6)), 2)
    assert figure.note.endswith("hpl-2 of 2026-10-01: 50.0 kW over 2.0 h, not said to be valid")
    by_system = {f.dims["system"]: f.value for f in site.figures("S11", ["system"])}
    assert by_system == {"a": pytest.approx(72.0), "b": pytest.approx(20.0)}


def test_what_was_measured_after_the_period_does_not_count(site: Any) -> None:
    site.book()
    site.result(**HPL)
    figure = site.figure("S11", "2026-09-01T00:00+00:00", "2026-09-30T00:00+00:00")
    assert figure.status is Status.UNKNOWN


@pytest.mark.parametrize("without", ["start", "energy"])
def test_a_result_without_its_power_says_what_is_missing(site: Any, without: str) -> None:
    site.book()
    site.result(**{key: value for key, value in HPL.items() if key != without})
    figure = site.figure("S11")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)
    assert "start, energy and power_level" in figure.note
