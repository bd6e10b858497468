"""Availability and reliability (A01-A08)."""

from __future__ import annotations

from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = ()
