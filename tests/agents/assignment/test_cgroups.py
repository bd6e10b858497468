import pytest

from wattline_agents.assignment.cgroups import (
    CONTAINER,
    KUBERNETES,
    SLURM,
    SYSTEMD,
    JobRef,
    job_in_cgroup,
)

POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
POD_ = POD.replace("-", "_")
ID = "f" * 24 + "0123456789abcdef" * 2 + "01234567"
SHORT = ID[:12]

LAYOUTS = {
    "Slurm v1, one slurmd": (
        "/slurm/uid_1001/job_13/step_0/task_0",
        JobRef(SLURM, "13", "0", 1001, scope="task_0"),
    ),
    "Slurm v1, several slurmd": (
        "/slurm_gpu00/uid_1001/job_13/step_batch",
        JobRef(SLURM, "13", "batch", 1001),
    ),
    "Slurm v1, a node whose name has underscores": (
        "/slurm_gpu_a_00/uid_0/job_7",
        JobRef(SLURM, "7", None, 0),
    ),
    "Slurm v2": (
        "/system.slice/slurmstepd.scope/job_4242/step_0/user/task_3",
        JobRef(SLURM, "4242", "0", scope="task_3"),
    ),
    "Slurm v2, several slurmd": (
        "/system.slice/gpu00_slurmstepd.scope/job_4242/step_extern",
        JobRef(SLURM, "4242", "extern"),
    ),
    "Slurm v2, a step of a heterogeneous job": (
        "/system.slice/slurmstepd.scope/job_9/step_0+1/user/task_0",
        JobRef(SLURM, "9", "0+1", scope="task_0"),
    ),
    "Slurm 26.05": (
        "/system.slice/slurmstepd.scope/s8FXKTA79XAR00/step_batch",
        JobRef(SLURM, None, "batch", sluid="s8FXKTA79XAR00"),
    ),
    "Slurm 26.05, several slurmd": (
        "/system.slice/gpu00_slurmstepd.scope/s8FXKTA79XAR00/step_3/user/task_1",
        JobRef(SLURM, None, "3", sluid="s8FXKTA79XAR00", scope="task_1"),
    ),
    "Slurm in a container": (
        f"/docker/{ID}/system.slice/slurmstepd.scope/job_5/step_0",
        JobRef(SLURM, "5", "0"),
    ),
    "a pod, cgroupfs, v1": (
        f"/kubepods/burstable/pod{POD}/{ID}",
        JobRef(KUBERNETES, POD, scope=SHORT),
    ),
    "a guaranteed pod, cgroupfs": (
        f"/kubepods/pod{POD}/{ID}",
        JobRef(KUBERNETES, POD, scope=SHORT),
    ),
    "a pod, systemd, containerd": (
        "/kubepods.slice/kubepods-burstable.slice/"
        f"kubepods-burstable-pod{POD_}.slice/cri-containerd-{ID}.scope",
        JobRef(KUBERNETES, POD, scope=SHORT),
    ),
    "a guaranteed pod, systemd, CRI-O": (
        f"/kubepods.slice/kubepods-pod{POD_}.slice/crio-{ID}.scope",
        JobRef(KUBERNETES, POD, scope=SHORT),
    ),
    "a pod of a cluster in a container": (
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
        f"kubelet-kubepods-besteffort-pod{POD_}.slice/cri-containerd-{ID}.scope",
        JobRef(KUBERNETES, POD, scope=SHORT),
    ),
    "a static pod": (
        f"/kubepods/burstable/pod{'ab' * 16}/{ID}",
        JobRef(KUBERNETES, "ab" * 16, scope=SHORT),
    ),
    "Docker, cgroupfs": (f"/docker/{ID}", JobRef(CONTAINER, SHORT, scope=SHORT)),
    "Docker, systemd": (
        f"/system.slice/docker-{ID}.scope",
        JobRef(CONTAINER, SHORT, scope=SHORT),
    ),
    "Podman": (
        f"/machine.slice/libpod-{ID}.scope/container",
        JobRef(CONTAINER, SHORT, scope=SHORT),
    ),
    "rootless Podman": (
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
        JobRef(CONTAINER, SHORT, uid=1000, scope=SHORT),
    ),
    "a login": (
        "/user.slice/user-1000.slice/session-3.scope",
        JobRef(SYSTEMD, "session-3.scope", uid=1000, scope="session-3.scope"),
    ),
    "a user's notebook": (
        "/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service",
        JobRef(SYSTEMD, "jupyter.service", uid=1000, scope="jupyter.service"),
    ),
    "a hub's notebook": (
        "/system.slice/jupyter-alice-singleuser.service",
        JobRef(
            SYSTEMD,
            "jupyter-alice-singleuser.service",
            scope="jupyter-alice-singleuser.service",
        ),
    ),
    "a job that a hub's notebook made up": (
        "/system.slice/jupyter-alice.service/slurmstepd.scope/job_13/step_0",
        JobRef(SYSTEMD, "slurmstepd.scope", scope="slurmstepd.scope"),
    ),
    "a job below Slurm's own service": (
        "/system.slice/slurmd.service/slurmstepd.scope/job_13/step_0/user/task_0",
        JobRef(SLURM, "13", "0", scope="task_0"),
    ),
    "a user's own manager": (
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        JobRef(SYSTEMD, "init.scope", uid=1000, scope="init.scope"),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_whose_a_process_is(layout: str) -> None:
    path, expected = LAYOUTS[layout]
    assert job_in_cgroup(path) == expected
    assert job_in_cgroup(f"0::{path}\n") == expected, "as /proc/PID/cgroup has it"


def test_with_version_1_the_controller_that_slurm_manages_tells() -> None:
    text = (
        "12:pids:/system.slice/slurmd.service\n"
        "11:memory:/slurm_gpu00/uid_1001/job_13/step_0/task_0\n"
        "10:cpu,cpuacct:/\n"
        "1:name=systemd:/system.slice/slurmd.service\n"
        "0::/system.slice/slurmd.service\n"
    )
    assert job_in_cgroup(text) == JobRef(SLURM, "13", "0", 1001, scope="task_0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0::/\n",
        "/",
        "garbage",
        "0::/system.slice\n",
        "0::/init",
    ],
)
def test_the_root_group_says_nothing(text: str) -> None:
    assert job_in_cgroup(text) is None


@pytest.mark.parametrize(
    "path",
    [
        "/slurm/uid_1001/job_0",
        "/slurm/uid_1001/job_13x/step_0",
        "/slurm/uid_1001/job_-1",
        "/slurm/uid_1001/job_1234567890123",
        "/system.slice/slurmstepd.scope/system",
        "/system.slice/slurmstepd.scope/step_0",
        "/user.slice/slurmstepd.scope.d/job_3",
        "/kubepods/podx",
    ],
)
def test_what_only_looks_like_a_job_is_none(path: str) -> None:
    ref = job_in_cgroup(path)
    assert ref is None or ref.scheduler == SYSTEMD


def test_a_user_can_not_make_a_group_that_says_another_job() -> None:
    # Below the job's own group a user may make groups of any name.
    path = "/system.slice/slurmstepd.scope/job_5/step_0/user/task_0/slurm/uid_0/job_9/step_0"
    ref = job_in_cgroup(path)
    assert ref is not None and ref.id == "5"
    path = "/user.slice/user-1000.slice/user@1000.service/slurm/uid_0/job_9/step_0/x.scope"
    ref = job_in_cgroup(path)
    assert ref is not None and (ref.scheduler, ref.uid) == (SYSTEMD, 1000)
    pod = f"/kubepods/pod{POD}/{ID}/system.slice/slurmstepd.scope/job_9"
    ref = job_in_cgroup(pod)
    assert ref is not None and (ref.scheduler, ref.id) == (KUBERNETES, POD)


def test_a_text_of_megabytes_is_read_in_a_moment() -> None:
    assert job_in_cgroup("/kubepods" + "-a" * 1_000_000) is None
    assert job_in_cgroup("0::" + "/slurm_" * 1_000_000) is None
