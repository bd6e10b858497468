"""What people know and machines do not: projects, outages, activities, meters of the facility."""

from __future__ import annotations

from wattline_collector.registers.kept import activities, meters, outages, projects

__all__ = ["activities", "meters", "outages", "projects"]
