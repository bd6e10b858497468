"""I12: what a GPU-hour cost, and what part of its costs the Union paid against what it may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.access_time import LEDGER, access_time, book, covered, told_part
from wattline_collector.kpi.buckets import Bucket, buckets, years
from wattline_collector.kpi.cost import energy_cost, facility_cost, priced_part
from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import View
from wattline_collector.profile.law import ceilings
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.money import Finance

PARTS = ("operating", "acquisition", "upgrade", "additional_operating")
"""Costs that the Union pays a part of."""
_EXACT = 1 + 1e-12
_Row = Mapping[str, Any]
_Years = Mapping[str, tuple[float, Finance | None]]
"""By calendar year: which part of it is meant, and what the profile tells of it."""


def cost(view: View, by: list[str]) -> pl.DataFrame:
    """I12: euro of operation and of energy per GPU-hour that jobs had; the Union's part of costs.

    Costs of a year count by the part of the year that the period is. Energy costs what the tariffs
    make of the facility's, where a meter tells it, else of that in the books.
    """
    keys = [*by, "figure"]
    profile = view.profile
    if profile is None or not (profile.finance or profile.tariffs):
        return lacking.unknown(keys, lacking.profile("finance.YEAR, tariff.NAME"))
    used = covered(
        grouped(
            access_time(view, by), by, hours=pl.col("gpu_hours").sum(), book=book(),
            jobs=pl.struct("system", "job").n_unique(),
        ),
        view, by,
    )  # fmt: skip
    hours = {tuple(row[name] for name in by): row for row in used.iter_rows(named=True)}
    rows = _of_energy(view, by, hours) if profile.tariffs else []
    for bucket in buckets(by, *view.bounds_ms, view.zone) if profile.finance else []:
        told = _of_years(view, profile, bucket.start_ms, bucket.end_ms)
        names = tuple(bucket.names[name] for name in by)
        rows += [
            {**bucket.names, **row}
            for row in (
                *_of_operation(told, hours.get(names), told_part(view, *_ends(bucket))),
                *_parts(profile, told),
            )
        ]
    if not rows:
        return lacking.unknown(keys, "no job ran in this period")
    return shaped(pl.DataFrame(rows, infer_schema_length=None), keys)


def _ends(bucket: Bucket) -> tuple[int, int]:
    return bucket.start_ms, bucket.end_ms


def _of_operation(told: _Years, hours: _Row | None, part: float) -> list[_Row]:
    """What operation cost per GPU-hour; nothing where no job ran.

    The costs are those of all of the time, the hours those of the `part` of it that is known of.
    """
    if hours is None or not hours["hours"]:
        return []
    euro = _sum(told, "operating_euro")
    return [
        {"figure": "euro_per_gpu_hour", "numerator": euro, "denominator": hours["hours"],
         "n": hours["jobs"],
         "coverage": part * (1.0 if hours["coverage"] is None else hours["coverage"]),
         "method": f"profile; {hours['book'] or LEDGER}", "note": _untold(told, "operating_euro")}
    ]  # fmt: skip


def _of_energy(view: View, by: list[str], hours: Mapping[tuple[Any, ...], _Row]) -> list[_Row]:
    """The same of energy, by the tariffs; both coverages must be good for it to be.

    Hours count by the part of their time whose energy has a known cost, so that a hole in a meter
    makes no GPU-hour cheap.
    """
    euro = facility_cost(view, by)
    if euro["numerator"].null_count() == euro.height:
        euro = energy_cost(view, by).with_columns(pl.col("coverage").alias("part"))
    elif by:
        euro = euro.join(priced_part(view, by), on=by, how="left")
    else:
        euro = pl.concat([euro, priced_part(view, by)], how="horizontal")
    rows: list[_Row] = []
    for row in euro.iter_rows(named=True):
        names = {name: row[name] for name in by}
        had = hours.get(tuple(names.values()))
        if had is not None and had["hours"]:
            coverages = [one for one in (row["coverage"], had["coverage"]) if one is not None]
            rows.append(
                {**names, "figure": "energy_euro_per_gpu_hour", "numerator": row["numerator"],
                 "denominator": had["hours"] * (row["part"] or 0.0), "n": had["jobs"],
                 "coverage": min(coverages, default=None),
                 "method": f"{row['method']}; {had['book'] or LEDGER}", "note": row["note"]}
            )  # fmt: skip
    return rows


def _parts(profile: FactoryProfile, told: _Years) -> list[_Row]:
    """The Union's part of each kind of cost that the profile tells of in all of those years."""
    most = ceilings(profile)
    rows: list[_Row] = []
    for part in PARTS:
        eligible, union = _sum(told, f"{part}_eligible_euro"), _sum(told, f"{part}_union_euro")
        if not eligible or union is None:
            continue
        cap: float | None = getattr(most, f"{part}_share")
        note = None
        if cap is not None:
            over = union > cap * eligible * _EXACT
            note = f"{'over' if over else 'within'} the {cap:.0%} that the Union pays at most"
            note += f" ({most.source})" if most.source else ""
        rows.append(
            {"figure": f"union_part_of_{part}", "unit": "%", "numerator": union,
             "denominator": eligible, "n": len(told), "value": 100 * union / eligible,
             "method": "profile", "note": note}
        )  # fmt: skip
    return rows


def _of_years(view: View, profile: FactoryProfile, start_ms: int, end_ms: int) -> _Years:
    return {
        year.names["year"]: (
            years(year.start_ms, year.end_ms, view.zone), profile.finance.get(year.names["year"])
        )
        for year in buckets(["year"], start_ms, end_ms, view.zone)
    }  # fmt: skip


def _sum(told: _Years, name: str) -> float | None:
    """A cost over those years, each by its part; None where one of them does not tell it."""
    costs: list[float] = []
    for part, year in told.values():
        cost: float | None = None if year is None else getattr(year, name)
        if cost is None:
            return None
        costs.append(part * cost)
    return sum(costs) if costs else None


def _untold(told: _Years, name: str) -> str | None:
    missing = [
        f"finance.{id}.{name}"
        for id, (_, year) in told.items()
        if year is None or getattr(year, name) is None
    ]
    return lacking.profile(", ".join(missing)) if missing else None
