"""Capability and challenges (C01-C05)."""

from __future__ import annotations

from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = ()
