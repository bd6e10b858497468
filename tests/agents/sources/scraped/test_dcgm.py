import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, DEVICE_INFO, MIG, XID
from wattline_agents.rows import checked_row
from wattline_agents.sources.scraped import dcgm
from wattline_agents.sources.scraped.dcgm import DcgmSource, XidChanges, rows_of_page

GPU = "GPU-6d5c0ac5-74d7-3130-46f1-e93ed57f469a"


def line(name: str, value: object, gpu: str = "GPU-a", **labels: str) -> str:
    model = {"modelName": "NVIDIA H100 80GB HBM3"}
    told = {"gpu": "0", "UUID": gpu, "device": "nvidia0"} | model | labels
    inside = ",".join(f'{key}="{text}"' for key, text in told.items())
    return f"{name}{{{inside}}} {value}\n"


def device(page: str) -> dict[str, Any]:
    (row,) = rows_of_page(page, 1_000)["device"]
    return checked_row(DEVICE, row)


def test_every_column_of_the_table_is_one_of_the_catalogue() -> None:
    columns = {column for column, _, _ in dcgm._FIELDS} | dcgm._SUMMED.keys()
    assert columns <= DEVICE.columns.keys()


# What the recordings' README states.


@pytest.fixture
def pages(shared: Path) -> Path:
    return shared / "data/08-dcgm-exporter"


@pytest.mark.recordings
def test_a_busy_t4_is_91_percent_busy_and_hardly_uses_its_tensor_cores(pages: Path) -> None:
    found = rows_of_page((pages / "ericsson_T4_busy.prom").read_text(), 1_000)
    (row,) = found["device"]
    assert checked_row(DEVICE, row) == {
        "time_unix_ms": 1_000,
        "device": GPU,
        "up": 1,
        "power_watts": 68.244,
        "energy_joules_total": 15_152_422.938,
        "busy_ratio": 0.91,
        "memory_busy_ratio": 0.73,
        "tensor_active_ratio": 0.005822,
        "dram_active_ratio": 0.092781,
        "memory_used_bytes": 5120 * 2**20,
        "memory_size_bytes": (5120 + 9791 + 447) * 2**20,
        "memory_reserved_bytes": 447 * 2**20,
        "temperature_celsius": 74.0,
        "sm_clock_hertz": 660e6,
        "memory_clock_hertz": 5e9,
        "pcie_replays_total": 0,
    }
    (info,) = found["device_info"]
    assert checked_row(DEVICE_INFO, info) == {
        "time_unix_ms": 1_000,
        "device": GPU,
        "index": 0,
        "vendor": "nvidia",
        "model": "Tesla T4",
        "pci": "00000000:37:00.0",
        "driver": "590.48.01",
        "source": "dcgm",
        "power_mode": "instant",
        "power_scope": "gpu",
        "energy_scope": "gpu",
        "minor": 0,
    }


@pytest.mark.recordings
def test_a_page_with_a_pod_on_one_of_eight_gpus_has_eight_devices(pages: Path) -> None:
    found = rows_of_page((pages / "nvidia_aicr_8xH100_partial.prom").read_text(), 1_000)
    rows = {str(row["device"]): checked_row(DEVICE, row) for row in found["device"]}
    assert len(rows) == len(found["device"]) == 8
    busy = rows["GPU-c4529c8d-69c4-b61d-e0bc-7b2460096005"]
    assert (busy["power_watts"], busy["busy_ratio"]) == (113.611, 0.0)
    assert busy["power_average_watts"] == 113.611
    last = rows["GPU-04d228d3-3b5a-3534-f5cf-969706647d56"]
    assert (last["power_watts"], last["temperature_celsius"]) == (66.997, 26.0)
    assert "memory_busy_ratio" not in last, "the page stops before"
    infos = {row["device"]: row for row in found["device_info"]}
    assert [row["index"] for row in infos.values()] == list(range(8))
    assert {row["power_mode"] for row in infos.values()} == {"average_1s"}


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("page", "watts", "joules", "size_mib"),
    [
        ("upcloud_L40S.prom", 35.686, 5_551_899.58, 45_459 + 608),
        ("rafay_T4.prom", 14.512, 48_287.135, 14_912 + 447),
    ],
)
def test_an_idle_gpu_draws_power_and_a_sensor_it_lacks_is_not_at_0_degrees(
    pages: Path, page: str, watts: float, joules: float, size_mib: int
) -> None:
    row = device((pages / page).read_text())
    assert (row["power_watts"], row["energy_joules_total"]) == (watts, joules)
    assert (row["busy_ratio"], row["tensor_active_ratio"]) == (0.0, 0.0)
    assert row["memory_size_bytes"] == size_mib * 2**20
    assert "memory_temperature_celsius" not in row
    assert "pcie_receive_bytes_total" not in row, "the page has a rate, and no total"


