"""Carbon of energy used (S08, S13): location-based by year and by hour, and market-based.

GHG Protocol, Scope 2: both methods are reported. Location-based is the energy of each time by the
grid's factor of that time; contracts cannot lower it. Market-based is what contracts say: energy
bought with an instrument by that instrument's own factor, the rest by the residual mix of the
market. Hourly factors are what the revision of Scope 2 asks for; the three stand side by side.

Factors are a site's own import, each with its source, method and licence; none is built in. Where
there is none for a time, that energy is in no figure, and the coverage says how much it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

JOULES_PER_KWH = 3.6e6
HOUR_MS = 3_600_000

FACTORS = pl.Schema(
    {
        "value": pl.Float64,  # kg CO2e per kWh
        "zone": pl.String,
        "year": pl.Int64,  # null for a factor of an hour
        "hour_ms": pl.Int64,  # Unix ms; null for a factor of a year
        "source": pl.String,
        "method": pl.String,
        "lifecycle": pl.Boolean,  # whether upstream emissions are in it
        "licence": pl.String,
    }
)
"""One factor; exactly one of `year` and `hour_ms` is not null."""

METHODS = ("production", "consumption", "residual")
"""Of the grid's own generation, of what is used in it after trade, of what no contract claims."""
GRID = ("consumption", "production")
"""What location-based takes, in this order."""


