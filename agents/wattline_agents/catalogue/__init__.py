"""Every metric, declared once.

A table is what travels in one batch: one row per subject (device, node or job) per tick, one
column per metric. From this declaration are made the wire's columns, the store's schema, the
Prometheus exposition, the pages' labels and the page of documentation (`wattline agent --metrics`).

Units are base units always: watts, joules, celsius, hertz, bytes, seconds, ratio 0-1. A source
converts when it reads. A counter only ever grows between resets and its column ends in `_total`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wattline_agents.catalogue.declare import PREFIX, VERSION, Field, Kind, Metric, Table, Type
from wattline_agents.catalogue.device import (
    DEVICE,
    DEVICE_INFO,
    MIG,
    PROCESS,
    THROTTLE_REASONS,
    XID,
)
from wattline_agents.catalogue.job import (
    ASSIGNMENT,
    JOB,
    JOB_INFO,
    JOB_MODEL,
    LATENCIES,
    LATENCY,
    METHODS,
    PHASES,
    SERVING,
    TOKEN_KINDS,
)
from wattline_agents.catalogue.node import AGENT, CAPABILITY, METER, NODE, NODE_INFO
from wattline_agents.catalogue.scheduler import ACCOUNTING, NODE_STATE

__all__ = [
    "ACCOUNTING",
    "AGENT",
    "ASSIGNMENT",
    "CAPABILITY",
    "DEVICE",
    "DEVICE_INFO",
    "JOB",
    "JOB_INFO",
    "JOB_MODEL",
    "LATENCIES",
    "LATENCY",
    "METER",
    "METHODS",
    "MIG",
    "NODE",
    "NODE_INFO",
    "NODE_STATE",
    "PHASES",
    "PREFIX",
    "PROCESS",
    "SERVING",
    "TABLES",
    "THROTTLE_REASONS",
    "TOKEN_KINDS",
    "VERSION",
    "XID",
    "Field",
    "Kind",
    "Metric",
    "Table",
    "Type",
]

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            DEVICE, NODE, JOB, SERVING, LATENCY, AGENT, MIG, PROCESS, XID, METER,
            DEVICE_INFO, NODE_INFO, JOB_INFO, JOB_MODEL, ASSIGNMENT, CAPABILITY,
            ACCOUNTING, NODE_STATE,
        )
    }
)  # fmt: skip
"""All tables by name."""