@pytest.mark.recordings
def test_every_field_of_the_exporters_own_lists_is_known_or_left_out_on_purpose(
    pages: Path,
) -> None:
    entry = re.compile(r"[# ]*(dcgm_\w+)\s*,\s*(?:gauge|counter)\s*,", re.IGNORECASE)
    listed = {
        found.group(1)
        for file in (pages / "counters").glob("*.csv")
        for line in file.read_text().splitlines()
        if (found := entry.match(line))
    }
    assert len(listed) == 91
    assert {
        name.removeprefix("DCGM_FI_").removeprefix("dcgm_") for name in listed - dcgm.NAMES
    } == {
        # rates, of which no counter can be made
        "PROF_PCIE_TX_BYTES", "PROF_PCIE_RX_BYTES", "fi_prof_pcie_tx_bytes",
        "fi_prof_pcie_rx_bytes", "DEV_NVLINK_BANDWIDTH_TOTAL", "DEV_NVLINK_BANDWIDTH_L0",
        "nvlink_bandwidth_total",
        # what the catalogue has no column for
        "DEV_ENC_UTIL", "DEV_DEC_UTIL", "enc_utilization", "dec_utilization",
        "DEV_VGPU_LICENSE_STATUS", "PROF_GR_ENGINE_ACTIVE", "fi_prof_gr_engine_active",
        "DEV_RETIRED_SBE", "DEV_RETIRED_DBE", "DEV_RETIRED_PENDING",
        "retired_pages_sbe", "retired_pages_dbe", "retired_pages_pending",
        "DEV_SYNC_BOOST_VIOLATION", "DEV_BOARD_LIMIT_VIOLATION", "DEV_LOW_UTIL_VIOLATION",
        "DEV_RELIABILITY_VIOLATION", "sync_boost_violation", "board_limit_violation",
        "low_util_violation", "reliability_violation",
        # what counts within a window that slides
        "DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_EXP_XID_ERRORS_COUNT",
        "DCGM_EXP_GPU_HEALTH_STATUS", "DCGM_EXP_P2P_STATUS",
    }  # fmt: skip


# Names before and after DCGM 4.6.


