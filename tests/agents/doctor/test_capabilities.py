from typing import Any

from wattline_agents.catalogue import DEVICE
from wattline_agents.doctor.capabilities import COLUMNS, OWN, check
from wattline_agents.doctor.finding import Mark
from wattline_agents.doctor.nvidia import PROFILING
from wattline_agents.doctor.probing import Probed

REFUSED = "the driver refuses it to this user"


def full(uuid: str, **null: None) -> dict[str, Any]:
    return {"device": uuid, "up": 1} | dict.fromkeys(COLUMNS, 1) | null


def info(uuid: str, index: int, model: str = "H100") -> Any:
    return {"device": uuid, "index": index, "model": model}


def test_devices_alike_are_told_together(node: Any) -> None:
    rows: list[Any] = [full(f"GPU-{n}") for n in range(4)]
    source = Probed("nvml", readings={"device": rows, "device_info": [
        info(f"GPU-{n}", n) for n in range(4)
    ]})  # fmt: skip
    (finding,) = check(node.machine(), source)
    assert finding.what == f"4 x H100: {len(COLUMNS)} of {len(COLUMNS)} readings"
    assert finding.details == ()
    assert finding.data["devices"] == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"]


def test_what_is_off_is_told_with_its_reason_and_its_cure(node: Any) -> None:
    row = full("GPU-0", sm_active_ratio=None, tensor_active_ratio=None, temperature_celsius=None)
    source = Probed(
        "nvml",
        readings={"device": [row], "device_info": [info("GPU-0", 0)]},
        why_not={"GPU-0": {"sm_active_ratio": REFUSED, "tensor_active_ratio": REFUSED}},
    )
    (finding,) = check(node.machine(), source)
    assert finding.mark is Mark.OK
    assert finding.what == f"H100: {len(COLUMNS) - 3} of {len(COLUMNS)} readings"
    assert finding.details == (
        f"off: sm_active_ratio, tensor_active_ratio ({REFUSED})",
        "off: temperature_celsius (nothing gives it here)",
    )
    assert finding.cure == PROFILING
    assert finding.data["off"] == {
        "sm_active_ratio": REFUSED,
        "tensor_active_ratio": REFUSED,
        "temperature_celsius": None,
    }


def test_a_reason_that_holds_for_the_whole_node_holds_for_each_device(node: Any) -> None:
    source = Probed(
        "amdsmi",
        readings={"device": [full("a", power_watts=None)]},
        why_not={"": {"power_watts": "no amdgpu"}},
    )
    (finding,) = check(node.machine(), source)
    assert finding.details == ("off: power_watts (no amdgpu)",)
    assert finding.cure is None


def test_many_readings_that_are_off_are_counted(node: Any) -> None:
    row = full("GPU-0") | dict.fromkeys(COLUMNS[:9])
    (finding,) = check(node.machine(), Probed("nvml", readings={"device": [row]}))
    assert finding.details[0].endswith(" and 3 more (nothing gives it here)")


def test_a_device_that_hangs_and_one_that_is_lost_do_not_hide_the_others(node: Any) -> None:
    rows: list[Any] = [full("GPU-0"), {"device": "GPU-1", "up": 0}, {"device": "GPU-2", "up": 0}]
    source = Probed(
        "nvml",
        hung=["GPU-2"],
        readings={"device": rows, "device_info": [info("GPU-0", 0), info("GPU-1", 1)]},
    )
    hung, lost, healthy = check(node.machine(), source)
    assert hung.what == "GPU-2 does not answer: its driver holds the call"
    assert lost.what == "device 1 H100 is lost: it no longer answers its driver"
    assert {hung.mark, lost.mark} == {Mark.PROBLEM}
    assert healthy.what.startswith("H100: ")


def test_what_failed_and_what_was_mistaken_is_a_problem(node: Any) -> None:
    source = Probed("nvml", mistake="source nvml: no option 'x'", failed=["it broke"])
    failed, mistake = check(node.machine(), source)
    assert (failed.mark, failed.what) == (Mark.PROBLEM, "nvml: it broke")
    assert (mistake.mark, mistake.what) == (Mark.PROBLEM, "source nvml: no option 'x'")


def test_what_hangs_is_named_by_what_was_done(node: Any) -> None:
    found = check(node.machine(), Probed("nvml", hung=["open", "find 0000:07:00.0"]))
    assert [finding.what for finding in found] == [
        "opening the driver does not return",
        "device 0000:07:00.0 does not answer when it is looked for",
    ]


def test_readings_are_all_that_the_catalogue_has_of_a_device_itself() -> None:
    assert set(COLUMNS) | set(OWN) == {metric.column for metric in DEVICE.metrics}
