import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from wattline_agents.assignment import linux
from wattline_agents.assignment.process import SeenProcess
from wattline_agents.job.listener import Sender

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a /proc")

STAT = "77 (a ) b) S 1 77 77 0 -1 4194560 1 0 0 0 7 5 0 0 20 0 1 0 {started} 1 1\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "77").mkdir()
    (tmp_path / "77/stat").write_text(STAT.format(started=500))
    (tmp_path / "stat").write_text(f"cpu 1 2 3\nintr {'0 ' * 50_000}\nbtime 1790000000\n")
    return tmp_path


def test_this_process_is_as_psutil_sees_it() -> None:
    own, other = linux.Process(os.getpid()), psutil.Process()
    assert own.create_time() == pytest.approx(other.create_time(), abs=0.02)
    assert own.is_running()
    assert own.status() == "R"
    assert linux.pid_exists(os.getpid())


def test_a_start_is_counted_from_the_boot(proc: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    assert linux.Process(77, str(proc)).create_time() == 1_790_000_000 + 500 / ticks


def test_a_number_that_was_given_to_another_is_another_process(proc: Path) -> None:
    process = linux.Process(77, str(proc))
    assert process.is_running()
    (proc / "77/stat").write_text(STAT.format(started=501))
    assert not process.is_running()


def test_a_process_that_is_gone_is_none(proc: Path) -> None:
    process = linux.Process(77, str(proc))
    (proc / "77/stat").unlink()
    assert not process.is_running()
    with pytest.raises(linux.NoSuchProcess):
        process.status()
    with pytest.raises(linux.NoSuchProcess):
        linux.Process(78, str(proc))
    (proc / "77/stat").write_text("77 (x) S 1\n")
    with pytest.raises(linux.NoSuchProcess):
        linux.Process(77, str(proc))


def test_without_the_time_of_the_boot_there_is_no_start(proc: Path) -> None:
    process = linux.Process(77, str(proc))
    (proc / "stat").write_text("cpu 1 2 3\n")
    with pytest.raises(linux.Error):
        process.create_time()


def test_what_ended_and_was_not_asked_for_is_a_zombie() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = SeenProcess.of(linux, Sender(child.pid, os.getuid()), 0)
        assert process.is_alive() is True
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert linux.Process(child.pid).status() == linux.STATUS_ZOMBIE
        assert process.is_alive() is False
    assert process.is_alive() is False
    assert not linux.pid_exists(child.pid)


def test_a_number_that_no_process_can_have_is_none() -> None:
    assert not linux.pid_exists(2**40)
