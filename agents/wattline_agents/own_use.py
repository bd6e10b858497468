"""What the agent itself costs: processor time and memory, with the processes that read for it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_STAT_UTIME = 11
"""Place of `utime` behind the name in /proc/PID/stat, which is its field 14; `stime` follows."""


def cpu_seconds(readers: Iterable[int] = (), proc: Path = Path("/proc")) -> float:
    """Processor time used so far, in seconds: our own, and of readers that run or have ended.

    Args:
        readers: The processes that read for this one now.
        proc: Where the kernel tells of processes.
    """
    times = os.times()
    seconds = times.user + times.system + times.children_user + times.children_system
    for pid in readers:
        try:
            # The name may hold anything, blanks and brackets included; it ends at the last one.
            fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            ticks = int(fields[_STAT_UTIME]) + int(fields[_STAT_UTIME + 1])
        except (OSError, ValueError, IndexError):
            continue  # it has just ended; its time shows with ours once it was waited for
        seconds += ticks / os.sysconf("SC_CLK_TCK")
    return seconds


def resident_bytes(readers: Iterable[int] = (), proc: Path = Path("/proc")) -> int | None:
    """Main memory held, in bytes; pages shared by two processes count twice. None if not known."""
    pages = 0
    for pid in (os.getpid(), *readers):
        try:
            pages += int((proc / str(pid) / "statm").read_bytes().split()[1])
        except (OSError, ValueError, IndexError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") if pages else None
