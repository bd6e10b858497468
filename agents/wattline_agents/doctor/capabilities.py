"""What can be read of each device, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wattline_agents.catalogue import DEVICE
from wattline_agents.doctor import nvidia
from wattline_agents.doctor.finding import Finding, Mark
from wattline_agents.doctor.machine import Machine
from wattline_agents.doctor.probing import Probed
from wattline_agents.wire import Row

PROFILED = ("sm_active_ratio", "sm_occupancy_ratio", "tensor_active_ratio", "dram_active_ratio")
OWN = (
    "up",
    "read_errors_total",
    "read_timeouts_total",
    "sample_age_seconds",
    "energy_resets_total",
    "energy_integral_joules_total",
    "energy_counter_over_integral",
    "power_stale",
)
"""Columns that the agent makes, from the others or from its own reading."""
COLUMNS = tuple(metric.column for metric in DEVICE.metrics if metric.column not in OWN)
_MOST_NAMES = 6


def check(machine: Machine, source: Probed) -> list[Finding]:
    """A finding per kind of device, devices alike taken together; and what hung or failed."""
    found = [_hung(part) for part in source.hung]
    found += [Finding(Mark.PROBLEM, f"{source.name}: {text}") for text in source.failed]
    if source.mistake is not None:
        found.append(Finding(Mark.PROBLEM, source.mistake))
    names = _names(source.readings.get("device_info", ()))
    alike: dict[tuple[str, object], list[Row]] = {}
    for row in source.readings.get("device", ()):
        uuid = str(row["device"])
        if uuid in source.hung:
            continue
        if row.get("up") == 0:
            found.append(_lost(names.get(uuid, uuid)))
            continue
        model = names.get(uuid, "").partition(" ")[2] or "device"
        alike.setdefault((model, tuple(_off(source, row).items())), []).append(row)
    for (model, _), rows in alike.items():
        off = _off(source, rows[0])
        found.append(_devices(machine, str(model), off, rows))
    return found


def _names(infos: Sequence[Row]) -> dict[str, str]:
    return {
        str(row["device"]): f"{row.get('index')} {row.get('model') or 'device'}" for row in infos
    }


def _off(source: Probed, row: Row) -> dict[str, str]:
    """The columns that are null, and why; empty where nobody says."""
    own, common = source.why_not.get(str(row["device"]), {}), source.why_not.get("", {})
    return {
        column: str(own.get(column) or common.get(column) or "")
        for column in COLUMNS
        if row.get(column) is None
    }


def _devices(machine: Machine, model: str, off: Mapping[str, str], rows: Sequence[Row]) -> Finding:
    count = f"{len(rows)} x " if len(rows) > 1 else ""
    columns: dict[str, list[str]] = {}
    for column, reason in off.items():
        columns.setdefault(reason or "nothing gives it here", []).append(column)
    details, cures = [], []
    for reason, names in columns.items():
        shown = ", ".join(names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        details.append(f"off: {shown}{more} ({reason})")
        cure = _cure(machine, names, reason)
        if cure is not None and cure not in cures:
            cures.append(cure)
    return Finding(
        Mark.OK,
        f"{count}{model}: {len(COLUMNS) - len(off)} of {len(COLUMNS)} readings",
        "; ".join(cures) or None,
        tuple(details),
        {
            "model": model,
            "devices": [row["device"] for row in rows],
            "on": [column for column in COLUMNS if column not in off],
            "off": {column: reason or None for column, reason in off.items()},
        },
    )


def _cure(machine: Machine, columns: Sequence[str], reason: str) -> str | None:
    """What would change it, where a right is what is missing."""
    if "refuses" not in reason and "permission" not in reason.lower():
        return None
    if any(column in PROFILED for column in columns):
        return nvidia.PROFILING
    return f"give {machine.user.name} the right that is named there"


def _hung(part: str) -> Finding:
    if part == "open":
        what = "opening the driver does not return"
    elif part.startswith("find "):
        what = f"device {part.removeprefix('find ')} does not answer when it is looked for"
    else:
        what = f"{part} does not answer: its driver holds the call"
    return Finding(
        Mark.PROBLEM,
        what,
        "look at `dmesg` for Xid lines; drain the node; reset the device, or reboot",
        data={"hung": part},
    )


def _lost(name: str) -> Finding:
    return Finding(
        Mark.PROBLEM,
        f"device {name} is lost: it no longer answers its driver",
        "look at `dmesg` for Xid 79; drain the node; reset the device, or power-cycle the node",
    )
