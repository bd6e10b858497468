"""NVIDIA's driver: loaded, of one version with its library, and open to this user."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from wattline_agents.doctor.finding import Finding, Mark, missing, ok
from wattline_agents.doctor.machine import PROGRAM_SECONDS, Machine
from wattline_agents.doctor.node import capabilities
from wattline_agents.doctor.probing import Probed
from wattline_agents.sources.nvml import ids

LIBRARY_PLACES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
)
_QUERY = "uuid,persistence_mode,mig.mode.current"
_RELOAD = "reboot the node, or stop what uses the GPUs and reload: rmmod nvidia_uvm nvidia_drm "
_RELOAD += "nvidia_modeset nvidia && modprobe nvidia"
PROFILING = (
    "echo 'options nvidia NVreg_RestrictProfilingToAdminUsers=0' "
    "> /etc/modprobe.d/nvidia-profiling.conf, then reload the driver or reboot"
)


def check(
    machine: Machine, drivers: Sequence[str | None], source: Probed | None, is_wanted: bool
) -> list[Finding]:
    """How the driver stands.

    Args:
        machine: The node.
        drivers: The kernel driver of each card on the PCI bus.
        source: What reading through NVML gave, if it was tried.
        is_wanted: Whether the configuration asks for these GPUs.
    """
    loaded, library = driver_version(machine), library_version(machine)
    found = []
    if loaded is None and drivers:
        found.append(_not_loaded(drivers, is_wanted))
    elif loaded is not None and library is not None and loaded != library:
        found.append(
            missing(
                f"driver {loaded} is loaded and its library is {library}: changed while loaded",
                _RELOAD,
                asked=is_wanted,
                driver=loaded,
                library=library,
            )
        )
    elif loaded is not None:
        found.append(ok(f"driver {loaded}", driver=loaded, library=library))
    if loaded is not None:
        found += _device_files(machine, is_wanted)
    if source is not None and source.unavailable is not None and (drivers or is_wanted):
        if not any(finding.mark is Mark.PROBLEM for finding in found):
            found.append(missing(source.unavailable, _cure(source.unavailable), asked=is_wanted))
    if source is not None and source.readings.get("device"):
        found += _modes(machine)
        found += _profiling(machine, source)
        found += _kernel_log(machine)
    return found


def driver_version(machine: Machine) -> str | None:
    """The version of the loaded kernel driver; None if none is loaded."""
    text = machine.text("/proc/driver/nvidia/version") or ""
    match = re.search(r"Kernel Module\D*?(?:for \S+)?\s+(\d+(?:\.\d+)+)", text)
    if match:
        return match[1]
    text = (machine.text("/sys/module/nvidia/version") or "").strip()
    return text if re.fullmatch(r"\d+(?:\.\d+)+", text) else None


def library_version(machine: Machine) -> str | None:
    """The version of the NVML library, from its file's name; None if it is not found."""
    for place in LIBRARY_PLACES:
        for name in machine.names(place):
            match = re.fullmatch(r"libnvidia-ml\.so\.(\d+\.\d+(?:\.\d+)*)", name)
            if match:
                return match[1]
    return None


def _cure(reason: str) -> str | None:
    """What helps where NVML cannot be used and nothing else was found."""
    if ids.LIBRARY in reason:
        return f"install the driver's NVML library ({ids.LIBRARY})"
    if "was changed" in reason:
        return _RELOAD
    if "not loaded" in reason:
        return "modprobe nvidia"
    if "may not open" in reason:
        return "ls -l /dev/nvidia*, and put this user in the group that may open them"
    return None


def _not_loaded(drivers: Sequence[str | None], is_wanted: bool) -> Finding:
    if "nouveau" in drivers:
        return missing(
            "the cards are held by nouveau, which tells no readings",
            "echo 'blacklist nouveau' > /etc/modprobe.d/nouveau.conf, install NVIDIA's driver, "
            "reboot",
            asked=is_wanted,
        )
    if all(driver == "vfio-pci" for driver in drivers):
        return missing("handed to virtual machines: they are read there", asked=False)
    return missing(
        "NVIDIA's kernel driver is not loaded",
        "modprobe nvidia (if there is none: install the driver)",
        asked=is_wanted,
    )


