"""The meters of a planted year's facility, week by week, and their true sums."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from wattline_collector.simulated.year.planted import Hole
from wattline_collector.simulated.year.truth import WEEK_MS, Happened

JOULES_PER_KWH = 3.6e6
OTHER_IT = 1.05
"""IT energy over that of the nodes: switches and storage stand beside them."""
PUE, PUE_SWING = 1.21, 0.03
"""The mean of the weeks, and how far summer and winter are from it."""
LITRES_PER_KWH = 0.35
REUSED, FROM_ORIGIN, FROM_PURCHASE, ON_SITE = 0.18, 0.5, 0.3, 0.02
"""Parts of all energy: heat that is handed over, and renewable energy by its three kinds."""
FROM_GENERATORS, DRINKABLE = 0.002, 0.4
"""Parts of all energy and of all water: what back-up generators made, what was fit to drink."""
COOLING, HEAT_REMOVED = 0.12, 0.95
"""Parts of the IT energy: what cooling uses, and the heat it takes away."""
WEEKS_A_YEAR = 52


@dataclass(frozen=True, slots=True)
class Week:
    """What every meter counted in a week.

    Attributes:
        start_ms: Its start.
        end_ms: Its end.
        amounts: By meter, in J and m3.
        is_read: Whether the IT meter was read.
    """

    start_ms: int
    end_ms: int
    amounts: Mapping[str, float]
    is_read: bool


METERS: Mapping[str, tuple[str, str | None, str, str]] = {
    "feed-a": ("energy", "E_DC", "data_centre_input", "kWh"),
    "ups-a": ("energy", "E_IT", "ups_output", "kWh"),
    "generator-a": ("energy", "E_DC-BG", "data_centre_input", "kWh"),
    "water-a": ("water", "W_IN", "site_input", "m3"),
    "tap-a": ("water", "W_IN-POT", "site_input", "m3"),
    "heat-a": ("heat", "E_REUSE", "heat_handover", "kWh"),
    "origin-a": ("energy", "E_RES-GOO", "other", "kWh"),
    "wind-a": ("energy", "E_RES-PPA", "other", "kWh"),
    "roof-a": ("energy", "E_RES-OS", "other", "kWh"),
    "chiller-a": ("energy", None, "cooling", "kWh"),
    "chiller-heat-a": ("heat", None, "cooling", "kWh"),
}
"""Quantity, indicator, boundary and unit of every meter. Nobody measures T_WH, the temperature of
the heat that is handed over."""


def weeks(found: Happened) -> list[Week]:
    """What the meters counted, from the energy that the nodes used."""
    extent = found.plan.extent
    gap = next((m for m in found.plan.planted.missing if m.hole is Hole.NO_METER), None)
    result = []
    for place, nodes in enumerate(found.it_joules):
        start_ms = extent.start_ms + place * WEEK_MS
        end_ms = min(start_ms + WEEK_MS, extent.end_ms)
        it = nodes * OTHER_IT
        season = math.cos(2 * math.pi * place / WEEKS_A_YEAR)
        all_of_it = it * (PUE - PUE_SWING * season)
        water = it / JOULES_PER_KWH * LITRES_PER_KWH / 1000 * (1 - 0.2 * season)
        amounts = {
            "feed-a": all_of_it,
            "ups-a": it,
            "generator-a": all_of_it * FROM_GENERATORS,
            "water-a": water,
            "tap-a": water * DRINKABLE,
            "heat-a": all_of_it * REUSED,
            "origin-a": all_of_it * FROM_ORIGIN,
            "wind-a": all_of_it * FROM_PURCHASE,
            "roof-a": all_of_it * ON_SITE,
            "chiller-a": it * COOLING,
            "chiller-heat-a": it * HEAT_REMOVED,
        }
        is_read = gap is None or not gap.start_ms <= start_ms < gap.end_ms
        result.append(Week(start_ms, end_ms, amounts, is_read))
    return result


def total(found: Happened, meter: str) -> float:
    """What a meter counted in the whole year, read or not, in J or m3."""
    return math.fsum(week.amounts[meter] for week in weeks(found))
