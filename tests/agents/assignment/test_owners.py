from dataclasses import dataclass, field
from typing import Any

import pytest

from wattline_agents.assignment.owners import ASKED, Owners
from wattline_agents.assignment.proc import Proc
from wattline_agents.assignment.records.record import Record
from wattline_agents.wire import MAX_TEXT_BYTES, checked_name

SLUID = "s8FXKTA79XAR00"
IN_SLURM = "/system.slice/slurmstepd.scope/job_13/step_0"
BY_SLUID = f"/system.slice/slurmstepd.scope/{SLUID}/step_0"
POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


@dataclass
class Kept:
    """Records as they stand."""

    records: list[Record] = field(default_factory=list)
    are_kept: bool = True

    def of_id(self, job_id: str) -> Record | None:
        return next((one for one in self.records if one.job_id == job_id), None)

    def of_sluid(self, sluid: str) -> Record | None:
        return next((one for one in self.records if one.sluid == sluid), None)


def record(job: str, uid: int | None = 1000, sluid: str | None = None) -> Record:
    job_id, _, restarts = job.partition(".")
    return Record(job, job_id, int(restarts or 0), 1, ("0",), uid=uid, sluid=sluid)


def owners(proc: Any, *records: Record, are_kept: bool = True) -> Owners:
    return Owners(Proc(str(proc.root)), Kept(list(records), are_kept))


def test_a_control_group_says_the_job(proc: Any) -> None:
    proc.add(7, IN_SLURM, uid=1001)
    owner = owners(proc).owner(7)
    assert owner is not None
    assert (owner.job, owner.method, owner.uid, owner.name) == ("13", "cgroup", 1001, None)
    assert owner.started_ms is not None


def test_a_record_says_which_run_of_the_job_it_is(proc: Any) -> None:
    proc.add(7, IN_SLURM, SLURM_RESTART_COUNT="5")
    assert owners(proc, record("13.2")).job_of(7) == "13.2"
    assert owners(proc).job_of(7) == "13.5", "without one its own word has to do"


def test_slurms_own_id_is_resolved_by_a_record_or_by_the_environment(proc: Any) -> None:
    proc.add(7, BY_SLUID)
    proc.add(8, BY_SLUID, SLURM_JOB_ID="14", SLURM_RESTART_COUNT="1")
    assert owners(proc, record("13.1", sluid=SLUID)).job_of(7) == "13.1"
    assert owners(proc).job_of(8) == "14.1"
    assert owners(proc).job_of(7) == SLUID, "and stands for itself where nobody knows more"


def test_a_pod_is_known_by_its_uid(proc: Any) -> None:
    proc.add(7, f"/kubepods/burstable/pod{POD}/{'ab' * 32}", SLURM_JOB_ID="13", WATTLINE_JOB="x")
    owner = owners(proc).owner(7)
    assert owner is not None and (owner.job, owner.method) == (POD, "cgroup")


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ("/user.slice/user-1000.slice/session-3.scope", "local-1000-session-3.scope"),
        ("/system.slice/jupyter-alice-singleuser.service",
         "local-1000-jupyter-alice-singleuser.service"),
        (f"/docker/{'ab' * 32}", "local-1000-abababababab"),
        ("/", "local-1000-python"),
    ],
)  # fmt: skip
def test_a_plain_process_is_known_by_its_user_and_unit(
    proc: Any, cgroup: str, expected: str
) -> None:
    proc.add(7, cgroup)
    owner = owners(proc).owner(7)
    assert owner is not None and (owner.job, owner.method) == (expected, "process")
    assert owner.name == expected.removeprefix("local-1000-")


@pytest.mark.parametrize("variable", ["WATTLINE_JOB", "AIF_JOB_ID"])
def test_a_plain_process_may_say_its_job(proc: Any, variable: str) -> None:
    proc.add(7, **{variable: "my-run@3"})
    owner = owners(proc).owner(7)
    assert owner is not None and (owner.job, owner.method) == ("my-run@3", "process")


def test_nobody_charges_another_users_job(proc: Any) -> None:
    theirs = record("13", uid=2000)
    proc.add(7, uid=1000, SLURM_JOB_ID="13")
    proc.add(8, uid=1000, WATTLINE_JOB="13")
    proc.add(9, uid=1000, WATTLINE_JOB="13.1")
    found = owners(proc, theirs)
    assert [found.job_of(pid) for pid in (7, 8, 9)] == ["local-1000-python"] * 3
    own = record("13", uid=1000)
    assert owners(proc, own).job_of(7) == "13", "its own job's process, outside of its groups"


def test_where_no_records_are_kept_a_job_is_believed_by_its_environment(proc: Any) -> None:
    proc.add(7, SLURM_JOB_ID="13", SLURM_RESTART_COUNT="2")
    owner = owners(proc, are_kept=False).owner(7)
    assert owner is not None and (owner.job, owner.method) == ("13.2", "process")
    assert owners(proc, are_kept=True).job_of(7) == "local-1000-python"


