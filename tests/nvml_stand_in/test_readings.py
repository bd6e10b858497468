"""What the stand-in answers where nothing is wrong: as its head documents, in the real layouts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

import pynvml as n
import pytest

T0 = 1_790_000_000.0
GIB, MIB = 1024**3, 1024**2
NOT_SUPPORTED, NOT_FOUND, INVALID = 3, 6, 2


def test_a_device_says_who_it_is(stand_in: Any) -> None:
    first, second = stand_in.open()
    assert n.nvmlDeviceGetName(second) == "NVIDIA H100 80GB HBM3"
    assert n.nvmlDeviceGetUUID(second) == "GPU-57a4d14e-0000-4000-8000-000000000001"
    assert n.nvmlDeviceGetSerial(second) == "1600000000001"
    assert n.nvmlDeviceGetVbiosVersion(second) == "96.00.61.00.02"
    assert n.nvmlDeviceGetPciInfo(second).busId == "00000000:2B:00.0"
    assert n.nvmlDeviceGetIndex(second) == n.nvmlDeviceGetMinorNumber(second) == 1
    assert n.nvmlDeviceGetBrand(first) == n.NVML_BRAND_NVIDIA
    assert n.nvmlDeviceGetArchitecture(first) == n.NVML_DEVICE_ARCH_HOPPER
    assert n.nvmlDeviceGetCudaComputeCapability(first) == (9, 0)
    assert n.nvmlSystemGetDriverVersion() == "580.65.06"
    assert n.nvmlSystemGetCudaDriverVersion_v2() == 13000
    assert n.nvmlDeviceGetPersistenceMode(first) == 1


def test_a_device_is_found_by_each_of_its_names(stand_in: Any) -> None:
    stand_in.open(devices=16)
    for handle in (
        n.nvmlDeviceGetHandleByUUID(b"GPU-57a4d14e-0000-4000-8000-000000000009"),
        n.nvmlDeviceGetHandleByPciBusId(b"00000001:2B:00.0"),
        n.nvmlDeviceGetHandleByPciBusId(b"0001:2B:00.0"),
        n.nvmlDeviceGetHandleBySerial(b"1600000000009"),
    ):
        assert n.nvmlDeviceGetIndex(handle) == 9
    assert stand_in.code(n.nvmlDeviceGetHandleByUUID, b"GPU-no") == NOT_FOUND
    assert stand_in.code(n.nvmlDeviceGetHandleByIndex, 16) == INVALID


def test_power_and_its_limits(stand_in: Any) -> None:
    _, second = stand_in.open()
    instant = round(1e3 * (70 + 610 * stand_in.busy(T0, 1)))
    average = round(1e3 * (70 + 610 * stand_in.worked(T0 - 1, T0, 1)))
    assert n.nvmlDeviceGetPowerUsage(second) == average
    assert stand_in.fields(second, 186, 185, (186, 1), (185, 2), (186, 2)) == [
        instant, average, None, round(0.15 * average), None,
    ]  # fmt: skip
    assert n.nvmlDeviceGetEnforcedPowerLimit(second) == 700_000
    assert n.nvmlDeviceGetPowerManagementDefaultLimit(second) == 700_000
    assert n.nvmlDeviceGetPowerManagementLimitConstraints(second) == [200_000, 700_000]
    assert stand_in.fields(second, 187, 188, 189, 190, 192) == [200_000] + [700_000] * 4


def test_energy_is_the_integral_of_power(stand_in: Any) -> None:
    _, second = stand_in.open()
    hour = 1e3 * (70 * 3600 + 610 * stand_in.worked(T0 - 3600, T0, 1))
    counted = n.nvmlDeviceGetTotalEnergyConsumption(second)
    assert counted == pytest.approx(hour, abs=2)
    assert stand_in.fields(second, 83, 191) == [counted, counted]
    powers, energies = [], []
    for step in range(61):
        stand_in.plant(at=T0 + step / 2)
        powers.append(stand_in.fields(second, 186)[0])
        energies.append(n.nvmlDeviceGetTotalEnergyConsumption(second))
    area = sum((a + b) / 4 for a, b in pairwise(powers))
    assert energies[-1] - energies[0] == pytest.approx(area, rel=2e-4)


def test_an_a100_has_no_averaged_power_no_gpm_and_no_margins(stand_in: Any) -> None:
    first, _ = stand_in.open("a100")
    instant = round(1e3 * (60 + 330 * stand_in.busy(T0)))
    assert n.nvmlDeviceGetPowerUsage(first) == instant
    assert stand_in.fields(first, 186, 185, (185, 2), 193, 197, 202) == [instant] + [None] * 5
    assert stand_in.code(n.nvmlDeviceGetMarginTemperature, first) == NOT_SUPPORTED
    assert n.nvmlDeviceGetTemperatureThreshold(first, 1) == 89
    assert n.nvmlGpmQueryDeviceSupport(first).isSupportedDevice == 0
    sample = n.nvmlGpmSampleAlloc()
    assert stand_in.code(n.nvmlGpmSampleGet, first, sample) == NOT_SUPPORTED
    n.nvmlGpmSampleFree(sample)
    assert n.nvmlDeviceGetCurrPcieLinkGeneration(first) == 4


def test_a_module_meters_the_whole_module(stand_in: Any) -> None:
    first, _ = stand_in.open("gh200")
    instant = round(1e3 * (160 + 710 * stand_in.busy(T0)))
    assert stand_in.fields(first, (186, 0), (186, 1)) == [None, instant]
    assert n.nvmlDeviceGetTotalEnergyConsumption(first) == pytest.approx(
        1e3 * (160 * 3600 + 710 * stand_in.worked(T0 - 3600, T0)), abs=2
    )
    stand_in.plant("gpu_scope")
    assert stand_in.fields(first, (186, 0), (186, 1)) == [round(0.8 * instant), instant]


def test_the_ring_of_power_holds_what_the_last_seconds_were(stand_in: Any) -> None:
    first, _ = stand_in.open()
    newest = round(T0 * 1e6)
    kind, samples = n.nvmlDeviceGetSamples(first, n.NVML_TOTAL_POWER_SAMPLES, 0)
    assert kind == n.NVML_VALUE_TYPE_UNSIGNED_INT
    assert [one.timeStamp for one in samples] == [newest - 20_000 * i for i in range(119, -1, -1)]
    assert samples[-51].sampleValue.uiVal == round(1e3 * (70 + 610 * stand_in.busy(T0 - 1)))
    _, rest = n.nvmlDeviceGetSamples(first, n.NVML_TOTAL_POWER_SAMPLES, newest - 50_000)
    assert [one.timeStamp for one in rest] == [newest - 40_000, newest - 20_000, newest]
    assert stand_in.code(n.nvmlDeviceGetSamples, first, 0, newest) == NOT_FOUND
    assert (
        stand_in.code(n.nvmlDeviceGetSamples, first, n.NVML_MODULE_POWER_SAMPLES, 0)
        == NOT_SUPPORTED
    )
    _, busy = n.nvmlDeviceGetSamples(first, n.NVML_GPU_UTILIZATION_SAMPLES, 0)
    assert busy[-1].sampleValue.uiVal == round(100 * stand_in.busy(T0))


def test_a_module_has_a_ring_of_its_own(stand_in: Any) -> None:
    first, _ = stand_in.open("gh200")
    _, samples = n.nvmlDeviceGetSamples(first, n.NVML_MODULE_POWER_SAMPLES, 0)
    assert samples[-1].sampleValue.uiVal == round(1e3 * (160 + 710 * stand_in.busy(T0)))


def test_every_field_says_when_it_was_read_and_how_long_it_took(stand_in: Any) -> None:
    first, _ = stand_in.open()
    (field,) = n.nvmlDeviceGetFieldValues(first, [186])
    assert (field.timestamp, field.latencyUsec, field.nvmlReturn) == (round(T0 * 1e6), 1, 0)
    (unknown,) = n.nvmlDeviceGetFieldValues(first, [300])
    assert unknown.nvmlReturn == NOT_SUPPORTED
    (cleared,) = n.nvmlDeviceClearFieldValues(first, [186])
    assert cleared.nvmlReturn == n.NVML_ERROR_NO_PERMISSION


def test_links_count_bytes_and_errors(stand_in: Any) -> None:
    _, second = stand_in.open()
    worked = stand_in.worked(T0 - 3600, T0, 1)
    everything = 0xFFFFFFFF
    sent, received, one = stand_in.fields(second, (138, everything), (139, everything), (138, 3))
    assert sent == pytest.approx(64 * MIB * worked)
    assert received == pytest.approx(60 * MIB * worked)
    assert one == pytest.approx(64 * MIB * worked / 18)
    assert stand_in.fields(second, (138, 18)) == [None]
    sent, received = stand_in.fields(second, 197, 198)
    assert sent == pytest.approx(2 * GIB * worked)
    assert received == pytest.approx(4 * GIB * worked)
    assert stand_in.fields(second, 94, 52, 59, 38, 45) == [3, 11, 21, 31, 41]
    assert n.nvmlDeviceGetPcieReplayCounter(second) == 3
    assert n.nvmlDeviceGetNvLinkState(second, 17) == 1
    assert stand_in.code(n.nvmlDeviceGetNvLinkState, second, 18) == INVALID
    assert n.nvmlDeviceGetNvLinkErrorCounter(second, 0, n.NVML_NVLINK_ERROR_DL_REPLAY) == 11
    assert n.nvmlDeviceGetNvLinkErrorCounter(second, 1, n.NVML_NVLINK_ERROR_DL_REPLAY) == 0
    assert n.nvmlDeviceGetCurrPcieLinkGeneration(second) == n.nvmlDeviceGetMaxPcieLinkGeneration(
        second
    )
    assert n.nvmlDeviceGetCurrPcieLinkWidth(second) == 16


def test_the_fifth_nvlink_counts_in_bytes(stand_in: Any) -> None:
    first, _ = stand_in.open("b200")
    sent, received = stand_in.fields(first, (202, 0xFFFFFFFF), (204, 0xFFFFFFFF))
    assert sent == pytest.approx(64 * GIB * stand_in.worked(T0 - 3600, T0))
    assert received == pytest.approx(60 * GIB * stand_in.worked(T0 - 3600, T0))


def test_measuring_pcie_makes_the_caller_wait(stand_in: Any) -> None:
    first, _ = stand_in.open()
    began = time.monotonic()
    assert n.nvmlDeviceGetPcieThroughput(first, n.NVML_PCIE_UTIL_TX_BYTES) == round(
        2 * MIB * stand_in.busy(T0)
    )
    assert time.monotonic() - began >= 0.02


def test_work_heat_memory_and_clocks(stand_in: Any) -> None:
    _, second = stand_in.open()
    busy = stand_in.busy(T0, 1)
    rates = n.nvmlDeviceGetUtilizationRates(second)
    assert (rates.gpu, rates.memory) == (round(100 * busy), round(40 * busy))
    celsius = 30 + int(40 * busy)
    assert n.nvmlDeviceGetTemperatureV(second, n.NVML_TEMPERATURE_GPU) == celsius
    assert n.nvmlDeviceGetMarginTemperature(second) == 87 - celsius
    assert stand_in.fields(second, 82, 193, 194, 195, 196) == [celsius + 8, -8, -2, 0, 0]
    assert stand_in.code(n.nvmlDeviceGetTemperatureThreshold, second, 0) == NOT_SUPPORTED
    memory = n.nvmlDeviceGetMemoryInfo(second, version=n.nvmlMemory_v2)
    assert (memory.total, memory.used, memory.reserved) == (80 * GIB, 11 * GIB, GIB // 2)
    assert memory.free == memory.total - memory.used - memory.reserved
    assert n.nvmlDeviceGetMemoryInfo(second).used == 11.5 * GIB
    for clock, mhz in ((n.NVML_CLOCK_SM, 1980), (n.NVML_CLOCK_MEM, 2619)):
        assert n.nvmlDeviceGetClockInfo(second, clock) == mhz
        assert n.nvmlDeviceGetMaxClockInfo(second, clock) == mhz
    assert n.nvmlDeviceGetPerformanceState(second) == 0
    assert n.nvmlDeviceGetEncoderUtilization(second)[0] == 0


def test_the_power_cap_bites_in_one_second_of_twenty(stand_in: Any) -> None:
    first, _ = stand_in.open()
    assert T0 % 20 == 0
    stand_in.plant(at=T0 + 5)
    (before,) = stand_in.fields(first, 74)
    stand_in.plant(at=T0 + 20.5)
    assert n.nvmlDeviceGetCurrentClocksEventReasons(first) == 0x4
    stand_in.plant(at=T0 + 25)
    assert n.nvmlDeviceGetCurrentClocksEventReasons(first) == 0
    (after,) = stand_in.fields(first, 74)
    assert after == pytest.approx(before + 1e9, abs=1000)


SHARES = {1: 1.0, 2: 1.0, 3: 0.5, 4: 0.2, 5: 0.6, 6: 0.0, 7: 0.55, 8: 0.02, 9: 0.03, 10: 0.4,
          11: 0.05, 12: 0.3, 13: 0.25}  # fmt: skip


def test_gpm_tells_what_worked_between_two_samples(stand_in: Any) -> None:
    _, second = stand_in.open()
    assert n.nvmlGpmQueryDeviceSupport(second).isSupportedDevice == 1
    samples = stand_in.two_samples(lambda sample: n.nvmlGpmSampleGet(second, sample))
    mean = stand_in.worked(T0 - 1, T0, 1)
    told = stand_in.gpm(*samples, *SHARES, 20, 21, 60, 61, 62, 97, 100, 98)
    assert {id: told[id] for id in SHARES} == {
        id: pytest.approx(100 * share * mean) for id, share in SHARES.items()
    }
    rates = {20: 2048, 21: 4096, 60: 60 * 1024, 61: 64 * 1024, 62: 60 * 1024 / 18,
             97: 64 * 1024 / 18}  # fmt: skip
    assert {id: told[id] for id in rates} == {
        id: pytest.approx(rate * mean) for id, rate in rates.items()
    }
    assert told[100] == told[98] == -NOT_SUPPORTED, "no such links"
    same = n.nvmlGpmSampleAlloc()
    n.nvmlGpmSampleGet(second, same)
    assert stand_in.code(stand_in.gpm, samples[1], same, 2) == INVALID, (
        "no time between the samples"
    )


def test_gpm_counts_cycles_and_bytes_since_the_start(stand_in: Any) -> None:
    first, _ = stand_in.open()
    samples = stand_in.two_samples(lambda sample: n.nvmlGpmSampleGet(first, sample))
    # The counters began an hour before the library was opened, at T0.
    worked = stand_in.worked(T0 - 3600, T0)
    assert stand_in.gpm(*samples, 248, 249, 250, 260, 255, 261, 262) == {
        248: pytest.approx(1.98e9 * 3600),
        249: pytest.approx(1.98e9 * worked),
        250: pytest.approx(1.98e9 * 0.6 * worked),
        260: pytest.approx(1.98e9 * 0.25 * worked),
        255: pytest.approx(2 * GIB * worked),
        261: pytest.approx(60 * GIB / 18 * worked),
        262: pytest.approx(64 * GIB / 18 * worked),
    }


def test_only_a_module_has_links_between_its_chips(stand_in: Any) -> None:
    first, _ = stand_in.open("gh200")
    samples = stand_in.two_samples(lambda sample: n.nvmlGpmSampleGet(first, sample))
    mean = stand_in.worked(T0 - 1, T0)
    assert stand_in.gpm(*samples, 100, 101, 102, 103, 104, 143, 144) == {
        100: pytest.approx(36 * 1024 * mean),
        101: pytest.approx(54 * 1024 * mean),
        102: pytest.approx(32 * 1024 * mean),
        103: pytest.approx(48 * 1024 * mean),
        104: pytest.approx(3.6 * 1024 * mean),
        143: pytest.approx(4.8 * 1024 * mean),
        144: -NOT_SUPPORTED,
    }


def test_errors_are_none_unless_planted(stand_in: Any) -> None:
    first, _ = stand_in.open()
    assert stand_in.fields(first, 3, 4, 5, 6, 142, 143, 144, 145, 230) == [0] * 9
    assert n.nvmlDeviceGetTotalEccErrors(first, 0, 0) == 0
    assert n.nvmlDeviceGetRemappedRows(first) == (0, 0, 0, 0)
    assert n.nvmlDeviceGetEccMode(first) == [1, 1]
    assert n.nvmlDeviceGetComputeRunningProcesses(first) == []
    assert n.nvmlDeviceGetMigMode(first) == [0, 0]
    assert n.nvmlDeviceGetAccountingMode(first) == 0
    assert stand_in.code(n.nvmlDeviceGetProcessUtilization, first, 0) == NOT_FOUND


READ_ENERGY = """
import pynvml
pynvml.nvmlInit()
handle = pynvml.nvmlDeviceGetHandleByIndex(0)
print(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
"""


def test_a_process_that_starts_later_sees_the_same_counters(stand_in: Any) -> None:
    first, _ = stand_in.open()
    stand_in.plant("reset 0", at=T0 + 10)
    assert n.nvmlDeviceGetTotalEnergyConsumption(first) == 0
    stand_in.plant(at=T0 + 20)
    other = subprocess.run(
        [sys.executable, "-c", READ_ENERGY],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_LIBRARY_PATH": str(stand_in.library)},
        check=True,
    )
    assert int(other.stdout) == n.nvmlDeviceGetTotalEnergyConsumption(first) > 0


def test_calls_are_counted_by_function_and_process(stand_in: Any) -> None:
    first, _ = stand_in.open(COUNTERS=str(stand_in.folder / "calls-%p"))
    for _ in range(3):
        stand_in.fields(first, 186, 83)
    raw = (stand_in.folder / f"calls-{os.getpid()}").read_bytes()
    counted = {
        raw[at : at + 56].rstrip(b"\0").decode(): int.from_bytes(raw[at + 56 : at + 64], "little")
        for at in range(0, len(raw), 64)
    }
    assert counted["nvmlDeviceGetFieldValues"] == 3
    assert counted["fields"] == 6
    assert counted["nvmlDeviceGetHandleByIndex_v2"] == 2
