"""What the catalogue's columns are called in OpenTelemetry: the one place where that is decided.

OpenTelemetry's conventions for hardware are in development and names there do change, so they are
mapped here, at the edge, and appear nowhere in storage. What has no convention keeps its `aif_`
name; nothing is left out.

Two rules of the conventions decide what may have their names. Values that overlap must not share
one, since they would be summed: the integral of power beside the energy counter, errors in the life
of a device beside those since the driver was loaded, a meter of the whole node beside the node.
And a name brings its instrument along: memory in use is an up-down counter there, not a gauge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from wattline_agents.catalogue import TABLES, Kind, Metric, Table
from wattline_agents.pattern import pattern
from wattline_agents.record import record

VERSION = 1
"""Raised when a column changes its name here; exported as the scope's `wattline.names`."""

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the conventions these names are taken from."""


class Instrument(StrEnum):
    """How points of one name relate to each other."""

    COUNTER = "counter"
    UP_DOWN_COUNTER = "updowncounter"
    GAUGE = "gauge"


Attributes = Mapping[str, str | int]


@record(frozen=True, slots=True)
class Name:
    """What a column is called.

    Attributes:
        name: The metric's name.
        instrument: What kind of metric it is.
        unit: Its unit in UCUM.
        help: One sentence for people.
        attributes: What tells this column from others of the name.
        is_convention: Whether the name is OpenTelemetry's and not ours.
    """

    name: str
    instrument: Instrument
    unit: str
    help: str
    attributes: Attributes
    is_convention: bool


@record(frozen=True, slots=True)
class _Convention:
    """A name of OpenTelemetry's own, its instrument, and what tells the column apart."""

    name: str
    instrument: Instrument = Instrument.GAUGE
    attributes: Attributes = field(default_factory=dict)


_ABOUT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "hw.energy": ("J", "Energy used by the component."),
        "hw.power": ("W", "Power drawn by the component."),
        "hw.errors": ("{error}", "Errors of the component."),
        "hw.status": ("1", "1 for the state the device is in, 0 for the others."),
        "hw.temperature": ("Cel", "Temperature of the component."),
        "hw.gpu.utilization": ("1", "Share of time in which the device did such a task."),
        "hw.gpu.memory.usage": ("By", "Device memory in use."),
        "hw.gpu.memory.limit": ("By", "Device memory there is."),
        "hw.gpu.io": ("By", "Bytes received and sent by the device over PCI Express."),
        "hw.host.energy": ("J", "Energy used by the whole node."),
        "hw.host.power": ("W", "Power drawn by the whole node."),
        "system.cpu.time": ("s", "Processor time in one mode, summed over cores."),
        "system.cpu.utilization": ("1", "Share of processor time not idle."),
        "system.memory.usage": ("By", "Main memory in one state."),
        "system.memory.limit": ("By", "Main memory there is."),
        "system.network.io": (
            "By",
            "Bytes over the network, all interfaces but loopback together.",
        ),
        "system.disk.io": ("By", "Bytes to and from disks, all together."),
    }
)
"""A convention's unit, and one sentence for all its columns."""


def _errors(kind: str) -> _Convention:
    return _Convention("hw.errors", Instrument.COUNTER, {"error.type": kind})


_DEVICE: Mapping[str, _Convention] = {
    "energy_joules_total": _Convention("hw.energy", Instrument.COUNTER),
    "power_watts": _Convention("hw.power"),
    "busy_ratio": _Convention("hw.gpu.utilization", attributes={"hw.gpu.task": "general"}),
    "memory_used_bytes": _Convention("hw.gpu.memory.usage", Instrument.UP_DOWN_COUNTER),
    "memory_size_bytes": _Convention("hw.gpu.memory.limit", Instrument.UP_DOWN_COUNTER),
    "temperature_celsius": _Convention("hw.temperature", attributes={"hw.sensor_location": "core"}),
    "memory_temperature_celsius": _Convention(
        "hw.temperature", attributes={"hw.sensor_location": "memory"}
    ),
    **{
        f"pcie_{direction}_bytes_total": _Convention(
            "hw.gpu.io", Instrument.COUNTER, {"network.io.direction": direction}
        )
        for direction in ("receive", "transmit")
    },
    "pcie_replays_total": _errors("pcie_replay"),
    "nvlink_replay_errors_total": _errors("nvlink_replay"),
    "nvlink_recovery_errors_total": _errors("nvlink_recovery"),
    "nvlink_crc_errors_total": _errors("nvlink_crc"),
    "ecc_corrected_volatile_total": _errors("corrected"),
    "ecc_uncorrected_volatile_total": _errors("uncorrected"),
    "xid_events_total": _errors("xid"),
}

