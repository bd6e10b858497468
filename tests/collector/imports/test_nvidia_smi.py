"""Logs of nvidia-smi: small made-up ones, and real ones against what others made of them."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.ledger.books import Books

MIB = 2**20
U1 = "GPU-11111111-1111-1111-1111-111111111111"
U2 = "GPU-22222222-2222-2222-2222-222222222222"
HEAD = (
    "timestamp, uuid, index, name, utilization.gpu [%], power.draw [W], memory.used [MiB], "
    "clocks.sm [MHz], pstate, fan.speed [%]"
)

Import = Any
START_2023, END_2023 = 1_672_531_200_000, 1_704_067_200_000


def line(stamp: str, uuid: str = U1, watts: str = "100.25 W", **cells: str) -> str:
    values = {
        "index": "0", "name": "NVIDIA H200", "busy": "50 %", "memory": "1024 MiB",
        "clock": "1980 MHz", "pstate": "P0",
    } | cells  # fmt: skip
    return (
        f"{stamp}, {uuid}, {values['index']}, {values['name']}, {values['busy']}, {watts}, "
        f"{values['memory']}, {values['clock']}, {values['pstate']}, [N/A]"
    )


def log(*lines: str, head: str = HEAD) -> str:
    return "".join(f"{one}\n" for one in (head, *lines))


def test_a_log_becomes_rows_in_base_units(importing: Import) -> None:
    path = importing.write(
        "gpus.csv",
        log(
            line("2023/11/14 22:13:20.000"),
            line("2023/11/14 22:13:20.004", U2, "99.50 W", index="1"),
            line("2023/11/14 22:13:21.000", watts="101.00 W"),
        ),
    )
    code, out, _ = importing("nvidia-smi", path, "--node", "n7")
    assert code == 0
    assert "2 devices of 1 node\nstored as system recording-gpus" in out
    assert "without a place here: 1 field, fan.speed" in out
    assert "taken as UTC (--zone ZONE if they are local)" in out
    first, other, last = importing.rows("device")
    assert first == {
        "system": "recording-gpus",
        "node": "n7",
        "period_ms": 1000,
        "time_unix_ms": 1_700_000_000_000,
        "device": U1,
        "up": 1,
        "power_watts": 100.25,
        "power_stale": 0,
        "busy_ratio": 0.5,
        "memory_used_bytes": 1024 * MIB,
        "sm_clock_hertz": 1.98e9,
        "performance_state": 0,
    }
    assert (other["device"], other["power_watts"]) == (U2, 99.5)
    assert last["time_unix_ms"] == 1_700_000_001_000
    info = {row["device"]: row for row in importing.rows("device_info")}
    assert info[U2]["index"] == 1
    assert info[U1]["model"] == "NVIDIA H200"
    assert (info[U1]["vendor"], info[U1]["source"]) == ("nvidia", "nvidia-smi")
    assert (info[U1]["installed_from_unix_ms"], info[U1]["installed_until_unix_ms"]) == (
        1_700_000_000_000, 1_700_000_001_001,
    )  # fmt: skip


def test_importing_the_same_again_changes_nothing(importing: Import) -> None:
    path = importing.write("gpus.csv", log(line("2023/11/14 22:13:20.000")))
    assert "imported" in importing("nvidia-smi", path)[1]
    before = importing.rows("device")
    assert "already in the store: nothing changed" in importing("nvidia-smi", path)[1]
    assert importing.rows("device") == before


def test_other_content_under_the_same_system_is_refused(importing: Import) -> None:
    importing("nvidia-smi", importing.write("gpus.csv", log(line("2023/11/14 22:13:20.000"))))
    path = importing.write("gpus.csv", log(line("2023/11/14 22:13:21.000")))
    code, _, err = importing("nvidia-smi", path)
    assert code == 2
    assert "already holds other data as system 'recording-gpus'" in err


def test_a_zone_puts_local_times_right(importing: Import) -> None:
    path = importing.write("gpus.csv", log(line("2023/07/14 10:10:26.905")))
    code, out, _ = importing("nvidia-smi", path, "--zone", "Europe/London")
    assert code == 0
    assert "taken as UTC" not in out
    assert importing.rows("device")[0]["time_unix_ms"] == 1_689_325_826_905


def test_the_hour_that_comes_twice_is_two_hours(importing: Import) -> None:
    path = importing.write(
        "gpus.csv",
        log(
            line("2023/10/29 02:59:59.000"),
            line("2023/10/29 02:00:00.000"),
            line("2023/10/29 03:00:00.000"),
        ),
    )
    importing("nvidia-smi", path, "--zone", "Europe/Berlin")
    times = [row["time_unix_ms"] for row in importing.rows("device")]
    assert times == [1_698_541_199_000, 1_698_541_200_000, 1_698_544_800_000]


def test_a_zone_that_is_none_is_refused(importing: Import) -> None:
    code, _, err = importing("nvidia-smi", Path("x"), "--zone", "Mars/Olympus")
    assert code == 2
    assert "'Mars/Olympus' is no time zone such as Europe/Berlin" in err


@pytest.mark.parametrize("text", ["[N/A]", "[Unknown Error]", "[Not Supported]", "N/A",
                                  "[Requested functionality has been deprecated]"])  # fmt: skip
def test_words_in_place_of_a_value_are_null_and_counted(importing: Import, text: str) -> None:
    path = importing.write(
        "gpus.csv", log(*(line(f"2023/11/14 22:13:2{i}.000", clock=text) for i in range(3)))
    )
    code, out, _ = importing("nvidia-smi", path)
    assert code == 0
    assert f"no value: clocks.current.sm: {text.strip('[]')} (3)" in out
    rows = importing.rows("device")
    assert [row.get("sm_clock_hertz") for row in rows] == [None] * 3
    assert [row["power_watts"] for row in rows] == [100.25] * 3


def test_a_gpu_that_is_lost_is_down_and_draws_nothing_known(importing: Import) -> None:
    lost = "[GPU is lost]"
    path = importing.write(
        "gpus.csv",
        log(line("2023/11/14 22:13:20.000", watts=lost, busy=lost, memory=lost, clock=lost,
                 pstate=lost)),
    )  # fmt: skip
    importing("nvidia-smi", path)
    (row,) = importing.rows("device")
    assert row["up"] == 0
    assert "power_watts" not in row


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("2023/11/14 22:14:00.000, half a", "gpus.csv:52: has 2 columns, not 10"),
        (line("yesterday"), "gpus.csv:52: timestamp: not YYYY/MM/DD HH:MM:SS.mmm: 'yesterday'"),
        (line("2023/13/14 22:13:20.000"), "gpus.csv:52: timestamp: month must be in 1..12"),
        (line("2223/11/14 22:13:20.000"), "gpus.csv:52: timestamp: not from 1990 to 2100"),
        (line("2023/11/14 22:14:00.000", watts="lots"), "power.draw: not a power: 'lots'"),
        (line("2023/11/14 22:14:00.000", watts="9 MiB"), "power.draw: not a power: '9 MiB'"),
        (line("2023/11/14 22:14:00.000", pstate="Q1"), "pstate: not a performance state: 'Q1'"),
        (line("2023/11/14 22:14:00.000", "GPU\x1b[31m"), "uuid: not a plain text: "),
        ("x" * 100, "gpus.csv:52: has 1 columns, not 10"),
    ],
)
def test_a_malformed_line_is_left_out_counted_and_named(
    importing: Import, bad: str, said: str
) -> None:
    good = [line(f"2023/11/14 22:{i // 60:02}:{i % 60:02}.000") for i in range(120)]
    path = importing.write("gpus.csv", log(*good[:50], bad, *good[50:]))
    code, out, _ = importing("nvidia-smi", path)
    assert code == 0
    assert "1 malformed of 121 lines left out" in out
    assert said in out
    assert len(importing.rows("device")) == 120


def test_a_log_with_too_much_that_is_malformed_is_not_imported(importing: Import) -> None:
    path = importing.write("gpus.csv", log(line("2023/11/14 22:13:20.000"), "torn"))
    code, _, err = importing("nvidia-smi", path)
    assert code == 2
    assert "gpus.csv:3: has 1 columns, not 10 (1 of 2 lines are malformed" in err
    assert not (importing.store / "segments").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no reading of a GPU"),
        (log(), "holds no reading of a GPU"),
        (line("2023/11/14 22:13:20.000"), "gpus.csv:1: is no header such as `timestamp, uuid"),
        ("root:x:0:0:root:/root:/bin/bash\n", "gpus.csv:1: is no header such as"),
        (
            log(line("2099/11/14 22:13:20.000")),
            "not a time from 2000 to a day from now, in milliseconds: nothing was imported",
        ),
    ],
)
def test_what_is_no_log_is_refused(importing: Import, text: str, said: str) -> None:
    code, _, err = importing("nvidia-smi", importing.write("gpus.csv", text))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_logs_without_units_in_their_values_mean_the_same(importing: Import) -> None:
    plain = line("2023/11/14 22:13:20.000", watts="100.25", busy="50", memory="1024", clock="1980")
    importing("nvidia-smi", importing.write("gpus.csv", log(plain)))
    (row,) = importing.rows("device")
    assert (row["power_watts"], row["busy_ratio"]) == (100.25, 0.5)
    assert (row["memory_used_bytes"], row["sm_clock_hertz"]) == (1024 * MIB, 1.98e9)


def test_a_header_in_the_middle_begins_anew(importing: Import) -> None:
    path = importing.write(
        "gpus.csv",
        log(
            line("2023/11/14 22:13:20.000"),
            "",
            "timestamp, uuid, power.draw.instant [W], power.draw [W]",
            f"2023/11/14 22:13:21.000, {U1}, 120.50 W, 118.00 W",
        ),
    )
    importing("nvidia-smi", path)
    assert [row["power_watts"] for row in importing.rows("device")] == [100.25, 120.5]


def test_without_times_a_single_reading_of_each_gpu_is_timed_by_its_file(
    importing: Import,
) -> None:
    text = log(f"{U1}, 100.00 W", f"{U2}, 90.00 W", head="uuid, power.draw [W]")
    path = importing.write("2023-11-14T22:13:20Z.csv", text)
    code, out, _ = importing("nvidia-smi", path)
    assert code == 0
    assert "timed by when written" not in out
    assert [row["time_unix_ms"] for row in importing.rows("device")] == [1_700_000_000_000] * 2


def test_without_times_a_second_reading_cannot_be_placed(importing: Import) -> None:
    text = log(f"{U1}, 100.00 W", f"{U1}, 90.00 W", head="uuid, power.draw [W]")
    code, _, err = importing("nvidia-smi", importing.write("gpus.csv", text))
    assert code == 2
    assert "gpus.csv:3: is a second reading of a GPU, and there is no column timestamp" in err


def test_without_a_uuid_devices_are_named_after_the_recording_and_their_place(
    importing: Import,
) -> None:
    text = log(
        "2023/11/14 22:13:20.000, 0, 100.00 W",
        "2023/11/14 22:13:20.000, 1, 90.00 W",
        head="timestamp, index, power.draw [W]",
    )
    importing("nvidia-smi", importing.write("run.csv", text))
    assert {row["device"] for row in importing.rows("device")} == {"run-gpu0", "run-gpu1"}


def test_a_second_reading_at_the_same_time_is_left_out_and_said(importing: Import) -> None:
    stamp = "2023/11/14 22:13:20.000"
    path = importing.write("gpus.csv", log(line(stamp), line(stamp, watts="7.00 W")))
    _, out, _ = importing("nvidia-smi", path)
    assert "1 reading left out: of a time of which there was one" in out
    assert [row["power_watts"] for row in importing.rows("device")] == [100.25]


def test_reasons_of_older_drivers_and_masks_are_understood(importing: Import) -> None:
    text = log(
        f"2023/11/14 22:13:20.000, {U1}, 0x00000000000000A4, Not Active, 5 us, 3000000 us",
        head="timestamp, uuid, clocks_throttle_reasons.active, clocks_throttle_reasons.sync_boost,"
        " clocks_event_reasons_counters.hw_thermal_slowdown [us],"
        " clocks_event_reasons_counters.sw_thermal_slowdown [us]",
    )
    importing("nvidia-smi", importing.write("gpus.csv", text))
    (row,) = importing.rows("device")
    active = {name: value for name, value in row.items() if name.endswith("_active")}
    assert active == {
        "throttle_power_cap_active": 1, "throttle_thermal_active": 1,
        "throttle_power_brake_active": 1, "throttle_sync_boost_active": 0,
    }  # fmt: skip
    assert row["throttle_thermal_seconds_total"] == 3.0, "both run at once: the longer counts"


def test_directories_are_nodes_and_files_of_other_kinds_are_passed_over(
    importing: Import,
) -> None:
    importing.write("logs/n1/a.csv", log(line("2023/11/14 22:13:20.000")))
    importing.write("logs/n2/a.csv", log(line("2023/11/14 22:13:20.000", U2)))
    importing.write("logs/n2/notes.txt", "hello\n")
    code, out, _ = importing("nvidia-smi", importing.folder / "logs")
    assert code == 0
    assert "2 devices of 2 nodes" in out
    assert "1 file of other kinds passed over: notes.txt" in out
    assert {(row["node"], row["device"]) for row in importing.rows("device")} == {
        ("n1", U1), ("n2", U2),
    }  # fmt: skip


XML = f"""<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
  <timestamp>Tue Nov 14 22:13:20 2023</timestamp>
  <driver_version>580.65.06</driver_version>
  <gpu id="00000000:07:00.0">
    <product_name>NVIDIA H200</product_name>
    <uuid>{U1}</uuid>
    <mig_mode><current_mig>Enabled</current_mig></mig_mode>
    <mig_devices>
      <mig_device>
        <index>0</index><gpu_instance_id>3</gpu_instance_id>
        <compute_instance_id>0</compute_instance_id>
        <fb_memory_usage><total>100 MiB</total><used>12 MiB</used></fb_memory_usage>
      </mig_device>
      <mig_device>
        <index>1</index><gpu_instance_id>3</gpu_instance_id>
        <compute_instance_id>1</compute_instance_id>
        <fb_memory_usage><total>100 MiB</total><used>12 MiB</used></fb_memory_usage>
      </mig_device>
    </mig_devices>
    <utilization><gpu_util>N/A</gpu_util></utilization>
    <gpu_power_readings>
      <average_power_draw>410.00 W</average_power_draw>
      <instant_power_draw>412.50 W</instant_power_draw>
    </gpu_power_readings>
    <module_power_readings><power_draw>N/A</power_draw></module_power_readings>
    <ecc_errors><volatile>
      <sram_correctable>1</sram_correctable><dram_correctable>2</dram_correctable>
      <sram_uncorrectable_parity>1</sram_uncorrectable_parity>
      <sram_uncorrectable_secded>1</sram_uncorrectable_secded>
      <dram_uncorrectable>0</dram_uncorrectable>
    </volatile></ecc_errors>
    <processes>
      <process_info><pid>42</pid><type>C</type><used_memory>10 MiB</used_memory></process_info>
      <process_info><pid>43</pid><type>G</type><used_memory>10 MiB</used_memory></process_info>
      <process_info><pid>44</pid><type>M+C</type><used_memory>N/A</used_memory></process_info>
    </processes>
  </gpu>
