"""Quality of service (Q01-Q05)."""

from __future__ import annotations

from wattline_collector.kpi import quality
from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "Q03",
        "telemetry completeness",
        "samples received / samples expected of everything installed",
        "%",
        "samples received",
        "samples",
        "samples expected",
        "samples",
        "up",
        "O, M",
        "dictionary Q03; Regulation (EC) 223/2009 Article 12, accuracy",
        quality.completeness,
        scale=100,
        by=("system", "node", "day"),
        floor=0.0,
    ),
)
