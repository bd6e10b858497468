from pathlib import Path

from wattline_agents.assignment.presence import Presence


def make(root: Path, *paths: str) -> Presence:
    for path in paths:
        (root / path).mkdir(parents=True)
    return Presence(str(root))


def test_a_job_with_a_group_runs(tmp_path: Path) -> None:
    presence = make(tmp_path, "system.slice/slurmstepd.scope/job_13/step_0")
    assert presence.is_running("13") is True
    assert presence.is_running("13.2") is True, "which run it is no group says"
    assert presence.is_running("14") is False


def test_a_node_of_several_slurmd_has_a_group_for_each(tmp_path: Path) -> None:
    presence = make(
        tmp_path,
        "system.slice/gpu00_slurmstepd.scope/job_13",
        "system.slice/gpu01_slurmstepd.scope/job_14",
    )
    assert [presence.is_running(job) for job in ("13", "14", "15")] == [True, True, False]


def test_version_1_has_a_group_per_user(tmp_path: Path) -> None:
    presence = make(tmp_path, "freezer/slurm_gpu00/uid_1001/job_13", "memory/slurm/uid_0/job_14")
    assert [presence.is_running(job) for job in ("13", "14", "15")] == [True, True, False]


def test_a_node_that_has_run_no_job_yet_runs_none(tmp_path: Path) -> None:
    assert make(tmp_path, "freezer/slurm_gpu00").is_running("13") is False


def test_where_slurm_makes_no_groups_nobody_knows(tmp_path: Path) -> None:
    presence = make(tmp_path, "system.slice/sshd.service")
    assert presence.is_running("13") is None
    assert Presence(str(tmp_path / "nowhere")).is_running("13") is None


def test_groups_by_slurms_own_ids_do_not_say_who_is_missing(tmp_path: Path) -> None:
    presence = make(tmp_path, "system.slice/slurmstepd.scope/s8FXKTA79XAR00")
    assert presence.is_running("13") is None


def test_only_numbers_are_jobs_of_slurm(tmp_path: Path) -> None:
    presence = make(tmp_path, "system.slice/slurmstepd.scope/job_13")
    assert presence.is_running("local-1000-x") is None
    assert presence.is_running("../../x") is None
