"""Meters of the facility: energy, water, heat, temperatures, and certificates of renewables.

Readings are either amounts over an interval or the standing of a counter at one time. Codes are
those of Delegated Regulation (EU) 2024/1364, Annex II; boundaries those of EN 50600-4-2.
"""

from __future__ import annotations

from collections.abc import Mapping

from wattline_collector.registers.declare import (
    Column,
    Kind,
    Malformed,
    Register,
    Values,
    in_order,
)

QUANTITIES: Mapping[str, str] = {
    "energy": "J",
    "heat": "J",
    "water": "m3",
    "temperature": "Cel",
    "power": "W",
}
"""What is measured, and the unit it is kept in."""

UNITS: Mapping[str, tuple[str, float]] = {
    "J": ("J", 1.0),
    "MJ": ("J", 1e6),
    "GJ": ("J", 1e9),
    "Wh": ("J", 3.6e3),
    "kWh": ("J", 3.6e6),
    "MWh": ("J", 3.6e9),
    "GWh": ("J", 3.6e12),
    "l": ("m3", 1e-3),
    "m3": ("m3", 1.0),
    "Cel": ("Cel", 1.0),
    "W": ("W", 1.0),
    "kW": ("W", 1e3),
    "MW": ("W", 1e6),
}
"""Units people write: the unit it becomes, and by what it is multiplied."""

CODES: Mapping[str, str] = {
    "E_DC": "energy",
    "E_DC-BG": "energy",
    "E_IT": "energy",
    "W_IN": "water",
    "W_IN-POT": "water",
    "E_REUSE": "heat",
    "T_WH": "temperature",
    "T_IN": "temperature",
    "E_RES-GOO": "energy",
    "E_RES-PPA": "energy",
    "E_RES-OS": "energy",
    "C_BTG": "power",
}
"""Codes of the regulation that a meter or a contract can speak for, and the quantity each is. The
three kinds of renewable energy (guarantees of origin, purchase agreements, on site) are told apart
because the regulation adds them up only after taking double counts away."""

BOUNDARIES = ("site_input", "data_centre_input", "ups_output", "pdu_output", "it_input", "cooling",
              "heat_handover", "other")  # fmt: skip
"""Where it is measured. Categories 1, 2 and 3 of EN 50600-4-2 are UPS output, PDU output and IT
input."""


def _finish(values: Values) -> Values:
    quantity, unit, value = str(values["quantity"]), str(values["unit"]), values["value"]
    base, factor = UNITS[unit]
    if QUANTITIES[quantity] != base:
        right = [name for name, (kept, _) in UNITS.items() if kept == QUANTITIES[quantity]]
        raise Malformed("unit", f"{unit} is none of {quantity}: {', '.join(right)}")
    code = values["eed"]
    if code is not None and CODES[str(code)] != quantity:
        raise Malformed("eed", f"{code} is of {CODES[str(code)]}, and this is {quantity}")
    is_amount = values["reading"] == "amount"
    if is_amount and values["start_ms"] is None:
        raise Malformed("start", "missing: an amount is of an interval")
    if not is_amount and values["start_ms"] is not None:
        raise Malformed("start", "a counter stands at one time; leave it empty")
    if not is_amount and quantity in ("temperature", "power"):
        raise Malformed("reading", f"{quantity} has no counter; write its mean as an amount")
    in_order(values, "start", "end")
    assert isinstance(value, int | float)
    if value < 0 and quantity != "temperature":
        raise Malformed("value", f"{value:g} is less than nothing")
    values["value"], values["unit"] = value * factor, base
    return values


METERS = Register(
    "meters",
    "One reading of one meter: an amount over an interval, or the standing of its counter.",
    (
        Column("system", Kind.NAME, "The system it feeds alone; empty: the whole site."),
        Column("meter", Kind.NAME, "Names the meter, or the contract.", "ups-a", required=True),
        Column("quantity", Kind.WORD, "What it measures.", "energy", required=True,
               words=tuple(QUANTITIES)),
        Column("eed", Kind.WORD, "The indicator it is part of, by its code in Regulation (EU)"
               " 2024/1364; empty: none.", "E_IT", words=tuple(CODES)),
        Column("boundary", Kind.WORD, "Where it measures.", "ups_output", words=BOUNDARIES),
        Column("reading", Kind.WORD, "An amount between start and end (of temperature and power:"
               " the mean), or what a counter stands at.", "amount", required=True,
               words=("amount", "counter")),
        Column("start", Kind.TIME, "Since when; empty for a counter.", "2026-03-01"),
        Column("end", Kind.TIME, "Until when; of a counter: when it was read.", "2026-03-31",
               required=True, closes=True),
        Column("value", Kind.NUMBER, "The reading.", "184320.5", required=True, least=-1e15),
        Column("unit", Kind.WORD, "Its unit; kept as J, m3, Cel or W.", "kWh", required=True,
               words=tuple(UNITS), synonyms={"L": "l", "m³": "m3", "°C": "Cel", "C": "Cel"}),
        Column("device", Kind.TEXT, "Make, type and serial number; such records are kept 10 years.",
               "Example EM340, no. 4711"),
    ),
    key=("system", "meter", "quantity", "eed", "start_ms", "end_ms"),
    finish=_finish,
)  # fmt: skip