def test_old_and_new_names_say_the_same() -> None:
    values = {
        "BOARD_POWER_LIMIT_ENFORCED_WATTS": ("ENFORCED_POWER_LIMIT", 700),
        "BOARD_POWER_LIMIT_DEFAULT_WATTS": ("POWER_MGMT_LIMIT_DEF", 650),
        "GPU_UTIL_RATIO": ("GPU_UTIL", 91),
        "GPU_TEMP_CELSIUS": ("GPU_TEMP", 61),
        "MEMORY_TEMP_CELSIUS": ("MEMORY_TEMP", 70),
        "GPU_TEMP_MARGIN_CELSIUS": ("GPU_TEMP_LIMIT", 26),
        "GPU_PSTATE": ("PSTATE", 0),
        "PCIE_REPLAY_TOTAL": ("PCIE_REPLAY_COUNTER", 2),
        "ROW_REMAP_CORRECTABLE_TOTAL": ("CORRECTABLE_REMAPPED_ROWS", 3),
        "ROW_REMAP_UNCORRECTABLE_TOTAL": ("UNCORRECTABLE_REMAPPED_ROWS", 4),
        "ROW_REMAP_FAILED": ("ROW_REMAP_FAILURE", 1),
        "GPU_RECOVERY_ACTION": ("GET_GPU_RECOVERY_ACTION", 2),
        "NVLINK_TX_BYTES_TOTAL": ("NVLINK_COUNT_TX_BYTES", 1_000),
        "NVLINK_RX_BYTES_TOTAL": ("NVLINK_COUNT_RX_BYTES", 2_000),
        "NVLINK_REPLAY_ERROR_TOTAL": ("NVLINK_REPLAY_ERROR_COUNT_TOTAL", 5),
        "NVLINK_RECOVERY_ERROR_TOTAL": ("NVLINK_RECOVERY_ERROR_COUNT_TOTAL", 6),
        "NVLINK_CRC_FLIT_ERROR_TOTAL": ("NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", 7),
        "NVLINK_CRC_DATA_ERROR_TOTAL": ("NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", 8),
        "BOARD_POWER_WATTS": ("POWER_USAGE", 412.5),
        "BOARD_POWER_RAW_WATTS": ("POWER_USAGE_INSTANT", 420.25),
    }
    ratios = {
        "SM_UTIL_RATIO": ("SM_ACTIVE", 0.8),
        "SM_OCCUPANCY_RATIO": ("SM_OCCUPANCY", 0.5),
        "TENSOR_UTIL_RATIO": ("PIPE_TENSOR_ACTIVE", 0.4),
        "DRAM_UTIL_RATIO": ("DRAM_ACTIVE", 0.25),
        "FP64_UTIL_RATIO": ("PIPE_FP64_ACTIVE", 0.1),
        "FP32_UTIL_RATIO": ("PIPE_FP32_ACTIVE", 0.2),
        "FP16_UTIL_RATIO": ("PIPE_FP16_ACTIVE", 0.3),
    }
    both = ["", ""]
    for prefix, names in (("DCGM_FI_DEV_", values), ("DCGM_FI_PROF_", ratios)):
        for new, (old, value) in names.items():
            both[0] += line(prefix + new, value)
            both[1] += line(prefix + old, value)
    row = device(both[0])
    assert row == device(both[1]) == device("".join(both))
    assert row == {
        "time_unix_ms": 1_000,
        "device": "GPU-a",
        "up": 1,
        "power_watts": 420.25,
        "power_average_watts": 412.5,
        "power_limit_watts": 700.0,
        "power_limit_default_watts": 650.0,
        "busy_ratio": 0.91,
        "temperature_celsius": 61.0,
        "memory_temperature_celsius": 70.0,
        "temperature_margin_celsius": 26.0,
        "performance_state": 0,
        "pcie_replays_total": 2,
        "row_remaps_corrected": 3,
        "row_remaps_uncorrected": 4,
        "row_remap_failed": 1,
        "recovery_action": 2,
        "nvlink_transmit_bytes_total": 1_000,
        "nvlink_receive_bytes_total": 2_000,
        "nvlink_replay_errors_total": 5,
        "nvlink_recovery_errors_total": 6,
        "nvlink_crc_errors_total": 15,
        "sm_active_ratio": 0.8,
        "sm_occupancy_ratio": 0.5,
        "tensor_active_ratio": 0.4,
        "dram_active_ratio": 0.25,
        "fp64_active_ratio": 0.1,
        "fp32_active_ratio": 0.2,
        "fp16_active_ratio": 0.3,
    }


def test_fields_that_kept_their_names_are_converted_to_base_units() -> None:
    dev = "DCGM_FI_DEV_"
    row = device(
        line(dev + "TOTAL_ENERGY_CONSUMPTION", 1_234_567)
        + line(dev + "FB_USED", 100)
        + line(dev + "FB_TOTAL", 81_559)
        + line(dev + "SM_CLOCK", 1_980)
        + line(dev + "MEM_COPY_UTIL", 11)
        + line(dev + "CLOCKS_EVENT_REASON_SW_POWER_CAP_NS", 1_500_000_000)
        + line(dev + "CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS", 500_000_000)
        + line(dev + "CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS", 3_000_000_000)
        + line(dev + "CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS", 0)
        + line(dev + "CLOCKS_EVENT_REASONS", 0x4 | 0x40)
        + line(dev + "ECC_SBE_VOL_TOTAL", 1)
        + line(dev + "ECC_DBE_VOL_TOTAL", 2)
        + line(dev + "ECC_SBE_AGG_TOTAL", 3)
        + line(dev + "ECC_DBE_AGG_TOTAL", 4)
        + line("DCGM_FI_PROF_PCIE_TX_BYTES_TOTAL", 10)
        + line("DCGM_FI_PROF_PCIE_RX_BYTES_TOTAL", 20)
    )
    assert row == {
        "time_unix_ms": 1_000,
        "device": "GPU-a",
        "up": 1,
        "energy_joules_total": 1_234.567,
        "memory_used_bytes": 100 * 2**20,
        "memory_size_bytes": 81_559 * 2**20,
        "sm_clock_hertz": 1.98e9,
        "memory_busy_ratio": 0.11,
        "throttle_power_cap_seconds_total": 1.5,
        "throttle_thermal_seconds_total": 3.0,
        "throttle_power_brake_seconds_total": 0.0,
        "throttle_power_cap_active": 1,
        "throttle_thermal_active": 1,
        "throttle_power_brake_active": 0,
        "throttle_sync_boost_active": 0,
        "ecc_corrected_volatile_total": 1,
        "ecc_uncorrected_volatile_total": 2,
        "ecc_corrected_aggregate_total": 3,
        "ecc_uncorrected_aggregate_total": 4,
        "pcie_transmit_bytes_total": 10,
        "pcie_receive_bytes_total": 20,
    }


