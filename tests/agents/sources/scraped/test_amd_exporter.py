from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, DEVICE_INFO
from wattline_agents.rows import checked_row
from wattline_agents.sources.scraped import amd_exporter
from wattline_agents.sources.scraped.amd_exporter import rows_of_page

UUID = "ccff74a1-0000-1000-80e0-c6d49f5b0d86"
MI300 = {
    "card_series": "AMD Instinct MI300X OAM",
    "card_model": "102-G30211-0C",
    "driver_version": "6.12.12",
    "vbios_version": "022.040.003.043.000001",
    "serial_number": "692409005408",
    "gpu_id": "2",
    "gpu_partition_id": "0",
    "gpu_compute_partition_type": "spx",
    "gpu_uuid": UUID,
    "hostname": "node-a",
}


def line(name: str, value: object, **labels: str) -> str:
    inside = ",".join(f'{key}="{text}"' for key, text in (MI300 | labels).items() if text)
    return f"{name}{{{inside}}} {value}\n"


def rows(page: str) -> dict[str, dict[str, Any]]:
    return {str(row["device"]): checked_row(DEVICE, row) for row in rows_of_page(page, 9)["device"]}


def page_of_an_mi300(prefix: str = "", **labels: str) -> str:
    clock = [
        line(f"{prefix}gpu_clock", value, clock_type=kind, clock_index=index, **labels)
        for kind, index, value in (
            ("GPU_CLOCK_TYPE_SYSTEM", "0", 2000), ("GPU_CLOCK_TYPE_SYSTEM", "1", 2100),
            ("memory", "8", 1300), ("GPU_CLOCK_TYPE_VIDEO", "9", 29),
        )
    ]  # fmt: skip
    links = [
        line(f"{prefix}gpu_xgmi_link_{way}", value, link_index=index, **labels)
        for way in ("rx", "tx")
        for index, value in (("0", 10), ("1", 20))
    ]
    values = {
        "gpu_package_power": 748,
        "gpu_average_package_power": 0,
        "gpu_energy_consumed": 1.4e12,
        "gpu_gfx_activity": 97,
        "gpu_umc_activity": 31,
        "gpu_prof_tensor_active_percent": 42.5,
        "gpu_used_vram": 183_265,
        "gpu_total_vram": 196_592,
        "gpu_junction_temperature": 76,
        "gpu_memory_temperature": 61,
        "gpu_ecc_correct_total": 2,
        "gpu_ecc_uncorrect_total": 1,
        "pcie_replay_count": 3,
        "pcie_speed": 32,
    }
    plain = [line(prefix + name, value, **labels) for name, value in values.items()]
    return "".join([*plain, *clock, *links])


def test_every_column_of_the_table_is_one_of_the_catalogue() -> None:
    columns = {column for column, _ in amd_exporter.COLUMNS.values()}
    assert columns <= DEVICE.columns.keys()


@pytest.mark.parametrize("prefix", ["", "amd_"])
def test_every_figure_of_an_mi300_is_read(prefix: str) -> None:
    assert rows(page_of_an_mi300(prefix)) == {
        UUID: {
            "time_unix_ms": 9,
            "device": UUID,
            "up": 1,
            "power_watts": 748.0,
            "energy_joules_total": 1.4e6,
            "busy_ratio": 0.97,
            "memory_busy_ratio": 0.31,
            "tensor_active_ratio": 0.425,
            "memory_used_bytes": 183_265 * 2**20,
            "memory_size_bytes": 196_592 * 2**20,
            "temperature_celsius": 76.0,
            "memory_temperature_celsius": 61.0,
            "ecc_corrected_volatile_total": 2,
            "ecc_uncorrected_volatile_total": 1,
            "pcie_replays_total": 3,
            "pcie_link_generation": 5,
            "sm_clock_hertz": 2.05e9,
            "memory_clock_hertz": 1.3e9,
            "nvlink_receive_bytes_total": 30 * 1024,
            "nvlink_transmit_bytes_total": 30 * 1024,
        }
    }


def test_who_a_device_is() -> None:
    (info,) = rows_of_page(page_of_an_mi300(), 9)["device_info"]
    assert checked_row(DEVICE_INFO, info) == {
        "time_unix_ms": 9,
        "device": UUID,
        "index": 2,
        "vendor": "amd",
        "model": "AMD Instinct MI300X OAM",
        "driver": "6.12.12",
        "serial": "692409005408",
        "vbios": "022.040.003.043.000001",
        "source": "amd-exporter",
        "power_mode": "instant",
        "power_scope": "gpu",
        "energy_scope": "gpu",
    }


def test_a_later_partition_shows_0_watts_and_draws_an_unknown_power() -> None:
    cpx = {"gpu_compute_partition_type": "cpx"}
    page = page_of_an_mi300(**cpx) + "".join(
        line(name, value, **cpx, gpu_partition_id="1", gpu_id="3", gpu_uuid="part-1")
        for name, value in (
            ("gpu_package_power", 0), ("gpu_power_usage", 0), ("gpu_energy_consumed", 0),
            ("gpu_used_vram", 5),
        )
    )  # fmt: skip
    found = rows(page)
    assert found["part-1"].keys() == {"time_unix_ms", "device", "up", "memory_used_bytes"}
    infos = {row["device"]: row for row in rows_of_page(page, 9)["device_info"]}
    assert infos[UUID]["power_scope"] == "module"
    assert infos["part-1"].get("power_scope") is None


def test_of_an_mi250x_the_first_die_meters_both() -> None:
    labels = {"card_series": "AMD Instinct MI250X", "gpu_uuid": ""}
    page = (
        line("gpu_average_package_power", 410, **labels, gpu_id="0")
        + line("gpu_average_package_power", 0, **labels, gpu_id="1")
        + line("gpu_edge_temperature", 45, **labels, gpu_id="1")
    )
    found = rows(page)
    assert found["amd-692409005408-0"]["power_watts"] == 410.0
    assert "power_watts" not in found["amd-692409005408-1"]
    assert found["amd-692409005408-1"]["temperature_celsius"] == 45.0
    infos = {row["device"]: row for row in rows_of_page(page, 9)["device_info"]}
    first = infos["amd-692409005408-0"]
    assert (first["power_scope"], first["power_mode"]) == ("module", "average")


def test_without_uuid_and_serial_a_series_belongs_to_nobody() -> None:
    page = 'gpu_package_power{gpu_id="0"} 212\n'
    assert rows_of_page(page, 1) == {}


def test_several_pods_on_a_gpu_are_one_device() -> None:
    page = "".join(
        line("gpu_xgmi_link_rx", 10, link_index=link, pod=pod)
        for link in ("0", "1")
        for pod in ("a", "b")
    )
    assert rows(page)[UUID]["nvlink_receive_bytes_total"] == 20 * 1024
