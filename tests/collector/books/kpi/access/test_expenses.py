from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
FINANCE = (
    "[finance.2026]\noperating_euro = 3650000\noperating_eligible_euro = 3000000\n"
    "operating_union_euro = {}\n"
)


@pytest.fixture
def used(site: Any) -> Any:
    site.install(4)
    site.hold("d0", "1", "busy", 0, 500)
    site.account("2", gpus=8, start=0, end=62.5)
    return site


def test_cost_per_gpu_hour_is_the_periods_part_of_the_years_costs(used: Any) -> None:
    used.profile(FINANCE.format(1_500_000))
    found = {key[0]: one for key, one in used.by("I12", "figure").items()}
    per_hour = found["euro_per_gpu_hour"]
    assert per_hour.numerator == pytest.approx(310_000)
    assert (per_hour.denominator, per_hour.value) == (1000, pytest.approx(310))
    assert (per_hour.unit, per_hour.n, per_hour.level) == ("EUR/GPU-h", 2, "declared")
    assert per_hour.method == "profile; ledger; accounting of jobs on devices without an agent"


def test_the_unions_part_is_held_against_the_cap_of_the_track(used: Any) -> None:
    used.profile(FINANCE.format(1_500_000))
    part = used.by("I12", "figure")[("union_part_of_operating",)]
    assert (part.value, part.unit) == (pytest.approx(50), "%")
    assert part.note.startswith("within the 50% that the Union pays at most")
    used.profile(FINANCE.format(1_800_000))
    over = used.by("I12", "figure")[("union_part_of_operating",)]
    assert (over.value, over.note[:4]) == (pytest.approx(60), "over")


def test_months_of_costs_add_up_to_the_year(used: Any) -> None:
    used.profile(FINANCE.format(1))
    months = used.figures("I12", ["month"], *YEAR)
    parts = [m for m in months if m.dims["figure"] == "union_part_of_operating"]
    assert len(parts) == 12
    assert sum(m.denominator for m in parts) == pytest.approx(3_000_000)
    (hours,) = [m for m in months if m.dims["figure"] == "euro_per_gpu_hour"]
    assert (hours.dims["month"], hours.denominator) == ("2026-03", 1000)


def test_a_year_nobody_told_the_costs_of_is_not_made_up(used: Any) -> None:
    used.profile("[finance.2025]\noperating_euro = 1000\n")
    figure = used.one("I12")
    assert (figure.value, figure.denominator) == (None, 1000)
    assert "finance.2026.operating_euro" in figure.note


def test_energy_costs_what_the_tariffs_make_of_the_books(site: Any) -> None:
    site.install(4)
    site.hold("d0", "1", "busy", 0, 100, watts=700)
    site.hold("d1", None, "free", 0, 100, watts=100)
    site.profile("[tariff.2026]\neuro_per_kwh = 0.15\n")
    figure = site.one("I12")
    assert figure.dims == {"figure": "energy_euro_per_gpu_hour"}
    assert figure.numerator == pytest.approx(80 * 0.15)
    assert figure.value == pytest.approx(0.12)
    assert figure.method == "booked energy (gpu boundary) by tariffs; ledger"


def test_a_hole_in_the_facilitys_meter_makes_no_gpu_hour_cheap(site: Any) -> None:
    site.install(4)
    site.hold("d0", "1", "busy", 0, 100, watts=700)
    site.profile("[tariff.2026]\neuro_per_kwh = 0.15\n")
    header = "meter,quantity,eed,reading,start,end,value,unit"
    times = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    site.register("meters", header, f"main,energy,E_DC,amount,{','.join(times)},240,kWh")
    figure = site.one("I12")
    # Of a hundred hours the meter tells 24, in which 24 GPU-hours were held.
    assert (figure.numerator, figure.denominator) == (pytest.approx(36), pytest.approx(24))
    assert figure.numerator / figure.denominator == pytest.approx(1.5)
    assert figure.coverage is not None
    assert figure.coverage < 0.5


def test_energy_without_a_price_is_not_free(site: Any) -> None:
    site.install(4)
    site.hold("d0", "1", "busy", 0, 100, watts=700)
    site.profile("[tariff.old]\nuntil = 2025-12-31\neuro_per_kwh = 0.15\n")
    assert site.one("I12").value is None
