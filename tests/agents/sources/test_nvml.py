import re
import time
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, DEVICE_INFO
from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.rows import checked_row
from wattline_agents.sources import nvml as nvml_package
from wattline_agents.sources.nvml import NvmlSource, Off, ids
from wattline_agents.sources.source import SourceConfig
from wattline_agents.wire import encode

T0 = 1_790_000_000_000


def rows(source: NvmlSource, now_ms: int) -> dict[str, dict[str, Any]]:
    return {str(row["device"]): dict(row) for row in source.read(now_ms)["device"]}


def off(source: NvmlSource, name: str) -> set[Off | None]:
    return {one.off for one in source.capabilities() if one.name == name}


def test_every_reading_comes_in_base_units(nvml: Any) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    row = rows(source, T0 + 1000)["GPU-aaaa"]
    assert row == {
        "time_unix_ms": T0 + 1000,
        "device": "GPU-aaaa",
        "up": 1,
        "energy_joules_total": 1234.5,
        "power_watts": 412.5,
        "power_limit_watts": 700.0,
        "busy_ratio": 0.97,
        "memory_busy_ratio": 0.33,
        "sm_active_ratio": 0.8,
        "tensor_active_ratio": 0.4,
        "dram_active_ratio": 0.25,
        "memory_used_bytes": 10_000,
        "memory_size_bytes": 100_000,
        "temperature_celsius": 61,
        "memory_temperature_celsius": 71,
        "sm_clock_hertz": 1.98e9,
        "memory_clock_hertz": 3.201e9,
        "throttle_power_cap_seconds_total": 2.0,
        "throttle_thermal_seconds_total": 3.0,
        "throttle_power_brake_seconds_total": 0.0,
        "read_errors_total": 0,
    }
    assert set(row) == set(DEVICE.columns), "a metric of the catalogue that nothing reads"
    encode(DEVICE, [checked_row(DEVICE, row)])


def test_devices_are_described_once_their_power_is_known(nvml: Any) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    row = dict(source.describe(T0)["device_info"][1])
    assert row == {
        "time_unix_ms": T0,
        "device": "GPU-bbbb",
        "index": 1,
        "vendor": "nvidia",
        "model": "NVIDIA H200",
        "pci": "00000000:1B:00.0",
        "driver": "580.65.06",
        "source": "nvml",
        "power_mode": "instant",
        "power_scope": "gpu",
    }
    checked_row(DEVICE_INFO, row)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (12, "no NVIDIA driver on this node"),
        (9, "installed and not loaded"),
        (18, "changed under its library"),
        (999, "error 999"),
    ],
)
def test_without_a_driver_there_is_no_source(nvml: Any, code: int, reason: str) -> None:
    nvml.failing["nvmlInit"] = code
    with pytest.raises(SourceUnavailable, match=reason):
        NvmlSource(nvml)


def test_without_a_device_there_is_no_source_and_nothing_stays_open(nvml: Any) -> None:
    nvml.gpus.clear()
    with pytest.raises(SourceUnavailable, match="no NVIDIA device"):
        NvmlSource(nvml)
    assert not nvml.is_open


def test_this_machine_has_the_library_or_says_that_it_has_not() -> None:
    try:
        source = NvmlSource.from_config(SourceConfig("s", "n"))
    except SourceUnavailable as error:
        assert "NVIDIA" in str(error)
    else:
        source.close()


def test_a_tick_makes_few_calls(nvml: Any, gpus: list[Any]) -> None:
    source = NvmlSource(nvml)
    for second in range(61):
        source.read(T0 + second * 1000)
    gpus[0].calls.clear()
    for second in range(61, 71):
        source.read(T0 + second * 1000)
    # Three a tick, and two times five slow ones: under the eight a second and device allowed.
    assert len(gpus[0].calls) / 10 <= 4.0


