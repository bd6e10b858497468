import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import assemble
from wattline_agents.assignment.opening import (
    foreign_places,
    is_inside_a_job,
    open_assignment,
    records_place,
)
from wattline_agents.assignment.proc import Proc
from wattline_agents.config import AgentConfig, AssignmentSettings, Settings, SourceChoice
from wattline_agents.wire import Row

INFOS: list[Row] = [{"device": "GPU-a", "index": 0, "minor": 0}]


def test_places_are_told_or_conventional() -> None:
    assert records_place(AssignmentSettings(), {}) == Path("/run/wattline-records")
    assert records_place(AssignmentSettings(), {"WATTLINE_RECORDS": "/x"}) == Path("/x")
    told = AssignmentSettings(records=Path("/y"))
    assert records_place(told, {"WATTLINE_RECORDS": "/x"}) == Path("/y")
    assert [
        (method, str(path)) for method, path, _ in foreign_places(AssignmentSettings(), {})
    ] == [
        ("jobstats", "/run/gpustat"),
        ("amd-exporter", "/var/run/exporter"),
    ]
    mapping = foreign_places(AssignmentSettings(), {"DCGM_HPC_JOB_MAPPING_DIR": "/m"})
    assert ("dcgm-exporter", Path("/m")) in [(method, path) for method, path, _ in mapping]


def settings_at(place: Path) -> AssignmentSettings:
    return AssignmentSettings(
        records=place / "records",
        jobstats=place / "jobstats",
        dcgm=place / "dcgm",
        amd=place / "amd",
    )


def test_all_who_know_are_asked_and_the_surest_is_told(tmp_path: Path, proc: Any) -> None:
    now = proc.BOOT_SECONDS * 1000 + 900_000
    source = open_assignment(
        settings_at(tmp_path), 1.0, {}, proc=str(proc.root), cgroup=str(tmp_path / "cgroup")
    )
    source.on_readings("device_info", INFOS)
    assert source.read(now) == {}
    for name in ("records", "jobstats", "dcgm"):
        (tmp_path / name).mkdir()
    record = {"job_id": "13", "restart_count": 1, "start_ms": now, "gpus": {"SLURM_JOB_GPUS": "0"}}
    (tmp_path / "records/job.13.1.json").write_text(json.dumps(record))
    (tmp_path / "jobstats/0").write_text("13 1000")
    (tmp_path / "dcgm/0").write_text("13\n")
    (row,) = source.read(now + 31_000)["assignment"]
    assert (row["job"], row["method"], row["start_unix_ms"]) == ("13.1", "prolog", now)


def test_a_directory_that_is_not_believed_stands_among_the_reasons(
    tmp_path: Path, proc: Any
) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records").chmod(0o777)
    source = open_assignment(settings_at(tmp_path), 1.0, {}, proc=str(proc.root))
    source.read(1_790_000_000_000)
    (reason,) = source.why_not()[""].values()
    assert "anybody may write there" in reason and "chmod o-w" in reason


def test_processes_of_another_namespace_stand_among_the_reasons(tmp_path: Path, proc: Any) -> None:
    source = open_assignment(settings_at(tmp_path), 1.0, {}, proc=str(proc.root))
    rows: list[Row] = [{"time_unix_ms": 1, "device": "GPU-a", "pid": pid} for pid in (7, 8, 9)]
    source.on_readings("process", rows)
    assert "hostPID" in source.why_not()[""]["assignment.pid"]


@pytest.mark.parametrize(
    ("cgroup", "inside"),
    [
        ("/system.slice/slurmstepd.scope/job_13/step_0", True),
        ("/system.slice/wattline-agent.service", False),
        ("/", False),
    ],
)
def test_it_knows_whether_it_runs_inside_a_job(
    proc: Any, monkeypatch: pytest.MonkeyPatch, cgroup: str, inside: bool
) -> None:
    proc.add(77, cgroup)
    monkeypatch.setattr("os.getpid", lambda: 77)
    assert is_inside_a_job(Proc(str(proc.root))) is inside


def test_simulated_nodes_say_their_jobs_themselves(said: list[str]) -> None:
    def settings(*names: str, **assignment: Any) -> Settings:
        choices = tuple(SourceChoice(name) for name in names)
        return Settings(AgentConfig(), choices, assignment=AssignmentSettings(**assignment))

    assert assemble.open_assignment(settings("simulated"), said.append) is None
    assert assemble.open_assignment(settings("host", enabled=False), said.append) is None
    assert assemble.open_assignment(settings("host", "nvml"), said.append) is not None
