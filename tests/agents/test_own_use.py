import os
import subprocess
import sys
from pathlib import Path

import pytest

from wattline_agents import own_use


def plant(proc: Path, pid: int, utime: int, stime: int, pages: int) -> None:
    (proc / str(pid)).mkdir()
    fields = " ".join(["S", *["0"] * 10, str(utime), str(stime), *["9"] * 30])
    (proc / str(pid) / "stat").write_text(f"{pid} (odd) name)) {fields}\n")
    (proc / str(pid) / "statm").write_text(f"9999 {pages} 5 1 0 7 0\n")


def test_readers_count_as_our_own(tmp_path: Path) -> None:
    plant(tmp_path, 77, 250, 50, 1000)
    tick = os.sysconf("SC_CLK_TCK")
    alone = own_use.cpu_seconds((), tmp_path)
    assert own_use.cpu_seconds((77,), tmp_path) - alone == pytest.approx(300 / tick, abs=0.1)
    assert own_use.resident_bytes((77,), tmp_path) == 1000 * os.sysconf("SC_PAGE_SIZE")


def test_a_reader_that_has_just_ended_counts_nothing(tmp_path: Path) -> None:
    assert own_use.cpu_seconds((5,), tmp_path) >= 0
    assert own_use.resident_bytes((5,), tmp_path) is None


def test_a_reader_that_has_ended_still_counts() -> None:
    before = own_use.cpu_seconds()
    work = "import os\nwhile sum(os.times()[:2]) < 0.2: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    assert own_use.cpu_seconds() - before >= 0.1  # counted in hundredths


def test_this_process_holds_some_memory() -> None:
    held = own_use.resident_bytes()
    assert held is not None
    assert 5e6 < held < 5e9
