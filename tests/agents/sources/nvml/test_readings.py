"""Every reading of the catalogue that NVML gives, with exact values and units."""

from __future__ import annotations

import os
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, DEVICE_INFO, MIG, PROCESS, XID
from wattline_agents.rows import checked_row
from wattline_agents.sources.nvml import Off
from wattline_agents.wire import encode

T0 = 1_790_000_000
GIB, MIB = 1024**3, 1024**2
COUNTING_SECONDS = 3600
NOT_FROM_NVML = {"read_timeouts_total"}
"""What only whoever waits for NVML can count."""


def test_an_h100_is_read_in_base_units(bench: Any) -> None:
    bench.begin()
    told = bench.read_all(0, 6)
    row = told[6].row(1)
    now, slow = bench.busy(6, 1), bench.busy(5, 1)  # slow readings are at seconds 5, 10, ...
    between = bench.worked(5, 6, 1)
    worked = bench.worked(-COUNTING_SECONDS, 5, 1)
    energy = 70 * (COUNTING_SECONDS + 6) + 610 * bench.worked(-COUNTING_SECONDS, 6, 1)
    ring = [70 + 610 * bench.busy(5 + step / 50, 1) for step in range(1, 51)]
    assert 0 <= row.pop("read_seconds") < 5
    assert row == {
        "time_unix_ms": (T0 + 6) * 1000,
        "device": bench.uuid(1),
        "up": 1,
        "energy_joules_total": pytest.approx(energy, abs=0.001),
        "energy_resets_total": 0,
        "energy_integral_joules_total": pytest.approx(
            70 * 6 + 610 * bench.worked(0, 6, 1), rel=1e-3
        ),
        "energy_counter_over_integral": None,
        "power_watts": pytest.approx(70 + 610 * now, abs=0.001),
        "power_average_watts": pytest.approx(70 + 610 * between, abs=0.001),
        "power_min_watts": pytest.approx(min(ring), abs=0.001),
        "power_max_watts": pytest.approx(max(ring), abs=0.001),
        "module_power_watts": None,
        "memory_power_watts": pytest.approx(0.15 * (70 + 610 * bench.worked(4, 5, 1)), abs=0.001),
        "power_stale": 0,
        "power_limit_watts": 700.0,
        "power_limit_default_watts": 700.0,
        "busy_ratio": pytest.approx(now, abs=0.005),
        "memory_busy_ratio": pytest.approx(0.4 * now, abs=0.005),
        "sm_active_ratio": pytest.approx(between, abs=1e-5),
        "sm_occupancy_ratio": pytest.approx(0.5 * between, abs=1e-5),
        "tensor_active_ratio": pytest.approx(0.6 * between, abs=1e-5),
        "dram_active_ratio": pytest.approx(0.4 * between, abs=1e-5),
        "fp64_active_ratio": pytest.approx(0.05 * between, abs=1e-5),
        "fp32_active_ratio": pytest.approx(0.3 * between, abs=1e-5),
        "fp16_active_ratio": pytest.approx(0.25 * between, abs=1e-5),
        "memory_used_bytes": 11 * GIB,
        "memory_size_bytes": 80 * GIB,
        "memory_reserved_bytes": GIB // 2,
        "temperature_celsius": 30 + int(40 * slow),
        "memory_temperature_celsius": 38 + int(40 * slow),
        "temperature_margin_celsius": 57 - int(40 * slow),
        "sm_clock_hertz": 1.98e9,
        "memory_clock_hertz": 2.619e9,
        "performance_state": 0,
        # A second of every twenty, for an hour; and one now.
        "throttle_power_cap_seconds_total": pytest.approx(181, abs=1e-6),
        "throttle_thermal_seconds_total": 0.0,
        "throttle_power_brake_seconds_total": 0.0,
        "throttle_power_cap_active": 0,
        "throttle_thermal_active": 0,
        "throttle_power_brake_active": 0,
        "throttle_sync_boost_active": 0,
        "pcie_receive_bytes_total": pytest.approx(4 * GIB * worked, rel=1e-9),
        "pcie_transmit_bytes_total": pytest.approx(2 * GIB * worked, rel=1e-9),
        "nvlink_receive_bytes_total": pytest.approx(60 * GIB * worked, rel=1e-9),
        "nvlink_transmit_bytes_total": pytest.approx(64 * GIB * worked, rel=1e-9),
        "pcie_replays_total": 3,
        "pcie_link_generation": 5,
        "pcie_link_width": 16,
        "nvlink_replay_errors_total": 11,
        "nvlink_recovery_errors_total": 21,
        "nvlink_crc_errors_total": 31 + 41,
        "ecc_corrected_volatile_total": 0,
        "ecc_uncorrected_volatile_total": 0,
        "ecc_corrected_aggregate_total": 0,
        "ecc_uncorrected_aggregate_total": 0,
        "row_remaps_corrected": 0,
        "row_remaps_uncorrected": 0,
        "row_remap_pending": 0,
        "row_remap_failed": 0,
        "recovery_action": 0,
        "xid_events_total": 0,
        "processes": 0,
        "sample_age_seconds": 0.0,
        "read_errors_total": 0,
    }
    absent = {"c2c_receive_bytes_total", "c2c_transmit_bytes_total"}
    assert {*row, "read_seconds"} == set(DEVICE.columns) - NOT_FROM_NVML - absent
    encode(DEVICE, [checked_row(DEVICE, row)])
    assert bench.off(1) == {
        "energy_counter_over_integral": Off.NOT_YET,
        **dict.fromkeys({"module_power_watts", *absent}, Off.NOT_SUPPORTED),
    }


