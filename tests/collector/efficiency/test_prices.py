from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wattline_collector.efficiency.compute import report
from wattline_collector.efficiency.prices import priced
from wattline_collector.efficiency.site import Site
from wattline_collector.profile.parse import must, parse_profile
from wattline_collector.profile.schema import FactoryProfile

Told = Callable[..., Any]

SITE = Site(euro_per_kwh=0.5, euro_per_gpu_hour=4.0, grams_co2e_per_kwh=300.0)
HEAD = 'id = "a-aif"\nname = "A"\ncountry = "FI"\ntime_zone = "UTC"\n'
TARIFF = "[tariff.2026]\neuro_per_kwh = 0.2\n"
FACTOR = (
    "[factor.fi-2025]\ngrams_co2e_per_kwh = 70\nzone = 'FI'\nyear = 2025\n"
    "source = 's'\nmethod = 'production'\nscope = 'lifecycle'\nlicence = 'CC0'\n"
    "[carbon]\nlocation = ['fi-2025']\n"
)


def stated(more: str) -> FactoryProfile:
    return must(parse_profile((HEAD + more).encode(), "f.toml"))


def test_without_a_profile_the_sites_own_prices_hold(told: Told) -> None:
    assert priced(SITE, None, told().evidence()) is SITE


def test_what_the_profile_states_wins_and_the_rest_is_the_sites(told: Told) -> None:
    found = priced(SITE, stated(TARIFF), told().evidence())
    assert (found.euro_per_kwh, found.euro_per_gpu_hour) == (0.2, 4.0)
    assert found.grams_co2e_per_kwh == 300.0
    assert priced(SITE, stated(FACTOR), told().evidence()).grams_co2e_per_kwh == 70.0


def test_energy_costs_what_it_costs_in_the_hours_it_was_used_in(told: Told) -> None:
    night = "[tariff.2026.window.night]\neuro_per_kwh = 0.1\nbegins = 22:00:00\nends = 01:00:00\n"
    job = told(minutes=120)
    rows = [job.device_minute(0, m, energy_joules=3.0e4 if m < 60 else 1.0e4) for m in range(120)]
    found = priced(SITE, stated(TARIFF + night), job.evidence(device=job.device_frame(rows)))
    assert found.euro_per_kwh == pytest.approx((3 * 0.1 + 1 * 0.2) / 4)


@pytest.mark.parametrize(
    ("project", "price"),
    [
        ({"access_mode": "commercial"}, 2.9),
        ({"access_mode": "playground"}, None),
        ({}, None),
    ],
)
def test_a_gpu_hour_costs_what_its_access_mode_costs(
    told: Told, project: dict[str, str], price: float | None
) -> None:
    modes = "[tariff.2026.euro_per_gpu_hour]\ncommercial = 2.9\n"
    found = priced(SITE, stated(TARIFF + modes), told().evidence(project=project))
    assert found.euro_per_gpu_hour == price


def test_a_peak_that_the_profile_states_is_taken_before_ours(told: Told) -> None:
    job = told()
    made = job.made_frame(job.made_minute(m, tokens_trained=600_000) for m in range(60))
    model = {"parameters": 1_000_000_000, "flops_per_token": 6e9, "dtype": "bfloat16"}
    evidence = job.evidence(made=made, model=model)
    ours = report(evidence).figures.value("mfu")
    profile = stated(
        "[system.test]\nname = 'T'\n[system.test.device.h100]\ncount = 8\n"
        "model = 'NVIDIA H100 80GB HBM3'\npeak_source = 'measured'\n"
        "[system.test.device.h100.peaks]\nbf16 = '494.5 TFLOP/s'\n"
    )
    theirs = report(evidence, profile=profile)
    assert ours is not None
    assert theirs.figures.value("mfu") == pytest.approx(2 * ours)
    assert theirs.mfu is not None
    assert "494.5 TFLOP/s NVIDIA H100 80GB HBM3 bf16" in theirs.mfu.peaks[0]