def test_names_of_the_first_exporter_are_known() -> None:
    labels = 'gpu="0",uuid="GPU-a",device="nvidia0"'
    row = device(
        f"dcgm_power_usage{{{labels}}} 50\ndcgm_gpu_utilization{{{labels}}} 10\n"
        f"dcgm_total_energy_consumption{{{labels}}} 2000\n"
    )
    assert (row["power_watts"], row["busy_ratio"], row["energy_joules_total"]) == (50.0, 0.1, 2.0)


@pytest.mark.parametrize(
    ("model", "mode", "power_scope", "energy_scope"),
    [
        ("NVIDIA A100-SXM4-80GB", "instant", "gpu", "gpu"),
        ("NVIDIA H100 80GB HBM3", "average_1s", "gpu", "gpu"),
        ("NVIDIA GH200 480GB", "average_1s", None, "module"),
        ("NVIDIA GeForce RTX 2080 SUPER", None, "gpu", "gpu"),
    ],
)
def test_whether_power_is_an_average_is_known_by_the_chip(
    model: str, mode: str | None, power_scope: str | None, energy_scope: str
) -> None:
    (info,) = rows_of_page(line("DCGM_FI_DEV_POWER_USAGE", 5, modelName=model), 1)["device_info"]
    assert info.get("power_mode") == mode
    assert info.get("power_scope") == power_scope
    assert info["energy_scope"] == energy_scope


# Pages that are not as they should be.


def test_several_pods_on_a_gpu_are_one_device() -> None:
    page = "".join(
        line(name, value, pod=pod, namespace="ns", hpc_job=pod)
        for name, value in (
            ("DCGM_FI_DEV_POWER_USAGE", 300), ("DCGM_FI_DEV_NVLINK_TX_BYTES_TOTAL", 50),
        )
        for pod in ("one", "two", "three")
    )  # fmt: skip
    row = device(page)
    assert (row["power_watts"], row["nvlink_transmit_bytes_total"]) == (300.0, 50)


def test_a_series_per_link_is_summed_each_link_once() -> None:
    page = "".join(
        line("DCGM_FI_DEV_NVLINK_TX_BYTES_TOTAL", value, nvlink=link, pod=pod)
        for link, value in (("0", 10), ("1", 20))
        for pod in ("one", "two")
    )
    assert device(page)["nvlink_transmit_bytes_total"] == 30


@pytest.mark.parametrize(
    "blank",
    ["9223372036854775792", "9.223372036854775794e+18", "2147483632", "140737488355328.000000",
     "NaN", "+Inf"],
)  # fmt: skip
def test_what_dcgm_says_for_no_value_is_no_value(blank: str) -> None:
    names = [name for name in sorted(dcgm.NAMES) if "XID" not in name and "MIG" not in name]
    page = "".join(line(name, blank) for name in names) + line("DCGM_FI_DEV_FB_USED", 1)
    assert device(page).keys() == {"time_unix_ms", "device", "up", "memory_used_bytes"}


def test_a_second_series_fills_in_for_a_blank_one() -> None:
    name = "DCGM_FI_DEV_POWER_USAGE"
    assert device(line(name, "NaN", pod="a") + line(name, 60, pod="b"))["power_watts"] == 60.0


def test_a_gpu_that_says_0_watts_says_nothing() -> None:
    row = device(line("DCGM_FI_DEV_POWER_USAGE", 0) + line("DCGM_FI_DEV_GPU_TEMP", 30))
    assert "power_watts" not in row


def test_a_name_too_long_for_the_wire_is_cut() -> None:
    (info,) = rows_of_page(line("DCGM_FI_DEV_FB_USED", 1, modelName="é" * 500), 1)["device_info"]
    assert checked_row(DEVICE_INFO, info)["model"] == "é" * 48


def test_a_series_without_uuid_belongs_to_nobody() -> None:
    page = 'DCGM_FI_DEV_POWER_USAGE{gpu="0"} 5\n' + line("DCGM_FI_DEV_POWER_USAGE", 6)
    assert device(page)["power_watts"] == 6.0


