"""Who a process of a job is: the job's key, its rank, and texts that can be shown."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping

from wattline_agents.job.message import MOST_TEXT

PARENT = "WATTLINE_PARENT_JOB"
"""`PID:KEY`, left in the environment so that processes this one starts count for the same job."""

RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
"""Where launchers say which process of all this one is: torchrun, srun, Open MPI, PMIx, MPICH."""


def job_key(name: str, environment: Mapping[str, str]) -> str:
    """The job's key: told, inherited, the scheduler's, the launcher's, or made here."""
    if told := environment.get("WATTLINE_JOB"):
        return plain(told)
    pid, _, inherited = environment.get(PARENT, "").partition(":")
    if inherited and pid != str(os.getpid()):
        return plain(inherited)
    if slurm := environment.get("SLURM_JOB_ID"):
        restarts = environment.get("SLURM_RESTART_COUNT", "0")
        return plain(slurm if restarts in ("", "0") else f"{slurm}.{restarts}")
    launch = environment.get("TORCHELASTIC_RUN_ID", "none")
    if launch != "none":
        return plain(f"local-{name[:60]}-{launch}")
    start = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return plain(f"local-{name[:60]}-{start}-{os.urandom(2).hex()}")


def rank_of(environment: Mapping[str, str]) -> int | None:
    """This process's number among those of the job; None where no launcher says it."""
    for variable in RANKS:
        value = environment.get(variable, "")
        if value.isascii() and value.isdecimal():
            return int(value)
    return None


def plain(text: str) -> str:
    """The text with everything replaced that no key may have."""
    return re.sub(r"[^A-Za-z0-9._:@+-]", "-", text[:1024]).lstrip("._:@+-")[:128] or "job"


def printable(text: str, otherwise: str = "job") -> str:
    """The text as one line that may be shown anywhere, of at most 128 characters."""
    shown = "".join(c if c.isprintable() else " " for c in text[:MOST_TEXT])
    return shown if shown.strip() else otherwise
