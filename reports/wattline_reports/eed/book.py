"""The figures and fields of the return, each asked for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from wattline_collector.kpi import eed, facility, meters
from wattline_collector.profile import law
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.facility import Year
from wattline_reports.asked import Asked
from wattline_reports.document import Missing
from wattline_reports.eed import schema
from wattline_reports.missing import missing
from wattline_reports.quoted import Figures, Quoted, stated
from wattline_reports.words import listed

LEAST_KILOWATTS = law.EED_LEAST_WATTS / 1000

_NAMED = 12
"""Fields named on the first page; the chapter on gaps has them all."""

_FLOOR = 0.5
"""As of S01 and S02: what meters counted for less than half of the time is no year's sum."""

ANNEX_III = {"S03": "PUE", "S04": "WUE", "S05": "ERF", "S06": "REF"}
"""KPIs that are the regulation's indicators."""


@dataclass(frozen=True, slots=True)
class Book:
    """What every chapter is made from.

    Attributes:
        asked: The question.
        figures: All of them.
        schema: The version of the return.
        profile: What the factory says of itself; None where there is none.
        year: The calendar year.
        is_obliged: Whether the data centre must report; None where its power is not known.
        power: PD_IT, in kW.
        annex_ii: Numbers of Annex II in its order: code, figure, rule.
        annex_iii: The indicators.
        completeness: S07.
        fields: Every field that the return requires, valid or not.
        readings: The register of meters, as the profile means it.
        missing: What the report lacks.
    """

    asked: Asked
    figures: Figures
    schema: str
    profile: FactoryProfile | None
    year: int
    is_obliged: bool | None
    power: Quoted
    annex_ii: Sequence[tuple[str, Quoted, str]]
    annex_iii: Sequence[Quoted]
    completeness: Quoted
    fields: Sequence[eed.Field]
    readings: pl.DataFrame
    missing: tuple[Missing, ...]

    @property
    def gaps(self) -> list[eed.Field]:
        """Fields that are not there, or not good for a return."""
        return [field for field in self.fields if not field.is_valid]


def gathered(asked: Asked) -> Book:
    """Compute the figures of the return."""
    view, version = asked.view, asked.options["schema"]
    profile = view.profile
    year = _year(asked.period.start, asked.period.end, profile)
    centre = None if profile is None else profile.data_centre
    of_year = None if centre is None else centre.years.get(str(year))
    readings = facility.readings(view)
    keeps = schema.keeps(version)
    figures = Figures()
    declared = {
        field.key: _declared(asked, field, profile, of_year, year)
        for field in schema.STATED
        if keeps(field.key)
    }
    power = _power(asked, declared["PD_IT"], of_year, year)
    energy = {one.figure.dims["indicator"]: one for one in asked.figures("S01")}
    it_energy = asked.figures("S02")[0]
    counted = {field.code: _counted(asked, field, readings) for field in schema.COUNTED}
    annex_iii = [one for id in ANNEX_III for one in asked.figures(id)]
    completeness = asked.figures("S07")[0]
    rules = {field.code: field.rule for field in schema.COUNTED}
    rows: list[tuple[str, Quoted, str]] = [("PD_IT", power, _rated(power))]
    rows += [(key, declared[key], "declared") for key in ("S_DC", "S_CR")]
    rows += [
        ("E_DC", energy["E_DC"], "EN 50600-4-2, input of the data centre"),
        ("E_DC-BG", energy["E_DC-BG"], "back-up generators, a part of E_DC"),
        ("E_IT", it_energy, _category(view.inputs is not None, it_energy)),
    ]
    rows += [(code, one, rules[code]) for code, one in counted.items() if code.startswith("W_")]
    rows += [(code, counted[code], rules[code]) for code in ("E_REUSE", "T_WH")]
    rows += [(code, counted[code], rules[code]) for code in counted if code.startswith("E_RES")]
    rows.append(("E_RES-TOT", _renewable(asked, counted), "sum of the three"))
    rows += [
        (key, one, "declared")
        for key, one in declared.items()
        if key not in ("PD_IT", "S_DC", "S_CR")
    ]
    figures.add(*(one for _, one, _ in rows), *annex_iii, completeness)
    fields = [] if profile is None else [
        field
        for field in eed.fields(profile, readings, year, *view.bounds_ms)
        if keeps(field.code)
    ]  # fmt: skip
    is_obliged = None if power.value is None else power.value >= LEAST_KILOWATTS
    whole = [one for one in annex_iii if one.figure.dims.get("kind", "all") == "all"]
    lacks = missing([*whole], _notes(profile, fields, year))
    return Book(
        asked, figures, version, profile, year, is_obliged, power, rows, annex_iii, completeness,
        fields, readings, lacks,
    )  # fmt: skip