def test_size_is_not_made_up_where_what_is_reserved_is_not_told() -> None:
    row = device(line("DCGM_FI_DEV_FB_USED", 10) + line("DCGM_FI_DEV_FB_FREE", 20))
    assert "memory_size_bytes" not in row


# MIG.


def test_series_of_instances_make_rows_of_mig_and_what_they_share_the_devices() -> None:
    first = {"GPU_I_ID": "1", "GPU_I_PROFILE": "3g.40gb"}
    second = {"GPU_I_ID": "5", "GPU_I_PROFILE": "1g.10gb"}
    page = "".join(
        line("DCGM_FI_DEV_POWER_USAGE", 300, **labels)
        + line("DCGM_FI_DEV_FB_USED", used, **labels)
        + line("DCGM_FI_PROF_SM_ACTIVE", active, **labels)
        for labels, used, active in ((first, 1_000, 0.5), (second, 10, 0.25))
    )
    found = rows_of_page(page, 1_000)
    assert [checked_row(MIG, row) for row in found["mig"]] == [
        {"time_unix_ms": 1_000, "device": "GPU-a", "instance": "MIG-GPU-a/1", "gpu_instance": 1,
         "profile": "3g.40gb", "memory_used_bytes": 1_000 * 2**20, "sm_active_ratio": 0.5},
        {"time_unix_ms": 1_000, "device": "GPU-a", "instance": "MIG-GPU-a/5", "gpu_instance": 5,
         "profile": "1g.10gb", "memory_used_bytes": 10 * 2**20, "sm_active_ratio": 0.25},
    ]  # fmt: skip
    assert device(page) == {
        "time_unix_ms": 1_000, "device": "GPU-a", "up": 1,
        "power_watts": 300.0, "power_average_watts": 300.0,
    }  # fmt: skip
    (info,) = found["device_info"]
    assert info["mig"] == "enabled"


# XIDs.


def xid(value: int) -> str:
    return line("DCGM_FI_DEV_XID_ERRORS", value)


def test_a_change_of_the_last_xid_counts_once(address: Callable[..., Any]) -> None:
    values = [79, 79, 31, 31, 0, 31]
    source = DcgmSource(address(*(xid(value) for value in values)))
    totals, sent = [], []
    for tick, _ in enumerate(values):
        found = source.read(tick * 15_000)
        (row,) = found["device"]
        totals.append(checked_row(DEVICE, row)["xid_events_total"])
        sent.append([checked_row(XID, row) for row in found.get("xid", [])])
    assert totals == [0, 0, 1, 1, 1, 2], "what stood there at first is of a time unknown"
    once = {"device": "GPU-a", "xid": 31, "count_total": 1, "last_unix_seconds": 30.0}
    assert sent[2] == [{"time_unix_ms": 30_000, **once}]
    assert sent[5][0]["count_total"] == 2
    assert [bool(rows) for rows in sent] == [False, False, True, False, False, True]


def test_xids_are_told_again_every_ten_minutes(address: Callable[..., Any]) -> None:
    source = DcgmSource(address(xid(0), xid(31)))
    source.read(0)
    assert "xid" in source.read(15_000)
    assert "xid" not in source.read(30_000)
    assert "xid" in source.read(615_000)


def test_xids_of_several_devices_are_kept_apart() -> None:
    changes = XidChanges()
    changes.note({"a": 0, "b": 0}, 0)
    assert changes.note({"a": 13, "b": 0}, 1_000)
    assert changes.note({"a": 13, "b": 94}, 2_000)
    assert (changes.total("a"), changes.total("b"), changes.total("c")) == (1, 1, 0)


def test_of_ever_other_devices_not_all_xids_are_kept() -> None:
    changes = XidChanges()
    for page in range(3):
        changes.note({f"{page}-{n}": 0 for n in range(1_000)}, 0)
    for code in range(1, 4):
        changes.note({f"0-{n}": code for n in range(1_000)}, code)
    assert len(changes.last) == len(changes.counts) == len(changes.times) == 1_024


def test_an_exporter_that_counts_xids_itself_is_taken_at_its_word() -> None:
    page = (
        line("DCGM_EXP_XID_ERRORS_TOTAL", 3, xid="31")
        + line("DCGM_EXP_XID_ERRORS_TOTAL", 0, xid="79")
        + line("DCGM_FI_DEV_XID_ERRORS", 31)
    )
    assert rows_of_page(page, 5)["xid"] == [
        {"time_unix_ms": 5, "device": "GPU-a", "xid": 31, "count_total": 3}
    ]
