"""What each line of the control file does, to whom, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pynvml as n
import pytest

T0 = 1_790_000_000.0
GIB, MIB = 1024**3, 1024**2
UUIDS = [f"GPU-57a4d14e-0000-4000-8000-{index:012d}" for index in range(3)]
LOST, REFUSED, UNSUPPORTED, NOT_FOUND, TIMEOUT = 15, 4, 3, 6, 10
EVERYTHING = 0xFFFFFFFF
PATIENCE_SECONDS = 60.0


def test_a_lost_device_answers_nothing_and_the_others_all(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant("lost 1")
    for call in (n.nvmlDeviceGetPowerUsage, n.nvmlDeviceGetUUID, n.nvmlDeviceGetName):
        assert stand_in.code(call, second) == LOST
        assert stand_in.code(call, first) == 0
    assert stand_in.code(stand_in.fields, second, 186) == LOST
    assert stand_in.code(n.nvmlDeviceGetHandleByIndex, 1) == LOST
    assert n.nvmlDeviceGetCount() == 2
    stand_in.plant()
    assert n.nvmlDeviceGetPowerUsage(second) > 70_000


def test_an_unplugged_device_is_not_counted_and_the_later_move_up(stand_in: Any) -> None:
    _, second, third = stand_in.open(devices=3)
    stand_in.plant("unplug 1")
    assert n.nvmlDeviceGetCount() == 2
    assert n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByIndex(1)) == UUIDS[2]
    assert n.nvmlDeviceGetIndex(third) == 1
    assert n.nvmlDeviceGetMinorNumber(third) == 2
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, second) == LOST
    assert stand_in.code(n.nvmlDeviceGetHandleByUUID, UUIDS[1].encode()) == NOT_FOUND
    stand_in.plant()
    assert n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByIndex(1)) == UUIDS[1]


def waits(call: Callable[..., object], *arguments: object) -> threading.Thread:
    """A thread in a call that has not returned after a moment."""
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    return thread


def test_a_hanging_device_holds_its_own_calls_until_it_is_well(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant("hang 1")
    thread = waits(n.nvmlDeviceGetPowerUsage, second)
    assert n.nvmlDeviceGetPowerUsage(first) > 0
    stand_in.plant()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_opening_can_hang(stand_in: Any) -> None:
    stand_in.plant("hang_init")
    stand_in.load()
    thread = waits(n.nvmlInit)
    stand_in.plant()
    thread.join(PATIENCE_SECONDS)
    assert n.nvmlDeviceGetCount() == 2


def test_calls_can_be_slow_or_dear(stand_in: Any) -> None:
    first, _ = stand_in.open()
    stand_in.plant("slow 20")
    began = time.monotonic()
    (field,) = n.nvmlDeviceGetFieldValues(first, [186])
    assert time.monotonic() - began >= 0.02
    assert field.latencyUsec == 20_000
    stand_in.plant("cost 2000")
    spent = time.thread_time()
    n.nvmlDeviceGetPowerUsage(first)
    assert time.thread_time() - spent >= 0.002


def test_a_function_a_field_or_a_metric_can_fail(stand_in: Any) -> None:
    first, second = stand_in.open()
    samples = stand_in.two_samples(lambda sample: n.nvmlGpmSampleGet(first, sample))
    stand_in.plant("fail nvmlDeviceGetPowerUsage 999", "fail 83 3", "fail 186/1 4", "fail gpm5 4")
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, first) == 999
    told = n.nvmlDeviceGetFieldValues(first, [83, (186, 0), (186, 1)])
    assert [one.nvmlReturn for one in told] == [UNSUPPORTED, 0, REFUSED]
    metrics = stand_in.gpm(*samples, 2, 5)
    assert metrics[2] > 0
    assert metrics[5] == -REFUSED
    stand_in.plant("fail nvmlDeviceGetPowerUsage 13 1", "fail 186 3 1")
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, first) == 0
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, second) == n.NVML_ERROR_FUNCTION_NOT_FOUND
    assert stand_in.fields(first, 186) != [None]
    assert stand_in.fields(second, 186) == [None]


def test_a_reloaded_driver_must_be_opened_again_and_counts_from_zero(stand_in: Any) -> None:
    first, _ = stand_in.open()
    stand_in.plant("unloaded")
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, first) == n.NVML_ERROR_DRIVER_NOT_LOADED
    assert stand_in.code(n.nvmlInit) == n.NVML_ERROR_DRIVER_NOT_LOADED
    stand_in.plant(at=T0 + 10)
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, first) == n.NVML_ERROR_UNINITIALIZED
    n.nvmlInit()
    assert n.nvmlDeviceGetTotalEnergyConsumption(first) == 0


def test_the_library_can_forget_that_it_was_opened(stand_in: Any) -> None:
    first, _ = stand_in.open()
    stand_in.plant("uninitialized")
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, first) == n.NVML_ERROR_UNINITIALIZED
    n.nvmlInit()
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, first) == 0


def test_a_changed_driver_needs_the_library_loaded_anew(stand_in: Any) -> None:
    first, _ = stand_in.open()
    stand_in.plant("mismatch")
    mismatch = n.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, first) == mismatch
    assert stand_in.code(n.nvmlInit) == mismatch
    stand_in.plant()
    assert stand_in.code(n.nvmlInit) == mismatch, "for good"
    stand_in.plant("mismatch")
    (again, _) = stand_in.open()
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, again) == 0


def test_counters_of_one_device_begin_again_once(stand_in: Any) -> None:
    first, second = stand_in.open()
    other = n.nvmlDeviceGetTotalEnergyConsumption(second)
    stand_in.plant("reset 0", at=T0 + 1)
    assert n.nvmlDeviceGetTotalEnergyConsumption(first) == 0
    assert n.nvmlDeviceGetTotalEnergyConsumption(second) > other
    stand_in.plant(at=T0 + 2)
    joules = 70 + 610 * stand_in.worked(T0 + 1, T0 + 2)
    assert n.nvmlDeviceGetTotalEnergyConsumption(first) == pytest.approx(1e3 * joules, abs=2)


def test_a_frozen_sensor_shows_one_power_while_energy_goes_on(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant("frozen 0")
    then = stand_in.fields(first, 186, 185)
    energy = n.nvmlDeviceGetTotalEnergyConsumption(first)
    stand_in.plant("frozen 0", at=T0 + 7)
    assert stand_in.fields(first, 186, 185) == then
    assert n.nvmlDeviceGetTotalEnergyConsumption(first) > energy
    _, ring = n.nvmlDeviceGetSamples(first, 0, round(T0 * 1e6))
    assert {one.sampleValue.uiVal for one in ring} == {then[0]}
    assert stand_in.fields(second, 186) == [round(1e3 * (70 + 610 * stand_in.busy(T0 + 7, 1)))]
    stand_in.plant(at=T0 + 8)
    assert stand_in.fields(first, 186) == [round(1e3 * (70 + 610 * stand_in.busy(T0 + 8)))]


def test_a_load_replaces_the_waves_from_when_it_comes(stand_in: Any) -> None:
    first, _ = stand_in.open()
    began = n.nvmlDeviceGetTotalEnergyConsumption(first)
    stand_in.plant("load 0 0.25", at=T0 + 10)
    assert n.nvmlDeviceGetUtilizationRates(first).gpu == 25
    assert stand_in.fields(first, 186) == [round(1e3 * (70 + 610 * 0.25))]
    stand_in.plant("load 0 0", at=T0 + 20)
    assert n.nvmlDeviceGetCurrentClocksEventReasons(first) & n.nvmlClocksEventReasonGpuIdle
    stand_in.plant(at=T0 + 30)
    stand_in.plant(at=T0 + 40)
    worked = stand_in.worked(T0, T0 + 10) + 2.5 + 0 + stand_in.worked(T0 + 30, T0 + 40)
    used = n.nvmlDeviceGetTotalEnergyConsumption(first) - began
    assert used == pytest.approx(1e3 * (70 * 40 + 610 * worked), abs=2)


def test_a_load_from_the_beginning_always_was(stand_in: Any) -> None:
    stand_in.plant("load 0 0.5")
    first, _ = stand_in.open()
    joules = 3600 * (70 + 610 * 0.5)
    assert n.nvmlDeviceGetTotalEnergyConsumption(first) == pytest.approx(1e3 * joules)


REASONS = {"sync_boost": (0x10, 76), "sw_thermal": (0x20, 269), "hw_thermal": (0x48, 270),
           "power_brake": (0x88, 271), "power_cap": (0x4, 74)}  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_a_throttle_sets_its_bit_and_runs_its_counter(stand_in: Any, reason: str) -> None:
    bit, field = REASONS[reason]
    first, second = stand_in.open()
    stand_in.plant(at=T0 + 3)
    (before,) = stand_in.fields(first, field)
    stand_in.plant(f"throttle 0 {reason}", at=T0 + 4)
    stand_in.plant(f"throttle 0 {reason}", at=T0 + 10)
    assert n.nvmlDeviceGetCurrentClocksEventReasons(first) == bit
    assert n.nvmlDeviceGetCurrentClocksEventReasons(second) == 0
    assert stand_in.fields(first, field) == [pytest.approx(before + 6e9, abs=1000)]
    stand_in.plant(at=T0 + 12)
    stand_in.plant(at=T0 + 18)
    assert n.nvmlDeviceGetCurrentClocksEventReasons(first) == 0
    assert stand_in.fields(first, field) == [pytest.approx(before + 8e9, abs=1000)]


def test_errors_of_memory_are_as_planted(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant(
        "ecc 1 corrected volatile 7",
        "ecc 1 uncorrected volatile 2",
        "ecc 1 corrected aggregate 40",
        "ecc 1 uncorrected aggregate 3",
        "remap 1 4 1 1 0",
        "recovery 1 2",
    )
    assert stand_in.fields(second, 3, 4, 5, 6) == [7, 2, 40, 3]
    assert n.nvmlDeviceGetTotalEccErrors(second, 1, 1) == 3
    assert n.nvmlDeviceGetMemoryErrorCounter(second, 0, 1, n.NVML_MEMORY_LOCATION_DRAM) == 40
    assert n.nvmlDeviceGetMemoryErrorCounter(second, 0, 1, n.NVML_MEMORY_LOCATION_L2_CACHE) == 0
    assert stand_in.fields(second, 142, 143, 144, 145) == [4, 1, 1, 0]
    assert n.nvmlDeviceGetRemappedRows(second) == (4, 1, 1, 0)
    assert stand_in.fields(second, 230) == [2]
    assert stand_in.fields(first, 3, 142, 230) == [0, 0, 0]


def test_activity_can_be_refused_on_one_device(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant("gpm_deny 1")
    sample = n.nvmlGpmSampleAlloc()
    assert stand_in.code(n.nvmlGpmSampleGet, second, sample) == REFUSED
    assert stand_in.code(n.nvmlGpmSampleGet, first, sample) == 0


def test_pcie_byte_counters_can_be_of_32_bits(stand_in: Any) -> None:
    first, _ = stand_in.open()
    (whole,) = stand_in.fields(first, 197)
    stand_in.plant("wrap")
    assert whole > 2**32
    assert stand_in.fields(first, 197) == [whole % 2**32]


def test_processes_are_as_planted(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant("processes 0 101:2048,102:1024")
    told = n.nvmlDeviceGetComputeRunningProcesses(first)
    assert [(one.pid, one.usedGpuMemory, one.gpuInstanceId) for one in told] == [
        (101, 2048 * MIB, EVERYTHING),
        (102, 1024 * MIB, EVERYTHING),
    ]
    assert n.nvmlDeviceGetComputeRunningProcesses(second) == []
    assert n.nvmlDeviceGetGraphicsRunningProcesses(first) == []
    assert n.nvmlDeviceGetMPSComputeRunningProcesses(first) == []
    used = n.nvmlDeviceGetProcessUtilization(first, 0)
    half = round(50 * stand_in.busy(T0))
    assert [(one.pid, one.smUtil, one.timeStamp) for one in used] == [
        (101, half, round(T0 * 1e6)),
        (102, half, round(T0 * 1e6)),
    ]
    assert stand_in.code(n.nvmlDeviceGetProcessUtilization, first, round(T0 * 1e6)) == NOT_FOUND


def test_a_gpu_in_instances_tells_of_each(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant("mig 1 3g.40gb,2g.20gb", "processes 1 7:100:0,8:200:1")
    assert n.nvmlDeviceGetMigMode(second) == [1, 1]
    assert n.nvmlDeviceGetMigMode(first) == [0, 0]
    assert n.nvmlDeviceGetMaxMigDeviceCount(second) == 7
    one, other = (n.nvmlDeviceGetMigDeviceHandleByIndex(second, k) for k in range(2))
    assert stand_in.code(n.nvmlDeviceGetMigDeviceHandleByIndex, second, 2) == NOT_FOUND
    assert n.nvmlDeviceGetName(other) == "NVIDIA H100 80GB HBM3 MIG 2g.20gb"
    uuid = n.nvmlDeviceGetUUID(other)
    assert uuid.startswith("MIG-")
    assert uuid != n.nvmlDeviceGetUUID(one)
    assert n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByUUID(uuid.encode())) == uuid
    assert n.nvmlDeviceIsMigDeviceHandle(other) and not n.nvmlDeviceIsMigDeviceHandle(second)
    parent = n.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(other)
    assert n.nvmlDeviceGetUUID(parent) == UUIDS[1]
    assert (n.nvmlDeviceGetGpuInstanceId(other), n.nvmlDeviceGetComputeInstanceId(other)) == (2, 0)
    attributes = n.nvmlDeviceGetAttributes(other)
    assert (attributes.gpuInstanceSliceCount, attributes.multiprocessorCount) == (2, 32)
    assert attributes.memorySizeMB == 20 * 1024
    memory = n.nvmlDeviceGetMemoryInfo(other, version=n.nvmlMemory_v2)
    assert (memory.total, memory.used) == (20 * GIB, 2 * GIB)
    processes = n.nvmlDeviceGetComputeRunningProcesses(other)
    assert [(one.pid, one.gpuInstanceId) for one in processes] == [(8, 2)]
    assert len(n.nvmlDeviceGetComputeRunningProcesses(second)) == 2
    info = n.nvmlGpuInstanceGetInfo(n.nvmlDeviceGetGpuInstanceById(second, 2))
    assert (info.id, info.placement.start, info.placement.size) == (2, 3, 2)
    assert n.nvmlDeviceGetGpuInstanceProfileInfo(second, 2).name == "MIG 3g.40gb"


def test_what_a_gpu_in_instances_does_not_tell(stand_in: Any) -> None:
    _, second = stand_in.open()
    stand_in.plant("mig 1 7g.80gb")
    instance = n.nvmlDeviceGetMigDeviceHandleByIndex(second, 0)
    for call in (
        n.nvmlDeviceGetUtilizationRates,
        n.nvmlDeviceGetEncoderUtilization,
        lambda handle: n.nvmlDeviceGetProcessUtilization(handle, 0),
        lambda handle: n.nvmlDeviceGetSamples(handle, n.NVML_GPU_UTILIZATION_SAMPLES, 0),
    ):
        assert stand_in.code(call, second) == UNSUPPORTED
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, second) == 0
    assert stand_in.code(n.nvmlDeviceGetPowerUsage, instance) == UNSUPPORTED
    assert stand_in.code(n.nvmlDeviceGetTotalEnergyConsumption, instance) == UNSUPPORTED
    assert stand_in.fields(instance, 83, 186) == [None, None]
    assert n.nvmlDeviceGetAccountingMode(second) == 0


def test_instances_have_activity_of_their_own(stand_in: Any) -> None:
    stand_in.open()
    lines = ("mig 1 3g.40gb,2g.20gb",)
    second = n.nvmlDeviceGetHandleByIndex(1)
    stand_in.plant(*lines, at=T0 - 1)
    other = n.nvmlDeviceGetMigDeviceHandleByIndex(second, 1)
    taken = [[n.nvmlGpmSampleAlloc() for _ in range(2)] for _ in range(2)]
    for turn, at in enumerate((T0 - 1, T0)):
        stand_in.plant(*lines, at=at)
        n.nvmlGpmSampleGet(other, taken[0][turn])
        n.nvmlGpmMigSampleGet(second, 2, taken[1][turn])
    mean = stand_in.worked(T0 - 1, T0, 1.2)
    for samples in taken:
        assert stand_in.gpm(*samples, 2, 10) == {
            2: pytest.approx(100 * mean),
            10: pytest.approx(40 * mean),
        }
    refused = stand_in.code(n.nvmlGpmMigSampleGet, second, 3, taken[0][0])
    assert refused == n.NVML_ERROR_INVALID_ARGUMENT


def test_instances_change_and_old_handles_end(stand_in: Any) -> None:
    _, second = stand_in.open()
    stand_in.plant("mig 1 3g.40gb")
    before = n.nvmlDeviceGetMigDeviceHandleByIndex(second, 0)
    uuid = n.nvmlDeviceGetUUID(before)
    stand_in.plant("mig 1 2g.20gb")
    assert stand_in.code(n.nvmlDeviceGetUUID, before) == n.NVML_ERROR_INVALID_ARGUMENT
    after = n.nvmlDeviceGetMigDeviceHandleByIndex(second, 0)
    assert n.nvmlDeviceGetUUID(after) != uuid
    stand_in.plant("mig 1")
    assert n.nvmlDeviceGetMigMode(second) == [1, 1]
    assert stand_in.code(n.nvmlDeviceGetMigDeviceHandleByIndex, second, 0) == NOT_FOUND


def listening(stand_in: Any, *handles: Any) -> Any:
    events = n.nvmlEventSetCreate()
    for handle in handles:
        assert n.nvmlDeviceGetSupportedEventTypes(handle) & n.nvmlEventTypeXidCriticalError
        n.nvmlDeviceRegisterEvents(handle, n.nvmlEventTypeXidCriticalError, events)
    return events


def test_an_xid_is_told_once(stand_in: Any) -> None:
    first, second = stand_in.open()
    stand_in.plant("xid 0 31")
    events = listening(stand_in, first, second)
    assert stand_in.code(n.nvmlEventSetWait_v2, events, 0) == TIMEOUT, "it was before"
    later = f"xid 1 79 {T0 + 5}"
    stand_in.plant("xid 0 31", later, "xid 1 94 0 2", at=T0 + 1)
    told = n.nvmlEventSetWait_v2(events, 0)
    assert n.nvmlDeviceGetUUID(told.device) == UUIDS[1]
    assert (told.eventType, told.eventData, told.gpuInstanceId, told.computeInstanceId) == (
        n.nvmlEventTypeXidCriticalError, 94, 3, 0,
    )  # fmt: skip
    assert stand_in.code(n.nvmlEventSetWait_v2, events, 0) == TIMEOUT, "it is not time yet"
    stand_in.plant(later, at=T0 + 5)
    told = n.nvmlEventSetWait_v2(events, 0)
    assert (told.eventData, told.gpuInstanceId) == (79, EVERYTHING)
    assert stand_in.code(n.nvmlEventSetWait_v2, events, 0) == TIMEOUT
    n.nvmlEventSetFree(events)


def test_an_xid_wakes_who_waits(stand_in: Any) -> None:
    stand_in.plant(at=None)
    first, _ = stand_in.open()
    events = listening(stand_in, first)
    told: list[int] = []
    thread = waits(
        lambda: told.append(n.nvmlEventSetWait_v2(events, round(PATIENCE_SECONDS * 1e3)).eventData)
    )
    stand_in.plant("xid 0 48", at=None)
    thread.join(PATIENCE_SECONDS)
    assert told == [48]


def test_waiting_in_vain_takes_the_time_given(stand_in: Any) -> None:
    first, _ = stand_in.open()
    events = listening(stand_in, first)
    began = time.monotonic()
    assert stand_in.code(n.nvmlEventSetWait_v2, events, 30) == TIMEOUT
    assert time.monotonic() - began >= 0.03
    refused = stand_in.code(n.nvmlDeviceRegisterEvents, first, 0x8000, events)
    assert refused == UNSUPPORTED


@pytest.mark.parametrize(
    "line",
    ["lots 0", "lost 16", "lost x", "ecc 0 soft volatile 1", "throttle 0 boredom", "mig 0 x"],
)
def test_a_line_nobody_understands_ends_the_process(stand_in: Any, line: str) -> None:
    stand_in.control.write_text(f"{line}\n")
    done = subprocess.run(
        [sys.executable, "-c", "import pynvml; pynvml.nvmlInit()"],
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "LD_LIBRARY_PATH": str(stand_in.library),
            "NVML_STAND_IN_CONTROL": str(stand_in.control),
        },
    )
    assert done.returncode != 0
    assert f"what does this mean: {line}" in done.stderr