</nvidia_smi_log>
"""


def test_xml_is_read_with_instances_and_processes(importing: Import) -> None:
    later = XML.replace("22:13:20", "22:13:50").replace("412.50", "400.00")
    path = importing.write("q.xml", XML + later)
    code, out, _ = importing("nvidia-smi", path)
    assert code == 0, out
    first, second = importing.rows("device")
    assert (first["time_unix_ms"], second["time_unix_ms"]) == (1_700_000_000_000, 1_700_000_030_000)
    assert (first["power_watts"], second["power_watts"]) == (412.5, 400.0)
    assert first["power_average_watts"] == 410.0
    assert first["ecc_corrected_volatile_total"] == 3
    assert first["ecc_uncorrected_volatile_total"] == 2
    assert first["processes"] == 2
    assert "busy_ratio" not in first
    info = importing.rows("device_info")[0]
    assert (info["driver"], info["mig"], info["power_mode"]) == ("580.65.06", "enabled", "instant")
    assert [
        (row["instance"], row["gpu_instance"], row["memory_used_bytes"], row["memory_size_bytes"])
        for row in importing.rows("mig")
    ] == [(f"MIG-{U1}/3", 3, 12 * MIB, 100 * MIB)] * 2
    processes = importing.rows("process")[:2]
    assert [(row["pid"], row.get("memory_used_bytes")) for row in processes] == [
        (42, 10 * MIB), (44, None),
    ]  # fmt: skip


def test_a_torn_document_is_counted_and_named(importing: Import) -> None:
    good = "".join(XML.replace("22:13:20", f"22:{i // 60:02}:{i % 60:02}") for i in range(120))
    path = importing.write("q.xml", good + XML[:200])
    code, out, _ = importing("nvidia-smi", path)
    assert code == 0
    lines = XML.count("\n")
    assert f"q.xml:{120 * lines + 3}: ends before `</nvidia_smi_log>`" in out


# -- real logs, against what others published of them

GENERAL: dict[str, str] = {
    "power_limit_watts": "enforced_power_limit_watts",
    "power_limit_default_watts": "power_default_limit_watts",
    "power_average_watts": "power_draw_average_watts",
    "busy_ratio": "utilization_gpu_ratio",
    "memory_busy_ratio": "utilization_memory_ratio",
    "memory_used_bytes": "memory_used_bytes",
    "memory_size_bytes": "memory_total_bytes",
    "memory_reserved_bytes": "memory_reserved_bytes",
    "temperature_celsius": "temperature_gpu",
    "memory_temperature_celsius": "temperature_memory",
    "temperature_margin_celsius": "temperature_gpu_tlimit",
    "sm_clock_hertz": "clocks_current_sm_clock_hz",
    "memory_clock_hertz": "clocks_current_memory_clock_hz",
    "performance_state": "pstate",
    "throttle_power_cap_seconds_total":
        "clocks_event_reasons_counters_sw_power_cap_seconds",
    "throttle_power_brake_seconds_total":
        "clocks_event_reasons_counters_hw_power_brake_slowdown_seconds",
    "throttle_power_cap_active": "clocks_event_reasons_sw_power_cap",
    "throttle_power_brake_active": "clocks_event_reasons_hw_power_brake_slowdown",
    "throttle_sync_boost_active": "clocks_event_reasons_sync_boost",
    "pcie_link_generation": "pcie_link_gen_gpucurrent",
    "pcie_link_width": "pcie_link_width_current",
    "ecc_corrected_volatile_total": "ecc_errors_corrected_volatile_total",
    "ecc_corrected_aggregate_total": "ecc_errors_corrected_aggregate_total",
    "ecc_uncorrected_volatile_total": "ecc_errors_uncorrected_volatile_total",
    "ecc_uncorrected_aggregate_total": "ecc_errors_uncorrected_aggregate_total",
    "row_remaps_corrected": "remapped_rows_correctable",
    "row_remaps_uncorrected": "remapped_rows_uncorrectable",
    "row_remap_pending": "remapped_rows_pending",
    "row_remap_failed": "remapped_rows_failure",
    "recovery_action": "gpu_recovery_action",
}  # fmt: skip
"""Our column -> nvidia_gpu_exporter's metric of the same field."""

