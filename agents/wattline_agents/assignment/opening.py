"""Puts the source `assignment` together from what is told and what this node has."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from wattline_agents.assignment.cgroups import SLURM, job_in_cgroup
from wattline_agents.assignment.claim import Claims
from wattline_agents.assignment.devices import Devices
from wattline_agents.assignment.owners import Owners
from wattline_agents.assignment.presence import Presence
from wattline_agents.assignment.proc import Proc
from wattline_agents.assignment.processes import ProcessClaims
from wattline_agents.assignment.records import foreign
from wattline_agents.assignment.records.directory import Directory
from wattline_agents.assignment.records.own import PLACE, OwnRecords
from wattline_agents.assignment.source import AssignmentSource
from wattline_agents.config import AssignmentSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.assignment.kubernetes import KubernetesClaims

_KUBELET = "/var/lib/kubelet"
"""A node of Kubernetes has it; in a pod, what it holds of it is mounted there."""
PLACE_VARIABLE = "WATTLINE_RECORDS"
"""Where prolog and epilog are told their directory, an agent of the same environment is, too."""


def open_assignment(
    settings: AssignmentSettings,
    period_seconds: float,
    environment: Mapping[str, str],
    say: Callable[[str], None] = lambda message: None,
    *,
    proc: str = "/proc",
    cgroup: str = "/sys/fs/cgroup",
) -> AssignmentSource:
    """Make the source; directories that are not there yet are looked for now and then.

    Args:
        settings: What is told.
        period_seconds: How far apart readings are.
        environment: The agent's own.
        say: Takes the few lines meant for a person.
        proc: Where processes are described.
        cgroup: Where control groups are.
    """
    processes_of_node = Proc(proc)
    devices = Devices(settings.numbers, renumbered=is_inside_a_job(processes_of_node))
    own = OwnRecords(
        str(records_place(settings, environment)),
        processes_of_node.boot_ms_now,
        settings.shards_per_device,
    )

    def key_of(job_id: str) -> str:
        record = own.of_id(job_id)
        return job_id if record is None else record.job

    others = {
        method: foreign.ForeignRecords(method, str(path), parser, key_of)
        for method, path, parser in foreign_places(settings, environment)
    }
    owners = Owners(processes_of_node, own)
    processes = ProcessClaims(owners, period_seconds, devices.note_instance)
    directories = [own.directory, *(one.directory for one in others.values())]
    kubelet = _kubelet(settings.kubernetes, cgroup)
    asked: dict[str, Claims] = {} if kubelet is None else {"kubernetes": kubelet}
    return AssignmentSource(
        {"prolog": own, **others, **asked},
        devices,
        owners,
        processes,
        is_running=Presence(cgroup).is_running,
        say=say,
        reasons=lambda: {
            **_reasons(directories, processes),
            **({} if kubelet is None else kubelet.why_not()),
        },
    )


def _kubelet(told: Path | bool, cgroup: str) -> KubernetesClaims | None:
    """What asks the kubelet; where no sign of one is and none was told, its code is not loaded."""
    if told is False or (told is True and not os.path.isdir(_KUBELET)):
        return None
    from wattline_agents.assignment.kubernetes import SOCKET, KubernetesClaims
    from wattline_agents.assignment.pods import PodGroups

    is_told = isinstance(told, Path)
    return KubernetesClaims(
        str(told) if is_told else SOCKET, groups=PodGroups(cgroup), expected=is_told
    )


def records_place(settings: AssignmentSettings, environment: Mapping[str, str]) -> Path:
    """Where our prolog and epilog leave their records."""
    return settings.records or Path(environment.get(PLACE_VARIABLE) or PLACE)


def foreign_places(
    settings: AssignmentSettings, environment: Mapping[str, str]
) -> list[tuple[str, Path, foreign.Parser]]:
    """Method, directory and parser of the files of other tools."""
    named = environment.get(foreign.DCGM_VARIABLE)
    mapping = settings.dcgm or (Path(named) if named else None)
    places: list[tuple[str, Path, foreign.Parser]] = [
        ("jobstats", settings.jobstats or Path(foreign.JOBSTATS_PLACE), foreign.jobstats),
        ("amd-exporter", settings.amd or Path(foreign.AMD_PLACE), foreign.amd),
    ]
    if mapping is not None:
        places.insert(1, ("dcgm-exporter", mapping, foreign.dcgm))
    return places


def is_inside_a_job(proc: Proc) -> bool:
    """Whether this process itself is in a job's control group, where devices are fewer."""
    text = proc.cgroup(os.getpid())
    ref = None if text is None else job_in_cgroup(text)
    return ref is not None and ref.scheduler == SLURM


def _reasons(directories: list[Directory], processes: ProcessClaims) -> dict[str, str]:
    reasons = {
        one.path[-128:]: f"{one.trouble.reason}: {one.trouble.cure}"
        for one in directories
        if one.trouble is not None
    }
    if processes.are_hidden:
        reasons["pid"] = (
            "processes on devices are not seen here: they are of another PID namespace, "
            "which the agent must share (hostPID)"
        )
    return reasons
