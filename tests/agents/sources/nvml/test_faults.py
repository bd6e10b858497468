"""Each fault, and what is still delivered while it is there."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from wattline_agents.errors import RestartNeeded, SourceUnavailable
from wattline_agents.sources.nvml import Off
from wattline_agents.sources.nvml.watch import XidWatch

NO_ATTACH = 2
NO_PERMISSION, NOT_SUPPORTED, FUNCTION_NOT_FOUND, VERSION_MISMATCH = 4, 3, 13, 25
UNKNOWN, INVALID_ARGUMENT, RESET_REQUIRED = 999, 2, 16


def part_names(bench: Any, second: float, *faults: str) -> list[str]:
    """The parts of one reading, all of them read."""
    bench.plant(second, *faults)
    names = []
    for name, read in bench.source.parts((1_790_000_000 + round(second)) * 1000):
        names.append(name)
        read()
    return names


def test_each_step_that_may_hang_has_a_name(bench: Any) -> None:
    bench.begin()
    devices = [bench.uuid(0), bench.uuid(1)]
    assert part_names(bench, 0) == ["open", "find 0", "find 1", "xid", *devices]
    assert part_names(bench, 1) == ["xid", *devices]
    assert part_names(bench, 60) == ["count", "xid", *devices]
    assert part_names(bench, 61, "lost 1") == ["xid", *devices]
    assert "find 00000000:2B:00.0" in part_names(bench, 72, "lost 1") + part_names(bench, 82)


def test_a_part_that_is_left_out_takes_nothing_from_the_others(bench: Any) -> None:
    bench.begin(devices=3)
    bench.plant(0)
    given: dict[str, Any] = {}
    for name, read in bench.source.parts(1_790_000_000_000):
        if name not in ("find 1", bench.uuid(0)):
            given[name] = read()
    assert given[bench.uuid(2)]["device"][0]["up"] == 1
    assert bench.uuid(1) not in given
    # Its turn comes again soon.
    assert [row["device"] for row in bench.read(11).tables["device"]] == [
        bench.uuid(index) for index in (0, 2, 1)
    ]


@pytest.mark.parametrize("fault", ["lost 1", f"fail nvmlDeviceGetFieldValues {RESET_REQUIRED} 1"])
def test_a_lost_gpu_is_down_the_others_go_on_and_it_comes_back(bench: Any, fault: str) -> None:
    bench.begin()
    told = [bench.read(0), *(bench.read(second, fault) for second in range(1, 12))]
    assert [one.up for one in told] == [[1, 1], *[[1, 0]] * 11]
    assert told[5].row(1) == {
        "time_unix_ms": 1_790_000_005_000,
        "device": bench.uuid(1),
        "up": 0,
        "energy_resets_total": 0,
        "xid_events_total": 0,
        "sample_age_seconds": 5.0,
        "read_errors_total": told[5].row(1)["read_errors_total"],
    }
    assert told[5].row(1)["read_errors_total"] >= 1
    assert told[11].row(0)["power_watts"] > 70
    back = bench.read_all(12, 25)
    assert back[-1].up == [1, 1]
    assert back[-1].row(1)["sm_active_ratio"] is not None
    assert bench.info(1)["model"] == "NVIDIA H100 80GB HBM3"


def test_a_lost_gpu_is_left_alone_for_ten_seconds(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0)
    bench.read(1, "lost 0")
    before = bench.calls()
    for second in range(2, 11):
        bench.read(second, "lost 0")
    assert bench.calls() == before


def test_a_gpu_lost_before_the_start_does_not_hide_the_others_and_appears(bench: Any) -> None:
    bench.begin()
    told = bench.read(0, "lost 0")
    assert [row["device"] for row in told["device"]] == [bench.uuid(1)]
    assert bench.read(5, "lost 0").up == [1]
    told = bench.read(15)
    assert {row["device"]: row["up"] for row in told["device"]} == {
        bench.uuid(0): 1,
        bench.uuid(1): 1,
    }


def test_a_gpu_that_answers_nothing_at_all_is_not_up(bench: Any) -> None:
    bench.begin()
    bench.read(0)
    functions = (
        "FieldValues", "UtilizationRates", "Samples", "CurrentClocksEventReasons", "MemoryInfo_v2",
        "TemperatureV", "MarginTemperature", "ClockInfo", "PerformanceState",
        "ComputeRunningProcesses_v3",
    )  # fmt: skip
    faults = [f"fail nvmlDeviceGet{name} {UNKNOWN} 1" for name in functions]
    told = bench.read(1, *faults, f"fail nvmlGpmSampleGet {UNKNOWN} 1")
    assert told.up == [1, 0]
    assert told.row(1)["read_errors_total"] > 0
    assert bench.read(2).up == [1, 1]


def test_a_failed_reading_is_null_counted_and_tried_again(bench: Any) -> None:
    bench.begin()
    fault = f"fail nvmlDeviceGetUtilizationRates {UNKNOWN} 0"
    bench.read(0, fault)
    row = bench.read(1, fault).row()
    assert (row["busy_ratio"], row["read_errors_total"], row["up"]) == (None, 2, 1)
    assert row["power_watts"] > 70
    assert bench.off()["busy_ratio"] == Off.FAILED
    assert bench.capability("utilisation", 1) is None
    row = bench.read(2).row()
    assert row["busy_ratio"] == pytest.approx(bench.busy(2), abs=0.005)
    assert row["read_errors_total"] == 2
    assert "busy_ratio" not in bench.off()


def test_a_failed_field_is_null_and_its_neighbours_are_not(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0)
    row = bench.read(5, f"fail 74 {UNKNOWN}").row()
    assert row["throttle_power_cap_seconds_total"] is None
    assert row["throttle_thermal_seconds_total"] == 0
    assert row["energy_joules_total"] > 0
    assert row["read_errors_total"] == 1
    assert bench.read(10).row()["throttle_power_cap_seconds_total"] == pytest.approx(181)


def test_all_fields_failing_at_once_count_as_one_failure(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0)
    row = bench.read(1, f"fail nvmlDeviceGetFieldValues {UNKNOWN}").row()
    assert (row["up"], row["power_watts"], row["energy_joules_total"]) == (1, None, None)
    assert row["read_errors_total"] == 1
    assert row["busy_ratio"] is not None
    assert bench.read(2).row()["power_watts"] > 70


def test_what_is_not_supported_is_asked_once_and_is_null(bench: Any) -> None:
    bench.begin(devices=1)
    refused = [
        f"fail nvmlDeviceGetUtilizationRates {NOT_SUPPORTED}",
        f"fail nvmlDeviceGetTemperatureV {NOT_SUPPORTED}",
    ]
    row = [bench.read(second, *refused) for second in range(30)][-1].row()
    assert (row["up"], row["busy_ratio"], row["temperature_celsius"]) == (1, None, None)
    assert row["read_errors_total"] == 0
    assert bench.calls()["nvmlDeviceGetUtilizationRates"] == 1
    assert bench.calls()["nvmlDeviceGetTemperatureV"] == 1
    assert bench.off()["busy_ratio"] == bench.off()["temperature_celsius"] == Off.NOT_SUPPORTED


def test_activity_that_is_not_permitted_is_asked_again_after_minutes(bench: Any) -> None:
    bench.begin()
    told = [bench.read(second, "gpm_deny 0") for second in range(20)]
    assert told[-1].row(0).get("sm_active_ratio") is None
    assert told[-1].row(0)["power_watts"] > 70
    assert told[-1].row(1)["sm_active_ratio"] is not None
    assert bench.off(0)["sm_active_ratio"] == Off.NO_PERMISSION
    assert bench.capability("gpm", 1) is None
    assert told[-1].row(0)["read_errors_total"] == 0
    calls = bench.calls()["nvmlGpmSampleGet"]
    assert calls == 1 + 20
    bench.read(301)
    assert bench.read(302).row(0)["sm_active_ratio"] == pytest.approx(
        bench.worked(301, 302), abs=1e-5
    )
    assert "sm_active_ratio" not in bench.off(0)


def test_activity_refused_after_minutes_of_service_is_asked_for_again(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read_all(0, 2)
    row = bench.read(3, "gpm_deny 0").row()
    assert row["sm_active_ratio"] is None
    bench.read(4)
    assert bench.off()["sm_active_ratio"] == Off.NO_PERMISSION
    bench.read(304)
    # Of the second just gone, and not of the five minutes in which nobody asked.
    assert bench.read(305).row()["sm_active_ratio"] == pytest.approx(
        bench.worked(304, 305), abs=1e-5
    )


def test_one_metric_of_activity_that_is_unknown_takes_none_of_the_others(bench: Any) -> None:
    bench.begin(devices=1)
    row = [bench.read(second, f"fail gpm5 {NOT_SUPPORTED}") for second in range(3)][-1].row()
    assert row["tensor_active_ratio"] is None
    assert row["sm_active_ratio"] == pytest.approx(bench.worked(1, 2), abs=1e-5)
    assert bench.off()["tensor_active_ratio"] == Off.NOT_SUPPORTED


def test_an_old_driver_is_read_by_what_it_has(bench: Any) -> None:
    bench.begin(devices=1)
    old = [
        f"fail nvmlDeviceGetTemperatureV {FUNCTION_NOT_FOUND}",
        f"fail nvmlDeviceGetMemoryInfo_v2 {VERSION_MISMATCH}",
        f"fail nvmlGpmQueryDeviceSupport {FUNCTION_NOT_FOUND}",
        f"fail nvmlDeviceGetMarginTemperature {FUNCTION_NOT_FOUND}",
    ]
    row = [bench.read(second, *old) for second in range(7)][-1].row()
    assert row["temperature_celsius"] == 30 + int(40 * bench.busy(5))
    assert row["memory_used_bytes"] == 10.5 * 1024**3
    assert row["memory_reserved_bytes"] is None
    assert bench.off()["sm_active_ratio"] == Off.OLD_DRIVER
    assert bench.off()["temperature_margin_celsius"] == Off.OLD_DRIVER
    assert row["read_errors_total"] == 0
    assert bench.calls()["nvmlDeviceGetTemperatureV"] == 1


def test_a_driver_without_fields_is_read_by_single_calls(bench: Any) -> None:
    bench.begin(devices=1)
    old = f"fail nvmlDeviceGetFieldValues {FUNCTION_NOT_FOUND}"
    rows = [bench.read(second, old).row() for second in range(12)]
    assert rows[11]["power_watts"] == pytest.approx(70 + 610 * bench.worked(10, 11), abs=0.001)
    assert rows[11]["energy_joules_total"] > rows[10]["energy_joules_total"]
    assert bench.info()["power_mode"] == "average_1s"
    assert rows[11]["read_errors_total"] == 0
    assert bench.calls()["nvmlDeviceGetFieldValues"] == 3, "once for each kind of fields"


def test_a_driver_is_not_closed_under_a_wait_for_its_events(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bench.begin()
    bench.read(0)
    closed = bench.calls()["nvmlShutdown"]
    with monkeypatch.context() as patched:
        patched.setattr(XidWatch, "end", lambda self, seconds=0.0: False)
        with pytest.raises(RestartNeeded, match="a wait for its events did not end"):
            bench.read(1, "unloaded")
        source.close()
    assert bench.calls()["nvmlShutdown"] == closed


def test_a_reloaded_driver_is_found_again(bench: Any) -> None:
    bench.begin()
    bench.read(0)
    gone = [bench.read(second, "unloaded") for second in (1, 5, 12)]
    assert [one.up for one in gone] == [[0, 0]] * 3
    assert gone[-1].row()["sample_age_seconds"] == 12
    assert bench.info()["model"] == "NVIDIA H100 80GB HBM3", "its devices are still known"
    bench.read(23)
    row = bench.read(24).row()
    assert (row["up"], row["energy_resets_total"]) == (1, 1)
    assert row["sm_active_ratio"] == pytest.approx(bench.worked(23, 24), abs=1e-5)
    assert row["power_max_watts"] is not None


def test_a_library_that_forgot_that_it_was_open_is_opened_again(bench: Any) -> None:
    bench.begin()
    bench.read(0)
    assert bench.read(1, "uninitialized").up == [0, 0]
    assert bench.read(12).up == [1, 1]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("unloaded", "the NVIDIA driver is installed and not loaded"),
        ("fail nvmlInitWithFlags 4", "this user may not open the NVIDIA devices"),
        ("fail nvmlInitWithFlags 12", "no NVIDIA driver on this node"),
        ("fail nvmlInitWithFlags 999", "NVML: nvmlInitWithFlags: Unknown Error"),
    ],
)
def test_without_a_driver_it_is_said_at_each_reading_until_there_is_one(
    bench: Any, fault: str, reason: str
) -> None:
    bench.begin()
    for second in (0, 1, 12):
        with pytest.raises(SourceUnavailable, match=reason):
            bench.read(second, fault)
    assert bench.source.why_not() == {}
    assert bench.read(23).up == [1, 1]


def test_without_a_device_nothing_stays_open(bench: Any) -> None:
    bench.begin(devices=0)
    with pytest.raises(SourceUnavailable, match="no NVIDIA device on this node"):
        bench.read(0)
    assert bench.calls()["nvmlShutdown"] == 1


def test_a_replaced_driver_needs_another_process(bench: Any) -> None:
    bench.begin()
    bench.read(0)
    with pytest.raises(RestartNeeded, match="driver was changed"):
        bench.read(1, "mismatch")
    bench.begin()
    assert bench.read(2, "mismatch").up == [1, 1], "a process begun since sees nothing of it"


def test_a_driver_replaced_before_the_start_needs_another_process_too(bench: Any) -> None:
    bench.begin()
    with pytest.raises(RestartNeeded):
        bench.read(0, f"fail nvmlInitWithFlags {18}")


def test_an_unplugged_gpu_is_down_and_forgotten_after_an_hour(bench: Any) -> None:
    bench.begin(devices=3)
    bench.read(0)
    told = [bench.read(second, "unplug 1") for second in (1, 61, 62)]
    assert [one.up for one in told] == [[1, 0, 1]] * 3
    assert bench.info(2)["index"] == 1, "the later ones moved up"
    calls = bench.calls()["nvmlDeviceGetHandleByUUID"]
    bench.read(80, "unplug 1")
    assert bench.calls()["nvmlDeviceGetHandleByUUID"] == calls, "nobody looks for it any more"
    assert bench.read(3700, "unplug 1").up == [1, 1]


def test_an_unplugged_gpu_that_is_plugged_in_again_goes_on(bench: Any) -> None:
    bench.begin()
    bench.read(0)
    bench.read(1, "unplug 1")
    bench.read(62, "unplug 1")
    told = bench.read(123)
    assert told.up == [1, 1]
    assert told.row(1)["read_errors_total"] == 1, "what was counted is not forgotten"


def test_a_gpu_that_is_plugged_in_appears(bench: Any) -> None:
    bench.begin(devices=2)
    assert bench.read(0, "unplug 1").up == [1]
    assert bench.read(61).up == [1, 1]
    assert bench.info(1)["index"] == 1


def test_other_instances_are_found_within_the_minute(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0, "mig 0 3g.40gb,3g.40gb")
    other = [bench.read(second, "mig 0 1g.10gb,1g.10gb,2g.20gb") for second in range(1, 64)]
    rows = [row for one in other[-3:] for row in one["mig"]]
    assert sorted(row["profile"] for row in rows) == ["1g.10gb", "1g.10gb", "2g.20gb"]
    assert [row["memory_used_bytes"] is not None for row in rows] == [True] * 3
    assert [one.up for one in other] == [[1]] * 63


def test_mig_switched_on_and_off_is_noticed(bench: Any) -> None:
    bench.begin(devices=1)
    assert bench.read(0).row()["busy_ratio"] is not None
    for second in (61, 62):
        told = bench.read(second, "mig 0 7g.80gb")
    assert (len(told["mig"]), told.row()["busy_ratio"]) == (1, None)
    assert bench.info()["mig"] == "enabled"
    for second in (121, 122):
        told = bench.read(second)
    assert (told["mig"], bench.info()["mig"]) == ([], "disabled")
    assert told.row()["busy_ratio"] is not None
    assert told.row()["sm_active_ratio"] is not None


def test_a_counter_kept_in_32_bits_is_given_up_for_the_rates(bench: Any) -> None:
    bench.begin(devices=1)
    told = bench.read_all(0, 41, "wrap")
    rows = [one.row() for one in told]
    assert bench.capability("pcie transmit") == Off.WRAPS
    sent = rows[41]["pcie_transmit_bytes_total"] - rows[40]["pcie_transmit_bytes_total"]
    assert sent == pytest.approx(2 * 1024**3 * bench.worked(40, 41), rel=1e-6)


def test_without_activity_a_counter_kept_in_32_bits_leaves_nothing(bench: Any) -> None:
    bench.begin(devices=1)
    for second in range(41):
        row = bench.read(second, "wrap", f"fail nvmlGpmQueryDeviceSupport {NOT_SUPPORTED}").row()
    assert row["pcie_transmit_bytes_total"] is None
    assert bench.off()["pcie_transmit_bytes_total"] == Off.WRAPS


@pytest.mark.parametrize(("mode", "off"), [(0, Off.DISABLED), (1, Off.NOT_SUPPORTED)])
def test_ecc_that_is_switched_off_is_called_so(bench: Any, mode: int, off: str) -> None:
    bench.begin(devices=1)
    bench.patch.setattr(pynvml, "nvmlDeviceGetEccMode", lambda _handle: [mode, mode])
    row = bench.read(0, *(f"fail {field} {NOT_SUPPORTED}" for field in (3, 4, 5, 6))).row()
    assert row["ecc_corrected_volatile_total"] is None
    assert bench.off()["ecc_corrected_volatile_total"] == off
    assert bench.off()["ecc_uncorrected_aggregate_total"] == off


@pytest.mark.parametrize("code", [1, 6, UNKNOWN])
def test_devices_that_only_answer_when_woken_are_woken(bench: Any, code: int) -> None:
    bench.begin()
    flags = []
    init = pynvml.nvmlInitWithFlags

    def note(given: int) -> None:
        flags.append(given)
        init(given)

    bench.patch.setattr(pynvml, "nvmlInitWithFlags", note)
    for second in range(12):
        assert bench.read(second, f"fail nvmlDeviceGetHandleByIndex_v2 {code}")["device"] == []
        if len(flags) == 2:
            break
    assert bench.read(second + 11).up == [1, 1]
    assert flags[:2] == [NO_ATTACH, 0]
    assert set(flags[1:]) == {0}


def test_a_slow_driver_is_waited_for_and_its_time_is_told(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0)
    row = bench.read(1, "slow 1").row()
    assert row["sm_active_ratio"] is not None
    assert row["read_seconds"] > 0.004


def test_a_clock_set_back_stops_nothing(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read_all(1000, 1003)
    rows = [bench.read(second).row() for second in range(3)]
    assert rows[0]["temperature_celsius"] == 30 + int(40 * bench.busy(0))
    assert rows[2]["sm_active_ratio"] == pytest.approx(bench.worked(1, 2), abs=1e-5)
    assert rows[2]["power_watts"] == pytest.approx(70 + 610 * bench.busy(2), abs=0.001)


def test_an_empty_ring_is_no_failure(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0)
    bench.read(0.5)
    row = bench.read(0.505).row()
    assert (row["power_min_watts"], row["power_max_watts"]) == (None, None)
    assert row["read_errors_total"] == 0
    assert row["power_watts"] > 70


def test_without_rings_the_rest_is_read(bench: Any) -> None:
    bench.begin(devices=1)
    rows = [bench.read(s, f"fail nvmlDeviceGetSamples {NOT_SUPPORTED}").row() for s in range(40)]
    assert rows[-1]["power_min_watts"] is None
    assert bench.off()["power_min_watts"] == Off.NOT_SUPPORTED
    # Once a second is coarse, and the trapezoid of a smooth curve still near.
    assert rows[-1]["energy_counter_over_integral"] == pytest.approx(1, abs=0.01)


# Counters of which a part fails for once.


def test_heat_of_which_one_counter_fails_for_once_does_not_count_back(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read_all(0, 5, "throttle 0 sw_thermal")
    fault = bench.read(10, "throttle 0 sw_thermal", "fail 269 999").row()
    after = bench.read(15, "throttle 0 sw_thermal").row()
    assert fault["throttle_thermal_seconds_total"] is None
    assert after["throttle_thermal_seconds_total"] == 15.0


def test_link_errors_of_which_one_kind_fails_for_once_do_not_count_back(bench: Any) -> None:
    bench.begin(devices=1)
    assert bench.read(0).row()["nvlink_crc_errors_total"] == 70
    assert bench.read(61, "fail 38 999").row()["nvlink_crc_errors_total"] is None
    assert bench.read(121).row()["nvlink_crc_errors_total"] == 70


def test_a_counter_of_bytes_that_fails_for_once_is_not_replaced_by_rates(bench: Any) -> None:
    bench.begin(devices=1)
    readings = bench.read_all(0, 13)
    readings += bench.read_all(14, 23, "fail 197 999")
    readings += bench.read_all(24, 32)
    sent = [one.row()["pcie_transmit_bytes_total"] for one in readings]
    known = [count for count in sent if count is not None]
    assert None in sent
    assert known == sorted(known)
    assert known[-1] - known[0] < 2**36, "some 2 GiB a second, and no jump"


# A clock that is set back by an hour.


def test_after_a_clock_was_set_back_samples_of_power_come_again(bench: Any) -> None:
    bench.begin(devices=1)
    assert bench.read_all(3600, 3605)[-1].row()["power_min_watts"] is not None
    assert bench.read_all(0, 2)[-1].row()["power_min_watts"] is not None


def test_after_a_clock_was_set_back_no_process_is_called_idle(bench: Any) -> None:
    bench.begin(devices=1)
    for second in (3600, 3610, 0, 10, 20):
        (row,) = bench.read(second, "processes 0 7:1")["process"]
        assert row["sm_busy_ratio"] > 0.1


def test_after_a_clock_was_set_back_what_failed_is_asked_again(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(3600)
    bench.read(3601, "fail nvmlDeviceGetUtilizationRates 999")
    assert bench.read(0).row()["busy_ratio"] is not None


def test_after_a_clock_was_set_back_what_was_refused_is_asked_again(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(3600, "fail nvmlDeviceGetUtilizationRates 4", "fail 186/0 4")
    assert bench.read(3601).row()["busy_ratio"] is None
    row = bench.read(0).row()
    assert row["busy_ratio"] is not None
    assert bench.capability("power instant") is None


@pytest.mark.parametrize("fault", ["unloaded", "lost 0"])
def test_after_a_clock_was_set_back_what_was_lost_is_sought_again(bench: Any, fault: str) -> None:
    bench.begin(devices=1)
    bench.read(3600)
    assert bench.read_all(3601, 3615, fault)[-1].up == [0]
    assert bench.read_all(0, 12)[-1].up == [1]


def test_gpus_that_were_lost_before_the_start_are_named(bench: Any) -> None:
    bench.begin(devices=3)
    bench.read(0, "lost 0", "lost 2")
    assert bench.source.unread() == ["0", "2"]
    bench.read(11)
    assert list(bench.source.unread()) == []
    bench.read(12, "lost 1")
    bench.read(72, "lost 1")
    assert list(bench.source.unread()) == [], "it has a row of its own"


def test_a_gpu_without_an_answer_is_named_by_the_address_at_which_the_driver_holds_it(
    bench: Any,
) -> None:
    for bus in ("1b", "2b"):
        (bench.proc / "driver/nvidia/gpus" / f"0000:{bus}:00.0").mkdir(parents=True)
    bench.begin()
    bench.read(0, "lost 1")
    assert bench.source.unread() == ["1 at 00000000:2B:00.0"]
    bench.read(11, "unplug 1")
    assert bench.source.unread() == ["at 00000000:2B:00.0"], "not even counted"
    bench.read(80)
    assert bench.source.unread() == []


def test_gpus_that_the_driver_holds_and_does_not_count_are_named_though_there_is_none(
    bench: Any,
) -> None:
    (bench.proc / "driver/nvidia/gpus/0000:1b:00.0").mkdir(parents=True)
    bench.begin(devices=1)
    with pytest.raises(SourceUnavailable):
        bench.read(0, "unplug 0")
    assert bench.source.unread() == ["at 00000000:1B:00.0"]


def test_a_gpu_that_tells_only_its_uuid_is_down_under_it(bench: Any) -> None:
    bench.begin()
    fault = "fail nvmlDeviceGetName 15 1"
    told = bench.read(0, fault)
    assert told.up == [1, 0]
    assert told.row(1) == {"time_unix_ms": 1_790_000_000_000, "device": bench.uuid(1), "up": 0}
    assert (bench.info(1)["index"], bench.info(1)["pci"]) == (1, "00000000:2B:00.0")
    assert bench.source.unread() == []
    assert bench.read(11).up == [1, 1]
    assert bench.info(1)["model"] == "NVIDIA H100 80GB HBM3"


def test_a_gpu_that_tells_only_its_uuid_and_is_taken_out_is_forgotten(bench: Any) -> None:
    bench.begin()
    assert bench.read(0, "fail nvmlDeviceGetName 15 1").up == [1, 0]
    bench.read(11, "unplug 1")
    assert bench.read(12, "unplug 1").up == [1]
