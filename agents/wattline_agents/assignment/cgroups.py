"""Whose a process is, by its control group: pure, for every layout that schedulers make.

```
Slurm, v1    /slurm/uid_1000/job_13/step_0/task_0
             /slurm_NODE/uid_1000/job_13/step_batch
Slurm, v2    /system.slice/slurmstepd.scope/job_13/step_0/user/task_0
             /system.slice/NODE_slurmstepd.scope/job_13/step_0/user/task_0
Slurm 26.05  /system.slice/slurmstepd.scope/s8FXKTA79XAR00/step_batch
             (job_N again with CgroupJobIdPaths=yes)
Kubernetes   /kubepods/burstable/podUID/CONTAINER
             /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice/
             cri-containerd-CONTAINER.scope
containers   /docker/ID    /system.slice/docker-ID.scope    /machine.slice/libpod-ID.scope
systemd      /user.slice/user-1000.slice/session-3.scope
             /user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service
             /system.slice/jupyter-alice.service
```

Several slurmd on one host (which Debian's can be) put the node's name before `slurmstepd.scope`, or
after `slurm_`. Any of these may stand below the group of a container that the whole runs in.
"""

from __future__ import annotations

from wattline_agents.light import NamedTuple
from wattline_agents.pattern import pattern

SLURM, KUBERNETES, CONTAINER, SYSTEMD = "slurm", "kubernetes", "container", "systemd"


class JobRef(NamedTuple):
    """What a control group says of a process.

    Attributes:
        scheduler: Who made the group: `slurm`, `kubernetes`, `container`, `systemd`.
        id: The scheduler's name for it: a job's number, a pod's uid (with dashes), a container's
            first 12 letters, a unit; None where only `sluid` is known.
        step: The step of a Slurm job: `batch`, `extern`, `0`.
        uid: The user, where the group names one.
        sluid: Slurm's own id of the job, by which newer versions name the group.
        scope: The innermost group that tells things apart: a container, a task.
    """

    scheduler: str
    id: str | None
    step: str | None = None
    uid: int | None = None
    sluid: str | None = None
    scope: str | None = None


_SLUID = r"s[0-9A-Z]{6,24}"
SLUID = pattern(_SLUID)
"""Slurm's own id of a job: `s` and thirteen more today."""

_STEP = r"(?:/step_(?P<step>[A-Za-z0-9_+.-]{1,40}))?(?:/(?:user/)?(?P<scope>task_[0-9]{1,9}))?"
_SLURM_V1 = pattern(
    r"/slurm(?:_[^/]+)?/uid_(?P<uid>[0-9]{1,10})/job_(?P<job>[1-9][0-9]{0,11})(?=/|$)" + _STEP
)
_SLURM_V2 = pattern(
    r"/(?:[^/]+_)?slurmstepd\.scope"
    r"/(?:job_(?P<job>[1-9][0-9]{0,11})|(?P<sluid>" + _SLUID + r"))(?=/|$)" + _STEP
)
# Static pods have a digest for a uid, without dashes.
_POD = pattern(
    r"(?:^|[/-])kubepods(?:[-/.][^ ]*?)?[/-]pod"
    r"(?P<pod>[0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?"
    r"(?:/(?:[a-z-]+-)?(?P<container>[0-9a-f]{12,64})(?:\.scope)?)?(?=/|$)"
)
_CONTAINER = pattern(
    r"/(?:(?:docker|podman|libpod_parent)/(?:libpod-)?|(?:docker|libpod|cri-containerd|crio|nerdctl)-)"
    r"(?P<container>[0-9a-f]{12,64})(?:\.scope)?(?=/|$)"
)
_OF_A_USER = pattern(r"/user\.slice/")
_OF_A_SERVICE = pattern(r"/system\.slice/(?!slurmd)[^/]+\.service/")
"""Below these groups may have any name: a user's own manager makes them, or a service that runs as
that user."""
_USER = pattern(r"/user-(?P<uid>[0-9]{1,10})\.slice(?=/|$)")
_UNIT = pattern(r"/(?P<unit>[^/]+\.(?:service|scope))(?=/|$)")
_SCHEDULERS = (("/uid_", _SLURM_V1), ("slurmstepd.scope", _SLURM_V2), ("kubepods", _POD))
"""Of each a word that stands in all its groups, so that mostly no expression need be tried."""
_CONTAINERS = ("docker", "podman", "libpod", "containerd", "crio", "nerdctl")
"""One of these stands in the group of every container."""
_MOST_CHARACTERS = 64 * 1024
_SHORT = 12
"""Letters of a container's id that people use."""


def job_in_cgroup(text: str) -> JobRef | None:
    """What a control group says of the process in it.

    Args:
        text: The content of `/proc/PID/cgroup` (a line per controller with version 1), or one path.

    Returns:
        What the most telling of its lines says: a scheduler's job before a container's, a
        container's before a unit's; None where it says nothing, as for a process in the root group.
    """
    paths = _paths(text[:_MOST_CHARACTERS])
    for read in (_scheduled, _container, _unit):
        # Of two that say something the longer says more: not every controller is managed.
        found = [ref for path in paths if (ref := read(path)) is not None]
        if found:
            return found[0]
    return None


def _paths(text: str) -> list[str]:
    paths = set()
    for line in text.split("\n"):
        first, colon, rest = line.partition(":")
        if first.isdecimal() and colon:
            line = rest.partition(":")[2]
        if line.startswith("/") and line != "/":
            paths.add(line)
    return sorted(paths, key=lambda path: (-len(path), path))


def _scheduled(path: str) -> JobRef | None:
    """The outermost scheduler's job: below it a user may make groups of any name."""
    matches = [
        (match, layout)
        for word, layout in _SCHEDULERS
        if word in path and (match := layout.search(path)) is not None
    ]
    if not matches:
        return None
    match, layout = min(matches, key=lambda one: one[0].start())
    if _OF_A_USER.search(path, 0, match.start() + 1) is not None:
        return None
    if layout is not _POD and _OF_A_SERVICE.search(path, 0, match.start() + 1) is not None:
        return None
    if layout is _POD:
        container = match["container"]
        scope = None if container is None else container[:_SHORT]
        return JobRef(KUBERNETES, match["pod"].replace("_", "-"), scope=scope)
    if layout is _SLURM_V1:
        return JobRef(SLURM, match["job"], match["step"], int(match["uid"]), None, match["scope"])
    return JobRef(SLURM, match["job"], match["step"], None, match["sluid"], match["scope"])


def _container(path: str) -> JobRef | None:
    if not any([word in path for word in _CONTAINERS]):
        return None
    # Of containers in containers the innermost is the process's own.
    matches = list(_CONTAINER.finditer(path))
    if not matches:
        return None
    short = matches[-1]["container"][:_SHORT]
    return JobRef(CONTAINER, short, uid=_uid(path), scope=short)


def _unit(path: str) -> JobRef | None:
    units = [match["unit"] for match in _UNIT.finditer(path)]
    if not units:
        return None
    # A user's own manager is a service, too; it stands for nobody's work.
    own = [unit for unit in units if not unit.startswith("user@")] or units
    return JobRef(SYSTEMD, own[-1], uid=_uid(path), scope=own[-1])


def _uid(path: str) -> int | None:
    match = _USER.search(path)
    return None if match is None else int(match["uid"])
