"""Carbon of electricity: a figure for each year, or for each hour, of the grid of a zone.

None is built in. Figures of one zone and year differ by a factor of two with what is counted, so
each row says of what it is (made or used there, or what no contract claimed), whether the whole
life of plants is in it, who published it, and under which licence it may be used.
"""

from __future__ import annotations

from collections.abc import Mapping

from wattline_collector.registers.declare import Column, Kind, Malformed, Register, Values

UNITS: Mapping[str, float] = {"g/kWh": 1e-3, "kg/kWh": 1.0, "kg/MWh": 1e-3, "t/MWh": 1.0}
"""Units of CO2 equivalent per energy that people write, in kg/kWh."""
_SYNONYMS = {
    "g CO2e/kWh": "g/kWh", "gCO2e/kWh": "g/kWh", "gCO2eq/kWh": "g/kWh",
    "kg CO2e/kWh": "kg/kWh", "kgCO2e/kWh": "kg/kWh", "kgCO2e/MWh": "kg/MWh",
    "tCO2e/MWh": "t/MWh",
}  # fmt: skip

METHODS = ("production", "consumption", "residual")
"""Of what is made in the zone, of what is used in it with imports, of what no contract claimed."""
SCOPES = ("direct", "lifecycle")
MOST_KG_PER_KWH = 3.0
"""More than any plant emits; a larger figure has another unit than it says."""
_HOUR_MS = 3_600_000


def _in_kg_per_kwh(values: Values) -> Values:
    value, unit = values["value"], str(values["unit"])
    assert isinstance(value, int | float)
    kept = value * UNITS[unit]
    if kept > MOST_KG_PER_KWH:
        raise Malformed("value", f"{value:g} {unit} is more than any plant emits: check the unit")
    values["value"], values["unit"] = kept, "kg/kWh"
    return values


def _of_an_hour(values: Values) -> Values:
    hour = values["hour_ms"]
    if isinstance(hour, int) and hour % _HOUR_MS:
        raise Malformed("hour", "does not begin on a whole hour of UTC")
    return _in_kg_per_kwh(values)


_SYSTEM = Column("system", Kind.NAME, "The system it is for alone; empty: all of the site.")
_ZONE = Column("zone", Kind.NAME, "Country or bidding zone.", "FI", required=True)
_VALUE = Column("value", Kind.NUMBER, "CO2 equivalent per energy.", "72", required=True, most=1e6)
_UNIT = Column("unit", Kind.WORD, "Its unit; kept as kg/kWh.", "g/kWh", required=True,
               words=tuple(UNITS), synonyms=_SYNONYMS)  # fmt: skip
_SCOPE = Column("scope", Kind.WORD, "Of burning fuel alone, or of the whole life of plants.",
                "lifecycle", required=True, words=SCOPES)  # fmt: skip
_PUBLISHER = Column("publisher", Kind.TEXT, "The source: who published it, and where.",
                    "Example grid operator, 2026-03", required=True)  # fmt: skip
_LICENCE = Column("licence", Kind.TEXT, "Under which licence it may be used.", "CC BY 4.0",
                  required=True)  # fmt: skip

FACTORS = Register(
    "factors",
    "Carbon of the electricity of one zone and one year, by one method.",
    (
        _SYSTEM,
        _ZONE,
        Column("year", Kind.WHOLE, "The calendar year it is of.", "2025", required=True,
               least=1990, most=2100),
        _VALUE,
        _UNIT,
        Column("method", Kind.WORD, "Of what is made in the zone, of what is used in it with"
               " imports, or of what no contract claimed (the residual mix).", "consumption",
               required=True, words=METHODS),
        _SCOPE,
        _PUBLISHER,
        _LICENCE,
    ),
    key=("system", "zone", "year", "method"),
    finish=_in_kg_per_kwh,
)  # fmt: skip

FACTORS_HOURLY = Register(
    "factors-hourly",
    "Carbon of the electricity of one zone and one hour, by one method.",
    (
        _SYSTEM,
        Column("table", Kind.NAME, "Names the table, where the profile chooses one"
               " (`hours_table`).", "fi-hourly"),
        _ZONE,
        Column("hour", Kind.TIME, "When the hour begins. On the day on which clocks go back one"
               " comes twice: write its offset.", "2026-03-01T05:00+02:00", required=True),
        _VALUE,
        _UNIT,
        Column("method", Kind.WORD, "Of what is made in the zone, or of what is used in it with"
               " imports.", "consumption", required=True, words=METHODS[:2]),
        _SCOPE,
        _PUBLISHER,
        _LICENCE,
    ),
    key=("system", "table", "zone", "hour_ms", "method"),
    finish=_of_an_hour,
)  # fmt: skip
