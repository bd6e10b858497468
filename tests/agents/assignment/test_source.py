from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from wattline_agents.agent import Agent
from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.devices import Devices
from wattline_agents.assignment.owners import Owners
from wattline_agents.assignment.proc import Proc
from wattline_agents.assignment.processes import ProcessClaims
from wattline_agents.assignment.source import AssignmentSource
from wattline_agents.catalogue import TABLES
from wattline_agents.config import AgentConfig
from wattline_agents.errors import ReadFailed
from wattline_agents.sources.source import FollowsReadings, SaysWhyNot
from wattline_agents.wire import Row, encode

A, B = "GPU-aaaaaaaa", "GPU-bbbbbbbb"
INFOS: list[Row] = [
    {"device": A, "index": 0, "minor": 0, "vendor": "nvidia"},
    {"device": B, "index": 1, "minor": 1, "vendor": "nvidia"},
]
JOB = "/system.slice/slurmstepd.scope/job_13/step_0"
LOGIN = "/user.slice/user-1000.slice/session-3.scope"


@dataclass
class Said:
    """Claims as they stand; another list is news."""

    said: Sequence[Claim] = ()
    infos: Sequence[Row] = ()
    error: ReadFailed | None = None
    asked: int = 0

    def claims(self, now_ms: int) -> Sequence[Claim]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.said

    def names(self) -> Sequence[Row]:
        return self.infos


@dataclass
class Node:
    """A node whose jobs are as told."""

    proc: Any
    source: AssignmentSource
    records: Said
    said: list[str] = field(default_factory=list)

    @property
    def now(self) -> int:
        found: int = self.proc.BOOT_SECONDS * 1000 + 1_000_000
        return found

    def process(self, pid: int, device: str = A, at: int = 0) -> None:
        self.source.on_readings(
            "process", [{"time_unix_ms": self.now + at, "device": device, "pid": pid}]
        )


@pytest.fixture
def make_node(proc: Any, said: list[str]) -> Callable[..., Node]:
    def make(numbers: str = "auto", renumbered: bool = False, infos: Any = INFOS) -> Node:
        records = Said()
        owners = Owners(Proc(str(proc.root)))
        devices = Devices(numbers, renumbered=renumbered)
        source = AssignmentSource(
            {"prolog": records},
            devices,
            owners,
            ProcessClaims(owners, on_instance=devices.note_instance),
            say=said.append,
            user_name=lambda uid: f"user{uid}",
        )
        source.on_readings("device_info", infos)
        return Node(proc, source, records, said)

    return make


def test_nothing_is_told_where_there_is_nothing(make_node: Callable[..., Node]) -> None:
    node = make_node()
    assert node.source.read(node.now) == {}
    assert node.source.read(node.now + 1000) == {}
    assert node.source.describe(node.now) == {}
    assert node.source.why_not() == {}
    assert isinstance(node.source, FollowsReadings) and isinstance(node.source, SaysWhyNot)


class Quiet(Said):
    """One who says until when he has nothing new."""

    quiet_until_ms = 0


