"""What the page *Energy* asks: where the energy went, what it cost, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from wattline_collector.access import Sight
from wattline_collector.kpi import cost, energy_flow, facility
from wattline_collector.kpi.view import View
from wattline_collector.pages.period import (
    SYSTEM,
    Scope,
    figures,
    points,
    scope,
    starts,
    step_of,
    told,
)
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.profile.tariffs import tariff_on

FIGURES = (
    "S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09", "S10", "S12", "S13", "S14",
    "I12",
)  # fmt: skip
SERIES = ("S01", "S02", "S03", "S08")
"""KPIs that are shown over time."""
_HOUR_MS = 3_600_000


def answer(house: House, question: Question) -> Json:
    """`GET /v1/energy`: the flow, the figures, both over time, and the cost by tariff."""
    asked = scope(house, question)
    step = step_of(asked.view.period)
    return {
        **asked.to_json(),
        "step": step,
        "flow": flow(asked),
        "boundaries": energy_flow.boundaries(_own(asked)).to_dicts(),
        "figures": told(figures(asked, FIGURES)),
        "series": {id: points(asked, id, step) for id in SERIES},
        "cost": costs(asked, step),
    }


def flow(asked: Scope) -> Json:
    """The links, and how much of the period they are of.

    Meters of the site feed all its systems: of one of several the flow begins at what the books
    have of it.
    """
    view = _own(asked)
    hours = energy_flow.shared_hours(view)
    start_ms, end_ms = view.bounds_ms
    return {
        "links": energy_flow.flow(view).to_dicts(),
        "coverage": float(hours["expected_ms"].sum()) / (end_ms - start_ms),
    }


def costs(asked: Scope, step: str) -> Json:
    """Energy and euro by tariff, over time: of the data centre where it is metered, else booked.

    Returns:
        `of` (`E_DC` or `booked`), `rows` (`tariff` (null: none held), `at_unix_ms`, `joules`,
        `euro`), and `coverage`: priced over all energy.
    """
    view = asked.view
    hours, of = _facility(asked), "E_DC"
    if hours.is_empty():
        hours, of = _booked(view), "booked"
    priced = hours.join(
        cost.prices(view.profile, hours["hour_ms"]), on="hour_ms", how="left"
    ).with_columns((pl.col("joules") / 3.6e6 * pl.col("euro_per_kwh")).alias("euro"))
    begin = pl.DataFrame(
        {"at_unix_ms": sorted(starts(view, step).values())}, schema={"at_unix_ms": pl.Int64}
    )
    rows = (
        priced.with_columns(_tariffs(view, priced["hour_ms"]))
        .sort("hour_ms")
        .join_asof(begin, left_on="hour_ms", right_on="at_unix_ms", strategy="backward")
        .with_columns(pl.col("at_unix_ms").fill_null(view.bounds_ms[0]))
        .group_by("tariff", "at_unix_ms", maintain_order=True)
        .agg(
            pl.col("joules").sum(),
            pl.when(pl.col("euro").is_not_null().any()).then(pl.col("euro").sum()),
        )
    )
    whole = float(priced["joules"].sum())
    with_price = float(priced.filter(pl.col("euro").is_not_null())["joules"].sum())
    return {"of": of, "rows": rows.to_dicts(), "coverage": with_price / whole if whole else None}


def _own(asked: Scope) -> View:
    """The view for sums that would take the site's meters for this system's."""
    return replace(asked.view, inputs=None) if asked.is_part else asked.view


def _facility(asked: Scope) -> pl.DataFrame:
    """`hour_ms`, `joules` of E_DC; empty where nobody meters it, or it is of all systems."""
    empty = pl.DataFrame(schema={"hour_ms": pl.Int64, "joules": pl.Float64})
    if asked.is_part:
        return empty
    hours = facility.hours(asked.view, ["E_DC"], [])
    return hours.select("hour_ms", pl.col("E_DC").alias("joules")).drop_nulls()


def _booked(view: View) -> pl.DataFrame:
    hour = pl.col("minute").dt.epoch("ms") // _HOUR_MS * _HOUR_MS
    return (
        view.energy.filter(pl.col("joules").is_not_null())
        .group_by(hour.alias("hour_ms"))
        .agg(pl.col("joules").sum())
    )


def _tariffs(view: View, hours: pl.Series) -> pl.Series:
    """The tariff of each hour by its name in the profile; null where none held."""
    if view.profile is None:
        return pl.Series("tariff", [None] * hours.len(), dtype=pl.String)
    local = hours.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(view.zone).dt.date()
    names: Mapping[object, str | None] = {
        day: None if (found := tariff_on(view.profile, day)) is None else found.id
        for day in local.unique()
    }
    return pl.Series("tariff", [names[day] for day in local], dtype=pl.String)


READS = (Read("/v1/energy", (Sight.FIGURES,), answer, takes=SYSTEM, keep_seconds=30.0),)
