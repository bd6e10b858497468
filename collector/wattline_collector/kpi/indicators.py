"""S01-S06 and S09 as KPIs: the facility's indicators, split by time and by system.

The formulas are those of `sustainability`. Here they are sums over hours in which all meters of an
indicator have readings, so that parts of a period add up to it and a hole lowers the coverage and
moves no ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from wattline_collector.kpi import accuracy, facility, meters
from wattline_collector.kpi.sums import grouped, ratio, shaped, total
from wattline_collector.kpi.sustainability import RENEWABLE, is_interim
from wattline_collector.kpi.view import View

PLACES = {1: "UPS output", 2: "PDU output", 3: "IT input"}
RENEWABLES: Mapping[str, str] = {
    "guarantees_of_origin": "E_RES-GOO",
    "purchase_agreements": "E_RES-PPA",
    "on_site": "E_RES-OS",
}
"""The parts of S06."""


def facility_energy(view: View, by: list[str]) -> pl.DataFrame:
    """S01: E_DC, and beside it the part of back-up generators, E_DC-BG; parts: `indicator`."""
    parts = [
        _sum(view, by, code).with_columns(pl.lit(code).alias("indicator"))
        for code in ("E_DC", "E_DC-BG")
    ]
    return shaped(pl.concat(parts, how="diagonal_relaxed"), [*by, "indicator"])


def it_energy(view: View, by: list[str]) -> pl.DataFrame:
    """S02: E_IT, and where it is measured."""
    return shaped(_sum(view, by, "E_IT"), by)


def pue(view: View, by: list[str]) -> pl.DataFrame:
    """S03: E_DC / E_IT."""
    return _ratio(view, by, "PUE", "E_DC", "E_IT")


def wue(view: View, by: list[str]) -> pl.DataFrame:
    """S04: W_IN / E_IT; the first in m3, the second in J."""
    return _ratio(view, by, "WUE", "W_IN", "E_IT")


def erf(view: View, by: list[str]) -> pl.DataFrame:
    """S05: E_REUSE / E_DC."""
    return _ratio(view, by, "ERF", "E_REUSE", "E_DC")


def ref(view: View, by: list[str]) -> pl.DataFrame:
    """S06: renewable energy / E_DC, as a whole and by its three kinds; parts: `kind`.

    A kind of which nothing is registered counts nothing, and the whole says so.
    """
    rows = facility.readings(view)
    there = [code for code in RENEWABLE if rows.filter(pl.col("eed") == code).height]
    absent = [code for code in RENEWABLE if code not in there]
    note = facility.absent(view, ["E_DC"])
    if not there:
        note = note or (
            "no certificate, contract or own production is registered (E_RES-GOO, E_RES-PPA,"
            f" E_RES-OS): {facility.HOW}"
        )
    hours = facility.hours(view, ["E_DC", *there], by, rows)
    # An hour that is not covered has no energy, which is not none.
    whole = pl.sum_horizontal(there, ignore_nulls=False) if there else pl.lit(None, pl.Float64)
    hours = hours.with_columns(
        whole.alias("all"),
        *(pl.lit(None, pl.Float64).alias(code) for code in absent),
    )
    beside = f"{', '.join(absent)}: none registered, none counted" if there and absent else ""
    made = []
    for kind, code in (("all", "all"), *RENEWABLES.items()):
        told = beside if kind == "all" else f"{code}: none registered" if code in absent else ""
        found = _over(view, hours, by, "REF", code, "E_DC", note or told)
        n = _n(rows, ["E_DC", *(there if kind == "all" else [code])], by)
        made.append(found.with_columns(n.alias("n"), pl.lit(kind).alias("kind")))
    return shaped(pl.concat(made, how="diagonal_relaxed"), [*by, "kind"])


def cooling(view: View, by: list[str]) -> pl.DataFrame:
    """S09: heat removed / energy of the cooling, by the meters at the boundary `cooling`."""
    rows = facility.readings(view)
    rows = rows.filter(pl.col("boundary") == "cooling", pl.col("eed").is_null()).with_columns(
        pl.col("quantity").alias("eed")
    )
    missing = [name for name in ("heat", "energy") if name not in set(rows["eed"])]
    note = f"no meter of {' and '.join(missing)} at boundary cooling: {facility.HOW}"
    hours = facility.hours(view, ["heat", "energy"], by, rows)
    found = _over(view, hours, by, "CER", "heat", "energy", note if missing else "")
    return shaped(found.with_columns(_n(rows, ["heat", "energy"], by).alias("n")), by)


def _sum(view: View, by: list[str], code: str) -> pl.DataFrame:
    missing = facility.absent(view, [code])
    found = grouped(
        facility.hours(view, [code], by), by,
        numerator=total(code),
        coverage=ratio(pl.col("covered_ms").sum(), pl.col("expected_ms").sum()),
    )  # fmt: skip
    error = accuracy.of_meters(view, code)
    band = pl.lit(error, pl.Float64) * pl.col("numerator") / 3.6e6
    kwh = pl.col("numerator") / 3.6e6
    return found.with_columns(
        _n(facility.readings(view), [code], by).alias("n"),
        _method(view, [code]).alias("method"),
        _note(missing).alias("note"),
        (kwh - band).alias("low"),
        (kwh + band).alias("high"),
    )


def _ratio(view: View, by: list[str], name: str, above: str, below: str) -> pl.DataFrame:
    hours = facility.hours(view, [above, below], by)
    return shaped(
        _over(view, hours, by, name, above, below, facility.absent(view, [above, below])), by
    )


def _over(
    view: View, hours: pl.DataFrame, by: list[str], name: str, above: str, below: str, note: str
) -> pl.DataFrame:
    """A quotient of two columns of hours, said to be interim where it is of no whole year."""
    found = grouped(
        hours, by,
        numerator=total(above),
        denominator=total(below),
        coverage=ratio(pl.col("covered_ms").sum(), pl.col("expected_ms").sum()),
        expected_ms=pl.col("expected_ms").sum(),
    )  # fmt: skip
    interim = pl.struct("expected_ms", "coverage").map_elements(
        lambda row: is_interim(0, row["expected_ms"] or 0, row["coverage"] or 0.0),
        return_dtype=pl.Boolean,
    )
    said = pl.when(interim).then(
        pl.lit(f"interim {name}: of less than a year, or of a year with holes")
    )
    codes = [above, below]
    return found.with_columns(
        _n(facility.readings(view), codes, by).alias("n"),
        _method(view, codes).alias("method"),
        pl.when(pl.col("numerator").is_null())
        .then(_note(note))
        .otherwise(pl.concat_str(said, _note(note), separator="; ", ignore_nulls=True))
        .alias("note"),
        *_band(view, above, below, {"WUE": 3.6e9}.get(name, 1.0)),
    ).drop("expected_ms")


def _band(view: View, above: str, below: str, scale: float) -> list[pl.Expr]:
    """Low and high of a quotient: both meters at the wrong end at once."""
    errors = [accuracy.of_meters(view, code) for code in (above, below)]
    value = pl.col("numerator") / pl.col("denominator") * scale
    up, down = errors
    if up is None or down is None:
        none = pl.lit(None, pl.Float64)
        return [none.alias("low"), none.alias("high")]
    return [
        (value * (1 - up) / (1 + down)).alias("low"),
        (value * (1 + up) / (1 - down)).alias("high"),
    ]


def _n(rows: pl.DataFrame, codes: Sequence[str], by: Sequence[str]) -> pl.Expr:
    """How many meters these indicators are made of: those of the site, or of the row's system."""
    if "system" not in by:
        return pl.lit(sum(meters.counted(rows, codes).values()), pl.Int64)
    found = {
        system: sum(meters.counted(rows, codes, system=system).values())
        for system in rows["system"].drop_nulls().unique()
    }
    return pl.col("system").replace_strict(found, default=0, return_dtype=pl.Int64)


def _method(view: View, codes: Sequence[str]) -> pl.Expr:
    told = ["facility meters"]
    for code in codes:
        at = facility.category(view, code)
        if at is not None:
            place = f" ({PLACES[at]})" if code == "E_IT" and at in PLACES else ""
            told.append(f"{code} at category {at}{place}")
    return pl.lit(", ".join(told))


def _note(text: str) -> pl.Expr:
    return pl.lit(text or None, pl.String)
