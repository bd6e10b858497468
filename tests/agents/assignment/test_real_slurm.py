"""Prolog and epilog as a real Slurm calls them, and what the agent makes of their records."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.opening import open_assignment
from wattline_agents.assignment.source import AssignmentSource
from wattline_agents.config import AssignmentSettings
from wattline_agents.wire import Row

pytestmark = pytest.mark.slurm


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class NodeAgent:
    """What the agent of one node says of its jobs."""

    def __init__(self, records: Path, gpus: int) -> None:
        self.source: AssignmentSource = open_assignment(
            AssignmentSettings(records=records), 1.0, {}
        )
        self.source.on_readings(
            "device_info",
            [
                {"device": f"GPU-{n}", "index": n, "minor": n, "vendor": "nvidia"}
                for n in range(gpus)
            ],
        )
        self.holds: dict[tuple[str, str, int], Row] = {}
        self.infos: dict[str, dict[str, object]] = {}

    def read(self) -> None:
        readings = self.source.read(now_ms())
        for row in readings.get("assignment", ()):
            self.holds[str(row["device"]), str(row["job"]), int(row["start_unix_ms"] or 0)] = row
        for row in readings.get("job_info", ()):
            self.infos.setdefault(str(row["job"]), {}).update(row)

    def held_by(self, job: str) -> list[Row]:
        return [row for (_device, key, _start), row in self.holds.items() if key == job]

    def devices_of(self, job: str) -> set[str]:
        return {str(row["device"]) for row in self.held_by(job)}


@pytest.fixture
def nodes(slurm: Any) -> dict[str, NodeAgent]:
    return {node: NodeAgent(slurm.records(node), slurm.gpus) for node in slurm.nodes}


def wait(is_so: Callable[[], bool], nodes: dict[str, NodeAgent], seconds: float = 120.0) -> None:
    """Let the agents read until it is so."""
    deadline = time.monotonic() + seconds
    while True:
        for node in nodes.values():
            node.read()
        if is_so():
            return
        assert time.monotonic() < deadline, {name: node.holds for name, node in nodes.items()}
        time.sleep(0.05)


def is_over(nodes: dict[str, NodeAgent], *jobs: str) -> Callable[[], bool]:
    def check() -> bool:
        rows = [row for node in nodes.values() for job in jobs for row in node.held_by(job)]
        here = {row["job"] for row in rows}
        return here == set(jobs) and all(row["end_unix_ms"] is not None for row in rows)

    return check


def expected(slurm: Any, job: str) -> dict[str, set[str]]:
    """The devices of a job by node, as Slurm told them to our scripts' caller."""
    found: dict[str, set[str]] = {}
    for name, _at, node, job_id, numbers in slurm.held():
        if name == "prolog" and job_id == job:
            found[node] = {f"GPU-{number}" for number in numbers}
    return found


def test_records_of_two_jobs_on_one_node_open_and_close_with_their_own_devices(
    slurm: Any, nodes: dict[str, NodeAgent]
) -> None:
    begin = now_ms()
    node = slurm.nodes[0]
    options = ("--gres=gpu:2", f"--nodelist={node}")
    jobs = [slurm.submit("sleep 1", *options), slurm.submit("sleep 1; exit 3", *options)]
    wait(is_over(nodes, *jobs), nodes)
    agent = nodes[node]
    for job in jobs:
        assert {node: agent.devices_of(job)} == expected(slurm, job)
        for row in agent.held_by(job):
            start_ms, end_ms = int(row["start_unix_ms"] or 0), int(row["end_unix_ms"] or 0)
            assert begin <= start_ms <= end_ms <= now_ms() and end_ms - start_ms >= 1000
            assert (row["method"], row["share"]) == ("prolog", None)
    assert agent.devices_of(jobs[0]).isdisjoint(agent.devices_of(jobs[1]))
    assert [agent.infos[job]["state"] for job in jobs] == ["completed", "failed"]
    assert agent.infos[jobs[0]]["user"] == "nobody"
    assert agent.infos[jobs[0]]["project"] == "proj-a"


def test_a_job_of_two_nodes_holds_devices_on_both(slurm: Any, nodes: dict[str, NodeAgent]) -> None:
    job = slurm.submit("sleep 1", "--gres=gpu:4", "--nodes=2")
    wait(lambda: sum(len(node.held_by(job)) for node in nodes.values()) == 8, nodes)
    wait(is_over(nodes, job), nodes)
    held = {name: node.devices_of(job) for name, node in nodes.items() if node.devices_of(job)}
    assert held == expected(slurm, job)


def test_the_tasks_of_an_array_are_jobs_of_their_own(
    slurm: Any, nodes: dict[str, NodeAgent]
) -> None:
    array = slurm.submit("sleep 0.5", "--gres=gpu:1", "--array=0-5")
    slurm.wait(array)
    shown = slurm.run("scontrol", "--oneliner", "show", "job", array).stdout
    done = re.findall(r"^JobId=(\d+) ArrayJobId=", shown, re.MULTILINE)
    assert len(done) == 6
    wait(is_over(nodes, *done), nodes)
    for job in done:
        held = {name: node.devices_of(job) for name, node in nodes.items() if node.devices_of(job)}
        assert held == expected(slurm, job)
        assert sum(len(found) for found in held.values()) == 1


