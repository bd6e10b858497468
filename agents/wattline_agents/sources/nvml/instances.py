"""The MIG instances of a device.

They have memory, processes and, from Hopper on, activity of their own; no power and no energy.
Activity and memory are those of a GPU instance; its compute instances share them. Each costs two
calls a reading, so they are read in turn, one GPU instance a second.
"""

from __future__ import annotations

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.gpm import INSTANCE_RATIOS, Gpm, Requests, is_supported
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.memory import Memory
from wattline_agents.sources.nvml.off import Asked, Ledger, NvmlFailed
from wattline_agents.sources.nvml.processes import Processes

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from wattline_agents.wire import Row, Value

_SLICES, _SLICES_A30 = 7, 4
"""Compute slices of a whole device; the small A30 has fewer."""
_MOST = 64
_TURN_MS = 1_000
_SLOW_MS = 15_000
_SLACK_MS = 50
"""A tick that comes a little early is this one, and not the next."""
_THINGS = ("mig memory", "mig processes", "mig gpm")


class Instance:
    """One MIG instance.

    Attributes:
        uuid: Its UUID.
        gpu_instance: The number of the GPU instance it belongs to.
        found: Its processes, as of the last slow reading.
    """

    def __init__(self, library: Library, handle: object, model: str, ledger: Ledger) -> None:
        """Ask who it is.

        Raises:
            NvmlFailed: It does not answer.
        """
        self.uuid = library.text("nvmlDeviceGetUUID", handle)
        self.gpu_instance = int(library.call("nvmlDeviceGetGpuInstanceId", handle))
        self._profile, slices = _profile(library, handle)
        whole = _SLICES_A30 if "A30" in model else _SLICES
        self._memory = Memory(library, handle, ledger.ask_for("mig memory"))
        self._processes = Processes(library, handle, ledger.ask_for("mig processes"))
        self.found: list[tuple[int, ...]] | None = None
        self._kept: dict[str, Value] = {
            "slice_ratio": None if slices is None else min(1.0, slices / whole)
        }

    def read(self, now_ms: int) -> None:
        """Read what moves slowly.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        memory = self._memory.read(now_ms)
        self._kept["memory_used_bytes"] = None if memory is None else memory[0]
        self._kept["memory_size_bytes"] = None if memory is None else memory[1]
        self.found = self._processes.read(now_ms)
        self._kept["processes"] = None if self.found is None else len(self.found)

    def row(self, device: str, ratios: dict[str, float | None], now_ms: int) -> Row:
        """Its row of `mig`."""
        row: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "device": device,
            "instance": self.uuid,
            "gpu_instance": self.gpu_instance,
            "profile": self._profile,
        }
        row.update(ratios)
        row.update(self._kept)
        return row


class _Turn:
    """What is read together: a GPU instance with its compute instances."""

    def __init__(self) -> None:
        self.instances: list[Instance] = []
        self.gpm: Gpm | None = None
        self.slow_due_ms = 0


class Instances:
    """All MIG instances of one device, as they were when they were last looked for.

    Attributes:
        have_changed: Whether one refused what it gave before, as one does that is gone.
    """

    def __init__(self, library: Library, handle: object, requests: Requests, model: str) -> None:
        """Nothing was looked for yet."""
        self._library, self._handle, self._requests = library, handle, requests
        self._model = model
        self.have_changed = False
        self._ledger = Ledger()
        self._turns: dict[int, _Turn] = {}
        self._order: list[int] = []
        self._next_ms = 0
        self._processes_are_new = False

    def find(self, ledger: Ledger, now_ms: int) -> None:
        """Look for the instances there are; those known keep what they have.

        Args:
            ledger: Keeps what comes of asking them.
            now_ms: The tick's time.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        self._ledger, self.have_changed = ledger, False
        known = {instance.uuid: instance for instance in self._all()}
        found = [
            instance
            for index in range(self._most())
            if (instance := self._instance(index, known)) is not None
        ]
        if {instance.uuid for instance in found} == known.keys():
            return
        for asked in self._asked():
            asked.off = None
        turns: dict[int, _Turn] = {}
        for instance in found:
            number = instance.gpu_instance
            if number not in turns:
                turns[number] = self._turns.pop(number) if number in self._turns else _Turn()
            turn = turns[number]
            if instance.uuid not in known or turn.gpm is None:
                turn.slow_due_ms = 0
                turn.gpm = turn.gpm or self._open_gpm(number, now_ms)
        for turn in turns.values():
            turn.instances = [i for i in found if turns[i.gpu_instance] is turn]
        self.close()
        # Each is read once before their turns begin.
        self._turns, self._order, self._next_ms = turns, list(turns), 0

    def read(self, device: str, now_ms: int) -> list[Row]:
        """Rows of `mig` of the GPU instance whose turn it is.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self._turns or self._next_ms - _SLACK_MS > now_ms >= self._next_ms - _TURN_MS:
            return []
        were_off = [asked.off for asked in self._asked()]
        now = self._order
        if self._next_ms != 0:
            now, self._order = self._order[:1], self._order[1:] + self._order[:1]
        self._next_ms = now_ms + _TURN_MS
        rows = [row for number in now for row in self._read(self._turns[number], device, now_ms)]
        self.have_changed = were_off != [asked.off for asked in self._asked()]
        return rows

    def new_processes(self) -> list[tuple[int, ...]] | None:
        """The processes of all instances, if any were read since the call before."""
        is_new, self._processes_are_new = self._processes_are_new, False
        if not is_new:
            return None
        return [
            (pid, memory, instance.gpu_instance, compute)
            for instance in self._all()
            for pid, memory, _gpu_instance, compute in instance.found or ()
        ]

    def uuids(self) -> dict[int, str]:
        """UUIDs by the number of the GPU instance."""
        return {instance.gpu_instance: instance.uuid for instance in self._all()}

    def close(self) -> None:
        """Give back what it holds, while the library is still open."""
        for turn in self._turns.values():
            if turn.gpm is not None:
                turn.gpm.close()
        self._turns, self._order = {}, []

    def _read(self, turn: _Turn, device: str, now_ms: int) -> list[Row]:
        ratios = None if turn.gpm is None else turn.gpm.read(now_ms)
        is_slow = not turn.slow_due_ms - _SLOW_MS <= now_ms < turn.slow_due_ms - _SLACK_MS
        if is_slow:
            turn.slow_due_ms = now_ms + _SLOW_MS
            for instance in turn.instances:
                instance.read(now_ms)
                self._processes_are_new |= instance.found is not None
        if ratios is None and not is_slow:
            return []
        return [instance.row(device, ratios or {}, now_ms) for instance in turn.instances]

    def _all(self) -> list[Instance]:
        return [instance for turn in self._turns.values() for instance in turn.instances]

    def _asked(self) -> list[Asked]:
        return [self._ledger.ask_for(name) for name in _THINGS]

    def _most(self) -> int:
        try:
            most = int(self._library.call("nvmlDeviceGetMaxMigDeviceCount", self._handle))
        except NvmlFailed as error:
            if error.device_gone or error.driver_gone:
                raise
            return 0
        return min(most, _MOST)

    def _instance(self, index: int, known: dict[str, Instance]) -> Instance | None:
        try:
            handle = self._library.call("nvmlDeviceGetMigDeviceHandleByIndex", self._handle, index)
            uuid = self._library.text("nvmlDeviceGetUUID", handle)
            return known.get(uuid) or Instance(self._library, handle, self._model, self._ledger)
        except NvmlFailed as error:
            # Places without an instance say so, and one that is just being removed does, too.
            if error.device_gone or error.driver_gone:
                raise
            return None

    def _open_gpm(self, number: int, now_ms: int) -> Gpm | None:
        asked = self._ledger.ask_for("mig gpm")
        if not asked.wanted(now_ms):
            return None
        try:
            if is_supported(self._library, self._handle):
                metrics = tuple(INSTANCE_RATIOS)
                return Gpm(self._library, self._requests, self._handle, asked, metrics, number)
            asked.refuse(ids.NOT_SUPPORTED, now_ms)
        except NvmlFailed as error:
            asked.refuse(error.code, now_ms)
        return None


def _profile(library: Library, handle: object) -> tuple[str | None, int | None]:
    """The size by its name, such as 3g.40gb, and its compute slices."""
    profile: str | None = None
    slices: int | None = None
    try:
        name = library.text("nvmlDeviceGetName", handle)
        # The name ends with it: NVIDIA H100 80GB HBM3 MIG 3g.40gb
        profile = name.rpartition(" MIG ")[2] if " MIG " in name else None
        attributes = library.call("nvmlDeviceGetAttributes_v2", handle)
        slices = int(attributes.computeInstanceSliceCount)
        if profile is None:
            gib = round(attributes.memorySizeMB / 1024)
            profile = f"{int(attributes.gpuInstanceSliceCount)}g.{gib}gb"
    except NvmlFailed as error:
        if error.device_gone or error.driver_gone:
            raise
    return profile, slices
