from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.config import AgentConfig, AssignmentSettings, Settings, SourceChoice
from wattline_agents.doctor.assignment import check
from wattline_agents.doctor.finding import Finding, Mark

SETTINGS = Settings(AgentConfig(node="n01"), (SourceChoice("host"),))


def told(**assignment: Any) -> Settings:
    return replace(SETTINGS, assignment=AssignmentSettings(**assignment))


def find(findings: list[Finding], word: str) -> Finding:
    (found,) = (finding for finding in findings if word in finding.what)
    return found


def gpus(node: Any, *minors: int) -> None:
    for place, minor in enumerate(minors):
        node.write(
            f"/proc/driver/nvidia/gpus/0000:{place + 1:02x}:00.0/information",
            f"Model: \t\t NVIDIA H100\nGPU UUID: \t GPU-1\nDevice Minor: \t {minor}\n",
        )


def test_a_node_with_slurm_and_without_records_is_told_how_to_get_them(node: Any) -> None:
    finding = find(check(node.machine(), SETTINGS, has_slurm=True), "no records")
    assert finding.mark is Mark.OFF
    assert finding.cure is not None and "PrologFlags=Alloc" in finding.cure
    without = check(node.machine(), SETTINGS, has_slurm=False)
    assert not [one for one in without if "records" in one.what]


def test_records_are_counted(node: Any) -> None:
    node.write("/run/wattline-records/job.13.json")
    node.write("/run/wattline-records/ended.1790000000000.0.0.12.json")
    node.write("/run/wattline-records/README")
    finding = find(check(node.machine(), SETTINGS, has_slurm=True), "records at")
    assert finding.mark is Mark.OK
    assert (finding.data["running"], finding.data["ended"]) == (1, 1)


def test_records_that_are_told_and_not_there_are_a_problem(node: Any) -> None:
    finding = find(
        check(node.machine(), told(records=Path("/srv/records")), has_slurm=False), "no records"
    )
    assert finding.mark is Mark.PROBLEM


def test_records_that_may_not_be_read_or_believed_are_a_problem(node: Any) -> None:
    node.write("/run/wattline-records/job.13.json")
    place = node.root / "run/wattline-records"
    place.chmod(0o777)
    finding = find(check(node.machine(), SETTINGS, has_slurm=True), "anybody may write")
    assert (finding.mark, finding.cure) == (Mark.PROBLEM, "chmod o-w /run/wattline-records")
    place.chmod(0o755)
    node.shut.add("/run/wattline-records")
    finding = find(check(node.machine(), SETTINGS, has_slurm=True), "may not read")
    assert finding.mark is Mark.PROBLEM
    node.shut.clear()
    (place / "job.13.json").unlink()
    place.rmdir()
    node.write("/run/wattline-records")
    assert find(check(node.machine(), SETTINGS, has_slurm=True), "is not a directory").cure


def test_files_of_other_tools_are_seen(node: Any) -> None:
    node.write("/run/gpustat/0", "13 1000")
    node.write("/var/run/exporter/0", "{}")
    node.write("/srv/mapping/0", "13")
    node.environment["DCGM_HPC_JOB_MAPPING_DIR"] = "/srv/mapping"
    found = check(node.machine(), SETTINGS, has_slurm=True)
    for method in ("jobstats", "dcgm-exporter", "amd-exporter"):
        finding = find(found, f"{method}: 1 files")
        assert finding.mark is Mark.OK


def test_files_of_other_tools_that_are_told_and_not_there_are_a_problem(node: Any) -> None:
    found = check(node.machine(), told(dcgm=Path("/srv/mapping")), has_slurm=False)
    assert find(found, "dcgm-exporter: no /srv/mapping").mark is Mark.PROBLEM
    assert not [one for one in found if "jobstats" in one.what]


def test_numbers_that_agree_are_ok(node: Any) -> None:
    gpus(node, 0, 1, 2)
    assert find(check(node.machine(), SETTINGS, has_slurm=False), "/dev/nvidiaN").mark is Mark.OK


@pytest.mark.parametrize(
    ("numbers", "mark", "taken"),
    [("auto", Mark.OFF, "index"), ("index", Mark.OK, "index"), ("minor", Mark.OK, "minor")],
)
def test_numbers_that_differ_are_said_with_what_is_taken(
    node: Any, numbers: str, mark: Mark, taken: str
) -> None:
    gpus(node, 2, 0, 1)
    finding = find(check(node.machine(), told(numbers=numbers), has_slurm=False), "differ")
    assert (finding.mark, finding.data["numbers"]) == (mark, taken)
    assert "0 is /dev/nvidia2" in finding.what
    assert (finding.cure is not None) == (numbers == "auto")


def test_a_driver_that_says_no_number_leaves_nothing_to_say(node: Any) -> None:
    node.write("/proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: NVIDIA H100\n")
    found = check(node.machine(), SETTINGS, has_slurm=False)
    assert not [one for one in found if "nvidia" in one.what]


def test_an_agent_inside_a_job_is_told_so(node: Any) -> None:
    node.write("/proc/self/cgroup", "0::/system.slice/slurmstepd.scope/job_13/step_0\n")
    finding = find(check(node.machine(), SETTINGS, has_slurm=True), "inside job 13")
    assert finding.cure == "start the agent as a service of the node"


def test_environments_that_may_not_be_looked_at_are_told_with_the_right(node: Any) -> None:
    finding = find(check(node.machine(), SETTINGS, has_slurm=False), "environments")
    assert finding.mark is Mark.OFF
    assert finding.cure is not None and "CAP_SYS_PTRACE" in finding.cure
    node.write("/proc/1/environ", "SECRET=hush")
    finding = find(check(node.machine(), SETTINGS, has_slurm=False), "asked for their job")
    assert finding.mark is Mark.OK and "hush" not in str(finding)


def test_what_is_not_wanted_is_off(node: Any) -> None:
    (finding,) = check(node.machine(), told(enabled=False), has_slurm=True)
    assert finding.mark is Mark.OFF
