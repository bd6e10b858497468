"""Access and impact (I01-I12)."""

from __future__ import annotations

from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = ()