def test_what_is_not_supported_is_asked_once_and_is_null(nvml: Any, gpus: list[Any]) -> None:
    gpus[0].failing |= {"nvmlDeviceGetUtilizationRates": 3, "nvmlDeviceGetTemperatureV": 3}
    source = NvmlSource(nvml)
    for second in range(0, 30):
        source.read(T0 + second * 1000)
    row = rows(source, T0 + 30_000)["GPU-aaaa"]
    assert row["up"] == 1
    assert row.get("busy_ratio") is None
    assert row.get("temperature_celsius") is None
    assert row["read_errors_total"] == 0
    assert gpus[0].calls.count("nvmlDeviceGetUtilizationRates") == 1
    assert gpus[0].calls.count("nvmlDeviceGetTemperatureV") == 1
    assert Off.NOT_SUPPORTED in off(source, "utilisation")


def test_a_failed_reading_is_null_counted_and_tried_again(nvml: Any, gpus: list[Any]) -> None:
    gpus[0].failing["nvmlDeviceGetUtilizationRates"] = 999
    source = NvmlSource(nvml)
    source.read(T0)
    row = rows(source, T0 + 1000)["GPU-aaaa"]
    assert row.get("busy_ratio") is None
    assert row["read_errors_total"] == 2
    assert off(source, "utilisation") == {Off.FAILED, None}
    gpus[0].failing.clear()
    row = rows(source, T0 + 2000)["GPU-aaaa"]
    assert row["busy_ratio"] == 0.97
    assert off(source, "utilisation") == {None}


def test_what_is_not_permitted_is_asked_again_after_minutes(nvml: Any, gpus: list[Any]) -> None:
    gpus[0].failing["nvmlGpmSampleGet"] = 4
    source = NvmlSource(nvml)
    for second in range(100):
        source.read(T0 + second * 1000)
    assert gpus[0].calls.count("nvmlGpmSampleGet") == 1
    assert Off.NO_PERMISSION in off(source, "gpm")
    gpus[0].failing.clear()
    source.read(T0 + 301_000)
    assert rows(source, T0 + 302_000)["GPU-aaaa"]["sm_active_ratio"] == 0.8


def test_the_first_reading_of_activity_is_null_because_it_needs_two(nvml: Any) -> None:
    assert rows(NvmlSource(nvml), T0)["GPU-aaaa"].get("sm_active_ratio") is None


def test_before_hopper_there_is_no_activity_but_everything_else(nvml: Any, gpus: list[Any]) -> None:
    gpus[0].has_gpm = False
    source = NvmlSource(nvml)
    source.read(T0)
    row = rows(source, T0 + 1000)["GPU-aaaa"]
    assert "sm_active_ratio" not in row
    assert row["busy_ratio"] == 0.97
    assert Off.NOT_SUPPORTED in off(source, "gpm")


def test_an_activity_that_is_no_share_is_null(nvml: Any, gpus: list[Any]) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    gpus[0].gpm |= {2: 100.4, 5: 4e9, 10: float("nan")}
    row = rows(source, T0 + 1000)["GPU-aaaa"]
    assert row["sm_active_ratio"] == 1.0
    assert row["tensor_active_ratio"] is None
    assert row["dram_active_ratio"] is None


@pytest.mark.parametrize("code", [15, 16])
def test_a_lost_gpu_is_down_and_does_not_stop_the_others(
    nvml: Any, gpus: list[Any], code: int
) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    gpus[0].lost = code
    found = rows(source, T0 + 1000)
    assert found["GPU-aaaa"] == {"time_unix_ms": T0 + 1000, "device": "GPU-aaaa", "up": 0}
    assert found["GPU-bbbb"]["up"] == 1
    gpus[0].calls.clear()
    for second in range(2, 11):
        source.read(T0 + second * 1000)
    assert gpus[0].calls == [], "a sick device is left alone for ten seconds"


def test_a_lost_gpu_that_comes_back_is_found_again(nvml: Any, gpus: list[Any]) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    gpus[0].lost = 15
    source.read(T0 + 1000)
    source.read(T0 + 11_000)
    gpus[0].lost = None
    row = rows(source, T0 + 22_000)["GPU-aaaa"]
    assert row["up"] == 1
    assert row["power_watts"] == 412.5
    assert row["read_errors_total"] == 1


