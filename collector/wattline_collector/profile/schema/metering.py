"""Where energy, water and heat are measured, with what, and what electricity is made of."""

from __future__ import annotations

from datetime import date

from wattline_collector.profile.declare import Kind, ident, key, table
from wattline_collector.profile.schema import words
from wattline_collector.profile.units import ENERGY
from wattline_collector.registers.schema.meters import BOUNDARIES, CODES, QUANTITIES, UNITS
from wattline_collector.registers.words import STATES


@table
class Point:
    """A measurement point. Its record is kept for ten years, so a point that ended stays here."""

    id: str = ident("What the profile calls it.")
    boundary: str = key(
        Kind.WORD, "Where it lies; categories 1, 2 and 3 of EN 50600-4-2 are UPS output, PDU"
        " output and IT input.", '"ups_output"', words=BOUNDARIES,
    )  # fmt: skip
    place: str | None = key(
        Kind.TEXT, "Where that is, so that somebody else finds it.", '"room E2, panel A"',
        default=None, serves="eed",
    )  # fmt: skip
    drawing: str | None = key(
        Kind.TEXT, "The drawing it is on.", '"E-101, revision 4"', default=None
    )
    since: date | None = key(
        Kind.DATE, "In use since.", "2021-09-01", default=None, serves="eed"
    )  # fmt: skip
    until: date | None = key(Kind.DATE, "In use until.", "2031-08-31", default=None)


@table
class MeasuringDevice:
    """A meter as a thing, with its serial number. One that was replaced stays here."""

    id: str = ident("What the profile calls it.")
    point: str = key(Kind.NAME, "The measurement point it is at.", '"ups-a-out"')
    make: str = key(Kind.TEXT, "Make and type.", '"Example EM340"')
    serial: str | None = key(
        Kind.TEXT, "Serial number.", '"4711"', default=None, serves="eed"
    )  # fmt: skip
    accuracy: str | None = key(
        Kind.TEXT, "Class of accuracy.", '"class 0.5S, EN 62053-22"', default=None, serves="eed"
    )
    calibrated: date | None = key(Kind.DATE, "Last calibration.", "2025-05-10", default=None)
    calibrated_until: date | None = key(Kind.DATE, "Good until.", "2030-05-10", default=None)
    since: date | None = key(Kind.DATE, "In use since.", "2021-09-01", default=None)
    until: date | None = key(Kind.DATE, "In use until.", "2031-08-31", default=None)


@table
class Meter:
    """What the readings of a meter mean; its name is that in the register of meters."""

    id: str = ident("The meter, as the register of meters names it.")
    quantity: str = key(Kind.WORD, "What it measures.", '"energy"', words=tuple(QUANTITIES))
    eed: str | None = key(
        Kind.WORD, "The indicator it is part of (Regulation (EU) 2024/1364, Annex II).",
        '"E_IT"', default=None, words=tuple(CODES),
    )  # fmt: skip
    boundary: str | None = key(
        Kind.WORD, "Where it measures; as its point, if not told.", '"ups_output"', default=None,
        words=BOUNDARIES,
    )  # fmt: skip
    category: int | None = key(
        Kind.WHOLE, "Category of EN 50600-4: of energy 1, 2 or 3, of water 1 or 2.", "1",
        default=None, least=1, most=3,
    )  # fmt: skip
    point: str | None = key(
        Kind.NAME, "Its measurement point.", '"ups-a-out"', default=None, serves="eed"
    )
    system: str | None = key(
        Kind.NAME, "The system it feeds alone; not told: the whole site.", '"example-1"',
        default=None,
    )  # fmt: skip
    unit: str | None = key(
        Kind.WORD, "Unit of its readings where they name none.", '"kWh"', default=None,
        words=tuple(UNITS),
    )  # fmt: skip
    factor: float = key(
        Kind.NUMBER, "What readings are multiplied by: the ratio of its transformers.", "1",
        default=1.0, least=1e-9, most=1e9,
    )  # fmt: skip
    counts: str = key(
        Kind.WORD, "Whether it is added to its indicator, or taken off: heat that went back into"
        " the own cooling, for example.", '"adds"', default="adds", words=("adds", "subtracts"),
    )  # fmt: skip