CAPTURES = (
    "linux-x86_64__nvidia-geforce-rtx-2080-super__595.71.05",
    "linux-x86_64__nvidia-h100-80gb-hbm3__590.48.01",
    "linux-x86_64__nvidia-h100-mig__590.48.01",
    "linux-x86_64__nvidia-l40s__595.80",
)


def published(path: Path) -> dict[str, float]:
    """Metric -> value of an expected page of one GPU."""
    found = {}
    for one in path.read_text().splitlines():
        match = re.match(r"nvidia_smi_([a-z0-9_]+)\{uuid=\"[^\"]*\"\} (\S+)\Z", one)
        if match:
            found[match[1]] = float(match[2])
    return found


@pytest.mark.recordings
@pytest.mark.parametrize("state", ["idle", "load"])
@pytest.mark.parametrize("capture", CAPTURES)
def test_a_real_log_gives_what_another_exporter_publishes_of_it(
    importing: Import, shared: Path, capture: str, state: str
) -> None:
    folder = shared / "data/07-nvidia-smi"
    text = (folder / f"captures/{capture}.txt").read_text()
    section = re.search(rf"# {state} :: query-gpu.*?\n#+\n(.*?)\n\n\n", text, re.DOTALL)
    assert section is not None
    code, _, err = importing("nvidia-smi", importing.write("gpu.csv", section[1] + "\n"))
    assert code == 0, err
    (row,) = importing.rows("device")
    expected = published(folder / f"expected_metrics/{capture}__{state}.metrics")
    power = expected.get("power_draw_instant_watts", expected["power_draw_watts"])
    assert row["power_watts"] == power
    ours = {column: row.get(column) for column in GENERAL}
    theirs = {column: expected.get(metric) for column, metric in GENERAL.items()}
    if theirs["pcie_link_generation"] is None:
        theirs["pcie_link_generation"] = expected.get("pcie_link_gen_current")
    assert ours == pytest.approx(theirs)
    assert sum(value is not None for value in ours.values()) >= 18
    if "mig" in capture:
        assert "busy_ratio" not in row
        assert importing.rows("device_info")[0]["mig"] == "enabled"