def test_who_has_nothing_new_for_a_while_is_asked_again_then_or_when_the_clock_is_set_back(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    records = Quiet()
    node.source._claimants["prolog"] = records
    node.source.read(node.now)
    records.quiet_until_ms = node.now + 3_000
    asked = []
    for at in (1_000, 2_000, 3_000, 4_000, 2_500):
        before = records.asked
        records.quiet_until_ms = max(records.quiet_until_ms, node.now + 4_000 if at == 3_000 else 0)
        node.source.read(node.now + at)
        asked.append(records.asked - before)
    # At the first he had not said so yet; the last is of a clock that was set back.
    assert asked == [1, 0, 1, 1, 1]


def test_processes_are_heard_while_all_others_have_nothing_new(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    records = Quiet()
    records.quiet_until_ms = node.now + 60_000
    node.source._claimants["prolog"] = records
    node.proc.add(40, cgroup=JOB)
    assert node.source.read(node.now) == {}
    assert node.source.read(node.now + 1_000) == {}
    node.process(40, at=2_000)
    assert [row["job"] for row in node.source.read(node.now + 2_000)["assignment"]] == ["13"]


def test_rows_are_those_of_the_catalogue(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.records.said = [Claim("0", "13", node.now, None, None, "prolog")]
    node.records.infos = [{"job": "13", "user": "alice", "state": "running"}]
    readings = node.source.read(node.now)
    assert set(readings) == {"assignment", "job_info"}
    for table, rows in readings.items():
        assert encode(TABLES[table], rows)


def test_a_held_device_is_repeated_every_half_minute(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.records.said = [Claim("0", "13", node.now, None, None, "prolog")]
    told = [at for at in range(0, 95_000, 1000) if "assignment" in node.source.read(node.now + at)]
    assert told == [0, 30_000, 60_000, 90_000]


def test_one_job_known_in_two_ways_is_told_once(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.proc.add(7, JOB)
    node.process(7)
    node.records.said = [Claim(A, "13", node.now, None, None, "prolog")]
    (row,) = node.source.read(node.now)["assignment"]
    assert row["method"] == "prolog"


def test_a_job_that_ended_is_told_once_though_its_processes_are_listed_for_a_moment(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    node.proc.add(7, JOB, started=1)
    node.records.said = [Claim(A, "13", node.now, None, None, "prolog")]
    told = []
    for at in range(0, 180_000, 1000):
        if at in (10_000, 20_000):
            node.process(7, at=at)
        if at == 25_000:
            node.proc.end(7)
            node.records.said = [Claim(A, "13", node.now, node.now + 25_000, None, "prolog")]
        told += node.source.read(node.now + at).get("assignment", [])
    assert [(row["method"], row["end_unix_ms"]) for row in told] == [
        ("prolog", None),
        ("prolog", node.now + 25_000),
    ]


def test_a_process_that_outlives_its_job_is_told(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.proc.add(7, JOB, started=1)
    node.records.said = [Claim(A, "13", node.now, node.now + 5_000, None, "prolog")]
    told = []
    for at in range(6_000, 120_000, 1000):
        if at % 10_000 == 0:
            node.process(7, at=at)
        told += node.source.read(node.now + at).get("assignment", [])
    opened = [row for row in told if row["method"] == "cgroup"]
    assert opened and {row["start_unix_ms"] for row in opened} == {node.now + 5_000}


def test_two_that_disagree_are_both_told(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.proc.add(7, LOGIN)
    node.process(7)
    node.records.said = [Claim(A, "13", node.now, None, None, "prolog")]
    rows = node.source.read(node.now)["assignment"]
    assert {(row["job"], row["method"]) for row in rows} == {
        ("13", "prolog"),
        ("local-1000-session-3.scope", "process"),
    }


def test_a_device_that_comes_late_is_held_from_the_jobs_beginning(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(infos=[])
    node.records.said = [Claim(A, "13", node.now, None, None, "prolog")]
    assert node.source.read(node.now) == {}
    assert "'GPU-aaaaaaaa'" in node.source.why_not()[""]["assignment.device"]
    node.source.on_readings("device_info", INFOS)
    (row,) = node.source.read(node.now + 9000)["assignment"]
    assert row["start_unix_ms"] == node.now
    assert node.source.why_not() == {}


def test_a_job_without_a_device_here_is_not_told(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.records.infos = [{"job": "99", "user": "alice"}]
    node.records.said = [Claim("7", "99", node.now, None, None, "prolog")]
    assert node.source.read(node.now) == {}


def test_who_cannot_answer_is_believed_for_ten_minutes(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.records.said = [Claim(A, "13", node.now, None, None, "prolog")]
    node.source.read(node.now)
    node.records.error = ReadFailed("the kubelet does not answer")
    (row,) = node.source.read(node.now + 30_000)["assignment"]
    assert row["end_unix_ms"] is None
    assert node.source.why_not()[""]["assignment.prolog"] == "the kubelet does not answer"
    (row,) = node.source.read(node.now + 700_000)["assignment"]
    assert row["end_unix_ms"] == node.now + 700_000
    node.records.error = None
    (row,) = node.source.read(node.now + 701_000)["assignment"]
    assert row["end_unix_ms"] is None


def test_one_who_never_answered_hides_nobody(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.records.error = ReadFailed("no")
    node.proc.add(7, JOB)
    node.process(7)
    (row,) = node.source.read(node.now)["assignment"]
    assert row["job"] == "13"


def test_a_jobs_own_word_on_what_it_is_stands(make_node: Callable[..., Node]) -> None:
    node = make_node()
    node.records.said = [Claim(A, "13", node.now, None, None, "prolog")]
    node.records.infos = [
        {"job": "13", "name": "batch.sh", "project": "p", "state": "running", "user": "alice"}
    ]
    (info,) = node.source.read(node.now)["job_info"]
    assert (info["name"], info["project"]) == ("batch.sh", "p")
    own: Row = {"job": "13", "name": "llama", "kind": "training", "state": "running"}
    node.source.on_readings("job_info", [own])
    (info,) = node.source.read(node.now + 1000)["job_info"]
    assert "name" not in info and info["project"] == "p" and info["state"] == "running"
    node.source.on_readings("job_info", [{**own, "state": "failed"}])
    (info,) = node.source.read(node.now + 2000)["job_info"]
    assert "state" not in info, "its script may end without an error all the same"


def test_who_holds_a_connection_lets_go_of_it(proc: Any) -> None:
    closed: list[bool] = []

    class Kubelet(Said):
        def close(self) -> None:
            closed.append(True)

    owners = Owners(Proc(str(proc.root)))
    claimants = {"prolog": Said(), "kubernetes": Kubelet()}
    AssignmentSource(claimants, Devices(), owners, ProcessClaims(owners)).close()
    assert closed == [True]


def test_users_are_told_by_name_and_asked_for_once(proc: Any) -> None:
    asked: list[int] = []

    def name(uid: int) -> str | None:
        asked.append(uid)
        return "alice"

    owners = Owners(Proc(str(proc.root)))
    source = AssignmentSource({}, Devices(), owners, ProcessClaims(owners), user_name=name)
    source.on_readings("device_info", INFOS)
    proc.add(7, JOB, uid=1001)
    now = proc.BOOT_SECONDS * 1000 + 1_000_000
    for at in (0, 10_000, 700_000):
        rows: list[Row] = [{"time_unix_ms": now + at, "device": A, "pid": 7}]
        source.on_readings("process", rows)
        readings = source.read(now + at)
    assert readings["job_info"][0]["user"] == "alice"
    assert "uid" not in readings["job_info"][0]
    assert asked == [1001]


def test_the_end_of_a_missed_epilog_is_told_without_a_state(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    node.records.said = [
        Claim(A, "13", node.now, None, None, "prolog"),
        Claim(A, "14", node.now + 5000, None, None, "prolog"),
    ]
    node.records.infos = [
        {"job": "13", "state": "running", "end_unix_ms": None},
        {"job": "14", "state": "running", "end_unix_ms": None},
    ]
    infos = {info["job"]: info for info in node.source.read(node.now + 6000)["job_info"]}
    assert (infos["13"]["state"], infos["13"]["end_unix_ms"]) == (None, node.now + 5000)
    assert (infos["14"]["state"], infos["14"]["end_unix_ms"]) == ("running", None)


def test_numbers_in_doubt_are_said_once_and_stand_among_the_reasons(
    make_node: Callable[..., Node],
) -> None:
    infos = [{**INFOS[0], "minor": 1}, {**INFOS[1], "minor": 0}]
    node = make_node(infos=infos)
    node.source.on_readings("device_info", infos)
    assert len(node.said) == 1
    assert "taken for indices ([assignment] numbers)" in node.said[0]
    assert "taken for indices" in node.source.why_not()[""]["assignment.numbers"]
    assert make_node("minor", infos=infos).source.numbers_doubt() is not None


def test_an_agent_inside_a_job_says_that_its_numbers_are_its_own(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(renumbered=True)
    assert "inside a job's control group" in node.said[0]
    assert "minor numbers" in node.said[0]


def test_a_hostile_name_of_a_device_is_shown_quoted_and_short(
    make_node: Callable[..., Node],
) -> None:
    node = make_node()
    node.records.said = [
        Claim("\x1b[31m" + "x" * 100_000 + str(n), "13", 1, None, None, "prolog")
        for n in range(100)
    ]
    node.source.read(node.now)
    reason = node.source.why_not()[""]["assignment.device"]
    assert len(reason) < 400 and "\x1b" not in reason


def test_the_loop_hands_over_what_other_sources_read(
    make_node: Callable[..., Node],
    clock: Any,
    make_source: Callable[..., Any],
    make_sink: Callable[..., Any],
) -> None:
    node = make_node(infos=[])
    node.proc.add(7, JOB)
    gpus = make_source(
        "nvml",
        readings={"process": [{"device": A, "pid": 7, "cgroup": JOB}]},
        described={"device_info": [dict(INFOS[0])]},
    )
    sink = make_sink()
    agent = Agent(AgentConfig(), [gpus, node.source], [sink], clock)
    for _ in range(3):
        clock.sleep(agent.step())
    (row,) = sink.rows("assignment")
    assert (row["device"], row["job"], row["method"]) == (A, "13", "cgroup")
    assert sink.rows("job_info")[0]["job"] == "13"


def test_a_fault_in_looking_on_is_not_that_of_who_is_looked_at(
    clock: Any, make_source: Callable[..., Any], make_sink: Callable[..., Any], said: list[str]
) -> None:
    @dataclass
    class Broken:
        name: str = "broken"
        follows: frozenset[str] = frozenset(("process",))

        def on_readings(self, table: str, rows: Sequence[Row]) -> None:
            raise ValueError("oh")

        def read(self, now_ms: int) -> dict[str, list[Row]]:
            return {}

        def describe(self, now_ms: int) -> dict[str, list[Row]]:
            return {}

        def close(self) -> None:
            pass

    gpus = make_source("nvml", readings={"process": [{"device": A, "pid": 7}]})
    sink = make_sink()
    agent = Agent(AgentConfig(), [gpus, Broken()], [sink], clock, said.append)
    agent.step()
    assert len(sink.rows("process")) == 1
    assert said == ["broken: ValueError: oh"]


CROSSED: list[Row] = [
    {"device": A, "index": 0, "minor": 1, "vendor": "nvidia"},
    {"device": B, "index": 1, "minor": 0, "vendor": "nvidia"},
]


def test_numbers_are_learned_from_where_jobs_run_and_what_was_said_is_taken_back(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(infos=CROSSED)
    past = Claim("1", "12", node.now - 9_000, node.now - 5_000, None, "prolog")
    node.records.said = [past, Claim("0", "13", node.now, None, None, "prolog")]
    first = node.source.read(node.now)["assignment"]
    assert {(row["device"], row["job"]) for row in first} == {(A, "13"), (B, "12")}
    assert "assignment.numbers" in node.source.why_not()[""]
    node.proc.add(7, JOB)
    node.process(7, B, at=10_000)
    rows = node.source.read(node.now + 10_000)["assignment"]
    told = {(row["device"], row["job"]): (row["start_unix_ms"], row["end_unix_ms"]) for row in rows}
    assert told == {
        (A, "13"): (node.now, node.now),  # never was
        (B, "13"): (node.now, None),
        (B, "12"): (past.start_ms, past.start_ms),
        (A, "12"): (past.start_ms, past.end_ms),
    }
    assert {row["method"] for row in rows} == {"prolog"}
    assert node.said[-1] == (
        "assignment: by the devices that jobs run on, numbers of devices are minor numbers"
    )
    assert node.source.why_not() == {}, "there is no doubt left"
    assert "assignment" not in node.source.read(node.now + 11_000)


def test_what_numbers_are_is_not_learned_where_it_was_told(make_node: Callable[..., Node]) -> None:
    node = make_node(numbers="index", infos=CROSSED)
    node.records.said = [Claim("0", "13", node.now, None, None, "prolog")]
    node.proc.add(7, JOB)
    node.process(7, B)
    rows = node.source.read(node.now)["assignment"]
    assert {(row["device"], row["method"]) for row in rows} == {(A, "prolog"), (B, "cgroup")}
