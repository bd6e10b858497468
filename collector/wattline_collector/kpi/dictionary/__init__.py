"""The dictionary: every KPI, declared once, in the order it is shown."""

from __future__ import annotations

from wattline_collector.kpi.declare import Kpi
from wattline_collector.kpi.dictionary import (
    access,
    availability,
    challenge,
    efficiency,
    energy,
    headline,
    production,
    service,
    utilisation,
)

KPIS: tuple[Kpi, ...] = (
    *headline.KPIS,
    *production.KPIS,
    *efficiency.KPIS,
    *utilisation.KPIS,
    *availability.KPIS,
    *energy.KPIS,
    *access.KPIS,
    *service.KPIS,
    *challenge.KPIS,
)