def test_a_row_has_what_was_read_at_its_time_and_no_more(bench: Any) -> None:
    bench.begin(devices=1)
    told = [one["device"][0] for one in bench.read_all(0, 11)]
    slow = {"memory_used_bytes", "temperature_celsius", "throttle_power_cap_seconds_total"}
    assert [second for second in range(12) if slow <= told[second].keys()] == [0, 5, 10]
    assert [second for second in range(12) if slow & told[second].keys()] == [0, 5, 10]
    assert [second for second in range(12) if "processes" in told[second]] == [0, 9]
    assert [second for second in range(12) if "row_remap_pending" in told[second]] == [0]
    each = {"power_watts", "energy_joules_total", "busy_ratio", "sm_active_ratio"}
    assert all(each <= row.keys() for row in told[1:])
    assert len(told[1]) < 28


def test_four_devices_share_the_seconds_of_their_slow_readings(bench: Any) -> None:
    bench.begin(devices=5)
    told = bench.read_all(0, 11)
    for index, seconds in ((0, {5, 10}), (3, {5, 10}), (4, {3, 8})):
        warm = [one.row(index)["nvlink_transmit_bytes_total"] for one in told]
        changed = {second for second in range(1, 12) if warm[second] != warm[second - 1]}
        assert changed == seconds


def test_an_a100_lacks_what_its_chip_lacks_and_says_so(bench: Any) -> None:
    bench.begin("a100", 1)
    row = bench.read_all(0, 6)[6].row()
    missing = {
        *(f"{part}_active_ratio" for part in ("sm", "tensor", "dram", "fp64", "fp32", "fp16")),
        "sm_occupancy_ratio",
        *(f"{link}_{way}_bytes_total" for link in ("pcie", "c2c")
          for way in ("receive", "transmit")),
        "power_average_watts",
        "module_power_watts",
        "memory_power_watts",
        "temperature_margin_celsius",
    }  # fmt: skip
    off = bench.off()
    assert off.pop("energy_counter_over_integral") == Off.NOT_YET
    assert off == dict.fromkeys(missing, Off.NOT_SUPPORTED)
    there = {column for column, value in row.items() if value is not None}
    assert set(DEVICE.columns) - NOT_FROM_NVML - there == missing | {"energy_counter_over_integral"}
    assert row["power_watts"] == pytest.approx(60 + 330 * bench.busy(6), abs=0.001)
    assert row["power_min_watts"] < row["power_max_watts"]
    assert row["nvlink_transmit_bytes_total"] > 0
    assert row["read_errors_total"] == 0
    assert bench.info()["power_mode"] == "instant"


