from typing import Any

from wattline_agents.doctor.accelerators import Card, cards, check
from wattline_agents.doctor.finding import Finding, Mark, Section
from wattline_agents.doctor.probing import Probed

NOBODY: frozenset[str] = frozenset()


def only(sections: list[Section]) -> list[Finding]:
    (section,) = sections
    return list(section.findings)


def test_accelerators_are_found_on_the_bus_by_vendor_and_class(node: Any) -> None:
    node.card("0000:07:00.0", "0x10de", driver="nvidia")
    node.card("0000:c1:00.0", "0x1002", "0x038000", driver="amdgpu")
    node.card("0000:03:00.0", "0x8086", "0x120000")
    node.card("0000:00:02.0", "0x8086", "0x030000", driver="i915")
    node.card("0000:08:00.0", "0x10de", "0x040300", driver="snd_hda_intel")
    node.card("0000:09:00.0", "0x1a03", "0x030000", driver="ast")
    assert cards(node.machine()) == [
        Card("0000:00:02.0", "intel", "i915", False),
        Card("0000:03:00.0", "intel", None, True),
        Card("0000:07:00.0", "nvidia", "nvidia", True),
        Card("0000:c1:00.0", "amd", "amdgpu", True),
    ]


def test_a_node_without_accelerators_says_so_once(node: Any) -> None:
    probed = {name: Probed(name, "none") for name in ("nvml", "amdsmi", "intel")}
    (finding,) = only(check(node.machine(), probed, NOBODY))
    assert (finding.mark, finding.what) == (Mark.OK, "none on the PCI bus of this node")


def test_accelerators_that_cannot_be_read_are_a_problem(node: Any) -> None:
    node.card("0000:c1:00.0", "0x1002", "0x038000", driver="amdgpu")
    node.write("/sys/module/amdgpu/version", "6.8.5\n")
    probed = {"amdsmi": Probed("amdsmi", "AMD SMI is not installed")}
    bus, driver, source = only(check(node.machine(), probed, NOBODY))
    assert bus.what == "1 on the PCI bus, driver amdgpu"
    assert driver.what == "kernel driver amdgpu 6.8.5"
    assert (source.mark, source.what) == (Mark.PROBLEM, "AMD SMI is not installed")
    assert source.cure is not None and "pip install" in source.cure


def test_groups_that_open_the_files_of_amd_are_named(node: Any) -> None:
    node.card("0000:c1:00.0", "0x1002", "0x038000", driver="amdgpu")
    node.write("/sys/module/amdgpu/version", "6.8.5\n")
    node.write("/dev/kfd")
    node.write("/dev/dri/renderD128")
    node.shut |= {"/dev/kfd", "/dev/dri/renderD128"}
    node.modules.add("amdsmi")
    probed = {"amdsmi": Probed("amdsmi", "this user may not open the devices")}
    source = only(check(node.machine(), probed, NOBODY))[-1]
    assert source.cure == "usermod -aG render,video agent (systemd: SupplementaryGroups=)"


def test_a_driver_that_is_not_loaded_is_named_with_its_module(node: Any) -> None:
    node.card("0000:03:00.0", "0x8086", "0x038000")
    _, driver, source = only(check(node.machine(), {"intel": Probed("intel", "none")}, NOBODY))
    assert (driver.mark, driver.cure) == (Mark.PROBLEM, "modprobe xe")
    assert source.mark is Mark.PROBLEM


def test_the_display_of_a_processor_is_nobodys_problem(node: Any) -> None:
    node.card("0000:00:02.0", "0x8086", "0x030000", driver="i915")
    node.write("/sys/module/i915/srcversion")
    findings = only(check(node.machine(), {"intel": Probed("intel", "no sensor")}, NOBODY))
    assert Mark.PROBLEM not in {finding.mark for finding in findings}