class Way(StrEnum):
    """How carbon was found."""

    LOCATION_ANNUAL = "location-based, annual factors"
    LOCATION_HOURLY = "location-based, hourly factors"
    MARKET = "market-based"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A contract that says where energy came from.

    Attributes:
        kind: Such as GOO, PPA or OS.
        joules: How much it is for, used in the period.
        kg_per_kwh: Its own factor; 0 for a guarantee of origin of wind.
        year: When the energy was made.
        is_retired: Whether nobody else can claim it any more.
    """

    kind: str
    joules: float
    kg_per_kwh: float
    year: int
    is_retired: bool = True


@dataclass(frozen=True, slots=True)
class Emission:
    """Carbon of energy, by one way.

    Attributes:
        way: How it was found.
        kg: CO2e of the energy that has a factor; None where none has.
        joules: That energy.
        coverage: It over all energy, 0-1; None without energy.
        kg_per_kwh: The first over the second; None without either.
        sources: Of its factors.
        methods: Of its factors.
        notes: What a reader must know beside it.
    """

    way: Way
    kg: float | None
    joules: float
    coverage: float | None
    kg_per_kwh: float | None
    sources: tuple[str, ...]
    methods: tuple[str, ...]
    notes: tuple[str, ...] = ()


def location_annual(energy: pl.DataFrame, factors: pl.DataFrame, zone: str) -> Emission:
    """Energy of each year by the grid's factor of that year.

    Args:
        energy: `hour_ms` and `joules`; hours in which it is null are left out.
        factors: `FACTORS`.
        zone: The grid's.

    Raises:
        ValueError: Factors of one year and method differ: which one is it?
    """
    of_years = grid_factors(factors, zone, Way.LOCATION_ANNUAL)
    year = pl.from_epoch("hour_ms", "ms").dt.year().cast(pl.Int64).alias("year")
    return _by_factor(Way.LOCATION_ANNUAL, energy.with_columns(year), of_years, "year")


def location_hourly(energy: pl.DataFrame, factors: pl.DataFrame, zone: str) -> Emission:
    """Energy of each hour by the grid's factor of that hour; arguments as of `location_annual`.

    Raises:
        ValueError: Factors of one hour and method differ.
    """
    of_hours = grid_factors(factors, zone, Way.LOCATION_HOURLY)
    hours = energy.with_columns(pl.col("hour_ms") // HOUR_MS * HOUR_MS)
    return _by_factor(Way.LOCATION_HOURLY, hours, of_hours, "hour_ms")


def market(
    energy: pl.DataFrame, factors: pl.DataFrame, zone: str, instruments: Sequence[Instrument]
) -> Emission:
    """Energy by its contracts, the rest by the residual mix of its year.

    An instrument that is not retired, or of another year than any of the energy, does not count.
    Instruments for more than was used count for what was used, those with the least carbon last:
    too many certificates make nobody cleaner than clean.

    Args:
        energy: `hour_ms` and `joules`.
        factors: `FACTORS`; those of method `residual` count.
        zone: The market's.
        instruments: The contracts.

    Raises:
        ValueError: Factors of one year differ.
    """
    year = pl.from_epoch("hour_ms", "ms").dt.year().cast(pl.Int64).alias("year")
    known = energy.drop_nulls("joules").with_columns(year)
    used = {y: float(j) for y, j in known.group_by("year").agg(pl.col("joules").sum()).iter_rows()}
    residual = _of_method(factors.filter(pl.col("year").is_not_null()), zone, "year", "residual")
    rest_factor = dict(residual.select("year", "value").iter_rows())
    kg = covered = 0.0
    notes: list[str] = []
    for one in instruments:
        if not one.is_retired:
            notes.append(f"{one.kind} of {one.year} is not retired: not counted")
        elif one.year not in used:
            notes.append(f"{one.kind} is of {one.year}, in which no energy was used: not counted")
    for year_used, joules in sorted(used.items()):
        left = joules
        mine = [one for one in instruments if one.is_retired and one.year == year_used]
        for one in sorted(mine, key=lambda one: -one.kg_per_kwh):
            taken = min(left, one.joules)
            kg += taken / JOULES_PER_KWH * one.kg_per_kwh
            covered, left = covered + taken, left - taken
            if taken < one.joules:
                notes.append(f"{one.kind} of {year_used} is for more than was used")
        if left > 0 and year_used in rest_factor:
            kg, covered = kg + left / JOULES_PER_KWH * rest_factor[year_used], covered + left
        elif left > 0:
            notes.append(f"no residual mix of {zone} for {year_used}: the rest is in no figure")
    sources = tuple(sorted({one.kind for one in instruments if one.is_retired})) + _names(
        residual, "source"
    )
    return _emission(Way.MARKET, kg, covered, sum(used.values()), sources, ("residual",), notes)


def side_by_side(
    energy: pl.DataFrame,
    factors: pl.DataFrame,
    zone: str,
    instruments: Sequence[Instrument] = (),
) -> tuple[Emission, Emission, Emission]:
    """The three ways of one energy: location-based annual and hourly, and market-based."""
    return (
        location_annual(energy, factors, zone),
        location_hourly(energy, factors, zone),
        market(energy, factors, zone, instruments),
    )


def _grid(factors: pl.DataFrame, zone: str, key: str) -> pl.DataFrame:
    """One factor per year or hour: of consumption where there is one, else of production."""
    found = [_of_method(factors, zone, key, method) for method in GRID]
    rest = found[1].join(found[0], on=key, how="anti")
    return pl.concat([found[0], rest])


def _of_method(factors: pl.DataFrame, zone: str, key: str, method: str) -> pl.DataFrame:
    mine = factors.filter(pl.col("zone") == zone, pl.col("method") == method).unique()
    twice = mine.filter(pl.len().over(key) > 1)
    if not twice.is_empty():
        raise ValueError(
            f"factors of {zone}, {method}, {key} {twice[key][0]} differ: keep those of one source "
            f"({', '.join(_names(twice, 'source'))})"
        )
    return mine


def grid_factors(factors: pl.DataFrame, zone: str, way: Way) -> pl.DataFrame:
    """The grid's factor for each year, or each hour: of consumption, else of production.

    Args:
        factors: `FACTORS`.
        zone: The grid's.
        way: One of the two that are location-based.

    Returns:
        Rows of `FACTORS`, one for each year or hour.

    Raises:
        ValueError: Factors of one year or hour and method differ.
    """
    key = _KEYS[way]
    return _grid(factors.filter(pl.col(key).is_not_null()), zone, key)


def factor_of(energy: pl.DataFrame, grid: pl.DataFrame, way: Way) -> pl.DataFrame:
    """Energy with the factor of its year or hour beside it: for sums of any kind.

    Args:
        energy: `hour_ms`, and anything else.
        grid: What `grid_factors` returned for the same way.
        way: The way.

    Returns:
        The same rows in the same order, with `kg_per_kwh`; null where there is no factor.
    """
    key = _KEYS[way]
    keyed = energy.with_columns(_KEY_OF[way].alias("_key"))
    found = grid.select(pl.col(key).alias("_key"), pl.col("value").alias("kg_per_kwh"))
    return keyed.join(found, on="_key", how="left", maintain_order="left").drop("_key")


_KEYS = {Way.LOCATION_ANNUAL: "year", Way.LOCATION_HOURLY: "hour_ms"}
_KEY_OF = {
    Way.LOCATION_ANNUAL: pl.from_epoch("hour_ms", "ms").dt.year().cast(pl.Int64),
    Way.LOCATION_HOURLY: pl.col("hour_ms") // HOUR_MS * HOUR_MS,
}


def _by_factor(way: Way, energy: pl.DataFrame, factors: pl.DataFrame, key: str) -> Emission:
    known = energy.drop_nulls("joules")
    found = known.join(factors.select(key, "value", "source", "method"), on=key, how="inner")
    kg = float((found["joules"] / JOULES_PER_KWH * found["value"]).sum())
    return _emission(
        way, kg, float(found["joules"].sum()), float(known["joules"].sum()),
        _names(found, "source"), _names(found, "method"), [],
    )  # fmt: skip


def _emission(
    way: Way, kg: float, joules: float, all_joules: float, sources: tuple[str, ...],
    methods: tuple[str, ...], notes: Sequence[str],
) -> Emission:  # fmt: skip
    known = joules > 0
    return Emission(
        way,
        kg if known else None,
        joules,
        joules / all_joules if all_joules > 0 else None,
        kg / (joules / JOULES_PER_KWH) if known else None,
        sources,
        methods,
        tuple(notes),
    )


def _names(frame: pl.DataFrame, column: str) -> tuple[str, ...]:
    return tuple(frame[column].drop_nulls().unique().sort().to_list())
