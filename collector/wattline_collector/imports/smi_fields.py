"""What nvidia-smi's fields mean: from its words and units to columns of the catalogue.

Fields are named as `nvidia-smi --help-query-gpu` names them now; older names of the same field are
put right first. A field without a value says why in words, most of them in brackets; a value that
is neither a number of its quantity nor such words makes its line malformed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from wattline_agents.catalogue import DEVICE
from wattline_agents.sources.scraped.devices import label, nvidia_uuid
from wattline_agents.sources.scraped.values import value_of
from wattline_agents.wire import Value

_ABSENT = frozenset(
    {
        "", "N/A", "Not Supported", "Unknown Error", "Unknown", "ERR!", "Insufficient Permissions",
        "Requested functionality has been deprecated", "GPU is lost", "Not Available",
        "GPU requires reset", "Not Found", "Function Not Found",
    }
)  # fmt: skip
LOST = "GPU is lost"

_NUMBER = re.compile(r"([+-]?\d{1,18}(?:\.\d{1,12})?)(?:\s*([A-Za-z%/]{1,8}))?\Z")

_MIB = 2.0**20
_UNITS: Mapping[str, Mapping[str, float]] = {
    "power": {"": 1.0, "W": 1.0, "mW": 1e-3},
    "share": {"": 1e-2, "%": 1e-2},
    "memory": {"": _MIB, "MiB": _MIB, "KiB": 2.0**10, "GiB": 2.0**30, "B": 1.0},
    "clock": {"": 1e6, "MHz": 1e6},
    "heat": {"": 1.0, "C": 1.0},
    "time": {"": 1e-6, "us": 1e-6, "ms": 1e-3, "ns": 1e-9},
    "count": {"": 1.0, "x": 1.0},
}
"""Quantity -> unit -> factor to the catalogue's; without a unit (`nounits`) it is nvidia-smi's."""

QUANTITIES: Mapping[str, str] = MappingProxyType(
    {
        "timestamp": "text",
        "uuid": "text",
        "index": "count",
        "name": "text",
        "serial": "text",
        "pci.bus_id": "text",
        "driver_version": "text",
        "vbios_version": "text",
        "mig.mode.current": "text",
        "minor_number": "count",
        "utilization.gpu": "share",
        "utilization.memory": "share",
        "memory.used": "memory",
        "memory.total": "memory",
        "memory.reserved": "memory",
        "temperature.gpu": "heat",
        "temperature.memory": "heat",
        "temperature.gpu.tlimit": "heat",
        "clocks.current.sm": "clock",
        "clocks.current.memory": "clock",
        "pstate": "state",
        "power.draw": "power",
        "power.draw.average": "power",
        "power.draw.instant": "power",
        "module.power.draw.instant": "power",
        "module.power.draw.average": "power",
        "enforced.power.limit": "power",
        "power.limit": "power",
        "power.default_limit": "power",
        "clocks_event_reasons.active": "mask",
        **{
            f"clocks_event_reasons.{reason}": "switch"
            for reason in (
                "sw_power_cap", "sw_thermal_slowdown", "hw_thermal_slowdown",
                "hw_power_brake_slowdown", "sync_boost",
            )
        },
        **{
            f"clocks_event_reasons_counters.{reason}": "time"
            for reason in (
                "sw_power_cap", "sw_thermal_slowdown", "hw_thermal_slowdown",
                "hw_power_brake_slowdown",
            )
        },
        "pcie.link.gen.current": "count",
        "pcie.link.gen.gpucurrent": "count",
        "pcie.link.width.current": "count",
        "pcie.replays": "count",
        **{
            f"ecc.errors.{kind}.{lifetime}.total": "count"
            for kind in ("corrected", "uncorrected")
            for lifetime in ("volatile", "aggregate")
        },
        "remapped_rows.correctable": "count",
        "remapped_rows.uncorrectable": "count",
        "remapped_rows.pending": "switch",
        "remapped_rows.failure": "switch",
        "gpu_recovery_action": "action",
        "processes": "count",
    }
)  # fmt: skip
"""The fields that are kept, and what each is."""

_ALIASES = {
    "gpu_uuid": "uuid",
    "gpu_name": "name",
    "gpu_serial": "serial",
    "gpu_bus_id": "pci.bus_id",
    "clocks.sm": "clocks.current.sm",
    "clocks.mem": "clocks.current.memory",
    "clocks.current.mem": "clocks.current.memory",
}

_SAME: Mapping[str, tuple[str, ...]] = {
    "busy_ratio": ("utilization.gpu",),
    "memory_busy_ratio": ("utilization.memory",),
    "memory_used_bytes": ("memory.used",),
    "memory_size_bytes": ("memory.total",),
    "memory_reserved_bytes": ("memory.reserved",),
    "temperature_celsius": ("temperature.gpu",),
    "memory_temperature_celsius": ("temperature.memory",),
    "temperature_margin_celsius": ("temperature.gpu.tlimit",),
    "sm_clock_hertz": ("clocks.current.sm",),
    "memory_clock_hertz": ("clocks.current.memory",),
    "performance_state": ("pstate",),
    "power_watts": ("power.draw.instant", "power.draw", "power.draw.average"),
    "power_average_watts": ("power.draw.average",),
    "module_power_watts": ("module.power.draw.instant", "module.power.draw.average"),
    "power_limit_watts": ("enforced.power.limit", "power.limit"),
    "power_limit_default_watts": ("power.default_limit",),
    "throttle_power_cap_seconds_total": ("clocks_event_reasons_counters.sw_power_cap",),
    "throttle_power_brake_seconds_total": (
        "clocks_event_reasons_counters.hw_power_brake_slowdown",
    ),
    "throttle_power_cap_active": ("clocks_event_reasons.sw_power_cap",),
    "throttle_power_brake_active": ("clocks_event_reasons.hw_power_brake_slowdown",),
    "throttle_sync_boost_active": ("clocks_event_reasons.sync_boost",),
    "pcie_link_generation": ("pcie.link.gen.gpucurrent", "pcie.link.gen.current"),
    "pcie_link_width": ("pcie.link.width.current",),
    "pcie_replays_total": ("pcie.replays",),
    "ecc_corrected_volatile_total": ("ecc.errors.corrected.volatile.total",),
    "ecc_corrected_aggregate_total": ("ecc.errors.corrected.aggregate.total",),
    "ecc_uncorrected_volatile_total": ("ecc.errors.uncorrected.volatile.total",),
    "ecc_uncorrected_aggregate_total": ("ecc.errors.uncorrected.aggregate.total",),
    "row_remaps_corrected": ("remapped_rows.correctable",),
    "row_remaps_uncorrected": ("remapped_rows.uncorrectable",),
    "row_remap_pending": ("remapped_rows.pending",),
    "row_remap_failed": ("remapped_rows.failure",),
    "recovery_action": ("gpu_recovery_action",),
    "processes": ("processes",),
}
"""Column -> the fields that tell it; the first that has a value counts."""

_MOST_OF: Mapping[str, tuple[str, ...]] = {
    "throttle_thermal_seconds_total": (
        "clocks_event_reasons_counters.sw_thermal_slowdown",
        "clocks_event_reasons_counters.hw_thermal_slowdown",
    ),
    "throttle_thermal_active": (
        "clocks_event_reasons.sw_thermal_slowdown",
        "clocks_event_reasons.hw_thermal_slowdown",
    ),
}
"""Both kinds of heat run at the same time: their sum would count seconds twice."""

_BITS: Mapping[str, int] = {
    "throttle_power_cap_active": 0x4,
    "throttle_thermal_active": 0x20 | 0x40,
    "throttle_power_brake_active": 0x80,
    "throttle_sync_boost_active": 0x10,
}
"""Of `clocks_event_reasons.active`, for logs that have only that."""

_SWITCHES = {
    "active": 1, "not active": 0, "yes": 1, "no": 0, "enabled": 1, "disabled": 0,
}  # fmt: skip
_ACTIONS = {
    "none": 0, "reset": 1, "gpu reset": 1, "reboot": 2, "node reboot": 2, "drain p2p": 3,
    "drain and reset": 4, "drain & reset": 4,
}  # fmt: skip

Parsed = int | float | str
Values = dict[str, Parsed]
"""Field -> its value in base units; a field without a value is not there."""


class Malformed(Exception):
    """A text that is no value of its field."""


def canonical(name: str) -> str:
    """A field's present name."""
    name = name.strip().replace("clocks_throttle_reasons", "clocks_event_reasons")
    return _ALIASES.get(name, name)