def test_a_module_is_called_a_module(bench: Any) -> None:
    bench.begin("gh200", 1)
    told = bench.read_all(0, 31)
    row, before = told[30].row(), told[29].row()
    power = 160 + 710 * bench.busy(30)
    assert row["power_watts"] == row["module_power_watts"] == pytest.approx(power, abs=0.001)
    assert row["power_average_watts"] == pytest.approx(160 + 710 * bench.worked(29, 30), abs=0.001)
    assert row["power_max_watts"] <= 870
    info = bench.info()
    assert (info["power_scope"], info["energy_scope"], info["module"]) == ("module", "module", "1")
    sent = row["c2c_transmit_bytes_total"] - before["c2c_transmit_bytes_total"]
    received = row["c2c_receive_bytes_total"] - before["c2c_receive_bytes_total"]
    assert sent == pytest.approx(32 * GIB * bench.worked(29, 30), rel=1e-6)
    assert received == pytest.approx(48 * GIB * bench.worked(29, 30), rel=1e-6)
    # Both are the module's, so they can be compared.
    assert told[31].row()["energy_counter_over_integral"] == pytest.approx(1, abs=0.001)


def test_where_power_is_the_gpus_and_energy_the_modules_they_are_not_compared(bench: Any) -> None:
    bench.begin("gh200", 1)
    for second in range(40):
        row = bench.read(second, "gpu_scope").row()
    module = 160 + 710 * bench.busy(39)
    assert row["power_watts"] == pytest.approx(0.8 * module, abs=0.001)
    assert row["module_power_watts"] == pytest.approx(module, abs=0.001)
    info = bench.info()
    assert (info["power_scope"], info["energy_scope"]) == ("gpu", "module")
    assert row["energy_counter_over_integral"] is None
    assert bench.off()["energy_counter_over_integral"] == Off.OTHER_SCOPE


def test_devices_are_described(bench: Any) -> None:
    bench.begin()
    bench.read(0)
    info = bench.info(1)
    assert info == {
        "time_unix_ms": T0 * 1000,
        "device": bench.uuid(1),
        "index": 1,
        "vendor": "nvidia",
        "model": "NVIDIA H100 80GB HBM3",
        "pci": "00000000:2B:00.0",
        "driver": "580.65.06",
        "source": "nvml",
        "power_mode": "instant",
        "power_scope": "gpu",
        "energy_scope": "gpu",
        "minor": 1,
        "serial": "1600000000001",
        "vbios": "96.00.61.00.02",
        "mig": "disabled",
        "module": None,
    }
    checked_row(DEVICE_INFO, info)


def test_describing_asks_the_driver_nothing(bench: Any) -> None:
    bench.begin()
    assert bench.source.describe(0) == {"device_info": []}
    assert (bench.source.capabilities(), bench.source.why_not()) == ([], {})
    bench.read(0)
    before = bench.calls()
    bench.info()
    bench.off()
    bench.source.capabilities()
    assert bench.calls() == before


def test_counter_and_integral_agree(bench: Any) -> None:
    bench.begin(devices=1)
    rows = [told.row() for told in bench.read_all(0, 90)]
    assert rows[29]["energy_counter_over_integral"] is None, "too short to say"
    assert rows[90]["energy_counter_over_integral"] == pytest.approx(1, abs=1e-4)
    grown = rows[90]["energy_joules_total"] - rows[0]["energy_joules_total"]
    assert rows[90]["energy_integral_joules_total"] == pytest.approx(grown, rel=1e-3)


