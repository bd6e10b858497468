"""Which carbon factors hold: those of the registers, else those that the profile states.

The zone is the one that the profile's own factors are of, else its country, else the only one that
is imported. Where a year has no factor yet, as the publishers come a year late, the newest one of
the three years before stands for it, and the notes say so. Hours have no stand-in: energy of an
hour without a factor is in no figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from wattline_collector.kpi.carbon import FACTORS, GRID, METHODS, Way, grid_factors
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.metering import Factor

STAND_IN_YEARS = 3
"""How many years back a factor may be looked for."""
HOW_ANNUAL = "import a factor of its year: `wattline import factors-csv`"
HOW_HOURLY = "import a table of hours: `wattline import factors-hourly-csv`"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The factors of one grid.

    Attributes:
        zone: Whose; None where none could be chosen.
        factors: `carbon.FACTORS`: years, residual mixes and hours.
        notes: What a reader must know: what stands in for what, or why there is none.
    """

    zone: str | None
    factors: pl.DataFrame
    notes: tuple[str, ...]

    def grid(self, way: Way) -> pl.DataFrame:
        """The grid's factors by one location-based way; none without a zone.

        Raises:
            ValueError: Two of one year or hour differ.
        """
        if self.zone is None:
            return FACTORS.to_frame()
        return grid_factors(self.factors, self.zone, way)


def choose(
    profile: FactoryProfile | None,
    annual: pl.DataFrame | None,
    hourly: pl.DataFrame | None,
    years: Sequence[int],
    system: str | None = None,
) -> Chosen:
    """Choose the factors for the energy of some years.

    Args:
        profile: What the factory says of itself.
        annual: The register of yearly factors; None: not to be read.
        hourly: That of hourly ones.
        years: In which energy was used.
        system: Whose energy; factors of a system alone go before those of the site.
    """
    of_years = _annual(_of(annual, system))
    of_hours = _hourly(_of(hourly, system))
    tables = _tables(profile)
    if tables and "table" in of_hours.columns:
        of_hours = of_hours.filter(pl.col("table").is_in(tables))
    stated = _stated(profile)
    zone, notes = _zone(profile, stated, of_years, of_hours)
    if zone is None:
        return Chosen(None, FACTORS.to_frame(), notes)
    if tables:  # a table that the profile names is the zone's, whatever it calls it
        of_hours = of_hours.with_columns(pl.lit(zone).alias("zone"))
    imported = of_years.filter(pl.col("zone") == zone)
    known = pl.concat([imported, _where_silent(stated.filter(zone=zone), imported)])
    stood_in, more = _stand_ins(known, years, zone)
    hours = of_hours.filter(pl.col("zone") == zone).select(FACTORS.names())
    return Chosen(zone, pl.concat([known, stood_in, hours]), (*notes, *more))


def described(factors: pl.DataFrame) -> str:
    """Where factors come from: `Example operator (consumption, lifecycle, CC BY 4.0)`."""
    whole = pl.when("lifecycle").then(pl.lit("lifecycle")).otherwise(pl.lit("direct"))
    told = factors.select(
        pl.format("{} ({}, {}, {})", "source", "method", whole, "licence").alias("told")
    )
    return " + ".join(told["told"].unique().sort())


def _of(rows: pl.DataFrame | None, system: str | None) -> pl.DataFrame | None:
    """Of a register, what holds for a system: its own rows where it has any, else the site's."""
    if rows is None:
        return None
    own = rows.filter(pl.col("system") == system) if system is not None else rows.clear()
    return own if own.height else rows.filter(pl.col("system").is_null())


def _annual(rows: pl.DataFrame | None) -> pl.DataFrame:
    if rows is None:
        return FACTORS.to_frame()
    return (
        _named(rows).with_columns(pl.lit(None, pl.Int64).alias("hour_ms")).select(FACTORS.names())
    )


def _hourly(rows: pl.DataFrame | None) -> pl.DataFrame:
    if rows is None:
        return FACTORS.to_frame()
    return (
        _named(rows)
        .with_columns(pl.lit(None, pl.Int64).alias("year"))
        .select(*FACTORS.names(), "table")
    )


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """A register's rows as `carbon` calls their columns."""
    return rows.with_columns(
        pl.col("publisher").alias("source"), (pl.col("scope") == "lifecycle").alias("lifecycle")
    )


def _tables(profile: FactoryProfile | None) -> list[str]:
    """The hourly tables that the profile chooses."""
    if profile is None or profile.carbon is None:
        return []
    chosen = [profile.factors.get(name) for name in profile.carbon.location_hourly]
    return [one.hours_table for one in chosen if one is not None and one.hours_table is not None]


def _stated(profile: FactoryProfile | None) -> pl.DataFrame:
    """The factors that the profile itself states and chooses, as `carbon.FACTORS`."""
    if profile is None or profile.carbon is None:
        return FACTORS.to_frame()
    rows = [
        _row(profile.factors[name], "residual" if is_residual else profile.factors[name].method)
        for names, is_residual in (
            (profile.carbon.location, False), (profile.carbon.residual, True),
        )
        for name in names
        if name in profile.factors and profile.factors[name].grams_co2e_per_kwh is not None
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=FACTORS, orient="row")


def _row(factor: Factor, method: str) -> tuple[object, ...]:
    assert factor.grams_co2e_per_kwh is not None
    return (
        factor.grams_co2e_per_kwh / 1000, factor.zone, factor.year, None, factor.source, method,
        factor.scope == "lifecycle", factor.licence,
    )  # fmt: skip


def _where_silent(stated: pl.DataFrame, imported: pl.DataFrame) -> pl.DataFrame:
    """What the profile states of years and kinds of which nothing is imported."""
    kind = pl.col("method").is_in(GRID)
    keyed = [frame.with_columns(kind.alias("kind")) for frame in (stated, imported)]
    return keyed[0].join(keyed[1], on=["year", "kind"], how="anti").drop("kind")


def _zone(
    profile: FactoryProfile | None, stated: pl.DataFrame, annual: pl.DataFrame, hourly: pl.DataFrame
) -> tuple[str | None, tuple[str, ...]]:
    there = sorted({*annual["zone"], *hourly["zone"]})
    if stated.height:
        return str(stated["zone"][0]), ()
    if profile is not None and profile.carbon is not None:
        for name in profile.carbon.location_hourly:
            if name in profile.factors:
                return profile.factors[name].zone, ()
    if profile is not None and profile.country in there:
        return profile.country, ()
    if len(there) == 1:
        return there[0], ()
    if there:
        return None, (
            f"factors of {', '.join(there[:8])} are imported, and nothing says which zone this is:"
            " state it in the profile (country, or [carbon] location)",
        )
    return None, (f"no carbon factors: {HOW_ANNUAL}",)


def _stand_ins(
    known: pl.DataFrame, years: Iterable[int], zone: str
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    found, notes = [], []
    for methods, what in ((GRID, "factor"), (METHODS[2:], "residual mix")):
        mine = known.filter(pl.col("method").is_in(methods))
        there = sorted(mine["year"].drop_nulls().unique())
        for year in sorted(set(years) - set(there)):
            before = [one for one in there if year - STAND_IN_YEARS <= one < year]
            if before:
                found.append(
                    mine.filter(pl.col("year") == before[-1]).with_columns(
                        pl.lit(year, pl.Int64).alias("year")
                    )
                )
                notes.append(f"no {what} of {zone} for {year} yet: that of {before[-1]} stands in")
    return pl.concat([FACTORS.to_frame(), *found]), tuple(notes)