_NODE: Mapping[str, _Convention] = {
    "energy_joules_total": _Convention("hw.host.energy", Instrument.COUNTER),
    "power_watts": _Convention("hw.host.power"),
    **{
        f"cpu_{mode}_seconds_total": _Convention(
            "system.cpu.time", Instrument.COUNTER, {"cpu.mode": mode}
        )
        for mode in ("user", "system", "idle", "iowait")
    },
    "cpu_busy_ratio": _Convention("system.cpu.utilization"),
    "memory_used_bytes": _Convention(
        "system.memory.usage", Instrument.UP_DOWN_COUNTER, {"system.memory.state": "used"}
    ),
    "memory_size_bytes": _Convention("system.memory.limit", Instrument.UP_DOWN_COUNTER),
    **{
        f"network_{direction}_bytes_total": _Convention(
            "system.network.io", Instrument.COUNTER, {"network.io.direction": direction}
        )
        for direction in ("receive", "transmit")
    },
    **{
        f"disk_{direction}_bytes_total": _Convention(
            "system.disk.io", Instrument.COUNTER, {"disk.io.direction": direction}
        )
        for direction in ("read", "write")
    },
    "temperature_celsius": _Convention(
        "hw.temperature", attributes={"hw.sensor_location": "hottest"}
    ),
}

_METER: Mapping[str, _Convention] = {
    "energy_joules_total": _Convention("hw.energy", Instrument.COUNTER),
    "power_watts": _Convention("hw.power"),
}
"""Only for domains that are one component, see `component_of`."""

CONVENTIONS: Mapping[str, Mapping[str, _Convention]] = MappingProxyType(
    {"device": _DEVICE, "node": _NODE, "meter": _METER}
)
"""Table -> column -> the convention it follows."""

STATUS = Name(
    "hw.status",
    Instrument.UP_DOWN_COUNTER,
    *_ABOUT["hw.status"],
    MappingProxyType({}),
    is_convention=True,
)
"""Made of `up` and `recovery_action`, which are exported under their own names too."""

_COMPONENTS = pattern(r"(?P<cpu>cpu|package)(-?\d+)?\Z|(?P<memory>memory|dram)(-?\d+)?\Z")


def component_of(domain: str) -> str | None:
    """The `hw.type` of what a meter meters; None if it is no component, or one of several parts."""
    match = _COMPONENTS.match(domain)
    if match is None:
        return None
    return "cpu" if match["cpu"] else "memory"


def names_of(table: Table, component: str | None = None) -> Mapping[str, Name]:
    """Column -> what it is called.

    Args:
        table: Whose columns.
        component: For `meter`: what `component_of` said of the row's domain.
    """
    return _names_of(table.name, component)


@cache
def _names_of(table: str, component: str | None) -> Mapping[str, Name]:
    conventions = CONVENTIONS.get(table, {})
    if table == "meter" and component is None:
        conventions = {}
    return {
        metric.column: _by_convention(conventions[metric.column])
        if metric.column in conventions
        else _own(metric)
        for metric in TABLES[table].metrics
    }


def states(up: int, recovery_action: int | None) -> dict[str, int]:
    """`hw.state` -> 1 or 0: `failed` if it does not answer, `degraded` if it asks for a reset."""
    state = "failed" if not up else "degraded" if recovery_action else "ok"
    return {one: int(one == state) for one in ("ok", "degraded", "failed")}


def _by_convention(convention: _Convention) -> Name:
    return Name(
        convention.name,
        convention.instrument,
        *_ABOUT[convention.name],
        convention.attributes,
        is_convention=True,
    )


def _own(metric: Metric) -> Name:
    # Who turns these into Prometheus names adds `_ratio` to every unit of 1, which a flag is not.
    is_ratio = metric.family.endswith("_ratio")
    return Name(
        metric.name,
        Instrument.COUNTER if metric.kind is Kind.COUNTER else Instrument.GAUGE,
        "" if metric.unit == "1" and not is_ratio else metric.unit,
        metric.help,
        dict(metric.labels),
        is_convention=False,
    )