def test_a_record_that_comes_later_is_not_missed(proc: Any) -> None:
    kept = Kept()
    found = Owners(Proc(str(proc.root)), kept)
    proc.add(7, IN_SLURM)
    assert found.job_of(7) == "13"
    kept.records.append(record("13.1"))
    assert found.job_of(7) == "13.1"


def test_a_number_that_is_used_again_is_another_process(proc: Any) -> None:
    found = owners(proc)
    proc.add(7, IN_SLURM, started=100)
    assert found.job_of(7) == "13"
    proc.end(7)
    assert found.job_of(7) is None
    proc.add(7, "/user.slice/user-1000.slice/session-3.scope", started=200)
    assert found.job_of(7) == "local-1000-session-3.scope"


def test_a_process_is_looked_at_once(proc: Any) -> None:
    found = owners(proc, record("13"))
    proc.add(7, IN_SLURM)
    found.job_of(7)
    (proc.root / "7/cgroup").unlink()
    assert found.job_of(7) == "13"


@pytest.mark.parametrize(
    ("told", "job"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("<b>x</b>\n", "b-x-b-"),
        ("x" * 256, "x" * 128),
        ("x" * 100_000, "local-1000-python"),
        ("\x1b[31m", "31m"),
        ("---", "local-1000-python"),
    ],
)
def test_a_hostile_key_is_a_key_all_the_same(proc: Any, told: str, job: str) -> None:
    proc.add(7, WATTLINE_JOB=told)
    assert owners(proc).job_of(7) == job
    checked_name(job, "job")


def test_a_hostile_command_is_part_of_a_key_all_the_same(proc: Any) -> None:
    proc.add(7, command="a/../b c\u202e" + "d" * 100)
    job = owners(proc).job_of(7)
    assert job is not None
    checked_name(job, "job")
    assert job.startswith("local-1000-a-..-b-c-d")


def test_only_named_variables_are_ever_looked_at() -> None:
    assert {"WATTLINE_JOB", "AIF_JOB_ID", "SLURM_JOB_ID", "SLURM_RESTART_COUNT"} == ASKED


def test_an_environment_that_may_not_be_looked_at_is_counted(
    proc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.add(7, WATTLINE_JOB="mine")
    node = Proc(str(proc.root))

    def refuse(pid: int, names: frozenset[str]) -> dict[str, str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(node, "environment", refuse)
    found = Owners(node)
    assert found.job_of(7) == "local-1000-python"
    assert found.job_of(7) == "local-1000-python"
    assert found.hidden == 1, "asked once"


def test_thousands_of_processes_are_bounded(proc: Any) -> None:
    class Any_:
        """Every number is a process."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def look(self, pid: int) -> Any:
            return real.look(7)

        def cgroup(self, pid: int) -> str:
            return "/user.slice/user-1000.slice/session-3.scope"

        def uid(self, pid: int) -> int:
            return 1000

        def environment(self, pid: int, names: frozenset[str]) -> dict[str, str]:
            return {}

    proc.add(7)
    real = Proc(str(proc.root))
    found = Owners(Any_())  # type: ignore[arg-type]
    for pid in range(1, 10_000):
        found.job_of(pid)
    assert len(found._known) == 4096


@pytest.mark.parametrize(
    ("said", "cgroup", "uid", "key"),
    [
        ("13", IN_SLURM, 1000, "13"),
        ("13.2", IN_SLURM, 1000, "13.2"),
        ("99", IN_SLURM, 1000, "13"),  # another's, or the leader's of a heterogeneous job
        (POD, IN_SLURM, 1000, "13"),
        ("my-run", IN_SLURM, 1000, "my-run"),
        ("14", f"/kubepods/burstable/pod{POD}/{'ab' * 32}", 1000, POD),
        ("13", BY_SLUID, 1000, "13"),  # whose that is nobody says
        ("77", "/user.slice/user-1000.slice/session-3.scope", 1000, "77"),
        ("77", "/user.slice/user-1001.slice/session-3.scope", 1001, None),
        ("77", "/docker/" + "ab" * 32, 0, "77"),
        ("77", "/", None, "77"),
    ],
)
def test_a_job_counts_for_itself_alone(
    proc: Any, said: str, cgroup: str, uid: int | None, key: str | None
) -> None:
    proc.add(7, cgroup, uid=uid or 0)
    assert owners(proc, record("77")).key_of(said, 7, uid) == key


def test_a_process_that_cannot_be_seen_counts_for_no_job_of_another_user(proc: Any) -> None:
    found = owners(proc, record("77"))
    assert found.key_of("77", 0, 1001) is None
    assert found.key_of("77", 0, 1000) == "77"
    assert found.key_of("78", 0, 1001) == "78", "no record says whose that is"


def test_a_hostile_unit_is_a_name_that_can_be_shown_and_sent(proc: Any) -> None:
    unit = "\x1b[31m\u202e" + "\U00020000" * 200 + ".service"
    proc.add(7, f"/user.slice/user-1000.slice/user@1000.service/{unit}")
    owner = owners(proc).owner(7)
    assert owner is not None and owner.name is not None
    assert owner.name.isprintable() and len(owner.name.encode()) <= MAX_TEXT_BYTES
    checked_name(owner.job, "job")