@table
class Factor:
    """Carbon of electricity: one figure, or the name of an imported table of hours."""

    id: str = ident("What the profile calls it.")
    grams_co2e_per_kwh: float | None = key(
        Kind.NUMBER, "The figure.", "72", default=None, most=3000
    )
    hours_table: str | None = key(
        Kind.NAME, "Instead: an imported table with a figure for every hour.", '"fi-hourly"',
        aside=True, default=None,
    )  # fmt: skip
    zone: str = key(Kind.TEXT, "Country or bidding zone.", '"FI"')
    year: int | None = key(
        Kind.WHOLE, "The year it is of.", "2025", default=None, least=1990, most=2100
    )
    source: str = key(Kind.TEXT, "Who published it, and where.", '"the grid operator, 2026-03"')
    method: str = key(
        Kind.WORD, "Of what the zone makes, or of what it uses with imports.", '"production"',
        words=("production", "consumption"),
    )  # fmt: skip
    scope: str = key(
        Kind.WORD, "Of the whole life of plants, or of burning fuel alone.", '"lifecycle"',
        words=("lifecycle", "direct"),
    )  # fmt: skip
    licence: str = key(Kind.TEXT, "Under which licence it may be used.", '"CC BY 4.0"')


@table
class Carbon:
    """Which factors hold. Location and market are reported side by side, never mixed."""

    location: tuple[str, ...] = key(
        Kind.NAME, "Factors of the grid, one for each year.", '["fi-2025"]', default=(),
        many=True, serves="S08 S13",
    )  # fmt: skip
    location_hourly: tuple[str, ...] = key(
        Kind.NAME, "Factors of the grid by the hour.", '["fi-hourly"]', aside=True, default=(),
        many=True, serves="S13",
    )  # fmt: skip
    residual: tuple[str, ...] = key(
        Kind.NAME, "Factors of what no contract claimed; the market-based figure needs them for"
        " energy without a contract.", '["fi-residual-2025"]', aside=True, default=(), many=True,
        serves="S08 S13",
    )  # fmt: skip


@table
class Contract:
    """A contract on electricity: what the market-based figure and renewables are made of."""

    id: str = ident("The contract; also the `meter` of its rows in the register of meters.")
    kind: str = key(Kind.WORD, "What it is.", '"purchase_agreement"', words=words.CONTRACTS)
    since: date = key(Kind.DATE, "First day.", "2026-01-01")
    until: date | None = key(Kind.DATE, "Last day.", "2035-12-31", default=None)
    energy_per_year_joules: float | None = key(
        Kind.QUANTITY, "Energy it covers in a year; not told: all there is.", '"12 GWh"',
        default=None, unit=ENERGY,
    )  # fmt: skip
    share: float | None = key(
        Kind.SHARE, "Instead: the part of the energy it covers.", "0.6", aside=True, default=None
    )
    grams_co2e_per_kwh: float = key(
        Kind.NUMBER, "What it states.", "0", most=3000
    )  # fmt: skip
    is_renewable: bool = key(Kind.FLAG, "Whether it is of renewable sources.", "true")
    is_retired: bool | None = key(
        Kind.FLAG, "Whether its guarantees of origin are owned and retired here. Else it counts"
        " for nothing.", "true", default=None, serves="S06 S08",
    )  # fmt: skip
    criteria: tuple[str, ...] = key(
        Kind.WORD, "Quality criteria it meets; market-based carbon wants all five.",
        '["tracked", "no_double_count", "actual_rate", "market_boundary", "vintage"]',
        default=(), many=True, words=words.CRITERIA,
    )  # fmt: skip
    registry: str | None = key(
        Kind.TEXT, "The registry and the account.", '"AIB hub, account 12"', default=None
    )
    country: str | None = key(
        Kind.WORD, "The State it is from, ISO 3166-1 alpha-2.", '"FI"', default=None, words=STATES
    )
