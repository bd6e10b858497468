"""What a job's energy and time cost: by the factory's profile, where it is silent by the site's.

A profile states prices with the days and hours in which they hold, and carbon factors are imported
with their source; so both are believed before the numbers of `[site]`. Prices and carbon of an hour
are those of `kpi.cost` and `kpi.emissions` (location-based, annual), so a job has the same euro and
kilograms here as among the KPIs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.site import Site
from wattline_collector.efficiency.use import charged
from wattline_collector.kpi.carbon import Way, factor_of
from wattline_collector.kpi.cost import prices
from wattline_collector.kpi.emissions import hour_of
from wattline_collector.kpi.factors import choose, described
from wattline_collector.ledger.schema import HOUR_MS
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.tariffs import tariff_on
from wattline_collector.registers import eurohpc


def priced(
    site: Site,
    profile: FactoryProfile | None,
    evidence: Evidence,
    factors: pl.DataFrame | None = None,
) -> Site:
    """What the site says of a job, with the prices and factors that hold for its time.

    Energy has one price, and one carbon factor: the mean of those of its hours, weighted by what it
    used in them. A GPU-hour has the price of the project's access mode; where a tariff names modes
    and not this one, it has none. Carbon is the grid's factor of the year, by the rules of
    `kpi.factors`: the register's, else the profile's, else what the site says.

    Args:
        site: Prices and habits as `[site]` says them.
        profile: The factory's profile; null: it has none.
        evidence: Whose.
        factors: The register of yearly carbon factors; null: there is none.
    """
    if profile is None and (factors is None or factors.is_empty()):
        return site
    used = _by_hour(evidence)
    grams, source = _grams(site, profile, evidence, factors, used)
    site = replace(site, grams_co2e_per_kwh=grams, carbon_source=source)
    if profile is None:
        return site
    started = datetime.fromtimestamp(evidence.start_ms / 1000, UTC)
    tariff = tariff_on(profile, started.astimezone(ZoneInfo(profile.time_zone)).date())
    of_hour = site.euro_per_gpu_hour
    if tariff is not None and tariff.euro_per_gpu_hour:
        of_hour = tariff.euro_per_gpu_hour.get(_access_mode(evidence) or "")
    return replace(site, euro_per_kwh=_of_energy(site, profile, used), euro_per_gpu_hour=of_hour)


def _by_hour(evidence: Evidence) -> pl.DataFrame:
    """`hour_ms` and `joules`; where none is known, one joule in the hour it started in."""
    used = (
        charged(evidence)
        .group_by(hour_of("minute").alias("hour_ms"))
        .agg(pl.col("energy_joules").sum().alias("joules"))
        .filter(pl.col("joules") > 0)
    )
    if used.height:
        return used
    started = evidence.start_ms // HOUR_MS * HOUR_MS
    return pl.DataFrame({"hour_ms": [started], "joules": [1.0]})


def _of_energy(site: Site, profile: FactoryProfile, used: pl.DataFrame) -> float | None:
    rated = used.join(prices(profile, used["hour_ms"]), on="hour_ms").with_columns(
        pl.col("euro_per_kwh").fill_null(pl.lit(site.euro_per_kwh, pl.Float64))
    )
    return _mean(rated, "euro_per_kwh") if not rated["euro_per_kwh"].null_count() else None


def _grams(
    site: Site,
    profile: FactoryProfile | None,
    evidence: Evidence,
    factors: pl.DataFrame | None,
    used: pl.DataFrame,
) -> tuple[float | None, str]:
    years = used.select(pl.from_epoch("hour_ms", "ms").dt.year().cast(pl.Int64).unique())
    found = choose(profile, factors, None, years.to_series().to_list(), evidence.system)
    try:
        grid = found.grid(Way.LOCATION_ANNUAL)
    except ValueError:
        return site.grams_co2e_per_kwh, site.carbon_source  # two factors of one year: neither
    rated = factor_of(used, grid, Way.LOCATION_ANNUAL).drop_nulls("kg_per_kwh")
    if rated.is_empty():
        return site.grams_co2e_per_kwh, site.carbon_source
    mine = grid.join(years.rename({"hour_ms": "year"}), on="year", how="semi")
    told = f"{Way.LOCATION_ANNUAL.value}: {described(mine)}, zone {found.zone}"
    return 1000 * _mean(rated, "kg_per_kwh"), told


def _mean(rated: pl.DataFrame, column: str) -> float:
    """The mean of a column, weighted by joules."""
    return float((rated[column] * rated["joules"]).sum()) / float(rated["joules"].sum())


def _access_mode(evidence: Evidence) -> str | None:
    mode: str | None = evidence.project.get("access_mode")
    if mode is not None:
        return mode
    parsed = eurohpc.parse(evidence.project.get("project") or "")
    return None if parsed is None else parsed.access_mode
