"""The compute processes of a device, and what the node knows of them."""

from __future__ import annotations

import ctypes
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Asked, Ledger
from wattline_agents.sources.nvml.procfs import ProcFs

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattline_agents.wire import Row

MOST_PROCESSES = 64
"""So many have a row; the count says how many there are."""

PROCESS = Struct("=I4xQII")
"""c_nvmlProcessInfo_v2_t: pid, memory in bytes, GPU instance, compute instance."""
UTILIZATION = Struct("=I4xQIIII")
"""c_nvmlProcessUtilizationSample_t: pid, time, SM, memory, encoder and decoder in percent."""

_MOST_ENTRIES = 4096
_AHEAD_MS = 60_000
"""No sample is of a time so far ahead."""


class Listing:
    """Calls that fill a buffer with as many entries as it has room for."""

    def __init__(self, entry: Struct) -> None:
        """Room for a few; it grows when the driver says that there are more."""
        self._entry = entry
        self.count = ctypes.c_uint(0)
        self.count_ref = ctypes.byref(self.count)
        self._make_room(MOST_PROCESSES)

    def _make_room(self, entries: int) -> None:
        self.room = min(entries, _MOST_ENTRIES)
        self.buffer = ctypes.create_string_buffer(self._entry.size * self.room)

    def grows(self, code: int) -> bool:
        """Whether there was too little room, and there is more now."""
        if code != ids.INSUFFICIENT_SIZE or self.room == _MOST_ENTRIES:
            return False
        self._make_room(max(self.count.value * 2, self.room * 2))
        return True

    def entries(self) -> list[tuple[int, ...]]:
        """What the last call filled in."""
        count = min(self.count.value, self.room)
        return list(self._entry.iter_unpack(memoryview(self.buffer)[: count * self._entry.size]))


class Processes:
    """The compute processes of one device, or of one MIG instance."""

    def __init__(self, library: Library, handle: object, asked: Asked) -> None:
        """Nothing is read yet."""
        self._get = library.function("nvmlDeviceGetComputeRunningProcesses_v3")
        self._handle, self._asked = handle, asked
        self._listing = Listing(PROCESS)

    def read(self, now_ms: int) -> list[tuple[int, ...]] | None:
        """Pid, memory in bytes and the instances of each; None where it cannot be told.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self._asked.wanted(now_ms):
            return None
        listing = self._listing
        while True:
            listing.count.value = listing.room
            code = self._get(self._handle, listing.count_ref, listing.buffer)
            if not listing.grows(code):
                break
        return listing.entries() if self._asked.took(code, now_ms) else None


class Shares:
    """The share of time each process kept the compute units busy, as the driver samples it."""

    def __init__(self, library: Library, handle: object, ledger: Ledger) -> None:
        """Nothing is read yet."""
        self._get = library.function("nvmlDeviceGetProcessUtilization")
        self._handle = handle
        self._asked = ledger.ask_for("process utilisation", "sm_busy_ratio")
        self._last, self._read_ms = ctypes.c_ulonglong(0), 0
        self._listing = Listing(UTILIZATION)

    def read(self, now_ms: int) -> dict[int, float] | None:
        """Ratios by pid since the reading before; a process not named did nothing.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self._asked.wanted(now_ms):
            return None
        if now_ms < self._read_ms:
            # A clock that was set back takes the driver's times along; it would have nothing new.
            self._last.value = 0
        self._read_ms = now_ms
        listing = self._listing
        while True:
            listing.count.value = listing.room
            code = self._get(self._handle, listing.buffer, listing.count_ref, self._last)
            if not listing.grows(code):
                break
        # Nobody did anything: that is an answer, and its zeros are true ones.
        idle = code == ids.NOT_FOUND
        if not self._asked.took(ids.SUCCESS if idle else code, now_ms):
            return None
        sums: dict[int, list[float]] = {}
        most = (now_ms + _AHEAD_MS) * 1000
        for pid, time, sm, _memory, _encoder, _decoder in [] if idle else listing.entries():
            if time > most:
                continue  # of before the clock was set back
            self._last.value = max(self._last.value, time)
            if sm <= 100:
                sums.setdefault(pid, []).append(sm / 100)
        return {pid: sum(found) / len(found) for pid, found in sums.items()}


def process_rows(
    device: str,
    found: Sequence[tuple[int, ...]],
    shares: dict[int, float] | None,
    instances: dict[int, str],
    procfs: ProcFs,
    now_ms: int,
) -> list[Row]:
    """Rows of `process`: at most 64, those that hold most memory.

    Args:
        device: The device's UUID.
        found: What `Processes.read` gave.
        shares: What `Shares.read` gave.
        instances: UUID of the MIG instance by the number of its GPU instance.
        procfs: Knows the node's processes.
        now_ms: The tick's time.
    """
    rows: list[Row] = []
    seen: set[int] = set()
    for pid, memory, gpu_instance, _compute in sorted(found, key=_by_memory, reverse=True):
        if pid in seen or len(rows) == MOST_PROCESSES:
            continue
        seen.add(pid)
        cgroup, cpu_seconds = procfs.look(pid)
        rows.append(
            {
                "time_unix_ms": now_ms,
                "device": device,
                "pid": pid,
                "cgroup": cgroup,
                "instance": instances.get(gpu_instance),
                "memory_used_bytes": memory if _is_known(memory) else None,
                "sm_busy_ratio": None if shares is None else shares.get(pid, 0.0),
                "cpu_seconds_total": cpu_seconds,
            }
        )
    return rows


def _is_known(memory: int) -> bool:
    return memory != ids.NOT_AVAILABLE_BYTES


def _by_memory(found: tuple[int, ...]) -> int:
    return found[1] if _is_known(found[1]) else 0
