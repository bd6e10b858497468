"""The registers there are. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wattline_collector.registers.declare import Register
from wattline_collector.registers.schema.activities import ACTIVITIES
from wattline_collector.registers.schema.meters import METERS
from wattline_collector.registers.schema.outages import OUTAGES
from wattline_collector.registers.schema.projects import PROJECTS

REGISTERS: Mapping[str, Register] = MappingProxyType(
    {register.name: register for register in (PROJECTS, OUTAGES, ACTIVITIES, METERS)}
)

__all__ = ["ACTIVITIES", "METERS", "OUTAGES", "PROJECTS", "REGISTERS"]
