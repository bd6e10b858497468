"""Whether a job of Slurm has control groups on this node: one without has no process left."""

from __future__ import annotations

import os

from wattline_agents.assignment.cgroups import SLUID
from wattline_agents.pattern import pattern

_ROOT = "/sys/fs/cgroup"
_V1 = ("freezer", "memory", "cpuset", "devices", "cpu,cpuacct", "cpuacct")
_MOST_ENTRIES = 4096
_JOB = pattern(r"([1-9][0-9]{0,11})(?:\.[0-9]+)?")


class Presence:
    """Control groups of Slurm's jobs on this node."""

    def __init__(self, root: str = _ROOT) -> None:
        """Look below this directory."""
        self._root = root

    def is_running(self, job: str) -> bool | None:
        """Whether the job of that key has a group; None where Slurm makes none that show it."""
        match = _JOB.fullmatch(job)
        if match is None:
            return None
        name, tops = f"job_{match[1]}", self._tops()
        if not tops:
            return None
        names = [entry for top in tops for entry in _names(top)]
        if any(entry == name for entry in names):
            return True
        # Groups named by Slurm's own ids do not say whose they are.
        return None if any(SLUID.fullmatch(entry) for entry in names) else False

    def _tops(self) -> list[str]:
        """Directories that hold one directory per job."""
        slices = f"{self._root}/system.slice"
        tops = [f"{slices}/{name}" for name in _names(slices) if name.endswith("slurmstepd.scope")]
        for controller in _V1:
            for name in _names(f"{self._root}/{controller}"):
                if name == "slurm" or name.startswith("slurm_"):
                    place = f"{self._root}/{controller}/{name}"
                    users = [user for user in _names(place) if user.startswith("uid_")]
                    # With no job at all there is no user, and the answer is still "none".
                    tops += [f"{place}/{user}" for user in users] or [place]
        return tops


def _names(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False)]
    except OSError:
        return []