def test_ecc_remapped_rows_and_the_action_asked_for(bench: Any) -> None:
    bench.begin(devices=2)
    row = bench.read(
        0,
        "ecc 0 corrected volatile 5",
        "ecc 0 uncorrected volatile 1",
        "ecc 0 corrected aggregate 105",
        "ecc 0 uncorrected aggregate 9",
        "remap 0 3 2 1 1",
        "recovery 0 4",
    ).row()
    assert [row[f"ecc_{kind}_{life}_total"] for kind in ("corrected", "uncorrected")
            for life in ("volatile", "aggregate")] == [5, 105, 1, 9]  # fmt: skip
    assert [row[f"row_remaps_{kind}"] for kind in ("corrected", "uncorrected")] == [3, 2]
    assert (row["row_remap_pending"], row["row_remap_failed"], row["recovery_action"]) == (1, 1, 4)
    assert bench.read(1).row()["recovery_action"] == 4, "it stands until the minute has passed"
    assert bench.read(61).row()["recovery_action"] == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("power_cap", "power_cap"),
        ("sw_thermal", "thermal"),
        ("hw_thermal", "thermal"),
        ("power_brake", "power_brake"),
        ("sync_boost", "sync_boost"),
    ],
)
def test_what_holds_the_clocks_back_is_counted_and_shown(
    bench: Any, line: str, reason: str
) -> None:
    bench.begin(devices=1)
    told = [bench.read(second, f"throttle 0 {line}") for second in range(5, 16)]
    reasons = ("power_cap", "thermal", "power_brake", "sync_boost")
    assert [told[-1].row()[f"throttle_{one}_active"] for one in reasons] == [
        int(one == reason) for one in reasons
    ]
    if reason != "sync_boost":
        column = f"throttle_{reason}_seconds_total"
        assert told[-1].row()[column] - told[0].row()[column] == pytest.approx(10)


def test_without_counters_throttling_is_integrated_from_the_reasons(bench: Any) -> None:
    bench.begin(devices=1)
    refused = [f"fail {field} 3" for field in (74, 269, 270, 271)]
    rows = [bench.read(second / 10, *refused).row() for second in range(200)]
    assert rows[-1]["throttle_power_cap_seconds_total"] == pytest.approx(1, abs=0.1)
    assert rows[-1]["throttle_thermal_seconds_total"] == 0
    assert rows[5]["throttle_power_cap_active"] == 1
    assert rows[-1]["throttle_power_cap_active"] == 0


def test_a_pause_in_reading_is_not_integrated_over(bench: Any) -> None:
    bench.begin(devices=1)
    refused = [f"fail {field} 3" for field in (74, 269, 270, 271)]
    bench.read(0, *refused)
    row = bench.read(600, *refused).row()
    assert row["throttle_power_cap_seconds_total"] == 0


def test_processes_are_named_with_what_the_node_knows_of_them(bench: Any) -> None:
    bench.begin(devices=2)
    ticks = os.sysconf("SC_CLK_TCK")
    process = bench.proc / "4711"
    process.mkdir()
    numbers = ["S", *["0"] * 10, str(30 * ticks), str(12 * ticks), *["0"] * 6, "777", "0"]
    (process / "stat").write_text(f"4711 (a) b) {' '.join(numbers)}\n")
    (process / "cgroup").write_text("0::/system.slice/slurmstepd.scope/job_77/step_0\n")
    told = bench.read(0, "processes 1 4711:2048,4712:1024")
    assert told.row(0)["processes"] == 0
    assert told.row(1)["processes"] == 2
    rows = told["process"]
    busy = pytest.approx(bench.busy(0, 1) / 2, abs=0.006)
    assert rows == [
        {
            "time_unix_ms": T0 * 1000,
            "device": bench.uuid(1),
            "pid": 4711,
            "cgroup": "/system.slice/slurmstepd.scope/job_77/step_0",
            "instance": None,
            "memory_used_bytes": 2048 * MIB,
            "sm_busy_ratio": busy,
            "cpu_seconds_total": 42.0,
        },
        {
            "time_unix_ms": T0 * 1000,
            "device": bench.uuid(1),
            "pid": 4712,
            "cgroup": None,
            "instance": None,
            "memory_used_bytes": 1024 * MIB,
            "sm_busy_ratio": busy,
            "cpu_seconds_total": None,
        },
    ]
    for row in rows:
        checked_row(PROCESS, row)
    assert bench.read(1, "processes 1 4711:2048")["process"] == [], "every ten seconds"
    assert bench.read(2, "processes 1 4711:2048").row(1)["processes"] == 2


