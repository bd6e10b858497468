from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, DEVICE_INFO, MIG, PROCESS, XID
from wattline_agents.rows import checked_row
from wattline_agents.sources.scraped import nvidia_gpu_exporter
from wattline_agents.sources.scraped.nvidia_gpu_exporter import rows_of_page

MASKED = "GPU-00000000-0000-0000-0000-000000000000"
BARE = 'uuid="df6e7a7c-7314-46f8-abc4-b88b36dcf3aa"'
WHOLE = "GPU-df6e7a7c-7314-46f8-abc4-b88b36dcf3aa"


def test_every_column_of_the_table_is_one_of_the_catalogue() -> None:
    columns = {column for column, _ in nvidia_gpu_exporter.COLUMNS.values()}
    assert columns <= DEVICE.columns.keys()


@pytest.fixture
def pages(shared: Path) -> Path:
    return shared / "data/07-nvidia-smi/expected_metrics"


def read(pages: Path, name: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """The device's row, who it is, and its processes."""
    found = rows_of_page((pages / f"linux-x86_64__{name}.metrics").read_text(), 1_000)
    (row,), (info,) = found["device"], found["device_info"]
    processes = [checked_row(PROCESS, one) for one in found.get("process", [])]
    return checked_row(DEVICE, row), checked_row(DEVICE_INFO, info), processes


@pytest.mark.recordings
def test_a_busy_h100_is_read_whole(pages: Path) -> None:
    row, info, processes = read(pages, "nvidia-h100-80gb-hbm3__590.48.01__load")
    assert row == {
        "time_unix_ms": 1_000,
        "device": MASKED,
        "up": 1,
        "power_watts": 625.68,
        "power_average_watts": 631.95,
        "power_limit_watts": 700.0,
        "power_limit_default_watts": 700.0,
        "busy_ratio": 1.0,
        "memory_busy_ratio": 0.11,
        "memory_used_bytes": 20_780_679_168,
        "memory_size_bytes": 85_520_809_984,
        "memory_reserved_bytes": 502_267_904,
        "temperature_celsius": 59.0,
        "memory_temperature_celsius": 54.0,
        "temperature_margin_celsius": 26.0,
        "sm_clock_hertz": 1.98e9,
        "memory_clock_hertz": 2.619e9,
        "performance_state": 0,
        "throttle_power_cap_seconds_total": 0.0,
        "throttle_thermal_seconds_total": 0.0,
        "throttle_power_brake_seconds_total": 0.0,
        "throttle_power_cap_active": 0,
        "throttle_thermal_active": 0,
        "throttle_power_brake_active": 0,
        "throttle_sync_boost_active": 0,
        "pcie_link_generation": 5,
        "pcie_link_width": 16,
        "ecc_corrected_volatile_total": 0,
        "ecc_uncorrected_volatile_total": 0,
        "ecc_corrected_aggregate_total": 0,
        "ecc_uncorrected_aggregate_total": 0,
        "row_remaps_corrected": 0,
        "row_remaps_uncorrected": 0,
        "row_remap_pending": 0,
        "row_remap_failed": 0,
        "recovery_action": 0,
        "processes": 3,
    }
    assert info == {
        "time_unix_ms": 1_000,
        "device": MASKED,
        "index": 0,
        "vendor": "nvidia",
        "model": "NVIDIA H100 80GB HBM3",
        "pci": "00000000:00:09.0",
        "driver": "590.48.01",
        "source": "nvidia-gpu-exporter",
        "power_mode": "instant",
        "power_scope": "gpu",
        "vbios": "96.00.A5.00.01",
        "mig": "disabled",
    }
    assert {row["pid"]: row["memory_used_bytes"] for row in processes} == {
        11_327: 2_690_646_016, 11_328: 1_616_904_192, 11_345: 16_452_157_440,
    }  # fmt: skip


@pytest.mark.recordings
def test_an_idle_h100_draws_power_and_runs_nothing(pages: Path) -> None:
    row, _, processes = read(pages, "nvidia-h100-80gb-hbm3__590.48.01__idle")
    assert (row["power_watts"], row["busy_ratio"], row["processes"]) == (69.62, 0.0, 0)
    assert processes == []


@pytest.mark.recordings
@pytest.mark.parametrize(("state", "watts"), [("idle", 70.72), ("load", 447.35)])
def test_in_mig_mode_nobody_knows_how_busy_the_whole_is(
    pages: Path, state: str, watts: float
) -> None:
    row, info, _ = read(pages, f"nvidia-h100-mig__590.48.01__{state}")
    assert row["power_watts"] == watts
    assert row.keys() & {"busy_ratio", "memory_busy_ratio", "row_remap_pending"} == set()
    assert info["mig"] == "enabled"


@pytest.mark.recordings
def test_a_board_without_ecc_or_memory_sensor_lacks_their_columns(pages: Path) -> None:
    row, info, processes = read(pages, "nvidia-geforce-rtx-2080-super__595.71.05__load")
    assert (row["power_watts"], row["busy_ratio"]) == (111.5, 0.08)
    assert row["throttle_power_cap_seconds_total"] == 221.310321
    assert row["performance_state"] == 2
    assert not {column for column in row if column.startswith(("ecc_", "row_remap"))}
    assert row.keys() & {"memory_temperature_celsius", "power_average_watts"} == set()
    assert info.get("serial") is None
    assert len(processes) == 2


def test_a_device_has_the_name_other_sources_give_it() -> None:
    (row,) = rows_of_page(f"nvidia_smi_power_draw_watts{{{BARE}}} 28.07\n", 1)["device"]
    assert (row["device"], row["power_watts"]) == (WHOLE, 28.07)


def test_what_only_the_nvml_backend_tells_is_read() -> None:
    instance = f'{BARE},gpu_instance_id="2"'
    found = rows_of_page(
        f"nvidia_smi_energy_joules_total{{{BARE}}} 5551899.58\n"
        f'nvidia_smi_mig_info{{{instance},mig_uuid="c7a1",compute_instance_id="0",'
        f'profile="3g.40gb"}} 1\n'
        f"nvidia_smi_mig_memory_used_bytes{{{instance}}} 1024\n"
        f"nvidia_smi_mig_memory_total_bytes{{{instance}}} 4096\n"
        f"nvidia_smi_mig_sm_activity_ratio{{{instance}}} 0.5\n"
        f"nvidia_smi_mig_tensor_activity_ratio{{{instance}}} 0.25\n"
        f'nvidia_smi_xid_errors_total{{{BARE},xid="31"}} 2\n'
        f'nvidia_smi_xid_errors_total{{{BARE},xid="94"}} 1\n'
        f'nvidia_smi_xid_last_timestamp_seconds{{{BARE},xid="31"}} 1790000000.5\n',
        1_000,
    )
    (row,), (mig,) = found["device"], found["mig"]
    assert (row["energy_joules_total"], row["xid_events_total"]) == (5_551_899.58, 3)
    assert checked_row(MIG, mig) == {
        "time_unix_ms": 1_000, "device": WHOLE, "instance": "MIG-c7a1", "gpu_instance": 2,
        "profile": "3g.40gb", "memory_used_bytes": 1024, "memory_size_bytes": 4096,
        "sm_active_ratio": 0.5, "tensor_active_ratio": 0.25,
    }  # fmt: skip
    assert [checked_row(XID, one) for one in found["xid"]] == [
        {"time_unix_ms": 1_000, "device": WHOLE, "xid": 31, "count_total": 2,
         "last_unix_seconds": 1_790_000_000.5},
        {"time_unix_ms": 1_000, "device": WHOLE, "xid": 94, "count_total": 1},
    ]  # fmt: skip


def test_a_power_of_0_is_no_power_known() -> None:
    page = f"nvidia_smi_power_draw_instant_watts{{{BARE}}} 0\n"
    page += f"nvidia_smi_power_draw_watts{{{BARE}}} 55\n"
    (row,) = rows_of_page(page, 1)["device"]
    assert row["power_watts"] == 55.0


def test_processes_of_a_device_that_is_not_there_are_nobodys() -> None:
    page = f'nvidia_smi_compute_app_used_memory_bytes{{{BARE},pid="5"}} 10\n'
    assert rows_of_page(page, 1) == {}
