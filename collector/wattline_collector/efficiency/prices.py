"""What a job's energy and time cost: by the factory's profile, where it is silent by the site's.

A profile states prices with the days and hours in which they hold, and is what reports are made
with; so it is believed before the numbers of `[site]`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.site import Site
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.tariffs import euro_per_kwh, tariff_on
from wattline_collector.registers import eurohpc

_STEP = "15m"
"""Electricity is sold by quarters of an hour."""


def priced(site: Site, profile: FactoryProfile | None, evidence: Evidence) -> Site:
    """What the site says of a job, with the prices that the profile states for its time.

    Energy has one price, the mean of those in its hours, weighted by what it used in them. A
    GPU-hour has the price of the project's access mode; where a tariff names modes and not this
    one, it has none. Carbon is the grid's factor of the year it started in, or of the last year
    before that has one.

    Args:
        site: Prices and habits as `[site]` says them.
        profile: The factory's profile; null: it has none.
        evidence: Whose.
    """
    if profile is None:
        return site
    started = datetime.fromtimestamp(evidence.start_ms / 1000, UTC)
    tariff = tariff_on(profile, started.astimezone(ZoneInfo(profile.time_zone)).date())
    of_hour = site.euro_per_gpu_hour
    if tariff is not None and tariff.euro_per_gpu_hour:
        of_hour = tariff.euro_per_gpu_hour.get(_access_mode(evidence) or "")
    return replace(
        site,
        euro_per_kwh=_of_energy(site, profile, evidence, started),
        euro_per_gpu_hour=of_hour,
        grams_co2e_per_kwh=_grams(site, profile, started.year),
    )


def _of_energy(
    site: Site, profile: FactoryProfile, evidence: Evidence, started: datetime
) -> float | None:
    used = (
        evidence.device.group_by(pl.col("minute").dt.truncate(_STEP))
        .agg(pl.col("energy_joules").sum())
        .filter(pl.col("energy_joules") > 0)
    )
    weighted = [*used.iter_rows()] or [(started, 1.0)]
    euro, all_joules = 0.0, 0.0
    for moment, joules in weighted:
        price = euro_per_kwh(profile, moment)
        price = site.euro_per_kwh if price is None else price
        if price is None:
            return None
        euro, all_joules = euro + price * joules, all_joules + joules
    return euro / all_joules


def _grams(site: Site, profile: FactoryProfile, year: int) -> float | None:
    names = () if profile.carbon is None else profile.carbon.location
    factors = [profile.factors[name] for name in names if name in profile.factors]
    known = [
        (factor.year or 0, factor.grams_co2e_per_kwh)
        for factor in factors
        if factor.grams_co2e_per_kwh is not None and (factor.year or 0) <= year
    ]
    return max(known)[1] if known else site.grams_co2e_per_kwh


def _access_mode(evidence: Evidence) -> str | None:
    mode: str | None = evidence.project.get("access_mode")
    if mode is not None:
        return mode
    parsed = eurohpc.parse(evidence.project.get("project") or "")
    return None if parsed is None else parsed.access_mode