def test_a_gpu_that_answers_nothing_at_all_is_not_up(nvml: Any, gpus: list[Any]) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    for name in dir(nvml):
        gpus[0].failing[name] = 999
    assert rows(source, T0 + 1000)["GPU-aaaa"]["up"] == 0
    assert rows(source, T0 + 1000)["GPU-bbbb"]["up"] == 1


def test_after_a_restart_of_the_driver_everything_is_found_again(
    nvml: Any, gpus: list[Any]
) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    nvml.is_open = False  # calls now answer: uninitialised
    nvml.failing["nvmlInit"] = 9
    for second in (1, 12, 23):
        found = rows(source, T0 + second * 1000)
        assert [row["up"] for row in found.values()] == [0, 0]
        assert source.describe(T0)["device_info"], "its devices are still known"
    nvml.failing.clear()
    found = rows(source, T0 + 40_000)
    assert [row["up"] for row in found.values()] == [1, 1]
    assert nvml.inits == 2


def test_a_driver_changed_under_us_is_said_and_no_device_is_called_down(
    nvml: Any, gpus: list[Any]
) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    gpus[0].lost = 18
    with pytest.raises(ReadFailed, match="restart the agent"):
        source.read(T0 + 1000)


def test_a_gpu_that_is_added_appears(nvml: Any, gpus: list[Any]) -> None:
    source = NvmlSource(nvml)
    added = type(gpus[0])("GPU-cccc")
    nvml.gpus.append(added)
    source.describe(T0 + 60_000)
    assert list(rows(source, T0 + 61_000)) == ["GPU-aaaa", "GPU-bbbb", "GPU-cccc"]


def test_a_gpu_lost_before_the_start_does_not_hide_the_others(nvml: Any, gpus: list[Any]) -> None:
    gpus[0].lost = 15
    assert list(rows(NvmlSource(nvml), T0)) == ["GPU-bbbb"]


@pytest.mark.parametrize(
    ("fields", "watts", "mode", "scope"),
    [
        ({(186, 0): 100_000, (186, 1): 200_000}, 100.0, "instant", "gpu"),
        ({(186, 1): 200_000, (185, 0): 90_000}, 200.0, "instant", "module"),
        ({(185, 0): 90_000, (185, 1): 95_000}, 90.0, "average_1s", "gpu"),
        ({(185, 1): 95_000}, 95.0, "average_1s", "module"),
        ({}, 300.0, "average_1s", "gpu"),
    ],
)
def test_the_best_power_there_is_is_read_and_named(
    nvml: Any,
    gpus: list[Any],
    fields: dict[tuple[int, int], float],
    watts: float,
    mode: str,
    scope: str,
) -> None:
    del gpus[0].fields[186, 0]
    gpus[0].fields |= fields
    source = NvmlSource(nvml)
    for second in range(3):
        assert rows(source, T0 + second * 1000)["GPU-aaaa"]["power_watts"] == watts
    info = source.describe(T0)["device_info"][0]
    assert (info["power_mode"], info["power_scope"]) == (mode, scope)


@pytest.mark.parametrize(
    ("architecture", "model", "mode"),
    [
        (6, "Tesla T4", "instant"),
        (7, "NVIDIA A100-SXM4-40GB", "instant"),
        (7, "NVIDIA A40", "average_1s"),
        (9, "NVIDIA H100", "average_1s"),
    ],
)
def test_plain_power_is_an_average_or_not_by_the_chip(
    nvml: Any, gpus: list[Any], architecture: int, model: str, mode: str
) -> None:
    gpus[0].fields.clear()
    gpus[0].architecture, gpus[0].name = architecture, model
    source = NvmlSource(nvml)
    source.read(T0)
    assert source.describe(T0)["device_info"][0]["power_mode"] == mode