def _device_files(machine: Machine, is_wanted: bool) -> list[Finding]:
    names = [name for name in machine.names("/dev") if re.fullmatch(r"nvidia(ctl|\d+)", name)]
    if "nvidiactl" not in names:
        return [
            missing(
                "the driver is loaded and there is no /dev/nvidiactl",
                "nvidia-modprobe -c 0 -u (in a container: start it with the NVIDIA runtime)",
                asked=is_wanted,
            )
        ]
    shut = [name for name in names if not machine.can(f"/dev/{name}", os.R_OK | os.W_OK)]
    if not shut:
        return [ok(f"device files open to {machine.user.name}", files=names)]
    return [
        missing(
            f"{machine.user.name} may not open {', '.join('/dev/' + name for name in shut[:3])}"
            + (f" and {len(shut) - 3} more" if len(shut) > 3 else ""),
            f"usermod -aG {_group(machine, shut[0])} {machine.user.name} "
            "(systemd: SupplementaryGroups=), or NVreg_DeviceFileMode=0666 for all users",
            asked=is_wanted,
            files=shut,
        )
    ]


def _group(machine: Machine, name: str) -> str:
    import grp

    try:
        return grp.getgrgid(machine.path(f"/dev/{name}").stat().st_gid).gr_name
    except (OSError, KeyError):
        return "GROUP"


def _modes(machine: Machine) -> list[Finding]:
    """Persistence mode and MIG, as nvidia-smi tells them; nothing where it does not answer."""
    ran = machine.run(
        ("nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"), PROGRAM_SECONDS
    )
    if ran is None or ran.status != 0:
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in ran.output.splitlines()]
    rows = [row for row in rows if len(row) == 3]
    lazy = [row[0] for row in rows if row[1] == "Disabled"]
    divided = [row[0] for row in rows if row[2] == "Enabled"]
    found = []
    if lazy and not machine.exists("/run/nvidia-persistenced/socket"):
        found.append(
            missing(
                f"persistence mode off on {len(lazy)} of {len(rows)}: the driver is set up anew "
                "whenever nobody uses a GPU, which takes seconds and resets its counters",
                "systemctl enable --now nvidia-persistenced (or nvidia-smi -pm 1)",
                asked=False,
                persistence_off=lazy,
            )
        )
    elif rows:
        found.append(ok("persistence mode on", persistence_off=[]))
    if divided:
        found.append(
            ok(
                f"MIG on, on {len(divided)} of {len(rows)}: activity and memory per instance; "
                "power and energy of the whole GPU only",
                mig=divided,
            )
        )
    return found


def _kernel_log(machine: Machine) -> list[Finding]:
    """XID errors that never become an event, such as 79, stand in the kernel's log alone."""
    is_restricted = (machine.text("/proc/sys/kernel/dmesg_restrict") or "0").strip() != "0"
    has_right = machine.user.uid == 0 or "CAP_SYSLOG" in capabilities(machine)
    if machine.can("/dev/kmsg", os.R_OK) and (has_right or not is_restricted):
        return [ok("XID errors: events and the kernel's log")]
    return [
        missing(
            f"XID errors: events alone; {machine.user.name} may not read the kernel's log, where "
            "some stand that are no event",
            "AmbientCapabilities=CAP_SYSLOG, CapabilityBoundingSet=CAP_SYSLOG and "
            "ProtectKernelLogs=no in the unit (or sysctl kernel.dmesg_restrict=0)",
            asked=False,
        )
    ]


def _profiling(machine: Machine, source: Probed) -> list[Finding]:
    """Activity of the chip's parts, where the driver keeps it for administrators."""
    text = machine.text("/proc/driver/nvidia/params") or ""
    if not re.search(r"^RmProfilingAdminOnly:\s*1$", text, re.MULTILINE):
        return []
    readings = source.readings["device"]
    if any(row.get("sm_active_ratio") is not None for row in readings):
        return []
    return [
        missing(
            "profiling is for administrators only (RmProfilingAdminOnly), which can keep the "
            "activity of compute units, tensor pipes and memory from being read",
            PROFILING,
            asked=False,
        )
    ]
