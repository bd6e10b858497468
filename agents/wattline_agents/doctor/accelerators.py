"""Accelerators: what is on the PCI bus, whether its driver is loaded, and what it lets us read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wattline_agents.doctor import capabilities, nvidia
from wattline_agents.doctor.finding import Finding, Mark, Section, missing, ok
from wattline_agents.doctor.machine import Machine
from wattline_agents.doctor.probing import Probed

_PCI = "/sys/bus/pci/devices"
VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
SOURCE = {"nvidia": "nvml", "amd": "amdsmi", "intel": "intel"}
NAMES = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}
_BOUND = frozenset({"nvidia", "amdgpu"})
"""Drivers that list every card they hold."""
_DRIVERS = {"amd": ("amdgpu",), "intel": ("xe", "i915")}


_POWER_CYCLE = (
    "look at `dmesg` for Xid 79; drain the node; reset the device, or power-cycle the node"
)


@dataclass(frozen=True, slots=True)
class Card:
    """One accelerator on the PCI bus.

    Attributes:
        address: Where it is, `0000:07:00.0`.
        vendor: `nvidia`, `amd` or `intel`.
        driver: The kernel driver it is bound to; None if to none.
        is_accelerator: Made for computing alone, rather than for a display too.
    """

    address: str
    vendor: str
    driver: str | None
    is_accelerator: bool


def cards(machine: Machine) -> list[Card]:
    """Display controllers (class 0x03) and accelerators (0x12) of the three vendors."""
    found = []
    for address in machine.names(_PCI):
        place = f"{_PCI}/{address}"
        vendor = VENDORS.get((machine.text(f"{place}/vendor") or "").strip())
        kind = (machine.text(f"{place}/class") or "").strip()
        if vendor is None or not re.match(r"0x(03|12)", kind):
            continue
        try:
            driver = machine.path(f"{place}/driver").readlink().name
        except OSError:
            driver = None
        found.append(Card(address, vendor, driver, not kind.startswith(("0x0300", "0x0301"))))
    return found


def check(machine: Machine, probed: Mapping[str, Probed], asked: frozenset[str]) -> list[Section]:
    """One section per vendor that has something here; one that says so where there is nothing.

    Args:
        machine: The node.
        probed: What reading each chosen source gave.
        asked: Sources that were asked for by name.
    """
    found = cards(machine)
    sections = []
    for vendor in VENDORS.values():
        own = [card for card in found if card.vendor == vendor]
        source = probed.get(SOURCE[vendor])
        there = source is not None and bool(
            source.readings or source.hung or source.failed or source.unread
        )
        if own or there or SOURCE[vendor] in asked:
            findings = _vendor(machine, vendor, own, source, SOURCE[vendor] in asked)
            sections.append(Section(f"{NAMES[vendor]} accelerators", findings))
    if not sections:
        return [Section("Accelerators", [ok("none on the PCI bus of this node", devices=0)])]
    return sections


def _vendor(
    machine: Machine, vendor: str, own: list[Card], source: Probed | None, is_asked: bool
) -> list[Finding]:
    # A processor's own display is no accelerator anybody waits for.
    is_wanted = source is not None and (
        is_asked or any(card.is_accelerator or vendor == "nvidia" for card in own)
    )
    findings = []
    if own:
        findings.append(_bus(vendor, own))
    if vendor == "nvidia":
        findings += nvidia.check(machine, [card.driver for card in own], source, is_wanted)
    else:
        findings += _driver(machine, vendor, own, source, is_wanted)
    if source is not None:
        findings += capabilities.check(machine, source)
        findings += _unread(own, source)
    elif own:
        name = SOURCE[vendor]
        findings.append(missing(f"not read: `sources` leaves out {name!r}", asked=False))
    return findings


def _bus(vendor: str, own: list[Card]) -> Finding:
    drivers = {card.driver or "none" for card in own}
    count = f"{len(own)} on the PCI bus, driver {', '.join(sorted(drivers))}"
    passed = sum(card.driver == "vfio-pci" for card in own)
    devices = [{"address": card.address, "driver": card.driver} for card in own]
    if passed:
        count += f" ({passed} handed to virtual machines)"
    return Finding(Mark.OK, count, data={"vendor": vendor, "devices": devices})


def _unread(own: list[Card], source: Probed) -> list[Finding]:
    """Cards whose driver is bound or lists them, and that the source did not read."""
    read = {
        _address(str(row["pci"]))
        for row in source.readings.get("device_info", ())
        if row.get("pci")
    }
    is_read = read or source.works or source.unread
    if source.hung or (source.unavailable is not None and not source.unread) or not is_read:
        lost = []
    else:
        lost = [card.address for card in own if card.driver in _BOUND and card.address not in read]
    if not lost:
        return _listed(source)
    return [
        missing(
            f"{', '.join(lost[:4])}: on the PCI bus, and the driver does not list it"
            if len(lost) == 1
            else f"{len(lost)} on the PCI bus that the driver does not list: {', '.join(lost[:4])}",
            _POWER_CYCLE,
            asked=True,
            unread=lost,
        )
    ]


def _listed(source: Probed) -> list[Finding]:
    """What the driver lists and the source did not read, except what hangs, which is told."""
    hung = {part.removeprefix("find ") for part in source.hung}
    names = [name for name in source.unread if hung.isdisjoint(name.split())]
    if not names:
        return []
    devices = "device" if len(names) == 1 else f"{len(names)} devices:"
    return [
        missing(
            f"the driver has {devices} {', '.join(names[:4])}, and nothing could be read of "
            f"{'it' if len(names) == 1 else 'them'}",
            _POWER_CYCLE,
            asked=True,
            unread=names,
        )
    ]


def _address(text: str) -> str:
    """A PCI address as the kernel writes it: NVML's domain has eight digits, the kernel's four."""
    domain, colon, rest = text.lower().partition(":")
    return f"{domain[-4:]}{colon}{rest}"


def _driver(
    machine: Machine, vendor: str, own: list[Card], source: Probed | None, is_wanted: bool
) -> list[Finding]:
    names = _DRIVERS[vendor]
    loaded = [name for name in names if machine.exists(f"/sys/module/{name}")]
    findings = []
    if loaded:
        version = (machine.text(f"/sys/module/{loaded[0]}/version") or machine.kernel).strip()
        findings.append(ok(f"kernel driver {loaded[0]} {version}", driver=loaded[0]))
    elif own:
        findings.append(
            missing(
                f"kernel driver {' or '.join(names)} is not loaded",
                f"modprobe {names[0]}",
                asked=is_wanted,
            )
        )
    if source is None or source.works:
        return findings
    if source.unavailable and not source.readings:
        findings.append(missing(source.unavailable, _cure(machine, vendor), asked=is_wanted))
    return findings


def _cure(machine: Machine, vendor: str) -> str | None:
    if vendor == "intel":
        return None
    if not machine.has_module("amdsmi"):
        return "install ROCm's AMD SMI, then: pip install /opt/rocm/share/amd_smi"
    nodes = [name for name in machine.names("/dev/dri") if name.startswith("renderD")]
    shut = [name for name in nodes if not machine.can(f"/dev/dri/{name}", 6)]
    if shut or (machine.exists("/dev/kfd") and not machine.can("/dev/kfd", 6)):
        return f"usermod -aG render,video {machine.user.name} (systemd: SupplementaryGroups=)"
    return None