def test_accelerators_that_nobody_asks_for_are_off(node: Any) -> None:
    node.card("0000:07:00.0", "0x10de", driver="nvidia")
    findings = only(check(node.machine(), {}, NOBODY))
    assert {finding.mark for finding in findings} == {Mark.OK, Mark.OFF}
    assert findings[-1].what == "not read: `sources` leaves out 'nvml'"


def test_a_card_that_the_driver_does_not_list_is_a_problem(node: Any) -> None:
    for slot in ("07", "0f", "47"):
        node.card(f"0000:{slot}:00.0", "0x10de", driver="nvidia")
    node.card("0000:4e:00.0", "0x10de", driver="vfio-pci")
    infos: Any = [{"device": f"GPU-{n}", "pci": f"00000000:{n}:00.0"} for n in ("07", "47")]
    probed = {"nvml": Probed("nvml", readings={"device_info": infos})}
    finding = only(check(node.machine(), probed, NOBODY))[-1]
    assert finding.mark is Mark.PROBLEM
    assert finding.what == "0000:0f:00.0: on the PCI bus, and the driver does not list it"
    infos[1]["pci"] = None
    finding = only(check(node.machine(), probed, NOBODY))[-1]
    assert finding.what == (
        "2 on the PCI bus that the driver does not list: 0000:0f:00.0, 0000:47:00.0"
    )


def test_a_source_that_was_asked_for_by_name_is_looked_at_without_a_card(node: Any) -> None:
    probed = {"nvml": Probed("nvml", "no NVIDIA driver on this node")}
    (finding,) = only(check(node.machine(), probed, frozenset({"nvml"})))
    assert (finding.mark, finding.what) == (Mark.PROBLEM, "no NVIDIA driver on this node")


def test_cards_of_which_none_could_be_read_are_a_problem(node: Any) -> None:
    node.card("0000:07:00.0", "0x10de", driver="nvidia")
    node.card("0000:0f:00.0", "0x10de", driver="nvidia")
    for probed in (Probed("nvml"), Probed("nvml", unread=["0", "1"])):
        finding = only(check(node.machine(), {"nvml": probed}, NOBODY))[-1]
        assert finding.mark is Mark.PROBLEM
        assert finding.what == (
            "2 on the PCI bus that the driver does not list: 0000:07:00.0, 0000:0f:00.0"
        )


def test_a_device_that_the_driver_lists_and_that_is_not_read_is_a_problem(node: Any) -> None:
    infos: Any = [{"device": "GPU-0", "pci": "00000000:07:00.0"}]
    probed = Probed("nvml", readings={"device_info": infos}, unread=["1 at 00000000:0F:00.0"])
    finding = only(check(node.machine(), {"nvml": probed}, NOBODY))[-1]
    assert finding.mark is Mark.PROBLEM
    assert finding.what == (
        "the driver has device 1 at 00000000:0F:00.0, and nothing could be read of it"
    )
    probed.unread = ["1", "3"]
    finding = only(check(node.machine(), {"nvml": probed}, NOBODY))[-1]
    assert finding.what == "the driver has 2 devices: 1, 3, and nothing could be read of them"


def test_a_device_that_hangs_when_it_is_looked_for_is_told_once(node: Any) -> None:
    probed = Probed("nvml", hung=["find 1"], unread=["1 at 00000000:0F:00.0"])
    problems = [f for f in only(check(node.machine(), {"nvml": probed}, NOBODY)) if f.mark]
    assert [finding.what for finding in problems] == [
        "device 1 does not answer when it is looked for"
    ]


def test_cards_of_a_driver_that_is_not_there_are_not_called_lost_as_well(node: Any) -> None:
    node.card("0000:c1:00.0", "0x1002", "0x038000", driver="amdgpu")
    probed = Probed("amdsmi", "AMD SMI is not installed")
    findings = only(check(node.machine(), {"amdsmi": probed}, NOBODY))
    assert not [finding for finding in findings if "PCI bus that" in finding.what]
    assert findings[-1].what == "AMD SMI is not installed"
