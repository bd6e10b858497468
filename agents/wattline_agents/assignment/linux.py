"""What a job's process is asked for, read from Linux' /proc; it answers as psutil does.

psutil takes 2 MiB of memory and one on the disk for these few answers, so on Linux the agent does
without it. Elsewhere psutil itself is asked.
"""

from __future__ import annotations

import os

_MOST_BYTES = 4096
_MOST_STAT_BYTES = 4 * 1024 * 1024
"""Of /proc/stat: lines of processors and interrupts stand before the one that is wanted."""
_STATE, _STARTED = 0, 19
"""Places behind the name in /proc/PID/stat."""

STATUS_ZOMBIE = "zombie"


class Error(Exception):
    """A process cannot be looked at."""


class NoSuchProcess(Error):
    """There is none of that number, or it is hidden from us."""


class Process:
    """One process: known again by its number and its start together."""

    def __init__(self, pid: int, root: str = "/proc") -> None:
        """Look at it.

        Args:
            pid: Its number.
            root: Where the kernel tells of processes.

        Raises:
            NoSuchProcess: There is none of that number, or it is hidden.
        """
        self.pid, self._root = pid, root
        self._started = self._look()[1]

    def create_time(self) -> float:
        """When it was started, in seconds since 1970; the time of the boot is known to a second.

        Raises:
            Error: /proc does not tell when the node was started.
        """
        for line in _read(f"{self._root}/stat", _MOST_STAT_BYTES).splitlines():
            if line.startswith(b"btime "):
                return float(line[6:]) + self._started / os.sysconf("SC_CLK_TCK")
        raise Error("no time of the boot in /proc/stat")

    def is_running(self) -> bool:
        """Whether it is there, and its number has not been given to another since."""
        try:
            return self._look()[1] == self._started
        except NoSuchProcess:
            return False

    def status(self) -> str:
        """`zombie` once it has ended and its parent has not asked how; else the kernel's letter.

        Raises:
            NoSuchProcess: It is gone.
        """
        state = self._look()[0]
        return STATUS_ZOMBIE if state in ("Z", "X") else state

    def _look(self) -> tuple[str, int]:
        """Its state, and its start in ticks since the boot."""
        # The name is in brackets, and may hold any bytes, brackets included.
        fields = _read(f"{self._root}/{self.pid}/stat", _MOST_BYTES).rpartition(b")")[2].split()
        try:
            return fields[_STATE].decode(), int(fields[_STARTED])
        except (IndexError, ValueError) as error:
            raise NoSuchProcess(f"process {self.pid}: {error}") from error


def pid_exists(pid: int) -> bool:
    """Whether there is a process of that number, even one that we may not look at."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is another user's
    return True


def _read(path: str, most: int) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            parts, size = [], 0
            # Files of /proc may come in pieces of a page.
            while size < most and (part := file.read(min(most - size, 65536))):
                parts.append(part)
                size += len(part)
            return b"".join(parts)
    except OSError as error:
        raise NoSuchProcess(f"{path}: {error.strerror}") from error
