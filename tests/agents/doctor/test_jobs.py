import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from wattline_agents.config import AgentConfig, Settings, SourceChoice
from wattline_agents.doctor.finding import Mark
from wattline_agents.doctor.jobs import check

SETTINGS = Settings(
    AgentConfig(node="n01"), (SourceChoice("host"),), job_socket=Path("/run/wattline/job.sock")
)


def test_a_place_that_can_be_made_is_ok(node: Any) -> None:
    node.write("/run/x")
    node.write("/sys/fs/cgroup/cgroup.controllers")
    place, cgroups = check(node.machine(), SETTINGS)[:2]
    assert (place.mark, place.what) == (
        Mark.OK,
        "jobs will be listened to at /run/wattline/job.sock",
    )
    assert cgroups.what == "control groups v2"


def test_a_place_that_cannot_be_made_is_a_problem_if_it_was_told(node: Any) -> None:
    node.write("/run/x")
    node.shut.add("/run")
    place = check(node.machine(), SETTINGS)[0]
    assert place.mark is Mark.PROBLEM
    assert place.cure == ("install -d -o agent /run/wattline (systemd: RuntimeDirectory=wattline)")
    node.environment["RUNTIME_DIRECTORY"] = "/run/wattline"
    assert check(node.machine(), replace(SETTINGS, job_socket=None))[0].mark is Mark.OFF


def test_a_name_that_is_too_long_for_a_socket_is_a_problem(node: Any) -> None:
    settings = replace(SETTINGS, job_socket=Path("/run") / ("x" * 120))
    place = check(node.machine(), settings)[0]
    assert place.mark is Mark.PROBLEM
    assert "longer than the 107 bytes" in place.what


def test_an_agent_that_listens_already_is_seen(node: Any, short_path: Path) -> None:
    node.root = short_path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        node.write("/run/wattline/x")
        listener.bind(str(short_path / "run/wattline/job.sock"))
        place = check(node.machine(), SETTINGS)[0]
        assert place.what == "an agent listens to jobs at /run/wattline/job.sock"
    place = check(node.machine(), SETTINGS)[0]
    assert place.what.startswith("jobs will be listened to"), "nobody listens there any more"


def test_jobs_that_are_not_wanted_are_off(node: Any) -> None:
    assert check(node.machine(), replace(SETTINGS, jobs=False))[0].mark is Mark.OFF


def test_slurm_is_seen(node: Any) -> None:
    node.write("/etc/slurm/slurm.conf")
    node.write("/sys/fs/cgroup/cpu/tasks")
    slurm, cgroups = check(node.machine(), SETTINGS)[1:3]
    assert (slurm.mark, cgroups.what) == (Mark.OFF, "control groups v1")
    node.write("/run/slurmd.pid", "7")
    assert check(node.machine(), SETTINGS)[1].what == "Slurm runs here"


def test_slurm_is_seen_by_its_steps_where_there_are_several_slurmd(node: Any) -> None:
    node.write("/sys/fs/cgroup/system.slice/gpu00_slurmstepd.scope/x")
    found = [finding.what for finding in check(node.machine(), SETTINGS)]
    assert "Slurm runs here" in found
    assert any(what.startswith("no records at /run/wattline-records") for what in found)


def test_a_relative_place_starts_at_the_working_directory(node: Any) -> None:
    node.write("/srv/agent/x")
    settings = replace(SETTINGS, job_socket=Path("run/job.sock"))
    assert check(node.machine(), settings)[0].what == "jobs will be listened to at run/job.sock"
    node.shut.add("/srv/agent")
    assert check(node.machine(), settings)[0].mark is Mark.PROBLEM
