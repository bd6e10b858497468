import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import METER, NODE, NODE_INFO
from wattline_agents.rows import checked_row
from wattline_agents.sources.scraped.node_exporter import NodeExporterSource, rows_of_page


def cpu(seconds: float, idle: float) -> str:
    return "".join(
        f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}"}} {value}\n'
        for cpu in ("0", "1")
        for mode, value in (("user", seconds), ("system", 1), ("idle", idle), ("iowait", 2))
    )


def node(page: str) -> dict[str, Any]:
    (row,) = rows_of_page(page, 1_000)["node"]
    return checked_row(NODE, row)


@pytest.mark.recordings
def test_the_reference_page_gives_its_figures(shared: Path) -> None:
    packed = (shared / "data/20-node-exporter/e2e-output.txt.gz").read_bytes()
    found = rows_of_page(gzip.decompress(packed).decode(errors="replace"), 1_000)
    (row,), (info,) = found["node"], found["node_info"]
    assert checked_row(NODE, row) == {
        "time_unix_ms": 1_000,
        "cpu_user_seconds_total": 3018.51,
        "cpu_system_seconds_total": 1119.2,
        "cpu_idle_seconds_total": 89_790.01,
        "cpu_iowait_seconds_total": 35.48,
        "memory_size_bytes": 3_831_959_552,
        # mmcblk0, nvme0n1, sda, sdb, sdc, vda: no partitions, and nothing mapped onto them
        "disk_read_bytes_total": 538_612_786_688,
        "disk_write_bytes_total": 389_597_140_480,
        "temperature_celsius": 57.0,
    }
    assert [checked_row(METER, meter) for meter in found["meter"]] == [
        {"time_unix_ms": 1_000, "source": "rapl", "domain": "core-0",
         "energy_joules_total": 118_821.284256},
        {"time_unix_ms": 1_000, "source": "rapl", "domain": "package-0",
         "energy_joules_total": 240_422.366267},
    ]  # fmt: skip
    assert checked_row(NODE_INFO, info) == {
        "time_unix_ms": 1_000, "os": "Ubuntu 20.04.2 LTS", "cores": 8,
    }  # fmt: skip


def test_memory_in_use_is_what_is_not_available() -> None:
    page = "node_memory_MemTotal_bytes 1000\nnode_memory_MemFree_bytes 10\n"
    assert "memory_used_bytes" not in node(page)
    assert node(page + "node_memory_MemAvailable_bytes 400\n")["memory_used_bytes"] == 600


def test_only_hardware_interfaces_count() -> None:
    devices = (
        "lo", "eth0", "eth0.100", "ib0", "hsn1", "enp1s0f0", "bond0", "br-1a2b", "docker0",
        "veth12", "cali99", "virbr0", "tun0",
    )  # fmt: skip
    page = cpu(1, 1) + "".join(
        f'node_network_receive_bytes_total{{device="{name}"}} {10**index}\n'
        for index, name in enumerate(devices)
    )
    assert node(page)["network_receive_bytes_total"] == 10 + 1_000 + 10_000 + 100_000


def test_in_a_container_all_but_the_loopback_count() -> None:
    page = cpu(1, 1) + "".join(
        f'node_network_transmit_bytes_total{{device="{name}"}} 5\n' for name in ("lo", "veth0")
    )
    assert node(page)["network_transmit_bytes_total"] == 5


def test_meters_of_hwmon_are_meters_and_never_the_node() -> None:
    page = (
        cpu(1, 1)
        + 'node_hwmon_power_average_watt{chip="LNXSYSTM:00",sensor="power1"} 416\n'
        + 'node_hwmon_power_average_watt{chip="broken",sensor="power1"} 0\n'
        + 'node_hwmon_sensor_label{chip="LNXSYSTM:00",label="Module Power",sensor="power1"} 1\n'
        + 'node_rapl_psys_joules_total{index="0",path="x"} 7\n'
        + 'node_rapl_dram_joules_total{index="1",path="x"} 8\n'
    )
    found = rows_of_page(page, 1)
    assert {(row["source"], row["domain"]) for row in found["meter"]} == {
        ("hwmon", "LNXSYSTM-00-Module-Power"), ("rapl", "psys"), ("rapl", "dram-1"),
    }  # fmt: skip
    (row,) = found["node"]
    assert row.keys() & {"power_watts", "energy_joules_total"} == set()


def test_how_busy_it_was_is_known_from_the_second_page_on(address: Callable[..., Any]) -> None:
    source = NodeExporterSource(address(cpu(10, 80), cpu(13, 86), cpu(13, 86)))
    ratios = [source.read(tick)["node"][0].get("cpu_busy_ratio") for tick in range(3)]
    assert ratios == [None, pytest.approx(3 / 9), None]


def test_a_sensor_that_is_not_connected_is_not_the_hottest() -> None:
    page = cpu(1, 1) + "".join(
        f'node_hwmon_temp_celsius{{chip="{chip}",sensor="temp1"}} {value}\n'
        for chip, value in (("a", 55), ("b", 65_535), ("c", -128))
    )
    assert node(page)["temperature_celsius"] == 55.0


def test_a_page_without_processors_and_memory_is_not_of_a_node() -> None:
    assert rows_of_page('node_disk_read_bytes_total{device="sda"} 5\n', 1) == {}
