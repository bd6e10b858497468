"""Market-based carbon of a site's electricity, year by year: what its contracts leave of it.

A contract counts if the profile says that its guarantees of origin are owned and retired here and
that it meets all five quality criteria, in the days it holds. How much it is for: what the register
of meters has under its name; else its amount a year, for the part of it that the period is; else
its share; else all there is. An amount needs the site's consumption beside it: without a meter of
E_DC nobody knows which part of it that is, and the contract is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from wattline_collector.kpi import facility, meters
from wattline_collector.kpi.carbon import Emission, Instrument, market
from wattline_collector.kpi.factors import Chosen
from wattline_collector.kpi.view import View
from wattline_collector.profile.schema.metering import Contract
from wattline_collector.profile.schema.words import CRITERIA

_DAY_MS = 86_400_000
_KWH = 3.6e6
_TOTAL = 1e6 * _KWH
"""Parts are told of this much energy: what counts is what they are of the whole."""


@dataclass(frozen=True, slots=True)
class Market:
    """What a kilowatt-hour of one year is in carbon, market-based.

    Attributes:
        year: Which.
        emission: Of the year's energy as a whole; its coverage is the part that has a factor.
    """

    year: int
    emission: Emission


def years(view: View, chosen: Chosen) -> list[Market]:
    """The market-based carbon of each year of a period.

    Args:
        view: The period, with its profile and meters.
        chosen: The factors; those of method `residual` count.

    Returns:
        One for each calendar year (UTC) that the period touches; none without a zone.

    Raises:
        ValueError: Residual mixes of one year differ.
    """
    if chosen.zone is None:
        return []
    start_ms, end_ms = view.bounds_ms
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).year for ms in (start_ms, end_ms - 1))
    made = []
    for year in range(first, last + 1):
        begins, ends = (_ms(date(y, 1, 1)) for y in (year, year + 1))
        low, high = max(start_ms, begins), min(end_ms, ends)
        instruments, notes = _instruments(view, year, low, high)
        energy = pl.DataFrame({"hour_ms": [begins], "joules": [_TOTAL]})
        found = market(energy, chosen.factors, chosen.zone, instruments)
        told = tuple(dict.fromkeys((*found.notes, *notes)))
        made.append(
            Market(year, Emission(found.way, found.kg, found.joules, found.coverage,
                                  found.kg_per_kwh, found.sources, found.methods, told))
        )  # fmt: skip
    return made


def _instruments(view: View, year: int, low: int, high: int) -> tuple[list[Instrument], list[str]]:
    found, notes = [], []
    for one in () if view.profile is None else view.profile.contracts.values():
        held = _held(one, low, high)
        if not held:
            continue
        if not one.is_retired or set(one.criteria) != set(CRITERIA):
            why = "not said to be owned and retired" if not one.is_retired else (
                "not said to meet all five quality criteria"
            )  # fmt: skip
            notes.append(f"contract {one.id} is {why}: not counted")
            continue
        share = _share(view, one, held, low, high)
        if share is None:
            notes.append(
                f"contract {one.id} is of an amount, and no meter of E_DC says of how much:"
                " not counted"
            )
        elif share:
            found.append(Instrument(one.kind, share * _TOTAL, one.grams_co2e_per_kwh / 1000, year))
    return found, notes


def _held(one: Contract, low: int, high: int) -> int:
    """How long a contract held in a stretch of time, in ms."""
    begins = _ms(one.since)
    ends = high if one.until is None else _ms(one.until) + _DAY_MS
    return max(0, min(high, ends) - max(low, begins))


def _share(view: View, one: Contract, held: int, low: int, high: int) -> float | None:
    """The part of the site's electricity that a contract is for; None where it cannot be told."""
    rows = facility.readings(view)
    mine = rows.filter(pl.col("meter") == one.id, pl.col("quantity") == "energy")
    if mine.height:
        code = pl.lit(one.id).alias("eed")
        both = pl.concat([rows.filter(pl.col("eed") == "E_DC"), mine.with_columns(code)])
        found = meters.metered(both, ["E_DC", one.id], start_ms=low, end_ms=high)
        return _part(found.values[one.id], found.values["E_DC"])
    if one.energy_per_year_joules is not None:
        used = meters.metered(rows, ["E_DC"], start_ms=low, end_ms=high)
        year_ms = _ms(date(_year(low) + 1, 1, 1)) - _ms(date(_year(low), 1, 1))
        # Of what was metered: the same time's part of the year's amount.
        amount = one.energy_per_year_joules * used.covered_ms / year_ms * held / (high - low)
        return _part(amount, used.values["E_DC"])
    return (1.0 if one.share is None else one.share) * held / (high - low)


def _part(amount: float | None, used: float | None) -> float | None:
    return None if amount is None or not used else amount / used


def _year(ms: int) -> int:
    return datetime.fromtimestamp(ms / 1000, UTC).year


def _ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
