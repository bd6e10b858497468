"""The facility's meters as a period sees them: with what the profile says of them, hour by hour."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi import meters, times
from wattline_collector.kpi.view import View
from wattline_collector.ledger.schema import HOUR_MS
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.registers.schema import METERS
from wattline_collector.registers.schema.meters import CODES

HOW = "`wattline import --template meters` prints a file to fill in"
CONTRACT_CODES = {
    "guarantee_of_origin": "E_RES-GOO",
    "purchase_agreement": "E_RES-PPA",
    "on_site": "E_RES-OS",
}
"""The indicator that the energy of a contract of that kind is part of."""


def readings(view: View) -> pl.DataFrame:
    """The register of meters, as the profile means it; empty where there is none to be read.

    Returns:
        `registers.meters` and `sign`: -1 for a meter that is taken off its indicator.
    """
    found = None if view.inputs is None else view.inputs.meters
    bare = METERS.schema.to_frame() if found is None else found
    return as_meant(bare, view.profile)


def as_meant(register: pl.DataFrame, profile: FactoryProfile | None) -> pl.DataFrame:
    """Readings with what the profile says of their meters.

    A reading's own indicator, place and system go before those of the profile. The profile's
    indicator is that of the readings of its quantity alone: a meter that tells power beside energy
    has no power in E_IT. Readings are multiplied by the meter's factor. Energy of a contract that
    is of no renewable source, or whose guarantees of origin are not owned and retired, is not
    renewable, and part of no indicator.

    Args:
        register: As `registers.meters` gives it.
        profile: What the factory says of itself.
    """
    if profile is None:
        return register.with_columns(pl.lit(1.0).alias("sign"))
    places = {id: point.boundary for id, point in profile.points.items()}
    said = [
        (one.id, one.eed, one.boundary or places.get(one.point or ""), one.system, one.factor,
         1.0 if one.counts == "adds" else -1.0)
        for one in profile.meters.values()
    ] + [
        (one.id, CONTRACT_CODES.get(one.kind), None, None, 1.0, 1.0)
        for one in profile.contracts.values()
        if one.id not in profile.meters
    ]  # fmt: skip
    columns = ("meter", "_eed", "_boundary", "_system", "_factor", "sign")
    schema = {name: pl.Float64 if name in ("_factor", "sign") else pl.String for name in columns}
    told = register.join(
        pl.DataFrame(said, schema=schema, orient="row"), on="meter", how="left",
        maintain_order="left",
    ).with_columns(
        pl.when(pl.col("_eed").replace_strict(CODES, default=None) == pl.col("quantity"))
        .then("_eed")
    ).with_columns(
        *(pl.coalesce(name, f"_{name}").alias(name) for name in ("eed", "boundary", "system")),
        pl.col("value") * pl.col("_factor").fill_null(1.0),
        pl.col("sign").fill_null(1.0),
    )  # fmt: skip
    others = [
        one.id for one in profile.contracts.values() if not (one.is_retired and one.is_renewable)
    ]
    is_lost = pl.col("meter").is_in(others) & pl.col("eed").is_in([*CONTRACT_CODES.values()])
    # Its readings stay: market-based carbon asks how much a contract was for.
    eed = pl.when(~is_lost.fill_null(False)).then("eed").alias("eed")
    return told.with_columns(eed).select(*register.columns, "sign")


def hours(
    view: View, codes: Sequence[str], by: Sequence[str], rows: pl.DataFrame | None = None
) -> pl.DataFrame:
    """What meters counted in each hour of the period, over the time that all of them share.

    Args:
        view: The period.
        codes: Indicators by their code.
        by: `system` for the meters of each system alone, else those of the site; and dimensions of
            time.
        rows: Readings, if not those of `readings`.

    Returns:
        `hour_ms`, `system` (null: the site), `expected_ms` (the part of the hour in the period),
        `covered_ms`, a column for each code, null where nothing is covered, and those of `by`.
    """
    rows = readings(view) if rows is None else rows
    start_ms, end_ms = view.bounds_ms
    named = sorted(rows["system"].drop_nulls().unique()) if "system" in by else [None]
    whole = pl.DataFrame(
        {"hour_ms": range(start_ms // HOUR_MS * HOUR_MS, end_ms, HOUR_MS)},
        schema={"hour_ms": pl.Int64},
    ).with_columns(
        (
            pl.min_horizontal(pl.col("hour_ms") + HOUR_MS, pl.lit(end_ms))
            - pl.max_horizontal("hour_ms", pl.lit(start_ms))
        ).alias("expected_ms")
    )
    empty = whole.clear().with_columns(
        pl.lit(None, pl.String).alias("system"), pl.lit(None, pl.Int64).alias("covered_ms"),
        *(pl.lit(None, pl.Float64).alias(code) for code in codes),
    )  # fmt: skip
    found = [
        whole.join(
            meters.by_hour(rows, codes, start_ms=start_ms, end_ms=end_ms, system=system),
            on="hour_ms", how="left",
        ).with_columns(
            pl.lit(system, pl.String).alias("system"), pl.col("covered_ms").fill_null(0)
        ).select(empty.columns)
        for system in named
    ]  # fmt: skip
    return times.with_times(pl.concat([empty, *found]), "hour_ms", by, view.zone)


def category(view: View, code: str) -> int | None:
    """The category of EN 50600-4 that an indicator is measured at.

    The place of its meters tells that of energy; of water the profile must say it.
    """
    rows = readings(view).filter(pl.col("eed") == code)
    if view.profile is not None:
        mine = {one.category for id, one in view.profile.meters.items() if id in set(rows["meter"])}
        if len(mine) == 1 and None not in mine:
            return mine.pop()
    if code != "E_IT" or rows.is_empty():
        return None
    start_ms, end_ms = view.bounds_ms
    return meters.metered(rows, [code], start_ms=start_ms, end_ms=end_ms).category


def absent(view: View, codes: Sequence[str]) -> str:
    """Why indicators have no figure: what to provide, and how; empty where all have a meter."""
    if view.inputs is None:
        return "nothing is known beside the entries"
    if view.inputs.meters is None:
        return "the register of meters is its owner's to read"
    there = set(readings(view)["eed"].drop_nulls())
    missing = [code for code in codes if code not in there]
    return f"no meter of {', '.join(missing)}: {HOW}" if missing else ""
