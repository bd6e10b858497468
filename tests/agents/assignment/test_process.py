import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from wattline_agents.assignment.process import JobSource, SeenProcess
from wattline_agents.job import Job
from wattline_agents.job.listener import Sender
from wattline_agents.job.message import Message


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def source(
    short_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[JobSource]:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "WATTLINE_", "TORCHELASTIC_")) or "VISIBLE" in name:
            monkeypatch.delenv(name)
    found = JobSource(short_path / "job.sock", said.append)
    monkeypatch.setenv("WATTLINE_JOB_SOCKET", str(found.path))
    found.on_devices({0: "GPU-aaaa1111"})
    yield found
    found.close()


def read_until(
    source: JobSource, is_enough: Callable[[dict[str, list[dict[str, Any]]]], bool]
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(5_000):
        for table, rows in source.read(now_ms()).items():
            found.setdefault(table, []).extend(dict(row) for row in rows)
        if is_enough(found):
            return found
        time.sleep(0.002)
    raise AssertionError(f"not enough: {found}")


def is_over(found: dict[str, list[dict[str, Any]]]) -> bool:
    return any(row["state"] != "running" for row in found.get("job_info", ()))


def test_a_real_job_is_seen_from_start_to_end(source: JobSource) -> None:
    before = now_ms()
    with Job("demo", devices=[0], project="p1") as job:
        read_until(source, lambda found: "assignment" in found)
        job.tokens(1234)
    found = read_until(source, is_over)
    assert found["job"][-1]["tokens_trained_total"] == 1234
    info = found["job_info"][-1]
    assert (info["job"], info["name"], info["state"]) == (job.key, "demo", "completed")
    assert before <= info["start_unix_ms"] <= info["end_unix_ms"] <= now_ms()
    end = found["assignment"][-1]
    assert (end["device"], end["job"]) == ("GPU-aaaa1111", job.key)
    assert end["end_unix_ms"] == info["end_unix_ms"]


def test_a_job_that_is_killed_has_failed(source: JobSource) -> None:
    code = """
import time
from wattline_agents.job import Job
job = Job("doomed", devices=[0])
job.tokens(7)
time.sleep(1.2)
print("counted", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"counted\n"
        found = read_until(source, lambda found: "job" in found)
        process.kill()
        process.wait()
    assert found["job"][-1]["tokens_trained_total"] == 7
    source._book._looked_ms = None  # the next look is now and not in five seconds
    found = read_until(source, is_over)
    assert found["job_info"][-1]["state"] == "failed"
    assert found["assignment"][-1]["end_unix_ms"] is not None


def test_hostile_datagrams_are_counted_and_said_a_few_times(
    source: JobSource, said: list[str]
) -> None:
    good = Message("42", "0" * 16, os.getpid(), now_ms(), "demo", counters={"steps_total": 3})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        for _ in range(30):
            client.sendto(b"\x00" * 10_000, str(source.path))
            client.sendto(b"{" * 5_000, str(source.path))
        client.sendto(good.encode(), str(source.path))
    found = read_until(source, lambda found: "job" in found)
    assert found["job"][0]["steps_total"] == 3
    assert source.refused == 60
    assert len(said) == 21
    assert said[-1] == "jobs: further refusals are only counted"
    assert all(line.isprintable() for line in said)


def test_a_living_process_is_seen_with_its_start() -> None:
    process = SeenProcess.of(psutil, Sender(os.getpid(), os.getuid()), claimed_pid=1)
    assert process.pid == os.getpid()
    assert process.is_alive() is True
    assert process.started_ms is not None
    assert process.started_ms <= now_ms()


def test_a_process_that_ended_is_gone_even_before_its_parent_asks() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = SeenProcess.of(psutil, Sender(child.pid, os.getuid()), 0)
        assert process.is_alive() is True
        child.kill()
        for _ in range(5_000):
            if not process.is_alive():
                break
            time.sleep(0.002)
        assert process.is_alive() is False, "a zombie"
    assert process.is_alive() is False


def test_a_process_of_another_container_cannot_be_seen() -> None:
    process = SeenProcess.of(psutil, Sender(0, 1000), claimed_pid=os.getpid())
    assert process.is_alive() is None
    assert process.started_ms is None


def test_a_process_that_is_hidden_is_not_taken_for_gone() -> None:
    class Hiding:
        Error, NoSuchProcess = psutil.Error, psutil.NoSuchProcess
        STATUS_ZOMBIE = psutil.STATUS_ZOMBIE

        def pid_exists(self, pid: int) -> bool:
            return True

        def Process(self, pid: int) -> Any:
            raise psutil.NoSuchProcess(pid)

    process = SeenProcess.of(Hiding(), Sender(7, 1000), 7)
    assert process.is_alive() is True
    assert process.started_ms is None


def test_a_job_that_cannot_reach_the_socket_leaves_files(
    short_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_agents.job.inbox.LOOK_MS", 0)
    found = JobSource(short_path / "job.sock", directory=tmp_path / "jobs")
    try:
        with Job("demo", directory=tmp_path / "jobs") as job:
            job.step(tokens=7)
        told = read_until(found, is_over)
    finally:
        found.close()
    assert told["job"][-1]["tokens_trained_total"] == 7
    assert told["job_info"][-1]["state"] == "completed"
    assert list((tmp_path / "jobs").iterdir()) == [], "its last word was heard"


def test_a_file_speaks_only_for_the_process_of_its_name(
    short_path: Path, tmp_path: Path, said: list[str]
) -> None:
    found = JobSource(short_path / "job.sock", said.append, directory=tmp_path)
    message = Message("42", "0" * 16, 0, now_ms(), "demo", counters={"steps_total": 3})
    (tmp_path / f"{'1' * 16}.job.json").write_bytes(message.encode())
    assert found.read(now_ms()) == {}
    found.close()
    assert said == ["jobs: refused: job: a file of another process's name"]


@pytest.fixture
def counted(short_path: Path, tmp_path: Path) -> Iterator[tuple[JobSource, Message]]:
    """A source that knows one process of two, and what the other counted before it ended."""
    found = JobSource(short_path / "job.sock", state=tmp_path / "jobs.json")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        own = Message("42", "0" * 16, os.getpid(), now_ms(), "demo", counters={"steps_total": 3})
        gone = Message(
            "42", "1" * 16, os.getpid(), now_ms(), "demo", state="left",
            counters={"steps_total": 4},
        )  # fmt: skip
        client.sendto(own.encode(), str(found.path))
        client.sendto(gone.encode(), str(found.path))
        read_until(found, lambda rows: any(r["steps_total"] == 7 for r in rows.get("job", ())))
    yield found, own
    found.close()


def test_an_agent_that_is_killed_loses_nothing(
    counted: tuple[JobSource, Message], short_path: Path, tmp_path: Path
) -> None:
    # Killed: nothing of the first is closed, or written again.
    second = JobSource(short_path / "second.sock", state=tmp_path / "jobs.json")
    (row,) = second.read(now_ms())["job"]
    second.close()
    assert row["steps_total"] == 7


def test_another_process_of_the_same_number_is_not_taken_for_the_old_one(
    counted: tuple[JobSource, Message], short_path: Path, tmp_path: Path
) -> None:
    kept = json.loads((tmp_path / "jobs.json").read_text())
    kept["jobs"][0]["members"]["0" * 16]["started"] -= 5_000
    (tmp_path / "jobs.json").write_text(json.dumps(kept))
    second = JobSource(short_path / "second.sock", state=tmp_path / "jobs.json")
    told = second.read(now_ms())
    second.close()
    assert told["job_info"][0]["end_unix_ms"] is not None
    assert told["job"][0]["steps_total"] == 7


def test_a_process_counts_for_the_job_it_is_of(source: JobSource) -> None:
    asked = []

    def key_of(key: str, pid: int, uid: int | None) -> str | None:
        asked.append((key, pid, uid))
        return "13"

    source.believe(key_of)
    with Job("thief", key="99", devices=[0]) as job:
        job.tokens(5)
        first = read_until(source, lambda found: "job" in found)
        job.tokens(5)
    found = read_until(source, is_over)
    every = [row for some in (first, found) for rows in some.values() for row in rows]
    assert {row["job"] for row in every} == {"13"}
    assert found["job"][-1]["tokens_trained_total"] == 10
    assert asked == [("99", os.getpid(), os.getuid())], "a process is looked at once"


def test_a_process_does_not_count_for_another_users_job(source: JobSource, said: list[str]) -> None:
    source.believe(lambda key, pid, uid: None)
    with Job("thief", key="99") as job:
        job.tokens(5)
    for _ in range(2_000):
        if source.read(now_ms()) or source.refused:
            break
        time.sleep(0.002)
    assert source.refused and said[0] == "jobs: refused: job 99: belongs to another user"


def test_what_jobs_say_is_known_once_all_had_the_time_to_say_it(source: JobSource) -> None:
    assert source.spoken() is None
    source.read(1_790_000_000_000)
    assert source.spoken() is None
    source.read(1_790_000_011_000)
    assert source.spoken() is None
    source.read(1_790_000_012_000)
    assert source.spoken() == {}
