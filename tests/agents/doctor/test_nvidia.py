from typing import Any

import pytest

from wattline_agents.doctor.finding import Finding, Mark
from wattline_agents.doctor.machine import Ran
from wattline_agents.doctor.nvidia import PROFILING, check, driver_version, library_version
from wattline_agents.doctor.probing import Probed

OPEN = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
OLD = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
LOG = "XID errors: events and the kernel's log"
ROW = {"device": "GPU-1", "up": 1, "sm_active_ratio": 0.5}


def healthy(node: Any) -> None:
    node.write("/proc/driver/nvidia/version", OPEN)
    node.write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.570.124.06")
    node.write("/dev/nvidiactl")
    node.write("/dev/nvidia0")
    node.write("/dev/kmsg")


def read(*rows: Any) -> Probed:
    return Probed("nvml", readings={"device": list(rows)})


def worst(findings: list[Finding]) -> Finding:
    return next(one for one in findings if one.mark is not Mark.OK)


@pytest.mark.parametrize(("text", "version"), [(OPEN, "570.124.06"), (OLD, "535.183.01")])
def test_the_loaded_driver_tells_its_version(node: Any, text: str, version: str) -> None:
    node.write("/proc/driver/nvidia/version", text)
    assert driver_version(node.machine()) == version


def test_where_nothing_is_there_there_is_no_version(node: Any) -> None:
    assert driver_version(node.machine()) is None
    assert library_version(node.machine()) is None
    assert check(node.machine(), [], None, False) == []


def test_a_healthy_node_has_nothing_to_cure(node: Any) -> None:
    healthy(node)
    findings = check(node.machine(), ["nvidia"], read(ROW), True)
    assert [one.what for one in findings] == [
        "driver 570.124.06",
        "device files open to agent",
        LOG,
    ]


def test_a_driver_that_is_not_loaded_is_a_problem_where_it_is_wanted(node: Any) -> None:
    (finding,) = check(node.machine(), [None], Probed("nvml", "no driver"), True)
    assert finding.mark is Mark.PROBLEM
    assert finding.cure is not None and finding.cure.startswith("modprobe nvidia")
    (finding,) = check(node.machine(), [None], None, False)
    assert finding.mark is Mark.OFF


def test_cards_held_by_another_driver_are_told_apart(node: Any) -> None:
    (finding,) = check(node.machine(), ["nouveau"], None, True)
    assert finding.cure is not None and "blacklist nouveau" in finding.cure
    (finding,) = check(node.machine(), ["vfio-pci", "vfio-pci"], None, True)
    assert (finding.mark, finding.what) == (
        Mark.OFF,
        "handed to virtual machines: they are read there",
    )


def test_a_library_of_another_version_is_named_with_both(node: Any) -> None:
    healthy(node)
    node.write("/proc/driver/nvidia/version", OLD)
    source = Probed("nvml", "the NVIDIA driver was changed under its library; reboot the node")
    finding = worst(check(node.machine(), ["nvidia"], source, True))
    assert finding.what == (
        "driver 535.183.01 is loaded and its library is 570.124.06: changed while loaded"
    )
    assert finding.mark is Mark.PROBLEM


def test_a_missing_library_is_what_is_to_be_installed(node: Any) -> None:
    healthy(node)
    (node.root / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.570.124.06").unlink()
    source = Probed("nvml", "no NVIDIA driver on this node (libnvidia-ml.so.1 is not there)")
    finding = worst(check(node.machine(), ["nvidia"], source, True))
    assert finding.what == source.unavailable
    assert finding.cure == "install the driver's NVML library (libnvidia-ml.so.1)"


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("the NVIDIA driver is installed and not loaded", "modprobe nvidia"),
        ("this user may not open the NVIDIA devices", "ls -l /dev/nvidia*"),
        ("the NVIDIA driver was changed while its library was in use", "reboot the node, or"),
        ("NVML: Unknown Error", ""),
    ],
)
def test_what_nvml_says_of_itself_has_its_cure(node: Any, reason: str, cure: str) -> None:
    healthy(node)
    finding = worst(check(node.machine(), ["nvidia"], Probed("nvml", reason), True))
    assert finding.what == reason
    assert (finding.cure or "").startswith(cure)


def test_device_files_that_are_shut_name_the_group_that_opens_them(node: Any) -> None:
    healthy(node)
    node.shut |= {"/dev/nvidia0", "/dev/nvidiactl"}
    finding = worst(check(node.machine(), ["nvidia"], None, True))
    assert finding.what == "agent may not open /dev/nvidia0, /dev/nvidiactl"
    assert finding.cure is not None and finding.cure.startswith("usermod -aG ")


def test_a_driver_without_its_device_files_is_a_problem(node: Any) -> None:
    node.write("/proc/driver/nvidia/version", OPEN)
    finding = worst(check(node.machine(), ["nvidia"], None, True))
    assert finding.what == "the driver is loaded and there is no /dev/nvidiactl"


def test_persistence_and_mig_are_told_as_nvidia_smi_tells_them(node: Any) -> None:
    healthy(node)
    node.programs["nvidia-smi"] = Ran(0, "GPU-1, Disabled, Enabled\nGPU-2, Enabled, Disabled\n")
    findings = check(node.machine(), ["nvidia"], read(ROW), True)
    persistence, mig = findings[2:4]
    assert persistence.what.startswith("persistence mode off on 1 of 2")
    assert persistence.cure == "systemctl enable --now nvidia-persistenced (or nvidia-smi -pm 1)"
    assert mig.what.startswith("MIG on, on 1 of 2")
    node.write("/run/nvidia-persistenced/socket")
    assert check(node.machine(), ["nvidia"], read(ROW), True)[2].what == "persistence mode on"


def test_an_nvidia_smi_that_fails_says_nothing(node: Any) -> None:
    healthy(node)
    node.programs["nvidia-smi"] = Ran(9, "NVIDIA-SMI has failed")
    assert len(check(node.machine(), ["nvidia"], read(ROW), True)) == 3


def test_profiling_kept_for_administrators_is_named_where_it_is_missed(node: Any) -> None:
    healthy(node)
    node.write("/proc/driver/nvidia/params", "ResmanDebugLevel: 1\nRmProfilingAdminOnly: 1\n")
    assert len(check(node.machine(), ["nvidia"], read(ROW), True)) == 3, "it is read all the same"
    denied = {**ROW, "sm_active_ratio": None}
    finding = worst(check(node.machine(), ["nvidia"], read(denied), True))
    assert finding.cure == PROFILING
    node.write("/proc/driver/nvidia/params", "RmProfilingAdminOnly: 0\n")
    assert len(check(node.machine(), ["nvidia"], read(denied), True)) == 3


def test_a_kernel_log_that_is_shut_is_said_with_the_right_that_opens_it(node: Any) -> None:
    healthy(node)
    node.write("/proc/sys/kernel/dmesg_restrict", "1\n")
    log = check(node.machine(), ["nvidia"], read(ROW), True)[-1]
    assert log.mark is Mark.OFF
    assert log.cure is not None and "CAP_SYSLOG" in log.cure
    node.write("/proc/self/status", f"CapEff:\t{1 << 34:x}\n")
    assert check(node.machine(), ["nvidia"], read(ROW), True)[-1].what == LOG
    node.shut.add("/dev/kmsg")
    assert check(node.machine(), ["nvidia"], read(ROW), True)[-1].mark is Mark.OFF
