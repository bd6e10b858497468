from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.proc import Proc


def test_a_process_is_known_by_its_start(proc: Any) -> None:
    proc.add(7, started=12_345, command="py) 1 2 (thon")
    seen = Proc(str(proc.root)).look(7)
    assert seen is not None
    assert (seen.started, seen.command) == (12_345, b"py) 1 2 (thon")


def test_the_time_it_was_started_counts_from_the_boot(
    proc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    proc.add(7, started=12_345)
    node = Proc(str(proc.root))
    seen = node.look(7)
    assert seen is not None
    assert node.boot_ms() == proc.BOOT_SECONDS * 1000
    assert node.started_ms(seen) == proc.BOOT_SECONDS * 1000 + 123_450


def test_who_has_ended_is_not_there(proc: Any) -> None:
    proc.add(7, state="Z")
    node = Proc(str(proc.root))
    assert node.look(7) is None, "a zombie only waits for its parent"
    assert node.look(8) is None
    assert (node.cgroup(8), node.uid(8), node.environment(8, frozenset("A"))) == (None, None, {})


def test_a_node_that_does_not_say_when_it_was_started_has_no_times(tmp_path: Path) -> None:
    node = Proc(str(tmp_path))
    assert node.boot_ms() is None


def test_only_what_is_asked_for_is_read_of_an_environment(proc: Any) -> None:
    proc.add(7, SLURM_JOB_ID="13", SECRET="hush", LONG="x" * 1000, EMPTY="")
    found = Proc(str(proc.root)).environment(7, frozenset(("SLURM_JOB_ID", "LONG", "EMPTY")))
    assert found == {"SLURM_JOB_ID": "13", "EMPTY": ""}


def test_of_two_values_the_first_counts_as_for_the_process(proc: Any) -> None:
    proc.add(7)
    (proc.root / "7/environ").write_bytes(b"A=1\0A=2\0=x\0nothing\0\xff\xfe=3\0")
    assert Proc(str(proc.root)).environment(7, frozenset("A")) == {"A": "1"}


def test_it_reads_the_process_that_reads() -> None:
    import os

    node, pid = Proc(), os.getpid()
    seen = node.look(pid)
    assert seen is not None and node.started_ms(seen) is not None
    assert node.uid(pid) == os.getuid()
    assert node.cgroup(pid) is not None
    boot_ms = node.boot_ms()
    assert boot_ms is not None and boot_ms > 0