def _year(start: datetime, end: datetime, profile: FactoryProfile | None) -> int:
    """The year that the middle of the period is in, where the data centre is."""
    middle = start + (end - start) / 2
    return middle.astimezone(ZoneInfo("UTC" if profile is None else profile.time_zone)).year


def _declared(
    asked: Asked,
    field: schema.Stated,
    profile: FactoryProfile | None,
    of_year: Year | None,
    year: int,
) -> Quoted:
    centre = None if profile is None else profile.data_centre
    place = f"data_centre.year.{year}.{field.place}" if field.is_yearly else field.place
    return stated(
        f"eed.{field.key.replace(' ', '_')}", field.name, field.unit,
        field.value(centre, of_year), period=asked.period, method=f"profile, {place}",
        note="" if field.value(centre, of_year) is not None else f"write {place} into the profile",
    )  # fmt: skip


def _power(asked: Asked, rated: Quoted, of_year: Year | None, year: int) -> Quoted:
    """PD_IT: the year's average where the profile has one, else the rated load, and which."""
    if of_year is None or of_year.rated_it_power_watts is None:
        return rated
    return stated(
        rated.id, rated.figure.name, "kW", of_year.rated_it_power_watts * schema.KILO,
        period=asked.period,
        method=f"profile, data_centre.year.{year}.rated_it_power, the year's average",
    )  # fmt: skip


def _rated(power: Quoted) -> str:
    return "the year\u2019s average" if power.figure.method.endswith("average") else "rated IT load"


def _counted(asked: Asked, field: schema.Counted, readings: pl.DataFrame) -> Quoted:
    start_ms, end_ms = asked.view.bounds_ms
    found = meters.metered(readings, [field.code], start_ms=start_ms, end_ms=end_ms)
    total, coverage = found.values[field.code], found.coverage
    if field.code == "T_WH":
        total, coverage = meters.mean_of(readings, field.code, start_ms=start_ms, end_ms=end_ms)
    count = found.meters[field.code]
    note = ""
    if total is None:
        note = (
            "its meters have no reading in this period" if count else
            f"no meter of it; a reading of 0 says that there is none: {facility.HOW}"
        )  # fmt: skip
    return stated(
        f"eed.{field.code}", field.name, field.unit,
        None if total is None else total * field.factor, period=asked.period,
        method="facility meters", note=note, n=count, coverage=coverage if count else None,
        level="measured", floor=_FLOOR,
    )  # fmt: skip


def _renewable(asked: Asked, counted: dict[str, Quoted]) -> Quoted:
    """E_RES-TOT; what nobody can show is no renewable energy."""
    parts = [one for code, one in counted.items() if code.startswith("E_RES")]
    known = [one.value for one in parts if one.value is not None]
    shares = [one.figure.coverage for one in parts if one.figure.coverage is not None]
    lacking = [one.figure.name for one in parts if one.value is None]
    note = f"not counted: {', '.join(lacking)}" if known and lacking else ""
    return stated(
        "eed.E_RES-TOT", "total renewable energy", "kWh", sum(known) if known else None,
        period=asked.period, method="facility meters",
        note=note or ("" if known else "no certificate, contract or own production is registered"),
        n=sum(one.figure.n for one in parts), coverage=min(shares, default=None), level="measured",
        floor=_FLOOR,
    )  # fmt: skip


def _category(has_registers: bool, one: Quoted) -> str:
    if not has_registers or one.value is None:
        return "EN 50600-4-2, category 1: every UPS output; else PDU, or say where"
    return "EN 50600-4-2, " + one.figure.method.rpartition(", ")[2].removeprefix("E_IT at ")


def _notes(profile: FactoryProfile | None, fields: Sequence[eed.Field], year: int) -> list[str]:
    if profile is None:
        return [
            "no profile, so no field of Annex I and none that no meter counts: `wattline profile "
            "template` prints one to fill in"
        ]
    gaps = [field for field in fields if not field.is_valid]
    if not gaps:
        return []
    names = [field.code for field in gaps[:_NAMED]]
    if len(gaps) > _NAMED:
        names.append(f"{len(gaps) - _NAMED} more")
    return [
        f"{len(gaps)} of {len(fields)} fields of {year} are not there or not good for a return: "
        f"{listed(names)}; the chapter \u201cGaps\u201d says of each what to provide"
    ]
