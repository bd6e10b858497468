"""What people know and machines do not: projects, outages, activities, meters, carbon factors."""

from __future__ import annotations

from wattline_collector.registers.kept import (
    activities,
    factors,
    hourly_factors,
    meters,
    outages,
    projects,
    results,
)

__all__ = ["activities", "factors", "hourly_factors", "meters", "outages", "projects", "results"]
