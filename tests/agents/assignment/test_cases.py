"""What breaks the join of jobs and devices elsewhere, each as a test of the whole source.

A1 to A12 and A16 are about this join. Those that are another part's stand with it: A11 and A15 with
the accounting's importers, A13 and A14 with the source `nvml`, whose figures they are about.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.opening import open_assignment
from wattline_agents.assignment.source import AssignmentSource
from wattline_agents.config import AssignmentSettings
from wattline_agents.wire import Row

A, B, C = (f"GPU-{letter * 8}-1111-2222-3333-{letter * 12}" for letter in "abc")
M3, M1 = "MIG-33333333-1111-2222-3333-444444444444", "MIG-11111111-1111-2222-3333-444444444444"
SLUID = "s8FXKTA79XAR00"


@dataclass
class Node:
    """A node with whatever jobs a test puts there."""

    top: Path
    proc: Any
    infos: list[Row]
    numbers: str = "auto"
    said: list[str] = field(default_factory=list)
    _source: AssignmentSource | None = None

    @property
    def now(self) -> int:
        found: int = self.proc.BOOT_SECONDS * 1000 + 1_000_000
        return found

    @property
    def source(self) -> AssignmentSource:
        """Made when it is asked for, after the test has prepared the node."""
        if self._source is None:
            self._source = open_assignment(
                AssignmentSettings(
                    records=self.top / "records",
                    jobstats=self.top / "jobstats",
                    dcgm=self.top / "dcgm",
                    amd=self.top / "amd",
                    numbers=self.numbers,
                ),
                1.0,
                {},
                self.said.append,
                proc=str(self.proc.root),
                cgroup=str(self.top / "cgroup"),
            )
            self._source.on_readings("device_info", self.infos)
        return self._source

    def write(self, name: str, content: object, at: int = 0) -> Path:
        path = self.top / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        time_ns = (self.now + at) * 1_000_000
        os.utime(path, ns=(time_ns, time_ns))
        return path

    def record(self, key: str, gpus: Mapping[str, str], at: int = 0, **more: object) -> Path:
        job_id, _, restarts = key.partition(".")
        fields = {"job_id": job_id, "restart_count": int(restarts or 0), "gpus": dict(gpus)}
        return self.write(f"records/job.{key}.json", {**fields, "start_ms": self.now + at, **more})

    def process(self, pid: int, device: str, instance: str | None = None, at: int = 0) -> None:
        row: Row = {
            "time_unix_ms": self.now + at, "device": device, "pid": pid, "instance": instance,
        }  # fmt: skip
        self.source.on_readings("process", [row])

    def held(self, at: int = 0) -> dict[tuple[str, str], Row]:
        """What is told to be held, by device and job."""
        rows = self.source.read(self.now + at).get("assignment", [])
        return {(str(r["device"]), str(r["job"])): r for r in rows if r["end_unix_ms"] is None}


def infos(*uuids: str, minors: tuple[int, ...] = (), vendor: str = "nvidia") -> list[Row]:
    return [
        {
            "device": uuid,
            "index": index,
            "minor": minors[index] if minors else index,
            "pci": f"00000000:{index + 1:02X}:00.0",
            "vendor": vendor,
        }
        for index, uuid in enumerate(uuids)
    ]


@pytest.fixture
def make_node(tmp_path: Path, proc: Any) -> Callable[..., Node]:
    def make(devices: list[Row] | None = None, **more: Any) -> Node:
        return Node(tmp_path, proc, infos(A, B, C) if devices is None else devices, **more)

    return make


def test_a1_uuids_in_cuda_visible_devices_name_the_devices(make_node: Callable[..., Node]) -> None:
    # From 25.11 on; SLURM_JOB_GPUS is still a number, and here one that is a minor.
    node = make_node(infos(A, B, C, minors=(2, 0, 1)))
    node.record("13", {"SLURM_JOB_GPUS": "0,1", "CUDA_VISIBLE_DEVICES": f"{B},{C}"})
    assert set(node.held()) == {(B, "13"), (C, "13")}


def test_a1_files_named_by_uuid_name_the_devices(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.write(f"jobstats/{B}", "13 1000")
    node.write(f"dcgm/{C}", "14\n")
    assert set(node.held()) == {(B, "13"), (C, "14")}


def test_a2_control_groups_by_sluid_are_jobs(make_node: Callable[..., Node]) -> None:
    node = make_node()
    group = f"/system.slice/slurmstepd.scope/{SLUID}/step_0"
    node.proc.add(7, group)
    node.process(7, A)
    assert set(node.held()) == {(A, SLUID)}, "not silently none"
    node.proc.add(8, group, SLURM_JOB_ID="14")
    node.process(8, B, at=1000)
    assert (B, "14") in node.held(1000)


def test_a2_a_record_says_which_job_a_sluid_is(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.record("13", {"SLURM_JOB_GPUS": "0"}, sluid=SLUID)
    node.proc.add(7, f"/system.slice/slurmstepd.scope/{SLUID}/step_0")
    node.process(7, A)
    held = node.held()
    assert set(held) == {(A, "13")} and held[A, "13"]["method"] == "prolog"
    assert node.source.owners.job_of(7) == "13"


def test_a2_paths_by_job_id_are_understood_where_they_are_restored(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    node.proc.add(7, "/system.slice/slurmstepd.scope/job_13/step_batch")
    node.process(7, A)
    assert set(node.held()) == {(A, "13")}


@pytest.mark.parametrize(
    "group",
    [
        "/system.slice/gpu00_slurmstepd.scope/job_13/step_0/user/task_0",
        "9:freezer:/slurm_gpu00/uid_1000/job_13/step_0\n4:memory:/slurm_gpu00/uid_1000/job_13",
        "9:freezer:/slurm/uid_1000/job_13/step_0",
    ],
)
def test_a3_several_slurmd_on_one_host_are_understood(
    make_node: Callable[..., Node], group: str
) -> None:
    node = make_node()
    node.proc.add(7, group)
    node.process(7, A)
    held = node.held()
    assert set(held) == {(A, "13")} and held[A, "13"]["method"] == "cgroup"


def test_a4_a_number_is_not_taken_for_another_without_a_word(
    make_node: Callable[..., Node],
) -> None:
    crossed = infos(A, B, C, minors=(2, 0, 1))
    node = make_node(crossed)
    node.record("13", {"SLURM_JOB_GPUS": "0"})
    assert set(node.held()) == {(A, "13")}
    assert "indices and minor numbers of devices differ" in node.said[0]
    assert "taken for indices" in node.source.why_not()[""]["assignment.numbers"]


def test_a4_a_number_that_is_a_minor_is_resolved_as_one_if_told(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(infos(A, B, C, minors=(2, 0, 1)), numbers="minor")
    node.record("13", {"SLURM_JOB_GPUS": "0"})
    assert set(node.held()) == {(B, "13")}


def test_a5_an_agent_inside_a_job_does_not_charge_device_0_with_everything(
    make_node: Callable[..., Node],
) -> None:
    # Of three devices the job has the last, which it sees as its first.
    node = make_node([{**infos(C)[0], "index": 0, "minor": 2}])
    node.proc.add(os.getpid(), "/system.slice/slurmstepd.scope/job_13/step_0")
    node.record("13", {"SLURM_JOB_GPUS": "2", "CUDA_VISIBLE_DEVICES": "0"})
    node.record("14", {"SLURM_JOB_GPUS": "0", "CUDA_VISIBLE_DEVICES": "0"})
    assert set(node.held()) == {(C, "13")}
    assert "inside a job's control group" in node.said[0]


def test_a6_what_the_job_was_given_counts_and_not_what_a_step_was(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    node.record("13", {"SLURM_JOB_GPUS": "1,2", "SLURM_STEP_GPUS": "0"})
    assert set(node.held()) == {(B, "13"), (C, "13")}


def test_a7_an_empty_cuda_visible_devices_on_amd_is_no_empty_job(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(infos(A, B, C, vendor="amd"))
    node.record("13", {"SLURM_JOB_GPUS": "1", "CUDA_VISIBLE_DEVICES": ""})
    node.write("amd/130", {"SLURM_JOB_ID": "14", "SLURM_JOB_GPUS": "130"})
    assert set(node.held()) == {(B, "13"), (C, "14")}


def test_a8_whole_devices_and_instances_stand_side_by_side(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    node.source.on_readings(
        "mig",
        [
            {"device": C, "instance": M3, "gpu_instance": 3, "slice_ratio": 3 / 7},
            {"device": C, "instance": M1, "gpu_instance": 9, "slice_ratio": 1 / 7},
        ],
    )
    node.record("13", {"SLURM_JOB_GPUS": "0"})
    node.record("14", {"SLURM_JOB_GPUS": "2", "CUDA_VISIBLE_DEVICES": M3})
    node.write(f"jobstats/{M1}", "15 1000")
    held = node.held()
    shares = {key: row["share"] for key, row in held.items()}
    assert shares == {
        (A, "13"): None,
        (C, "14"): pytest.approx(3 / 7),
        (C, "15"): pytest.approx(1 / 7),
    }


def test_a9_a_device_that_is_held_and_idle_is_held(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.record("13", {"SLURM_JOB_GPUS": "0,1"})
    node.proc.add(7, "/system.slice/slurmstepd.scope/job_13/step_0")
    node.process(7, A)
    assert set(node.held()) == {(A, "13"), (B, "13")}, "no process is on the second"
    assert set(node.held(600_000)) == {(A, "13"), (B, "13")}


def test_a10_what_held_which_device_is_known_after_the_scheduler_forgot(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    path = node.record("13", {"SLURM_JOB_GPUS": "1"}, at=-9_000_000)
    path.rename(path.with_name(f"ended.{node.now - 8_000_000}.0.0.13.json"))
    (row,) = node.source.read(node.now)["assignment"]
    assert (row["device"], row["start_unix_ms"], row["end_unix_ms"]) == (
        B, node.now - 9_000_000, node.now - 8_000_000,
    )  # fmt: skip


def test_a11_typed_lists_are_read(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.record("13", {"SLURM_JOB_GPUS": "0-1"})
    assert set(node.held()) == {(A, "13"), (B, "13")}


def test_a12_a_missed_epilog_leaves_no_ghost(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.record("13", {"SLURM_JOB_GPUS": "0,1"}, at=-60_000)
    node.record("14", {"SLURM_JOB_GPUS": "0"}, at=-5_000)
    rows = node.source.read(node.now)["assignment"]
    told = {(row["device"], row["job"]): row["end_unix_ms"] for row in rows}
    assert told == {(A, "13"): node.now - 5_000, (B, "13"): None, (A, "14"): None}


def test_a12_a_job_with_processes_is_no_ghost(make_node: Callable[..., Node]) -> None:
    node = make_node()
    (node.top / "cgroup/system.slice/slurmstepd.scope/job_13").mkdir(parents=True)
    node.record("13", {"SLURM_JOB_GPUS": "0"}, at=-60_000)
    node.record("14", {"SLURM_JOB_GPUS": "0"}, at=-5_000)
    assert set(node.held()) == {(A, "13"), (A, "14")}, "suspended, perhaps: whoever books decides"


def test_a12_what_ran_when_the_node_went_down_is_over(make_node: Callable[..., Node]) -> None:
    node = make_node()
    boot_ms = node.proc.BOOT_SECONDS * 1000
    node.record("13", {"SLURM_JOB_GPUS": "0"}, at=boot_ms - node.now - 60_000)
    readings = node.source.read(node.now)
    (row,) = readings["assignment"]
    assert row["end_unix_ms"] == boot_ms
    assert readings["job_info"][0]["state"] == "failed"


def test_a16_a_node_without_devices_is_no_trouble(make_node: Callable[..., Node]) -> None:
    node = make_node([])
    node.record("13", {"SLURM_JOB_GPUS": "0"})
    for at in range(0, 100_000, 1000):
        assert node.source.read(node.now + at) == {}
