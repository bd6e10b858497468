"""Numbers, layouts and names against those that the real binding declares."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from struct import Struct

import pynvml
import pytest

from wattline_agents.sources import nvml as package
from wattline_agents.sources.nvml import (
    events,
    fields,
    gpm,
    ids,
    memory,
    processes,
    slow,
)
from wattline_agents.sources.nvml.device import UTILISATION

SOURCE = "".join(path.read_text() for path in Path(package.__file__ or "").parent.glob("*.py"))
OLDER = {"nvmlDeviceGetCurrentClocksThrottleReasons"}
"""Functions of older drivers, which the binding reaches by other names."""


def test_every_function_that_is_called_is_in_the_binding() -> None:
    called = set(re.findall(r'"(nvml[A-Z]\w+|c_nvml\w+)"', SOURCE))
    binding = Path(pynvml.__file__).read_text()
    assert len(called) > 30
    assert [n for n in called - OLDER if not hasattr(pynvml, n) and f'"{n}"' not in binding] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NVML_FI_DEV_ECC_SBE_VOL_TOTAL", ids.FIELD_ECC_CORRECTED_VOLATILE),
        ("NVML_FI_DEV_ECC_DBE_VOL_TOTAL", ids.FIELD_ECC_UNCORRECTED_VOLATILE),
        ("NVML_FI_DEV_ECC_SBE_AGG_TOTAL", ids.FIELD_ECC_CORRECTED_AGGREGATE),
        ("NVML_FI_DEV_ECC_DBE_AGG_TOTAL", ids.FIELD_ECC_UNCORRECTED_AGGREGATE),
        ("NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", ids.FIELD_NVLINK_CRC_FLIT_ERRORS),
        ("NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", ids.FIELD_NVLINK_CRC_DATA_ERRORS),
        ("NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", ids.FIELD_NVLINK_REPLAY_ERRORS),
        ("NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", ids.FIELD_NVLINK_RECOVERY_ERRORS),
        ("NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP", ids.FIELD_THROTTLE_POWER_CAP_NS),
        ("NVML_FI_DEV_MEMORY_TEMP", ids.FIELD_MEMORY_TEMPERATURE_CELSIUS),
        ("NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION", ids.FIELD_ENERGY_MILLIJOULES),
        ("NVML_FI_DEV_PCIE_REPLAY_COUNTER", ids.FIELD_PCIE_REPLAYS),
        ("NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX", ids.FIELD_NVLINK_TRANSMIT_KIBIBYTES),
        ("NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX", ids.FIELD_NVLINK_RECEIVE_KIBIBYTES),
        ("NVML_FI_DEV_REMAPPED_COR", ids.FIELD_ROWS_REMAPPED_CORRECTED),
        ("NVML_FI_DEV_REMAPPED_UNC", ids.FIELD_ROWS_REMAPPED_UNCORRECTED),
        ("NVML_FI_DEV_REMAPPED_PENDING", ids.FIELD_ROW_REMAP_PENDING),
        ("NVML_FI_DEV_REMAPPED_FAILURE", ids.FIELD_ROW_REMAP_FAILED),
        ("NVML_FI_DEV_POWER_AVERAGE", ids.FIELD_POWER_AVERAGE_MILLIWATTS),
        ("NVML_FI_DEV_POWER_INSTANT", ids.FIELD_POWER_INSTANT_MILLIWATTS),
        ("NVML_FI_DEV_PCIE_COUNT_TX_BYTES", ids.FIELD_PCIE_TRANSMIT_BYTES),
        ("NVML_FI_DEV_PCIE_COUNT_RX_BYTES", ids.FIELD_PCIE_RECEIVE_BYTES),
        ("NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES", ids.FIELD_NVLINK5_TRANSMIT_BYTES),
        ("NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES", ids.FIELD_NVLINK5_RECEIVE_BYTES),
        ("NVML_FI_DEV_GET_GPU_RECOVERY_ACTION", ids.FIELD_RECOVERY_ACTION),
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
        ("nvmlClocksEventReasonSyncBoost", ids.REASON_SYNC_BOOST),
        ("nvmlClocksEventReasonSwThermalSlowdown", ids.REASON_SW_THERMAL),
        ("nvmlClocksEventReasonHwThermalSlowdown", ids.REASON_HW_THERMAL),
        ("nvmlClocksEventReasonHwPowerBrakeSlowdown", ids.REASON_HW_POWER_BRAKE),
        ("NVML_POWER_SCOPE_GPU", ids.SCOPE_GPU),
        ("NVML_POWER_SCOPE_MODULE", ids.SCOPE_MODULE),
        ("NVML_POWER_SCOPE_MEMORY", ids.SCOPE_MEMORY),
        ("NVML_VALUE_TYPE_DOUBLE", ids.TYPE_DOUBLE),
        ("NVML_VALUE_TYPE_UNSIGNED_INT", ids.TYPE_UNSIGNED_INT),
        ("NVML_VALUE_TYPE_UNSIGNED_LONG", ids.TYPE_UNSIGNED_LONG),
        ("NVML_VALUE_TYPE_UNSIGNED_LONG_LONG", ids.TYPE_UNSIGNED_LONG_LONG),
        ("NVML_VALUE_TYPE_SIGNED_LONG_LONG", ids.TYPE_SIGNED_LONG_LONG),
        ("NVML_VALUE_TYPE_SIGNED_INT", ids.TYPE_SIGNED_INT),
        ("NVML_VALUE_TYPE_UNSIGNED_SHORT", ids.TYPE_UNSIGNED_SHORT),
        ("NVML_TOTAL_POWER_SAMPLES", ids.SAMPLES_TOTAL_POWER),
        ("NVML_MODULE_POWER_SAMPLES", ids.SAMPLES_MODULE_POWER),
        ("NVML_CLOCK_SM", ids.CLOCK_SM),
        ("NVML_CLOCK_MEM", ids.CLOCK_MEMORY),
        ("NVML_TEMPERATURE_GPU", ids.TEMPERATURE_GPU),
        ("NVML_DEVICE_ARCH_AMPERE", ids.ARCHITECTURE_AMPERE),
        ("NVML_DEVICE_MIG_ENABLE", ids.MIG_ENABLED),
        ("NVML_PSTATE_15", ids.MOST_PERFORMANCE_STATE),
        ("NVML_INIT_FLAG_NO_ATTACH", ids.INIT_NO_ATTACH),
        ("nvmlMemory_v2", ids.MEMORY_INFO_V2),
        ("nvmlTemperature_v1", ids.TEMPERATURE_V1),
        ("nvmlMarginTemperature_v1", ids.MARGIN_TEMPERATURE_V1),
        ("nvmlEventTypeXidCriticalError", ids.EVENT_XID),
        ("nvmlEventTypeDoubleBitEccError", ids.EVENT_DOUBLE_BIT_ECC),
        ("nvmlEventTypeGpuRecoveryAction", ids.EVENT_RECOVERY_ACTION),
        ("NVML_GPU_INSTANCE_ID_ANY", ids.NO_INSTANCE),
        ("NVML_GPM_METRIC_SM_UTIL", ids.GPM_SM_UTIL),
        ("NVML_GPM_METRIC_SM_OCCUPANCY", ids.GPM_SM_OCCUPANCY),
        ("NVML_GPM_METRIC_ANY_TENSOR_UTIL", ids.GPM_ANY_TENSOR_UTIL),
        ("NVML_GPM_METRIC_DRAM_BW_UTIL", ids.GPM_DRAM_BANDWIDTH_UTIL),
        ("NVML_GPM_METRIC_FP64_UTIL", ids.GPM_FP64_UTIL),
        ("NVML_GPM_METRIC_FP32_UTIL", ids.GPM_FP32_UTIL),
        ("NVML_GPM_METRIC_FP16_UTIL", ids.GPM_FP16_UTIL),
        ("NVML_GPM_METRIC_PCIE_TX_PER_SEC", ids.GPM_PCIE_TRANSMIT),
        ("NVML_GPM_METRIC_PCIE_RX_PER_SEC", ids.GPM_PCIE_RECEIVE),
        ("NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC", ids.GPM_NVLINK_TRANSMIT),
        ("NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC", ids.GPM_NVLINK_RECEIVE),
        ("NVML_GPM_METRIC_C2C_DATA_TX_PER_SEC", ids.GPM_C2C_DATA_TRANSMIT),
        ("NVML_GPM_METRIC_C2C_DATA_RX_PER_SEC", ids.GPM_C2C_DATA_RECEIVE),
        ("NVML_GPM_METRICS_GET_VERSION", ids.GPM_VERSION),
        *(
            (f"NVML_ERROR_{name}", getattr(ids, name))
            for name in (
                "UNINITIALIZED",
                "INVALID_ARGUMENT",
                "NOT_SUPPORTED",
                "NO_PERMISSION",
                "NOT_FOUND",
                "INSUFFICIENT_SIZE",
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
    assert getattr(pynvml, name) == value


def test_what_is_not_available_is_the_bindings() -> None:
    assert pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value == ids.NOT_AVAILABLE_BYTES


@pytest.mark.parametrize(
    ("layout", "kind", "members"),
    [
        (
            fields.ENTRY,
            "c_nvmlFieldValue_t",
            ("fieldId", "scopeId", "timestamp", "latencyUsec", "valueType", "nvmlReturn", "value"),
        ),
        (memory.MEMORY, "c_nvmlMemory_t", ("total", "free", "used")),
        (memory.MEMORY_V2, "c_nvmlMemory_v2_t", ("version", "total", "reserved", "free", "used")),
        (slow.TEMPERATURE, "c_nvmlTemperature_v1_t", ("version", "sensorType", "temperature")),
        (slow.MARGIN, "c_nvmlMarginTemperature_v1_t", ("version", "marginTemperature")),
        (UTILISATION, "c_nvmlUtilization_t", ("gpu", "memory")),
        (
            processes.PROCESS,
            "c_nvmlProcessInfo_v3_t",
            ("pid", "usedGpuMemory", "gpuInstanceId", "computeInstanceId"),
        ),
        (
            processes.UTILIZATION,
            "c_nvmlProcessUtilizationSample_t",
            ("pid", "timeStamp", "smUtil", "memUtil", "encUtil", "decUtil"),
        ),
        (
            events.EVENT,
            "c_nvmlEventData_t",
            ("device", "eventType", "eventData", "gpuInstanceId", "computeInstanceId"),
        ),
        (gpm.METRIC, "c_nvmlGpmMetric_t", ("metricId", "nvmlReturn", "value")),
    ],
)
def test_every_layout_is_the_bindings(layout: Struct, kind: str, members: tuple[str, ...]) -> None:
    struct = getattr(pynvml, kind)
    assert layout.size == ctypes.sizeof(struct)
    declared = [name for name, *_ in struct._fields_][: len(members)]
    assert declared == list(members)
    # Each byte of the buffer another one: a member read from elsewhere would show.
    content = bytes(range(1, layout.size + 1))
    theirs = struct.from_buffer_copy(content)
    for name, ours in zip(members, layout.unpack(content), strict=True):
        at, size = getattr(struct, name).offset, getattr(struct, name).size
        told = ours if isinstance(ours, bytes) else None
        if isinstance(ours, float):
            assert ours == getattr(theirs, name)
        elif told is None:
            assert ours.to_bytes(size, "little") == content[at : at + size]
        else:
            assert told == content[at : at + size]


def test_requests_for_activity_lie_as_the_binding_says() -> None:
    struct = pynvml.c_nvmlGpmMetricsGet_t
    assert (struct.version.offset, struct.numMetrics.offset) == (0, 4)
    assert (struct.sample1.offset, struct.sample2.offset) == (8, 16)
    assert struct.metrics.offset == gpm.METRICS_OFFSET


def test_samples_are_a_time_and_a_value() -> None:
    struct = pynvml.c_nvmlSample_t
    assert (struct.timeStamp.offset, struct.sampleValue.offset) == (0, 8)
    assert ctypes.sizeof(struct) == 16


@pytest.mark.parametrize("type_", fields.VALUES)
def test_values_of_each_type_are_read_as_the_binding_reads_them(type_: int) -> None:
    member = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}
    value = pynvml.c_nvmlValue_t()
    setattr(value, member[type_], 7)
    layout = Struct("=" + fields.VALUES[type_])
    assert layout.size == ctypes.sizeof(value)
    assert layout.unpack(bytes(value)) == (7,)
    if type_ in (ids.TYPE_SIGNED_INT, ids.TYPE_SIGNED_LONG_LONG):
        setattr(value, member[type_], -8)
        assert layout.unpack(bytes(value)) == (-8,)
