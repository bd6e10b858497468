"""Processes in numbers that do not fit, and with figures that do not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wattline_agents.sources.nvml import Off, ids
from wattline_agents.sources.nvml.processes import process_rows
from wattline_agents.sources.nvml.procfs import ProcFs

MIB = 1024**2


def test_more_processes_than_expected_are_counted_and_the_largest_named(bench: Any) -> None:
    bench.begin(devices=1)
    lines = ",".join(f"{1000 + n}:{n + 1}" for n in range(60))
    told = bench.read(0, f"processes 0 {lines}")
    assert told.row()["processes"] == 60
    assert len(told["process"]) == 60


def test_at_most_64_processes_have_a_row(tmp_path: Path) -> None:
    found = [(pid, pid * MIB, ids.NO_INSTANCE, ids.NO_INSTANCE) for pid in range(1, 101)]
    rows: list[Any] = process_rows("GPU-a", found, None, {}, ProcFs(str(tmp_path)), 5)
    assert len(rows) == 64
    assert [row["pid"] for row in rows[:2]] == [100, 99]
    assert {row["sm_busy_ratio"] for row in rows} == {None}


def test_memory_that_the_driver_cannot_tell_is_not_known(tmp_path: Path) -> None:
    found = [(7, ids.NOT_AVAILABLE_BYTES, ids.NO_INSTANCE, 0), (8, MIB, 0, 0)]
    rows: list[Any] = process_rows("GPU-a", found, {8: 0.5}, {}, ProcFs(str(tmp_path)), 5)
    assert [(row["pid"], row["memory_used_bytes"], row["sm_busy_ratio"]) for row in rows] == [
        (8, MIB, 0.5),
        (7, None, 0.0),
    ]


def test_a_process_on_several_parts_of_a_device_is_one(tmp_path: Path) -> None:
    found = [(7, 2 * MIB, 1, 0), (7, MIB, 2, 0)]
    rows: list[Any] = process_rows("GPU-a", found, None, {1: "MIG-x"}, ProcFs(str(tmp_path)), 5)
    assert [(row["pid"], row["instance"]) for row in rows] == [(7, "MIG-x")]


def test_processes_that_may_not_be_listed_are_a_reason(bench: Any) -> None:
    bench.begin(devices=1)
    told = bench.read(0, "processes 0 7:1", "fail nvmlDeviceGetComputeRunningProcesses_v3 4")
    assert (told.row()["processes"], told["process"]) == (None, [])
    assert bench.off()["processes"] == Off.NO_PERMISSION


def test_without_shares_the_processes_are_named_all_the_same(bench: Any) -> None:
    bench.begin(devices=1)
    told = bench.read(0, "processes 0 7:1", "fail nvmlDeviceGetProcessUtilization 3")
    (row,) = told["process"]
    assert (row["pid"], row["sm_busy_ratio"]) == (7, None)
    assert bench.capability("process utilisation") == Off.NOT_SUPPORTED


def test_a_process_that_did_nothing_was_not_busy(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0, "processes 0 7:1")
    # No sample since: nobody did anything.
    (row,) = bench.read(10, "processes 0 7:1", "fail nvmlDeviceGetProcessUtilization 6")["process"]
    assert row["sm_busy_ratio"] == 0.0
