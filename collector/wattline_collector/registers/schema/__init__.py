"""The registers there are. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wattline_collector.registers.declare import Register
from wattline_collector.registers.schema.activities import ACTIVITIES
from wattline_collector.registers.schema.factors import FACTORS, FACTORS_HOURLY
from wattline_collector.registers.schema.meters import METERS
from wattline_collector.registers.schema.outages import OUTAGES
from wattline_collector.registers.schema.projects import PROJECTS
from wattline_collector.registers.schema.results import RESULTS

REGISTERS: Mapping[str, Register] = MappingProxyType(
    {
        register.name: register
        for register in (
            PROJECTS,
            OUTAGES,
            ACTIVITIES,
            METERS,
            RESULTS,
            FACTORS,
            FACTORS_HOURLY,
        )
    }
)

__all__ = [
    "ACTIVITIES",
    "FACTORS",
    "FACTORS_HOURLY",
    "METERS",
    "OUTAGES",
    "PROJECTS",
    "REGISTERS",
    "RESULTS",
]
