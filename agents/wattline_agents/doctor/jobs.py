"""Where jobs meet the agent, and who schedules them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from wattline_agents.config import Settings
from wattline_agents.doctor import assignment
from wattline_agents.doctor.finding import Finding, Mark, missing, ok
from wattline_agents.doctor.machine import Machine
from wattline_agents.job.place import agent_place, places

_LONGEST_SOCKET_NAME = 107
_SLICE = "/sys/fs/cgroup/system.slice"


def check(machine: Machine, settings: Settings) -> list[Finding]:
    """The socket of jobs, Slurm, and how it can be known which job holds which device."""
    slurm = _slurm(machine)
    has_slurm = any(finding.mark is Mark.OK for finding in slurm)
    return [
        _socket(machine, settings),
        *slurm,
        _cgroups(machine),
        *assignment.check(machine, settings, has_slurm=has_slurm),
    ]


def _socket(machine: Machine, settings: Settings) -> Finding:
    if not settings.jobs:
        return missing("jobs are not listened to ([job] enabled = false)", asked=False)
    for candidate in _candidates(machine, settings):
        if machine.exists(candidate) and _listens(machine.path(candidate)):
            return ok(f"an agent listens to jobs at {candidate}", socket=str(candidate))
    place = _place(machine, settings)
    is_asked = settings.job_socket is not None
    if len(os.fsencode(place)) > _LONGEST_SOCKET_NAME:
        return missing(
            f"{place}: longer than the {_LONGEST_SOCKET_NAME} bytes a socket's name may have",
            "choose a shorter [job] socket",
            asked=is_asked,
        )
    folder = _existing(machine, place.parent)
    if not machine.can(folder, os.W_OK | os.X_OK):
        return missing(
            f"{machine.user.name} may not make {place}",
            f"install -d -o {machine.user.name} {place.parent} "
            "(systemd: RuntimeDirectory=wattline)",
            asked=is_asked,
        )
    return ok(f"jobs will be listened to at {place}", socket=str(place))


def _place(machine: Machine, settings: Settings) -> Path:
    return settings.job_socket or agent_place(machine.environment)


def _candidates(machine: Machine, settings: Settings) -> list[Path]:
    if settings.job_socket is not None:
        return [settings.job_socket]
    return places(machine.environment)


def _existing(machine: Machine, folder: Path) -> Path:
    while not machine.exists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            # A socket of another kind has a listener, too; one that nobody reads refuses.
            return isinstance(error, PermissionError) or error.errno == 91
    return True


def _slurm(machine: Machine) -> list[Finding]:
    signs = ("/run/slurmd.pid", "/var/run/slurmd/slurmd.pid", "/var/run/slurmd.pid")
    # Where there may be several slurmd the scope has the node's name before it.
    steps = any(name.endswith("slurmstepd.scope") for name in machine.names(_SLICE))
    if steps or any(machine.exists(sign) for sign in signs):
        return [ok("Slurm runs here", slurm=True)]
    if machine.exists("/etc/slurm/slurm.conf"):
        return [missing("Slurm is configured and its slurmd does not run", asked=False)]
    return []


def _cgroups(machine: Machine) -> Finding:
    if machine.exists("/sys/fs/cgroup/cgroup.controllers"):
        return ok("control groups v2", cgroups=2)
    if machine.names("/sys/fs/cgroup"):
        return ok("control groups v1", cgroups=1)
    return missing("no control groups: a process is not told apart by its job", asked=False)
