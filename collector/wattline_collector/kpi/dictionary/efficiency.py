"""Efficiency: what was made of the time and the hardware (E01-E08)."""

from __future__ import annotations

from wattline_collector.kpi import efficiency
from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "E04",
        "GPU activity",
        "mean share of SMs with work over assigned device time in which it was measured; not the "
        "driver's utilisation flag",
        "%",
        "integral of SM activity",
        "GPU-h",
        "assigned device time with measured activity",
        "GPU-h",
        "up",
        "J, O",
        "dictionary E04; vendor counters",
        efficiency.activity,
        scale=100,
    ),
    Kpi(
        "E06",
        "wasted GPU-hours",
        "held (under 5 % active for over 10 minutes) and the working time whose work was thrown "
        "away: after the last checkpoint of a job that failed, or before its run went on from an "
        "earlier step",
        "GPU-h",
        "held time and working time whose work was thrown away",
        "GPU-h",
        "",
        "",
        "down",
        "M, O, J",
        "dictionary E06",
        efficiency.wasted,
        note="The work of a failed job that tells of no checkpoint counts whole.",
    ),
)
