"""What /proc tells of a process: its control group and its processor time.

Plain reads of bounded size: psutil costs a hundred times as much per process. The control group of
a process is read once; a pid that is used again is known by its other start time.
"""

from __future__ import annotations

import os

_MOST_BYTES = 8192
_MOST_CGROUP_BYTES = 256
"""The longest text a row may hold; what tells the job stands before that."""
_MOST_KNOWN = 2048
_MOST_GPUS = 64


class ProcFs:
    """Processes of this node."""

    def __init__(self, root: str = "/proc") -> None:
        """Look below this directory."""
        self._root = root
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._known: dict[int, tuple[bytes, str | None]] = {}

    def look(self, pid: int) -> tuple[str | None, float | None]:
        """The control group and the processor seconds of a process; None what cannot be told."""
        stat = self._read(f"{pid}/stat")
        # The name is in brackets, and may hold any bytes, brackets included.
        fields = b"" if stat is None else stat.rpartition(b")")[2]
        numbers = fields.split()
        if len(numbers) < 20:
            self._known.pop(pid, None)
            return None, None
        started = numbers[19]
        known = self._known.get(pid)
        if known is None or known[0] != started:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[pid] = started, self._cgroup(pid)
        try:
            return known[1], (int(numbers[11]) + int(numbers[12])) / self._ticks
        except ValueError:
            return known[1], None

    def bus(self) -> list[str]:
        """PCI addresses of the GPUs that the kernel's driver holds, as NVML writes them."""
        try:
            names = sorted(os.listdir(f"{self._root}/driver/nvidia/gpus"))[:_MOST_GPUS]
        except OSError:
            return []
        split = [name.partition(":") for name in names]
        return [f"{domain:0>8}:{rest}".upper() for domain, _, rest in split]

    def _cgroup(self, pid: int) -> str | None:
        content = self._read(f"{pid}/cgroup")
        return None if content is None else cgroup_of(content)

    def _read(self, path: str) -> bytes | None:
        try:
            file = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None  # it has ended, or is hidden from us
        try:
            return os.read(file, _MOST_BYTES)
        except OSError:
            return None
        finally:
            os.close(file)


def cgroup_of(content: bytes) -> str | None:
    """The control group that /proc/PID/cgroup names.

    With version 2 there is one. With version 1 there is one for each controller, and the job's is
    the deepest: a controller that Slurm does not manage leaves the process near the root.
    """
    best = ""
    for line in content.decode(errors="replace").splitlines():
        path = line.partition(":")[2].partition(":")[2]
        if len(path) > len(best):
            best = path
    best = "".join(c if c.isprintable() else "?" for c in best[:_MOST_CGROUP_BYTES])
    return best.encode()[:_MOST_CGROUP_BYTES].decode(errors="ignore") or None
