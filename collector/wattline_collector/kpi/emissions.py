"""S08 and S13: carbon of the facility and of jobs, three ways side by side; parts: `way`.

    location_annual   energy by the grid's factor of its year
    location_hourly   energy of each hour by the grid's factor of that hour
    market            by contracts, and the residual mix for what they leave

None is added to another. Energy without a factor is in no figure: it lowers the coverage, and of a
quotient it is left out above and below the line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from wattline_collector.kpi import accuracy, contracts, facility, factors
from wattline_collector.kpi.carbon import JOULES_PER_KWH, Way, factor_of
from wattline_collector.kpi.factors import Chosen
from wattline_collector.kpi.sums import grouped, ratio, shaped, total
from wattline_collector.kpi.view import View
from wattline_collector.ledger.schema import HOUR_MS

WAYS = {
    "location_annual": Way.LOCATION_ANNUAL,
    "location_hourly": Way.LOCATION_HOURLY,
    "market": Way.MARKET,
}


class Rated(NamedTuple):
    """Energy with what one way makes of it.

    Attributes:
        frame: The energy's rows with `kg_per_kwh` (null: no factor) and `part` (0-1): how much of
            the row has one.
        method: Where the factors come from.
        notes: What a reader must know beside it.
    """

    frame: pl.DataFrame
    method: str
    notes: tuple[str, ...]


def job_carbon(view: View, by: list[str]) -> pl.DataFrame:
    """S13: CO2e of the energy booked to jobs, in kg."""
    energy = accuracy.with_errors(view, view.energy.filter(pl.col("job").is_not_null()))
    keys = list(dict.fromkeys(["system", *by]))
    # The factors are of hours at the finest: what is the same beside them is added up first.
    summed = (
        energy.with_columns(hour_of("minute").alias("hour_ms"))
        .group_by(*dict.fromkeys([*keys, "job"]), "hour_ms")
        .agg(
            total("joules").alias("joules"),
            accuracy.error().alias("error_joules"),
            pl.col("known_ms").sum(),
            pl.col("device_ms").sum(),
        )
    )
    return _by_way(view, by, summed, _of_jobs)


def facility_carbon(view: View, by: list[str]) -> pl.DataFrame:
    """S08: CO2e of E_DC in kg, over E_IT in J, over hours that have both and a factor."""
    hours = facility.hours(view, ["E_DC", "E_IT"], by).rename({"E_DC": "joules"})
    missing = facility.absent(view, ["E_DC", "E_IT"])
    return _by_way(view, by, hours, _of_facility, missing)


def rated(view: View, energy: pl.DataFrame, way: Way) -> Rated:
    """Energy with the factors of one way beside it.

    Args:
        view: The period, with its registers and its profile.
        energy: `hour_ms`, `system` (null: the site) and anything else.
        way: Which.
    """
    made: list[pl.DataFrame] = []
    methods: list[str] = []
    notes: list[str] = []
    for system in energy["system"].unique().sort():
        mine = energy.filter(pl.col("system").eq_missing(pl.lit(system, pl.String)))
        found = chosen(view, system)
        try:
            frame, method, more = (
                _market(view, mine, found) if way is Way.MARKET else _location(mine, found, way)
            )
        except ValueError as problem:
            frame, method, more = _without(mine), "", (str(problem),)
        made.append(frame)
        methods += [method] if method else []
        notes += more
    frame = pl.concat(made) if made else _without(energy)
    return Rated(frame, " + ".join(dict.fromkeys(methods)), tuple(dict.fromkeys(notes)))


def chosen(view: View, system: str | None = None) -> Chosen:
    """The factors of a period for a system, or for the site."""
    start_ms, end_ms = view.bounds_ms
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).year for ms in (start_ms, end_ms - 1))
    inputs = view.inputs
    return factors.choose(
        view.profile,
        None if inputs is None else inputs.factors,
        None if inputs is None else inputs.hourly_factors,
        range(first, last + 1),
        system,
    )


def hour_of(minute: str) -> pl.Expr:
    """The hour that an entry begins in, in ms since 1970."""
    return pl.col(minute).dt.epoch("ms") // HOUR_MS * HOUR_MS


def _location(energy: pl.DataFrame, found: Chosen, way: Way) -> Rated:
    grid = found.grid(way)
    frame = factor_of(energy, grid, way).with_columns(
        pl.col("kg_per_kwh").is_not_null().cast(pl.Float64).alias("part")
    )
    notes = list(found.notes if way is Way.LOCATION_ANNUAL or found.zone is None else ())
    used = _used(grid, energy, way)
    if found.zone is not None and frame["kg_per_kwh"].null_count():
        how = factors.HOW_HOURLY if way is Way.LOCATION_HOURLY else factors.HOW_ANNUAL
        missing = frame.filter(pl.col("kg_per_kwh").is_null())["hour_ms"].n_unique()
        notes.append(f"{missing} hours have no factor of {found.zone}: {how}")
    notes = [note for note in notes if "residual" not in note]
    told = f"{way.value}: {factors.described(used)}, zone {found.zone}" if used.height else ""
    return Rated(frame, told, tuple(notes))


def _used(grid: pl.DataFrame, energy: pl.DataFrame, way: Way) -> pl.DataFrame:
    if way is Way.LOCATION_HOURLY:
        return grid.join(energy.select("hour_ms").unique(), on="hour_ms", how="semi")
    years = pl.from_epoch("hour_ms", "ms").dt.year().cast(pl.Int64).alias("year")
    return grid.join(energy.select(years).unique(), on="year", how="semi")


def _market(view: View, energy: pl.DataFrame, found: Chosen) -> Rated:
    made = contracts.years(view, found)
    rates = pl.DataFrame(
        [(one.year, one.emission.kg_per_kwh, one.emission.coverage) for one in made],
        schema={"_year": pl.Int64, "kg_per_kwh": pl.Float64, "part": pl.Float64},
        orient="row",
    )
    year = pl.from_epoch("hour_ms", "ms").dt.year().cast(pl.Int64).alias("_year")
    frame = (
        energy.with_columns(year)
        .join(rates, on="_year", how="left", maintain_order="left")
        .with_columns(pl.col("part").fill_null(0.0))
        .drop("_year")
    )
    notes = [note for one in made for note in one.emission.notes]
    notes += [note for note in found.notes if found.zone is None or "residual" in note]
    sources = dict.fromkeys(name for one in made for name in one.emission.sources)
    told = f"{Way.MARKET.value}: {' + '.join(sources)}, zone {found.zone}" if sources else ""
    return Rated(frame, told, tuple(dict.fromkeys(notes)))


def _without(energy: pl.DataFrame) -> pl.DataFrame:
    return energy.with_columns(
        pl.lit(None, pl.Float64).alias("kg_per_kwh"), pl.lit(0.0).alias("part")
    )


def _by_way(
    view: View,
    by: list[str],
    energy: pl.DataFrame,
    aggregate: Callable[[pl.DataFrame, Sequence[str]], pl.DataFrame],
    missing: str = "",
) -> pl.DataFrame:
    made = []
    for name, way in WAYS.items():
        found = rated(view, energy, way)
        kwh = pl.col("joules") / JOULES_PER_KWH
        kg = kwh * pl.col("part") * pl.col("kg_per_kwh")
        rows = aggregate(found.frame.with_columns(kg.alias("kg")), by)
        said = "; ".join(filter(None, (missing, *found.notes)))
        made.append(
            rows.with_columns(
                pl.lit(name).alias("way"),
                pl.lit(found.method or None, pl.String).alias("method"),
                pl.lit(said or None, pl.String).alias("note"),
            )
        )
    return shaped(pl.concat(made, how="diagonal_relaxed"), [*by, "way"])


def _of_jobs(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    spread = pl.col("error_joules") / JOULES_PER_KWH * pl.col("part") * pl.col("kg_per_kwh")
    is_known = pl.col("kg").is_not_null()
    bounded = pl.col("error_joules").filter(is_known).is_not_null().all() & is_known.any()
    found = grouped(
        rows, by,
        numerator=total("kg"),
        n=pl.struct("system", "job").n_unique(),
        coverage=ratio(
            (pl.col("known_ms") * pl.col("part")).sum(), pl.col("device_ms").sum()
        ),
        error=pl.when(bounded).then(spread.sum()),
    )  # fmt: skip
    return found.with_columns(
        (pl.col("numerator") - pl.col("error")).alias("low"),
        (pl.col("numerator") + pl.col("error")).alias("high"),
    ).drop("error")


def _of_facility(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    it = (pl.col("E_IT") * pl.col("part")).filter(pl.col("kg").is_not_null())
    return grouped(
        rows, by,
        numerator=total("kg"),
        denominator=pl.when(pl.col("kg").is_not_null().any()).then(it.sum()),
        n=pl.len(),
        coverage=ratio(
            (pl.col("covered_ms") * pl.col("part")).sum(), pl.col("expected_ms").sum()
        ),
    )  # fmt: skip