def absent(text: str) -> str | None:
    """The reason a field has no value, in nvidia-smi's words; None if it has one."""
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1].strip()
    return text if text in _ABSENT else None


def parser(field: str, unit: str = "") -> Callable[[str], Parsed]:
    """What reads values of a field.

    Args:
        field: One of `QUANTITIES`.
        unit: The unit its header names, which holds for values that name none.

    Returns:
        A function that returns the value in base units and raises Malformed for what is none.
    """
    quantity = QUANTITIES[field]
    if quantity in _UNITS:
        units = _UNITS[quantity]

        def number(text: str) -> float:
            match = _NUMBER.match(text)
            factor = None if match is None else units.get(match[2] or unit)
            if match is None or factor is None:
                raise Malformed(f"not a {quantity}: {text[:40]!r}")
            return float(match[1]) * factor

        return number
    return _WORDS[quantity]


def device_row(values: Values, device: str, time_ms: int) -> dict[str, Value]:
    """The row of `device` that the values of one GPU at one time make."""
    row: dict[str, Value] = {"time_unix_ms": time_ms, "device": device, "up": 1}
    found: dict[str, Parsed | None] = {
        column: next((values[field] for field in fields if field in values), None)
        for column, fields in _SAME.items()
    }
    for column, fields in _MOST_OF.items():
        there = [value for field in fields if isinstance(value := values.get(field), int | float)]
        found[column] = max(there, default=None)
    mask = values.get("clocks_event_reasons.active")
    if isinstance(mask, int):
        for column, bits in _BITS.items():
            if found[column] is None:
                found[column] = int(bool(mask & bits))
    for column, value in found.items():
        if isinstance(value, int | float):
            kept = value_of(DEVICE, column, value)
            if kept is not None:
                row[column] = kept
    return row


