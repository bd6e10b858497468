"""How it can be known here which job holds which device, and what would make it surer."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from wattline_agents.assignment.cgroups import SLURM, job_in_cgroup
from wattline_agents.assignment.devices import AUTO, INDEX, MINOR
from wattline_agents.assignment.opening import foreign_places, records_place
from wattline_agents.assignment.records.record import ENDED, RUNNING
from wattline_agents.config import Settings
from wattline_agents.doctor.finding import Finding, missing, ok
from wattline_agents.doctor.machine import Machine

_PROLOG = (
    "install deploy/slurm/prolog.sh and epilog.sh (docs/slurm.md): "
    "Prolog=, Epilog=, PrologFlags=Alloc in slurm.conf"
)
_GPUS = "/proc/driver/nvidia/gpus"
_RIGHTS = "systemd: AmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"


def check(machine: Machine, settings: Settings, *, has_slurm: bool) -> list[Finding]:
    """Records, the files of other tools, environments, and what a device's number means.

    Args:
        machine: The node.
        settings: What the configuration asks for.
        has_slurm: Whether Slurm's jobs run here.
    """
    if not settings.assignment.enabled:
        what = "jobs and devices are not joined ([assignment] enabled = false)"
        return [missing(what, asked=False)]
    records = _records(machine, settings, has_slurm)
    return [
        *([] if records is None else [records]),
        *_foreign(machine, settings),
        *_inside(machine),
        *_numbers(machine, settings),
        _environments(machine),
    ]


def _records(machine: Machine, settings: Settings, has_slurm: bool) -> Finding | None:
    place = records_place(settings.assignment, machine.environment)
    is_asked = settings.assignment.records is not None
    if not machine.exists(place):
        if not (is_asked or has_slurm):
            return None
        return missing(
            f"no records at {place}: a device that is held and idle is not seen, and a job's "
            "devices only while processes are on them",
            _PROLOG,
            asked=is_asked,
        )
    if (finding := _trouble(machine, place, asked=True)) is not None:
        return finding
    names = machine.names(place)
    running = sum(1 for name in names if RUNNING.fullmatch(name))
    ended = sum(1 for name in names if ENDED.fullmatch(name))
    return ok(
        f"records at {place}: {running} running, {ended} ended",
        records=str(place),
        running=running,
        ended=ended,
    )


def _foreign(machine: Machine, settings: Settings) -> list[Finding]:
    told = settings.assignment
    asked = {"jobstats": told.jobstats, "dcgm-exporter": told.dcgm, "amd-exporter": told.amd}
    found = []
    for method, place, _parser in foreign_places(told, machine.environment):
        is_asked = asked[method] is not None
        if not machine.exists(place):
            if is_asked:
                found.append(missing(f"{method}: no {place}", f"ls {place.parent}", asked=True))
            continue
        trouble = _trouble(machine, place, asked=is_asked)
        count = len(machine.names(place))
        found.append(trouble or ok(f"{method}: {count} files at {place}", method=method))
    return found


def _trouble(machine: Machine, place: Path, *, asked: bool) -> Finding | None:
    if not machine.can(place, os.R_OK | os.X_OK):
        what = f"{machine.user.name} may not read {place}"
        return missing(what, f"chmod 0755 {place}", asked=asked)
    try:
        status = machine.path(place).stat()
    except OSError:
        return None
    mode = status.st_mode
    if not stat.S_ISDIR(mode):
        return missing(f"{place} is not a directory", f"rm {place}", asked=asked)
    if mode & stat.S_IWOTH:
        what = f"{place}: anybody may write there, so it is not believed"
        return missing(what, f"chmod o-w {place}", asked=asked)
    if status.st_uid not in (0, machine.user.uid, os.getuid()):
        what = f"{place}: belongs to user {status.st_uid}, so it is not believed"
        return missing(what, f"chown root {place}", asked=asked)
    return None


def _inside(machine: Machine) -> list[Finding]:
    ref = job_in_cgroup(machine.text("/proc/self/cgroup") or "")
    if ref is None or ref.scheduler != SLURM:
        return []
    return [
        missing(
            f"this runs inside job {ref.id or ref.sluid}: of the node's devices it sees that job's,"
            " and their indices begin again at 0",
            "start the agent as a service of the node",
            asked=False,
        )
    ]


def _numbers(machine: Machine, settings: Settings) -> list[Finding]:
    """Whether index and minor number of a device differ: NVML counts in the order of the bus."""
    minors = []
    for name in sorted(machine.names(_GPUS)):
        text = machine.text(f"{_GPUS}/{name}/information") or ""
        match = re.search(r"^Device Minor:\s*([0-9]{1,4})\s*$", text, re.MULTILINE)
        if match is None:
            return []
        minors.append(int(match[1]))
    if not minors:
        return []
    told = settings.assignment.numbers
    taken = MINOR if told == MINOR else INDEX
    if minors == list(range(len(minors))):
        return [ok("a device's index is the N of its /dev/nvidiaN", numbers="same")]
    order = ", ".join(f"{index} is /dev/nvidia{minor}" for index, minor in enumerate(minors))
    what = f"devices' indices and minor numbers differ ({order}); numbers are taken for "
    what += "minor numbers" if taken == MINOR else "indices"
    if told != AUTO:
        return [ok(what, numbers=taken)]
    cure = (
        "until the agent has learned it from jobs; to be sure, where gres.conf lists "
        f'File=/dev/nvidia... and has no AutoDetect=nvml: [assignment] numbers = "{MINOR}"; '
        f'else "{INDEX}"'
    )
    return [missing(what, cure, asked=False, numbers=taken)]


def _environments(machine: Machine) -> Finding:
    if machine.can("/proc/1/environ", os.R_OK):
        return ok("processes of other users may be asked for their job", environ=True)
    return missing(
        f"{machine.user.name} may not look at other users' environments: a notebook's own job id, "
        "and a job that Slurm names by its own id alone (26.05), are not found there",
        _RIGHTS,
        asked=False,
    )