def test_instances_have_activity_memory_and_processes_of_their_own(bench: Any) -> None:
    bench.begin(devices=1)
    mig = ["mig 0 3g.40gb,2g.20gb", "processes 0 11:100:0,12:50:1,13:25:1"]
    first, *told = [bench.read(second, *mig) for second in range(4)]
    assert [row["gpu_instance"] for row in first["mig"]] == [1, 2]
    # Then one of them each second, with its activity since its turn before.
    rows = [row for one in told for row in one["mig"]]
    for row, place, since, at in zip(rows, (0, 1, 0), (0, 0, 1), (1, 2, 3), strict=True):
        between = bench.worked(since, at, 0.1 * (place + 1)) / (at - since)
        assert {key: value for key, value in row.items() if key != "instance"} == {
            "time_unix_ms": (T0 + at) * 1000,
            "device": bench.uuid(0),
            "gpu_instance": place + 1,
            "profile": ("3g.40gb", "2g.20gb")[place],
            "sm_active_ratio": pytest.approx(between, abs=1e-5),
            "sm_occupancy_ratio": pytest.approx(0.5 * between, abs=1e-5),
            "tensor_active_ratio": pytest.approx(0.6 * between, abs=1e-5),
            "dram_active_ratio": pytest.approx(0.4 * between, abs=1e-5),
            "memory_used_bytes": (1 + place) * GIB,
            "memory_size_bytes": (40 - 20 * place) * GIB,
            "processes": 1 + place,
            "slice_ratio": pytest.approx((3 - place) / 7),
        }
        assert set(row) == set(MIG.columns)
        checked_row(MIG, row)
    uuids = [row["instance"] for row in first["mig"]]
    assert [uuid[:4] for uuid in uuids] == ["MIG-", "MIG-"]
    assert uuids[0] != uuids[1]
    held = {row["pid"]: row["instance"] for row in first["process"]}
    assert held == {11: uuids[0], 12: uuids[1], 13: uuids[1]}
    row = told[0].row()
    assert (row["busy_ratio"], row["processes"], row["up"]) == (None, 3, 1)
    assert row["power_watts"] > 70, "power is the whole device's"
    assert bench.info()["mig"] == "enabled"
    assert bench.off()["busy_ratio"] == bench.off()["sm_busy_ratio"] == Off.MIG
    assert row["read_errors_total"] == 0


def test_instances_of_an_a100_have_memory_and_no_activity(bench: Any) -> None:
    bench.begin("a100", 1)
    told = [bench.read(second, "mig 0 1g.10gb") for second in range(3)]
    (row,) = told[0]["mig"]
    assert (row["memory_used_bytes"], row["profile"]) == (GIB, "1g.10gb")
    assert row.get("sm_active_ratio") is None
    assert [len(one["mig"]) for one in told] == [1, 0, 0], "there is nothing new each second"


def test_an_xid_is_a_row_and_counts_on_its_device(bench: Any) -> None:
    bench.begin(kmsg=str(bench.kmsg))
    bench.read(0)
    with bench.kmsg.open("a") as log:
        log.write("2,7,1,-;NVRM: Xid (PCI:0000:2b:00): 94, pid=7, name=x, Contained: memory\n")
    told = bench.read(1)
    (row,) = told["xid"]
    assert (row["device"], row["xid"], row["count_total"]) == (bench.uuid(1), 94, 1)
    assert row["last_unix_seconds"] > T0 / 2
    assert set(row) == set(XID.columns)
    checked_row(XID, row)
    assert [told.row(index)["xid_events_total"] for index in range(2)] == [0, 1]
    assert bench.read(2)["xid"] == []
