from typing import Any

import pytest

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.owners import Owners
from wattline_agents.assignment.proc import Proc
from wattline_agents.assignment.processes import GRACE_MS, ProcessClaims
from wattline_agents.wire import Row

A, B = "GPU-a", "GPU-b"
JOB = "/system.slice/slurmstepd.scope/job_13/step_0"
LOGIN = "/user.slice/user-1000.slice/session-3.scope"


def row(pid: int, now_ms: int, device: str = A, instance: str | None = None) -> Row:
    return {"time_unix_ms": now_ms, "device": device, "pid": pid, "instance": instance}


@pytest.fixture
def now(proc: Any) -> int:
    found: int = proc.BOOT_SECONDS * 1000 + 1_000_000
    return found


@pytest.fixture
def node(proc: Any, monkeypatch: pytest.MonkeyPatch) -> ProcessClaims:
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    return ProcessClaims(Owners(Proc(str(proc.root))))


def test_a_schedulers_job_holds_its_device_since_its_process_began(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, JOB, started=90_000)
    node.on_rows([row(7, now), row(7, now, B)])
    start_ms = proc.BOOT_SECONDS * 1000 + 900_000
    assert node.claims(now) == [
        Claim(A, "13", start_ms, None, None, "cgroup"),
        Claim(B, "13", start_ms, None, None, "cgroup"),
    ]
    assert node.claims(now + 1000) is node.claims(now + 2000)
    (info,) = node.names()
    assert (info["job"], info["state"], info.get("start_unix_ms")) == ("13", "running", None)


def test_a_plain_process_holds_its_device_since_it_was_seen_on_it(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, LOGIN, started=1)
    node.on_rows([row(7, now)])
    assert node.claims(now) == [Claim(A, "local-1000-session-3.scope", now, None, None, "process")]
    (info,) = node.names()
    assert (info["name"], info["uid"], info["start_unix_ms"]) == ("session-3.scope", 1000, now)


def test_a_list_that_is_empty_for_a_tick_ends_nothing(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, JOB)
    node.on_rows([row(7, now)])
    first = node.claims(now)
    for later in range(0, GRACE_MS, 5_000):
        assert node.claims(now + later) is first
    node.on_rows([row(7, now + GRACE_MS - 1)])
    assert node.claims(now + GRACE_MS + 20_000) is first


def test_a_process_that_left_the_device_held_it_until_it_was_last_seen(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, JOB)
    node.on_rows([row(7, now)])
    node.on_rows([row(7, now + 10_000)])
    node.claims(now + 10_000)
    (claim,) = node.claims(now + 11_000 + GRACE_MS)
    assert claim.end_ms == now + 10_000


def test_a_process_that_ended_held_it_until_it_was_missed(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, JOB)
    node.on_rows([row(7, now)])
    node.claims(now)
    proc.end(7)
    (claim,) = node.claims(now + 5_000)
    assert claim.end_ms is None, "the job's next step may follow"
    (claim,) = node.claims(now + 6_000 + GRACE_MS)
    assert claim.end_ms == now + 5_000


def test_a_process_listed_since_the_last_look_is_not_looked_for(
    node: ProcessClaims, proc: Any, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.add(7, JOB)
    looked: list[int] = []
    alive = Owners.is_alive

    def is_alive(self: Owners, pid: int, started_ms: int | None) -> bool:
        looked.append(pid)
        return alive(self, pid, started_ms)

    monkeypatch.setattr(Owners, "is_alive", is_alive)
    for second, expected in ((0, []), (5, [7]), (10, [7]), (15, [7, 7])):
        if second % 10 == 0:
            node.on_rows([row(7, now + second * 1000)])
        assert len(node.claims(now + second * 1000)) == 1
        assert looked == expected


def test_steps_of_one_job_are_one_stretch(node: ProcessClaims, proc: Any, now: int) -> None:
    proc.add(7, JOB)
    node.on_rows([row(7, now)])
    first = node.claims(now)
    proc.end(7)
    proc.add(8, JOB)
    node.on_rows([row(8, now + 20_000)])
    assert node.claims(now + 20_000) == first
    node.on_rows([row(8, now + 60_000)])
    assert node.claims(now + 70_000) == first


def test_what_ended_and_began_anew_does_not_reach_back(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, JOB, started=1)
    node.on_rows([row(7, now)])
    node.claims(now)
    (ended,) = node.claims(now + 100_000)
    node.on_rows([row(7, now + 110_000)])
    claims = node.claims(now + 110_000)
    assert ended in claims
    (again,) = (claim for claim in claims if claim.end_ms is None)
    assert again.start_ms == ended.end_ms


def test_a_process_on_an_instance_holds_the_instance(proc: Any, now: int) -> None:
    told: list[tuple[str, str]] = []
    node = ProcessClaims(
        Owners(Proc(str(proc.root))), on_instance=lambda one, device: told.append((one, device))
    )
    proc.add(7, JOB)
    node.on_rows([row(7, now, A, "MIG-3")])
    assert [claim.device for claim in node.claims(now)] == ["MIG-3"]
    assert told == [("MIG-3", A)]


def test_lists_are_no_closer_than_readings(proc: Any, now: int) -> None:
    node = ProcessClaims(Owners(Proc(str(proc.root))), period_seconds=60)
    proc.add(7, JOB)
    node.on_rows([row(7, now)])
    first = node.claims(now)
    assert node.claims(now + 150_000) is first


def test_processes_of_another_namespace_are_said_to_be_hidden(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    node.on_rows([row(7, now)])
    assert not node.are_hidden, "it may just have ended"
    node.on_rows([row(8, now), row(9, now)])
    assert node.are_hidden
    proc.add(7, JOB)
    node.on_rows([row(7, now)])
    assert not node.are_hidden


def test_the_end_of_a_plain_process_is_told_for_a_while(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, LOGIN)
    node.on_rows([row(7, now)])
    node.claims(now)
    proc.end(7)
    for later in (5_000, 100_000):
        node.claims(now + later)
    (info,) = node.names()
    assert (info["state"], info["end_unix_ms"]) == ("completed", now + 5_000)
    assert node.claims(now + 2_000_000) == []
    assert node.names() == []


def test_a_clock_that_is_set_back_ends_nothing_twice(
    node: ProcessClaims, proc: Any, now: int
) -> None:
    proc.add(7, JOB)
    node.on_rows([row(7, now)])
    node.claims(now)
    claims = node.claims(now - 3_600_000)
    assert all(claim.end_ms is None or claim.end_ms >= claim.start_ms for claim in claims)
    node.on_rows([row(7, now - 3_590_000)])
    claims = node.claims(now - 3_590_000)
    assert [claim.job for claim in claims if claim.end_ms is None] == ["13"]
