"""What /proc tells of a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wattline_agents.sources.nvml.procfs import ProcFs, cgroup_of

TICKS = os.sysconf("SC_CLK_TCK")


def write(root: Path, pid: int, *, started: int = 777, user: int = 0, system: int = 0,
          cgroup: str = "0::/user.slice\n", name: str = "python") -> None:  # fmt: skip
    folder = root / str(pid)
    folder.mkdir(exist_ok=True)
    numbers = ["S", *["0"] * 10, user * TICKS, system * TICKS, *["0"] * 6, started, "0", "0"]
    (folder / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, numbers))}\n")
    (folder / "cgroup").write_text(cgroup)


def test_this_process_is_seen() -> None:
    cgroup, seconds = ProcFs().look(os.getpid())
    assert cgroup is None or cgroup.startswith("/")
    assert seconds is not None
    assert 0 < seconds < 1e6


@pytest.mark.parametrize("name", ["python", "a) R 1 2 (b", "x y", ")", "\n"])
def test_a_process_of_any_name_is_seen(tmp_path: Path, name: str) -> None:
    write(tmp_path, 12, user=3, system=4, name=name)
    assert ProcFs(str(tmp_path)).look(12) == ("/user.slice", 7.0)


def test_the_control_group_is_read_once_for_each_process(tmp_path: Path) -> None:
    procfs = ProcFs(str(tmp_path))
    write(tmp_path, 12, user=1, cgroup="0::/job_1\n")
    assert procfs.look(12) == ("/job_1", 1.0)
    write(tmp_path, 12, user=2, cgroup="0::/job_2\n")
    assert procfs.look(12) == ("/job_1", 2.0)
    # The same number, and another process.
    write(tmp_path, 12, started=778, cgroup="0::/job_2\n")
    assert procfs.look(12) == ("/job_2", 0.0)


def test_a_process_that_has_ended_is_not_known(tmp_path: Path) -> None:
    procfs = ProcFs(str(tmp_path))
    assert procfs.look(12) == (None, None)
    write(tmp_path, 12)
    assert procfs.look(12)[0] == "/user.slice"
    (tmp_path / "12" / "stat").write_text("")
    assert procfs.look(12) == (None, None)


def test_a_stat_that_is_no_stat_is_not_known(tmp_path: Path) -> None:
    write(tmp_path, 12)
    (tmp_path / "12" / "stat").write_text("12 (x) " + "S " * 40)
    assert ProcFs(str(tmp_path)).look(12)[1] is None


def test_what_is_kept_of_processes_is_bounded(tmp_path: Path) -> None:
    procfs = ProcFs(str(tmp_path))
    for pid in range(1, 2100):
        write(tmp_path, pid)
        procfs.look(pid)
    assert len(procfs._known) <= 2048


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_0\n",
         "/system.slice/slurmstepd.scope/job_77/step_0/user/task_0"),
        (b"12:memory:/slurm/uid_7/job_77/step_0\n3:cpuset:/slurm/uid_7/job_77\n1:name=systemd:/\n"
         b"0::/\n", "/slurm/uid_7/job_77/step_0"),
        (b"0::/\n", "/"),
        (b"", None),
        (b"nonsense", None),
        (b"0::/a:b:c\n", "/a:b:c"),
        (b"0::/a\tb\x1b[31m\xff\n", "/a?b?[31m\ufffd"),
        (b"0::/" + b"x" * 5000, "/" + "x" * 255),
        (b"0::/" + "\u00e4".encode() * 300, "/" + "\u00e4" * 127),
    ],
)  # fmt: skip
def test_the_deepest_group_is_the_jobs(content: bytes, path: str | None) -> None:
    assert cgroup_of(content) == path