def test_a_job_that_is_cancelled_or_runs_out_of_time_ends(
    slurm: Any, nodes: dict[str, NodeAgent]
) -> None:
    job = slurm.submit("sleep 60", "--gres=gpu:1")
    wait(lambda: any(node.held_by(job) for node in nodes.values()), nodes)
    slurm.run("scancel", job)
    wait(is_over(nodes, job), nodes)
    (info,) = (node.infos[job] for node in nodes.values() if job in node.infos)
    assert info["end_unix_ms"] is not None


def test_a_job_that_is_queued_again_is_two_runs(slurm: Any, nodes: dict[str, NodeAgent]) -> None:
    job = slurm.submit("sleep 60", "--gres=gpu:1", "--requeue")
    wait(lambda: any(node.held_by(job) for node in nodes.values()), nodes)
    (first,) = (name for name, node in nodes.items() if node.held_by(job))
    slurm.run("scontrol", "requeue", job)
    wait(is_over(nodes, job), nodes)
    (info,) = (node.infos[job] for node in nodes.values() if job in node.infos)
    assert info["state"] == "cancelled", "its epilog was told a higher count of restarts"
    # A node takes a job that it has killed again after two minutes only; another does at once.
    slurm.wait(job, until=("PENDING",))
    slurm.run("scontrol", "update", f"JobId={job}", f"ExcNodeList={first}", "StartTime=now")
    again = f"{job}.1"
    wait(lambda: any(node.held_by(again) for node in nodes.values()), nodes)
    slurm.run("scancel", job)
    wait(is_over(nodes, again), nodes)


def test_a_job_without_devices_leaves_no_record(slurm: Any) -> None:
    job = slurm.submit("true")
    assert slurm.wait(job) == "COMPLETED"
    names = [name for node in slurm.nodes for name in os.listdir(slurm.records(node))]
    assert [name for name in names if f".{job}." in name] == []


def test_a_process_of_a_job_is_known_by_its_control_group(
    slurm: Any, nodes: dict[str, NodeAgent], tmp_path: Path
) -> None:
    place = slurm.directory / "work" / "pid"
    place.unlink(missing_ok=True)
    node = slurm.nodes[0]
    job = slurm.submit(
        f"echo $$ >{place}.new; mv {place}.new {place}; exec sleep 30",
        "--gres=gpu:1",
        f"--nodelist={node}",
    )
    wait(lambda: place.exists(), nodes)
    pid = int(place.read_text())
    owner = open_assignment(AssignmentSettings(records=tmp_path), 1.0, {}).owners.owner(pid)
    slurm.run("scancel", job)
    assert owner is not None
    assert (owner.job, owner.method) == (job, "cgroup")
    wait(is_over(nodes, job), nodes)


@pytest.fixture
def read_only(slurm: Any, nodes: dict[str, NodeAgent]) -> Iterator[str]:
    """A node whose records cannot be written: nothing may be made where a file stands."""
    node = slurm.nodes[1]
    place, aside = slurm.records(node), slurm.records(node).with_suffix(".aside")
    place.rename(aside)
    place.write_text("")
    yield node
    place.unlink()
    aside.rename(place)


def test_a_node_whose_records_cannot_be_written_is_not_drained(slurm: Any, read_only: str) -> None:
    job = slurm.submit("sleep 0.2", "--gres=gpu:1", f"--nodelist={read_only}")
    assert slurm.wait(job) == "COMPLETED"
    deadline = time.monotonic() + 60
    while "epilog" not in {name for name, _, _, told, _ in slurm.held() if told == job}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    state = slurm.run("sinfo", "-hN", "-n", read_only, "-o", "%T").stdout.split()
    assert state and all(not word.startswith(("drain", "down", "fail")) for word in state), state


def test_a_record_is_what_the_prolog_was_told(slurm: Any, nodes: dict[str, NodeAgent]) -> None:
    job = slurm.submit("sleep 30", "--gres=gpu:2", "--job-name=quotes\"'<b>")
    wait(lambda: any(node.held_by(job) for node in nodes.values()), nodes)
    (name,) = (name for name, node in nodes.items() if node.held_by(job))
    record = json.loads((slurm.records(name) / f"job.{job}.json").read_text())
    slurm.run("scancel", job)
    assert record["job_id"] == job and record["restart_count"] == 0
    assert (record["user"], record["partition"], record["node"]) == ("nobody", "gpu", name)
    assert record["gpus"]["SLURM_JOB_GPUS"].count(",") == 1
    status = (slurm.records(name)).stat()
    assert status.st_uid == 0
    wait(is_over(nodes, job), nodes)