def identity(values: Values, device: str, time_ms: int, source: str) -> dict[str, Value]:
    """The row of `device_info` that the values make."""

    def text(field: str, most: int) -> str | None:
        value = values.get(field)
        return label(value, most) if isinstance(value, str) else None

    def whole(field: str) -> int | None:
        value = values.get(field)
        return int(value) if isinstance(value, float) and 0 <= value < 4096 else None

    mode = None
    if "power.draw.instant" in values:
        mode = "instant"
    elif "power.draw" in values and values["power.draw"] == values.get("power.draw.average"):
        mode = "average_1s"
    serial = text("serial", 64)
    mig = text("mig.mode.current", 16)
    row: dict[str, Value] = {
        "time_unix_ms": time_ms,
        "device": device,
        "index": whole("index"),
        "minor": whole("minor_number"),
        "vendor": "nvidia",
        "model": text("name", 96),
        "pci": text("pci.bus_id", 32),
        "driver": text("driver_version", 32),
        "serial": serial if serial is not None and serial.strip("0") else None,
        "vbios": text("vbios_version", 64),
        "mig": mig.lower() if mig in ("Enabled", "Disabled") else None,
        "source": source,
        "power_mode": mode,
        "power_scope": "gpu" if "power.draw" in values or mode == "instant" else None,
    }
    return {column: value for column, value in row.items() if value is not None}


def device_name(values: Values, run: str) -> str:
    """The device's UUID; without one a name made of the recording's and the device's place.

    Raises:
        Malformed: The UUID can be no key.
    """
    uuid = values.get("uuid")
    if isinstance(uuid, str):
        known = nvidia_uuid(uuid)
        if known is None or len(uuid) > 96:
            raise Malformed(f"not a UUID: {uuid[:40]!r}")
        return known
    pci = values.get("pci.bus_id")
    if isinstance(pci, str) and label(pci) is not None:
        return f"{run}-{pci[:32]}"
    index = values.get("index")
    return f"{run}-gpu{int(index) if isinstance(index, float) else 0}"


def _text(text: str) -> str:
    if len(text) > 200 or not text.isprintable():
        raise Malformed(f"not a plain text: {text[:40]!r}")
    return text


def _state(text: str) -> int:
    if not re.fullmatch(r"P\d{1,2}", text):
        raise Malformed(f"not a performance state: {text[:40]!r}")
    return int(text[1:])


def _switch(text: str) -> int:
    value = _SWITCHES.get(text.lower())
    if value is None:
        raise Malformed(f"neither on nor off: {text[:40]!r}")
    return value


def _action(text: str) -> int:
    value = _ACTIONS.get(text.lower())
    if value is None:
        raise Malformed(f"not a known action: {text[:40]!r}")
    return value


def _mask(text: str) -> int:
    if not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", text):
        raise Malformed(f"not a mask such as 0x4: {text[:40]!r}")
    return int(text, 16)


_WORDS: Mapping[str, Callable[[str], Parsed]] = {
    "text": _text,
    "state": _state,
    "switch": _switch,
    "action": _action,
    "mask": _mask,
}
"""Quantities that are no numbers with a unit."""
