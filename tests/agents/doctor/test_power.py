import shlex
from typing import Any

from wattline_agents.doctor.finding import Finding, Mark
from wattline_agents.doctor.power import UDEV_FILE, check, rapl_cure, udev_rule
from wattline_agents.doctor.probing import Probed

NOBODY: frozenset[str] = frozenset()
ZONE = "/sys/class/powercap/intel-rapl:0/energy_uj"


def about(findings: list[Finding], word: str) -> Finding:
    return next(finding for finding in findings if word in finding.what)


def test_what_meters_the_node_and_its_parts_is_named(node: Any) -> None:
    node.write("/sys/cray/pm_counters/power", "500 W 1 us")
    rows: list[Any] = [
        {"source": "pm_counters", "domain": "node", "power_watts": 500.0},
        {"source": "pm_counters", "domain": "accel0", "power_watts": 90.0},
        {"source": "pm_counters", "domain": "memory"},
    ]
    probed = {"cray": Probed("cray", readings={"meter": rows})}
    cray, meters = check(node.machine(), probed, NOBODY)
    assert cray.what == "HPE Cray pm_counters, open to everybody"
    assert meters.what == "pm_counters meters node, accel0"


def test_a_node_without_a_meter_is_told_where_one_may_be(node: Any) -> None:
    (finding,) = check(node.machine(), {}, NOBODY)
    assert finding.mark is Mark.OFF
    assert finding.cure is not None and "[source.redfish]" in finding.cure


def test_counters_that_are_shut_come_with_the_rule_that_opens_them(node: Any) -> None:
    node.write(ZONE, "1")
    assert about(check(node.machine(), {}, NOBODY), "RAPL").mark is Mark.OK
    node.shut.add(ZONE)
    finding = about(check(node.machine(), {}, NOBODY), "RAPL")
    assert (finding.mark, finding.cure) == (
        Mark.OFF,
        rapl_cure("wattline") + " (systemd: SupplementaryGroups=wattline)",
    )
    assert about(check(node.machine(), {}, frozenset({"rapl"})), "RAPL").mark is Mark.PROBLEM


def test_the_rule_is_one_word_of_a_shell_and_opens_nothing_to_everybody() -> None:
    words = shlex.split(rapl_cure("wattline"))
    echo = words.index("echo")
    assert words[:echo] == ["groupadd", "-f", "--system", "wattline", "&&"]
    assert words[echo + 1 : echo + 4] == [udev_rule("wattline"), ">", UDEV_FILE]
    assert "chmod 0440" in words[echo + 1] and "chgrp wattline " in words[echo + 1]


def test_meters_that_were_asked_for_and_are_not_there_are_a_problem(node: Any) -> None:
    rapl, ipmi, _ = check(node.machine(), {}, frozenset({"rapl", "ipmi"}))
    assert (rapl.mark, rapl.cure) == (Mark.PROBLEM, "modprobe intel_rapl_msr")
    assert (ipmi.mark, ipmi.cure) == (Mark.PROBLEM, "modprobe ipmi_si ipmi_devintf")


def test_a_management_controller_is_opened_to_a_group(node: Any) -> None:
    node.write("/dev/ipmi0")
    assert about(check(node.machine(), {}, NOBODY), "ipmi0").mark is Mark.OK
    node.shut.add("/dev/ipmi0")
    finding = about(check(node.machine(), {}, NOBODY), "ipmi0")
    assert finding.mark is Mark.OFF
    assert finding.cure is not None and 'GROUP="wattline"' in finding.cure


def test_a_grace_without_its_meters_is_told_the_module(node: Any) -> None:
    node.architecture = "aarch64"
    node.write("/sys/class/dmi/id/product_name", "NVIDIA GH200 P5042\n")
    finding = about(check(node.machine(), {}, NOBODY), "Grace")
    assert finding.cure == "modprobe acpi_power_meter force_cap_on=y"
    node.write("/sys/module/acpi_power_meter/refcnt")
    assert about(check(node.machine(), {}, NOBODY), "Grace").mark is Mark.OK


def test_hardware_monitors_of_power_are_named(node: Any) -> None:
    node.write("/sys/class/hwmon/hwmon0/name", "amdgpu\n")
    node.write("/sys/class/hwmon/hwmon0/power1_average", "1")
    node.write("/sys/class/hwmon/hwmon1/name", "coretemp\n")
    node.write("/sys/class/hwmon/hwmon1/temp1_input", "1")
    finding = about(check(node.machine(), {}, NOBODY), "monitors")
    assert finding.data["monitors"] == ["amdgpu (1)"]
