import os
from pathlib import Path

from wattline_agents.job.place import SYSTEM_PLACE, agent_place, is_trusted, places

OWN = Path(f"/tmp/wattline-{os.getuid()}/job.sock")


def test_a_place_that_is_told_is_the_only_one() -> None:
    told = {"WATTLINE_JOB_SOCKET": "/a/b.sock", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert places(told) == [Path("/a/b.sock")]
    assert agent_place(told) == Path("/a/b.sock")


def test_a_user_looks_for_their_own_agent_before_the_systems() -> None:
    own = Path("/run/user/7/wattline/job.sock")
    assert places({"XDG_RUNTIME_DIR": "/run/user/7"}) == [own, SYSTEM_PLACE, OWN]
    assert places({}) == [SYSTEM_PLACE, OWN]


def test_an_agent_listens_where_jobs_look() -> None:
    for environment in ({}, {"XDG_RUNTIME_DIR": "/run/user/7"}):
        assert agent_place(environment) in places(environment)
    assert agent_place({"RUNTIME_DIRECTORY": "/run/wattline"}) == SYSTEM_PLACE


def test_a_directory_of_someone_else_is_not_trusted(tmp_path: Path) -> None:
    assert is_trusted(tmp_path / "job.sock")
    assert not is_trusted(tmp_path / "none" / "job.sock")
    if os.getuid() == 0:
        os.chown(tmp_path, 12345, 12345)
        assert not is_trusted(tmp_path / "job.sock")