def test_an_old_driver_without_fields_is_read_by_single_calls(nvml: Any, gpus: list[Any]) -> None:
    gpus[0].failing["nvmlDeviceGetFieldValues"] = 13
    source = NvmlSource(nvml)
    row = rows(source, T0)["GPU-aaaa"]
    assert (row["power_watts"], row["energy_joules_total"]) == (300.0, 5.0)
    assert gpus[0].calls.count("nvmlDeviceGetFieldValues") == 2, "ticks, and memory temperature"
    source.read(T0 + 10_000)
    assert gpus[0].calls.count("nvmlDeviceGetFieldValues") == 2


def test_a_binding_that_lacks_functions_is_no_failure(nvml: Any, gpus: list[Any]) -> None:
    class Old(type(nvml)):  # type: ignore[misc]
        nvmlDeviceGetTemperatureV = None
        nvmlGpmQueryDeviceSupport = None

    source = NvmlSource(Old(*gpus))
    row = rows(source, T0)["GPU-aaaa"]
    assert row["temperature_celsius"] == 60
    assert Off.OLD_DRIVER in off(source, "gpm")
    assert row["read_errors_total"] == 0


def test_old_memory_figures_are_taken_where_there_are_no_new_ones(
    nvml: Any, gpus: list[Any]
) -> None:
    gpus[0].failing["nvmlDeviceGetMemoryInfo_v2"] = 13
    assert rows(NvmlSource(nvml), T0)["GPU-aaaa"]["memory_used_bytes"] == 11_000


def test_a_memory_of_zero_degrees_is_no_temperature(nvml: Any, gpus: list[Any]) -> None:
    gpus[0].fields[82, 0] = 0
    assert rows(NvmlSource(nvml), T0)["GPU-aaaa"]["memory_temperature_celsius"] is None


def test_without_counters_throttling_is_integrated_from_the_reasons(
    nvml: Any, gpus: list[Any]
) -> None:
    for field in (74, 269, 270, 271):
        del gpus[0].fields[field, 0]
    source = NvmlSource(nvml)
    seen = []
    # Power cap (0x4) from second 1 to 3, hardware heat (0x40) at second 3.
    for second, reasons in enumerate((0x1, 0x4, 0x4, 0x44, 0x0)):
        gpus[0].reasons = reasons
        seen.append(rows(source, T0 + second * 1000)["GPU-aaaa"])
    assert [row["throttle_power_cap_seconds_total"] for row in seen] == [0, 0.5, 1.5, 2.5, 3.0]
    assert [row["throttle_thermal_seconds_total"] for row in seen] == [0, 0, 0, 0.5, 1.0]
    assert seen[-1]["throttle_power_brake_seconds_total"] == 0


def test_a_pause_in_reading_is_not_integrated_over(nvml: Any, gpus: list[Any]) -> None:
    del gpus[0].fields[74, 0]
    gpus[0].reasons = 0x4
    source = NvmlSource(nvml)
    source.read(T0)
    row = rows(source, T0 + 600_000)["GPU-aaaa"]
    assert row["throttle_power_cap_seconds_total"] == 0
    assert row["throttle_thermal_seconds_total"] == 3.0, "the counters that are there still count"


def test_closing_detaches_from_the_driver(nvml: Any) -> None:
    source = NvmlSource(nvml)
    source.read(T0)
    source.close()
    assert not nvml.is_open


# Against the real binding, without a driver.