FIELDS: dict[str, tuple[str, float]] = {
    "power_watts": ("power_draw", 1.0),
    "power_limit_watts": ("power_limit", 1.0),
    "power_limit_default_watts": ("power_limit_default", 1.0),
    "busy_ratio": ("utilization_gpu", 0.01),
    "memory_busy_ratio": ("utilization_memory", 0.01),
    "memory_used_bytes": ("memory_used", MIB),
    "memory_size_bytes": ("memory_total", MIB),
    "memory_reserved_bytes": ("memory_reserved", MIB),
    "temperature_celsius": ("temperature_gpu", 1.0),
    "memory_temperature_celsius": ("temperature_memory", 1.0),
    "sm_clock_hertz": ("clocks_current_sm", 1e6),
    "memory_clock_hertz": ("clocks_current_memory", 1e6),
    "pcie_link_generation": ("pcie_link_gen_current", 1.0),
    "pcie_link_width": ("pcie_link_width_current", 1.0),
    "throttle_power_cap_active": ("clocks_event_reason_sw_power_cap", 1.0),
    "throttle_sync_boost_active": ("clocks_event_reason_sync_boost", 1.0),
}
"""Our column -> Telegraf's field, and the factor from its unit to ours."""


@pytest.mark.recordings
@pytest.mark.parametrize(
    "name", ["a100-sxm4-v12.xml", "a10g.xml", "gtx-1660-ti.xml", "quadro-p400.xml", "tesla-t4.xml"]
)
def test_real_xml_gives_what_telegraf_makes_of_it(
    importing: Import, shared: Path, name: str
) -> None:
    folder = shared / "data/07-nvidia-smi/telegraf_xml"
    every = json.loads((folder / "expected.json").read_text())[name]
    code, _, err = importing("nvidia-smi", folder / name)
    assert code == 0, err
    (row,) = importing.rows("device")
    (expected,) = (one for one in every if one["measurement"] == "nvidia_smi")
    fields = expected["fields"]
    theirs = {
        column: fields[field] * factor
        for column, (field, factor) in FIELDS.items()
        if field in fields
    }
    assert {column: row.get(column) for column in theirs} == pytest.approx(theirs)
    assert len(theirs) >= 9
    # Telegraf does not know where older documents have the limit a device is delivered with.
    assert {column for column in FIELDS if column in row} - theirs.keys() <= {
        "power_limit_default_watts"
    }
    assert row["device"] == expected["tags"]["uuid"]
    assert f"P{row['performance_state']}" == expected["tags"]["pstate"]
    info = importing.rows("device_info")[0]
    assert info["model"] == expected["tags"]["name"]
    assert info.get("driver") == fields.get("driver_version")
    assert info.get("vbios") == fields.get("vbios_version")
    instances = [one for one in every if one["measurement"] == "nvidia_smi_mig"]
    mig = importing.rows("mig") if instances else []
    assert [(row["gpu_instance"], row["memory_used_bytes"], row["memory_size_bytes"])
            for row in mig] == [
        (int(one["tags"]["gpu_index"]), one["fields"]["memory_fb_used"] * MIB,
         one["fields"]["memory_fb_total"] * MIB)
        for one in instances
    ]  # fmt: skip


