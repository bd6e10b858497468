"""Every worked example of docs/energy.md, computed again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.kpi.accuracy import SENSOR, class_of
from wattline_collector.kpi.cost import energy_cost
from wattline_collector.kpi.energy_flow import flow

KWH = 3.6e6
DAY = "2026-11-01"
PROFILE = (
    "[tariff.all]\neuro_per_kwh = 0.30\n"
    "[tariff.all.window.night]\neuro_per_kwh = 0.10\nbegins = 22:00:00\nends = 06:00:00\n"
    "[contract.wind]\nkind = 'purchase_agreement'\nsince = 2026-01-01\nshare = 0.5\n"
    "grams_co2e_per_kwh = 10\nis_renewable = true\nis_retired = true\n"
    "criteria = ['tracked', 'no_double_count', 'actual_rate', 'market_boundary', 'vintage']\n"
)
HEAD = 'id = "a-aif"\nname = "A"\ncountry = "FI"\ntime_zone = "UTC"\n'


@pytest.fixture(scope="module")
def page() -> str:
    text = (Path(__file__).parents[5] / "docs/energy.md").read_text()
    return re.sub(r"\s+", " ", text.replace("\n>", " "))


@pytest.fixture
def example(site: Any) -> Any:
    site.book(24, node_watts=1000.0, job_hours=(0, 18))
    site.meter("E_DC", 45.0, DAY, DAY)
    site.meter("E_IT", 36.0, DAY, DAY)
    site.factor(2026, 100.0)
    site.factor(2026, 400.0, method="residual")
    site.profile(PROFILE, HEAD)
    return site


def test_where_the_energy_of_the_example_went(example: Any, page: str) -> None:
    rows = [
        f"| {source} | {target} | {joules / KWH:.2f} |"
        for source, target, joules in flow(example.view()).iter_rows()
    ]
    assert " ".join(rows) in page
    assert (
        f"S12 is {example.figure('S12').value:.2f} kWh, interim PUE "
        f"{example.figure('S03').value:.4f}, and closure (S14) "
        f"{example.part('S14', 'it').value:.2f} % by the IT meter" in page
    )
    assert example.figure("S12").note in page


def test_carbon_of_the_example(example: Any, page: str) -> None:
    location, market = (example.part("S13", way).value for way in ("location_annual", "market"))
    assert f"{location:.3f} kg location-based, {market:.3f} kg market-based" in page


def test_cost_of_the_example(example: Any, page: str) -> None:
    jobs = dict(energy_cost(example.view(), ["job"]).select("job", "numerator").iter_rows())
    whole = energy_cost(example.view(), [])["numerator"].item()
    assert f"the job costs {jobs['j']:.2f} EUR, all 24 kWh {whole:.2f} EUR" in page


def test_the_bounds_of_the_table(page: str) -> None:
    assert f"| NVIDIA's own sensor | {SENSOR['nvidia']:.0%}".replace("%", " %") in page
    classes = ", ".join(f"{100 * (class_of(f'class {c}') or 0):g} %" for c in ("0.5", "1", "2"))
    letters = ", ".join(f"{100 * (class_of(f'class {c}') or 0):g} %" for c in "ABC")
    assert f"| {classes}; {letters} |" in page
    assert class_of("calibrated every year") is None
