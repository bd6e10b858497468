from typing import Any

from wattline_agents.catalogue import DEVICE, DEVICE_INFO
from wattline_agents.rows import checked_row
from wattline_agents.sources.scraped.xpumd import rows_of_page

UUID = "12345678-0000-0000-0000-000000000000"


def line(name: str, value: object, **labels: str) -> str:
    told = {"hw_id": UUID, "pci_bdf": "0000:05:00.0"} | labels
    inside = ",".join(f'{key}="{text}"' for key, text in told.items())
    return f"{name}{{{inside}}} {value}\n"


INFO = line(
    "hw_gpu_info", 1, hw_model="Super 3000", hw_serial_number="SN-0001", hw_vendor="Intel",
    hw_gpu_type="discrete", pci_lanes="16", pci_link_gen="4", com_intel_subdevice_count="2",
)  # fmt: skip
MEMORY = {"hw_memory_location": "device", "hw_memory_type": "hbm"}
TILE = "com_intel_subdevice_id"


def device(page: str) -> dict[str, Any]:
    (row,) = rows_of_page(page, 9)["device"]
    return checked_row(DEVICE, row)


def test_every_figure_is_read() -> None:
    tiles = ("0", "1")
    page = (
        INFO
        + line("hw_energy_joules_total", 5, hw_sensor_location="package", **{TILE: ""})
        + line("hw_energy_joules_total", 2, hw_sensor_location="memory", **{TILE: ""})
        + line("hw_power_watts", 300, hw_sensor_location="package")
        + line("hw_power_watts", 320.5, hw_sensor_location="card")
        + line("hw_power_watts", 150, hw_sensor_location="package", **{TILE: "0"})
        + line("hw_power_watts", 60, hw_sensor_location="memory")
        + line("hw_power_limit_watts", 450, hw_sensor_location="card",
               com_intel_power_limit_level="sustained")
        + line("hw_power_limit_watts", 900, hw_sensor_location="card",
               com_intel_power_limit_level="peak")
        + line("hw_temperature_celsius", 48, hw_sensor_location="global", statistic="max")
        + line("hw_temperature_celsius", 52, hw_sensor_location="gpu", statistic="max")
        + line("hw_temperature_celsius", 40, hw_sensor_location="gpu", statistic="min")
        + line("hw_temperature_celsius", 55, hw_sensor_location="memory", statistic="max")
        + "".join(
            line("hw_frequency_hertz", value, hw_frequency_domain="gpu", aggregation=kind,
                 **{TILE: tile})
            for tile in tiles
            for kind, value in (("avg", 1.2e9), ("max", 1.6e9))
        )
        + line("hw_gpu_utilization_ratio", 0.75, hw_gpu_task="compute")
        + line("hw_gpu_utilization_ratio", 0.25, hw_gpu_task="render")
        + line("hw_gpu_utilization_ratio", 0.9, hw_gpu_task="copy")
        + "".join(
            line(name, value, **MEMORY, **{TILE: tile})
            for tile in tiles
            for name, value in (
                ("hw_memory_usage_bytes", 8_589_934_592), ("hw_memory_size_bytes", 17_179_869_184),
                ("hw_memory_bandwidth_utilization_ratio", 0.4),
            )
        )
        + line("hw_memory_size_bytes", 1, hw_memory_location="system")
        + line("hw_gpu_io_bytes_total", 1_000_000, network_io_direction="receive")
        + line("hw_gpu_io_bytes_total", 2_000_000, network_io_direction="transmit")
        + line("hw_errors_total", 3, error_type="correctable", error_category="memory_errors")
        + line("hw_errors_total", 1, error_type="uncorrectable", error_category="memory_errors")
        + line("hw_errors_total", 9, error_type="uncorrectable", error_category="driver_errors")
        + line("hw_frequency_throttle_status", 1, com_intel_speed_throttle_reason="thermal_limit")
        + line("hw_frequency_throttle_status", 0, com_intel_speed_throttle_reason="ave_pwr_cap")
    )  # fmt: skip
    assert device(page) == {
        "time_unix_ms": 9,
        "device": UUID,
        "up": 1,
        "energy_joules_total": 5.0,
        "power_watts": 320.5,
        "memory_power_watts": 60.0,
        "power_limit_watts": 450.0,
        "temperature_celsius": 52.0,
        "memory_temperature_celsius": 55.0,
        "sm_clock_hertz": 1.2e9,
        "busy_ratio": 0.75,
        "memory_used_bytes": 2 * 8_589_934_592,
        "memory_size_bytes": 2 * 17_179_869_184,
        "dram_active_ratio": 0.4,
        "pcie_receive_bytes_total": 1_000_000,
        "pcie_transmit_bytes_total": 2_000_000,
        "pcie_link_generation": 4,
        "pcie_link_width": 16,
        "ecc_corrected_volatile_total": 3,
        "ecc_uncorrected_volatile_total": 1,
        "throttle_thermal_active": 1,
    }


def test_who_a_device_is() -> None:
    page = INFO + line("hw_power_watts", 5, hw_sensor_location="card")
    (info,) = rows_of_page(page, 9)["device_info"]
    assert checked_row(DEVICE_INFO, info) == {
        "time_unix_ms": 9,
        "device": UUID,
        "vendor": "intel",
        "model": "Super 3000",
        "pci": "0000:05:00.0",
        "serial": "SN-0001",
        "source": "xpumd",
        "power_mode": "instant",
        "power_scope": "gpu",
    }


def test_what_draws_a_servers_screen_is_no_accelerator() -> None:
    page = line("hw_gpu_info", 1, hw_gpu_type="integrated") + line("hw_power_watts", 5)
    assert rows_of_page(page, 9) == {}


def test_where_no_sensor_is_known_by_its_place_the_hottest_of_all_is_taken() -> None:
    page = line("hw_temperature_celsius", 48, hw_sensor_location="global", statistic="max")
    assert device(page)["temperature_celsius"] == 48.0


def test_a_series_of_nobody_makes_no_device() -> None:
    assert rows_of_page('hw_power_watts{pci_bdf="0000:05:00.0"} 5\n', 1) == {}
