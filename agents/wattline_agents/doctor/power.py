"""Meters of the whole node and of its parts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wattline_agents.doctor.finding import Finding, Mark, missing, ok
from wattline_agents.doctor.machine import Machine
from wattline_agents.doctor.probing import Probed

_POWERCAP = "/sys/class/powercap"
UDEV_FILE = "/etc/udev/rules.d/60-wattline-rapl.rules"


def udev_rule(group: str) -> str:
    """The rule by which a group may read RAPL's counters, and nobody else.

    Rights of sysfs files are not kept over a boot, and udev's own MODE is for device files.
    """
    return (
        'SUBSYSTEM=="powercap", ACTION=="add", TEST=="energy_uj", '
        f'RUN+="/bin/chgrp {group} /sys%p/energy_uj", RUN+="/bin/chmod 0440 /sys%p/energy_uj"'
    )


def rapl_cure(group: str) -> str:
    """What lets a group read RAPL's counters, now and after a boot."""
    return (
        f"groupadd -f --system {group} && echo '{udev_rule(group)}' > {UDEV_FILE} && "
        "udevadm control --reload && "
        "udevadm trigger --action=add --subsystem-match=powercap"
    )


def check(machine: Machine, probed: Mapping[str, Probed], asked: frozenset[str]) -> list[Finding]:
    """What meters this node.

    Args:
        machine: The node.
        probed: What reading each chosen source gave.
        asked: Sources that were asked for by name.
    """
    found = [
        *_cray(machine),
        *_rapl(machine, "rapl" in asked),
        *_grace(machine),
        *_monitors(machine),
        *_ipmi(machine, "ipmi" in asked),
    ]
    meters = _metered(probed)
    whole = sorted(source for source, domains in meters.items() if "node" in domains)
    for source, domains in meters.items():
        found.append(ok(f"{source} meters {', '.join(domains)}", source=source, domains=domains))
    if not whole:
        found.append(
            missing(
                "nothing meters the whole node: its energy beyond the devices is not known",
                "read its management controller: [source.redfish] url, or source ipmi",
                asked=False,
            )
        )
    return found


def _metered(probed: Mapping[str, Probed]) -> dict[str, list[str]]:
    meters: dict[str, list[str]] = {}
    for source in probed.values():
        for row in source.readings.get("meter", ()):
            if row.get("energy_joules_total") is None and row.get("power_watts") is None:
                continue
            meters.setdefault(str(row["source"]), []).append(str(row["domain"]))
    return meters


def _cray(machine: Machine) -> list[Finding]:
    if machine.exists("/sys/cray/pm_counters/power"):
        return [ok("HPE Cray pm_counters, open to everybody")]
    return []


def _rapl(machine: Machine, is_asked: bool) -> list[Finding]:
    zones = [
        f"{_POWERCAP}/{name}/energy_uj"
        for name in machine.names(_POWERCAP)
        if ":" in name and machine.exists(f"{_POWERCAP}/{name}/energy_uj")
    ]
    if not zones:
        if is_asked:
            return [missing("no RAPL counters", "modprobe intel_rapl_msr", asked=True)]
        return []
    shut = [zone for zone in zones if not machine.can(zone, os.R_OK)]
    if not shut:
        return [ok(f"RAPL: {len(zones)} counters, readable", zones=zones)]
    return [
        missing(
            f"RAPL: {len(shut)} of {len(zones)} counters are shut to {machine.user.name}, as the "
            "kernel does since CVE-2020-8694",
            rapl_cure("wattline") + " (systemd: SupplementaryGroups=wattline)",
            asked=is_asked,
            zones=shut,
        )
    ]


def _grace(machine: Machine) -> list[Finding]:
    if machine.architecture != "aarch64" or "Grace" not in (machine.text("/proc/cpuinfo") or ""):
        names = (machine.text("/sys/class/dmi/id/product_name") or "") + (
            machine.text("/proc/device-tree/model") or ""
        )
        if "Grace" not in names and "GH200" not in names:
            return []
    if machine.exists("/sys/module/acpi_power_meter"):
        return [ok("Grace: ACPI power meters")]
    return [
        missing(
            "Grace: its power meters are not loaded",
            "modprobe acpi_power_meter force_cap_on=y",
            asked=False,
        )
    ]


def _monitors(machine: Machine) -> list[Finding]:
    """Hardware monitors that measure power: named, so that what is there and not read is seen."""
    found = []
    for name in machine.names("/sys/class/hwmon"):
        place = f"/sys/class/hwmon/{name}"
        files = [
            file
            for file in machine.names(place)
            if file.startswith(("power", "energy")) and file.endswith(("_input", "_average"))
        ]
        if files:
            found.append(f"{(machine.text(f'{place}/name') or name).strip()} ({len(files)})")
    if not found:
        return []
    return [ok(f"hardware monitors with power or energy: {', '.join(found[:8])}", monitors=found)]


def _ipmi(machine: Machine, is_asked: bool) -> list[Finding]:
    device = next((name for name in ("/dev/ipmi0", "/dev/ipmi/0") if machine.exists(name)), None)
    if device is None:
        if is_asked:
            return [missing("no /dev/ipmi0", "modprobe ipmi_si ipmi_devintf", asked=True)]
        return []
    if machine.can(device, os.R_OK | os.W_OK):
        return [ok(f"{device} is open to {machine.user.name}")]
    return [
        Finding(
            Mark.PROBLEM if is_asked else Mark.OFF,
            f"{device}: {machine.user.name} may not open it; who may can also switch the node off",
            'echo \'KERNEL=="ipmi*", GROUP="wattline", MODE="0660"\' '
            "> /etc/udev/rules.d/60-wattline-ipmi.rules && udevadm trigger "
            "(or read the controller by Redfish from elsewhere)",
        )
    ]
