"""Overall equipment effectiveness and loading."""

from __future__ import annotations

from wattline_collector.kpi import oee, utilisation
from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "OEE",
        "overall equipment effectiveness",
        "availability x performance x quality",
        "1",
        "product of the three factors",
        "1",
        "",
        "",
        "up",
        "O, M",
        "manufacturing practice (OEE), on the ledger's accounts",
        oee.overall,
        by=("system", "node", "day"),
        note="Loading (assigned / offered) stands beside it: an idle factory is not a bad machine.",
    ),
    Kpi(
        "OEE_A",
        "availability",
        "offered / planned device time; planned is installed less maintenance, offered is planned "
        "less down; time nobody observed is left out of both and lowers the coverage",
        "1",
        "offered device time",
        "GPU-h",
        "planned device time",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        oee.availability,
        by=("system", "node", "day"),
        note="Maintenance is what the register of outages, or the scheduler, says it is.",
    ),
    Kpi(
        "OEE_P",
        "performance",
        "integral of SM activity / assigned device time in which it was measured; the best the "
        "hardware does is all SMs active all the time",
        "1",
        "integral of SM activity",
        "GPU-h",
        "assigned device time with measured activity",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        oee.performance,
    ),
    Kpi(
        "OEE_Q",
        "quality",
        "kept / made working time; made is busy and slowed, kept is made less that whose work was "
        "thrown away: after the last checkpoint of a job that failed, or before its run went on "
        "from an earlier step; a running job's work counts as kept so far",
        "1",
        "working device time whose work was kept",
        "GPU-h",
        "working device time of jobs whose state is known",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        oee.quality,
    ),
    Kpi(
        "LOADING",
        "loading",
        "assigned / offered device time",
        "1",
        "assigned device time",
        "GPU-h",
        "offered device time",
        "GPU-h",
        "up",
        "O, M",
        "OEE",
        utilisation.allocated,
        by=("system", "node", "day"),
    ),
)
