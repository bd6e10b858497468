"""Utilisation: how much of what was offered was used, and by which jobs (U01-U09)."""

from __future__ import annotations

from wattline_collector.kpi import utilisation
from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "U01",
        "allocated utilisation",
        "assigned / offered device time",
        "%",
        "assigned device time",
        "GPU-h",
        "offered device time",
        "GPU-h",
        "up",
        "O, M",
        "dictionary U01; DOE operational assessment reports",
        utilisation.allocated,
        scale=100,
        by=("system", "node", "day"),
    ),
    Kpi(
        "U02",
        "effective utilisation",
        "integral of SM activity / offered device time; assigned time in which activity was not "
        "measured is left out and lowers the coverage",
        "%",
        "integral of SM activity",
        "GPU-h",
        "offered device time, less assigned time without measured activity",
        "GPU-h",
        "up",
        "M, O",
        "dictionary U02",
        utilisation.effective,
        scale=100,
        by=("system", "node", "day"),
    ),
)