def test_every_function_that_is_called_is_in_the_binding() -> None:
    import pynvml

    package = Path(nvml_package.__file__ or "").parent
    code = "".join(path.read_text() for path in package.glob("*.py"))
    called = set(re.findall(r'"(nvml[A-Z]\w+|c_nvml\w+)"', code))
    assert len(called) > 15
    assert [name for name in called if not hasattr(pynvml, name)] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NVML_FI_DEV_PERF_POLICY_POWER", ids.FIELD_THROTTLE_POWER_CAP_NS),
        ("NVML_FI_DEV_MEMORY_TEMP", ids.FIELD_MEMORY_TEMPERATURE_CELSIUS),
        ("NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION", ids.FIELD_ENERGY_MILLIJOULES),
        ("NVML_FI_DEV_POWER_AVERAGE", ids.FIELD_POWER_AVERAGE_MILLIWATTS),
        ("NVML_FI_DEV_POWER_INSTANT", ids.FIELD_POWER_INSTANT_MILLIWATTS),
        (
            "NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN",
            ids.FIELD_THROTTLE_SW_THERMAL_NS,
        ),
        (
            "NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN",
            ids.FIELD_THROTTLE_HW_THERMAL_NS,
        ),
        (
            "NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN",
            ids.FIELD_THROTTLE_POWER_BRAKE_NS,
        ),
        ("nvmlClocksEventReasonSwPowerCap", ids.REASON_SW_POWER_CAP),
        ("nvmlClocksEventReasonSwThermalSlowdown", ids.REASON_SW_THERMAL),
        ("nvmlClocksEventReasonHwThermalSlowdown", ids.REASON_HW_THERMAL),
        ("nvmlClocksEventReasonHwPowerBrakeSlowdown", ids.REASON_HW_POWER_BRAKE),
        ("NVML_POWER_SCOPE_GPU", ids.SCOPE_GPU),
        ("NVML_POWER_SCOPE_MODULE", ids.SCOPE_MODULE),
        ("NVML_CLOCK_SM", ids.CLOCK_SM),
        ("NVML_CLOCK_MEM", ids.CLOCK_MEMORY),
        ("NVML_TEMPERATURE_GPU", ids.TEMPERATURE_GPU),
        ("NVML_DEVICE_ARCH_AMPERE", ids.ARCHITECTURE_AMPERE),
        ("nvmlMemory_v2", ids.MEMORY_INFO_V2),
        ("NVML_GPM_METRIC_SM_UTIL", ids.GPM_SM_UTIL),
        ("NVML_GPM_METRIC_ANY_TENSOR_UTIL", ids.GPM_ANY_TENSOR_UTIL),
        ("NVML_GPM_METRIC_DRAM_BW_UTIL", ids.GPM_DRAM_BANDWIDTH_UTIL),
        ("NVML_GPM_METRICS_GET_VERSION", ids.GPM_VERSION),
        *(
            (f"NVML_ERROR_{name}", getattr(ids, name))
            for name in (
                "UNINITIALIZED",
                "INVALID_ARGUMENT",
                "NOT_SUPPORTED",
                "NO_PERMISSION",
                "NOT_FOUND",
                "DRIVER_NOT_LOADED",
                "TIMEOUT",
                "LIBRARY_NOT_FOUND",
                "FUNCTION_NOT_FOUND",
                "GPU_IS_LOST",
                "RESET_REQUIRED",
                "LIB_RM_VERSION_MISMATCH",
                "ARGUMENT_VERSION_MISMATCH",
                "DEPRECATED",
                "GPU_NOT_FOUND",
                "UNKNOWN",
            )
        ),
    ],
)
def test_every_number_is_the_bindings(name: str, value: int) -> None:
    import pynvml

    assert getattr(pynvml, name) == value


def test_the_bindings_structs_have_the_members_that_are_used() -> None:
    import pynvml

    request = pynvml.c_nvmlGpmMetricsGet_t()
    request.version, request.numMetrics = ids.GPM_VERSION, 3
    request.metrics[2].metricId = ids.GPM_DRAM_BANDWIDTH_UTIL
    assert (request.metrics[2].nvmlReturn, request.metrics[2].value) == (0, 0.0)
    request.sample1 = pynvml.c_nvmlGpmSample_t()
    value = pynvml.c_nvmlFieldValue_t()
    for kind, member in ids.VALUE_MEMBERS.items():
        value.valueType = kind
        setattr(value.value, member, 7)
        assert getattr(value.value, ids.VALUE_MEMBERS[value.valueType]) == 7


@pytest.mark.gpu
def test_a_real_gpu_is_read() -> None:
    source = NvmlSource()
    source.read(T0)
    time.sleep(0.3)
    for row in source.read(T0 + 1000)["device"]:
        assert checked_row(DEVICE, row)["up"] == 1
        assert float(row["power_watts"] or 0) > 0
        assert float(row["energy_joules_total"] or 0) > 0
    source.close()
