import os
from pathlib import Path

import pytest

from wattline_agents.assignment.pods import PodDirectories, PodGroups

UID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
SLICE = f"pod{UID.replace('-', '_')}.slice"
STATIC = "0123456789abcdef0123456789abcdef"


def logs(root: Path, name: str, seconds: int) -> None:
    (root / name).mkdir()
    os.utime(root / name, (seconds, seconds))


def test_a_pod_s_uid_and_start_stand_in_the_directory_of_its_logs(tmp_path: Path) -> None:
    logs(tmp_path, f"ml_train-0_{UID}", 100)
    logs(tmp_path, f"kube-system_etcd-n1_{STATIC}", 50)
    assert PodDirectories(str(tmp_path)).look() == {
        ("ml", "train-0"): (UID, 100_000),
        ("kube-system", "etcd-n1"): (STATIC, 50_000),
    }


def test_of_two_pods_of_one_name_the_newer_counts(tmp_path: Path) -> None:
    logs(tmp_path, f"ml_train-0_{UID}", 200)
    logs(tmp_path, f"ml_train-0_{OTHER}", 100)
    assert PodDirectories(str(tmp_path)).look() == {("ml", "train-0"): (UID, 200_000)}


def test_what_is_no_pod_s_directory_is_passed_over(tmp_path: Path) -> None:
    for name in ("lost+found", "a_b", "a_b_c", f"a_b_{UID}x", f"_{UID}"):
        (tmp_path / name).mkdir()
    assert PodDirectories(str(tmp_path)).look() == {}


def test_a_directory_that_cannot_be_seen_is_not_an_empty_one(tmp_path: Path) -> None:
    assert PodDirectories(str(tmp_path / "none")).look() is None


@pytest.mark.parametrize(
    "group",
    [
        f"kubepods.slice/kubepods-{SLICE}",
        f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{SLICE}",
        f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-{SLICE}",
        f"kubepods/pod{UID}",
        f"kubepods/burstable/pod{UID}",
        f"memory/kubepods/besteffort/pod{UID}",
        f"cpu,cpuacct/kubepods.slice/kubepods-{SLICE}",
    ],
)
def test_a_pod_with_a_control_group_runs(tmp_path: Path, group: str) -> None:
    (tmp_path / group).mkdir(parents=True)
    groups = PodGroups(str(tmp_path))
    assert groups.is_running(UID) is True
    assert groups.is_running(OTHER) is False


def test_where_groups_of_pods_are_not_seen_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "system.slice").mkdir()
    assert PodGroups(str(tmp_path)).is_running(UID) is None