@pytest.mark.recordings
def test_a_dead_sensor_is_flagged_and_none_of_its_watts_are_booked(
    importing: Import, shared: Path
) -> None:
    path = shared / "data/17-gpu-power-sensor/mlperf_nvidia_smi_unknown_error.csv.gz"
    code, out, _ = importing("nvidia-smi", path)
    assert code == 0
    assert "its power sensor stands still: the power of 12,792 readings is left out" in out
    assert "no value: clocks.current.sm: Unknown Error (12,792)" in out
    rows = importing.rows("device")
    assert len(rows) == 12_792
    assert not any("power_watts" in row for row in rows)
    assert {row["power_stale"] for row in rows} == {1}
    assert rows[-1]["time_unix_ms"] - rows[0]["time_unix_ms"] == pytest.approx(699_600, abs=100)
    assert rows[0]["temperature_celsius"] == 32.0
    booked = Books(importing.store).read("device", START_2023, END_2023)
    assert booked["duration_ms"].sum() >= 699_000
    assert booked["energy_joules"].null_count() == len(booked)


@pytest.mark.recordings
def test_the_energy_of_a_real_log_is_the_one_published(
    importing: Import, shared: Path, trapezoid: Callable[..., float]
) -> None:
    folder = shared / "data/17-gpu-power-sensor/A100_transient"
    importing("nvidia-smi", folder / "gpudata.csv", "--zone", "Europe/London")
    rows = importing.rows("device")
    assert len(rows) == 1_245
    assert {row["power_stale"] for row in rows} == {0}
    start = int((folder / "PMD_start_ts.txt").read_text()) / 1000 - 50
    # What the folder's README computes over the 14.0 s that both meters ran.
    assert trapezoid(rows, start, start + 14_012) == pytest.approx(1613.0, rel=0.001)
    booked = Books(importing.store).read("device", START_2023, END_2023)
    assert booked["energy_joules"].sum() == pytest.approx(
        trapezoid(rows, rows[0]["time_unix_ms"], rows[-1]["time_unix_ms"])
    )


@pytest.fixture
def trapezoid() -> Callable[..., float]:
    def area(rows: list[dict[str, Any]], start: float, end: float) -> float:
        joules = 0.0
        for one, other in pairwise(rows):
            low = max(one["time_unix_ms"], start)
            high = min(other["time_unix_ms"], end)
            if low < high:
                joules += (one["power_watts"] + other["power_watts"]) / 2 * (high - low) / 1000
        return joules

    return area
