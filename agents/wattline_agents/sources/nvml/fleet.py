"""All NVIDIA GPUs of a node, from one opening of the driver to the next.

Each step that may hang has a name of its own, and stands alone: opening the driver, finding each
device, reading each device. A device that is lost is sought again after a while; so is a driver.
"""

from __future__ import annotations

from functools import partial

from wattline_agents.errors import RestartNeeded, SourceUnavailable
from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.device import Device
from wattline_agents.sources.nvml.gpm import Requests
from wattline_agents.sources.nvml.library import Library, as_text, unavailable
from wattline_agents.sources.nvml.off import Capability, NvmlFailed, is_due
from wattline_agents.sources.nvml.procfs import ProcFs
from wattline_agents.sources.nvml.watch import XidWatch

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wattline_agents.sources.source import Part, Readings
    from wattline_agents.wire import Row

_RETRY_MS = 10_000
"""How long a lost device or driver is left alone: asking a sick one may take seconds."""
_COUNT_MS = 60_000
_GONE_MS = 3_600_000
"""How long a device that was unplugged is called down before it is forgotten."""
_END_SECONDS = 1.0
"""How long a wait for events may take to end when the driver is gone, which ends it."""
_MOST_DEVICES = 64
_PASSES_TO_ANSWER = 2
"""In so many readings a device has answered, if it ever will without being woken."""


class Fleet:
    """All devices behind one library.

    Attributes:
        unread: Devices that the driver counts or holds and of which there is no row, by index, PCI
            address or both, as they were when devices were last looked for.
    """

    def __init__(
        self,
        library: Library,
        procfs: ProcFs,
        watch: XidWatch,
        period_seconds: float,
    ) -> None:
        """Touch nothing yet.

        Args:
            library: NVML, not opened yet.
            procfs: Knows the node's processes.
            watch: Watches for XIDs.
            period_seconds: How far apart readings are to be.
        """
        self._library, self._procfs, self._watch = library, procfs, watch
        self._period_seconds = period_seconds
        self._requests = Requests(library)
        self._devices: dict[str, Device] = {}
        # Those whose UUID is known, and nothing more: their index and PCI address.
        self._silent: dict[str, tuple[int, str | None]] = {}
        self.unread: list[str] = []
        self._to_find: list[int] = []
        self._unfound: set[int] = set()
        self._known: set[str] = set()
        self._counted = 0
        self._driver: str | None = None
        self._open_ms = self._count_ms = 0
        self._retry_ms: dict[str, int] = {}
        self._gone_ms: dict[str, int] = {}
        self._why_closed: SourceUnavailable | None = None
        self._attach = self._has_answered = False
        self._passes = 0

    def parts(self, now_ms: int) -> Iterator[Part]:
        """What there is to read, in order, asked for one by one."""
        counted_ms = self._count_ms
        if not self._library.is_open and is_due(self._open_ms, _RETRY_MS, now_ms):
            yield "open", partial(self._open, now_ms)
        elif self._library.is_open and not self._has_answered and self._is_asleep():
            yield "open", partial(self._open_awake, now_ms)
        elif self._library.is_open and is_due(self._count_ms, _COUNT_MS, now_ms):
            yield "count", partial(self._guarded, self._count, now_ms)
        while self._to_find and self._library.is_open:
            index = self._to_find.pop(0)
            yield f"find {index}", partial(self._guarded, partial(self._find, index), now_ms)
        if self._count_ms != counted_ms:
            self.unread = self._without_row()
        if self._library.is_open:
            for device in self._lost():
                retry_ms = self._retry_ms.setdefault(device.uuid, now_ms + _RETRY_MS)
                if is_due(retry_ms, _RETRY_MS, now_ms):
                    name = f"find {device.identity.pci or device.uuid}"
                    yield name, partial(self._guarded, partial(self._seek, device), now_ms)
        if self._library.is_open and self._watch.has_ended(now_ms):
            yield "events", partial(self._guarded, self._watch_again, now_ms)
        yield "xid", partial(self._read_xids, now_ms)
        for device in list(self._devices.values()):
            yield device.uuid, partial(self._read_device, device, now_ms)
        for uuid in list(self._silent):
            yield uuid, partial(self._read_silent, uuid, now_ms)

    def check(self) -> None:
        """Raise why there is nothing to read, if there is nothing.

        Raises:
            SourceUnavailable: There is no driver, or no device.
        """
        if not self._devices and self._why_closed is not None:
            raise self._why_closed

    def describe(self, now_ms: int) -> Readings:
        """One row of `device_info` per device, from what is known."""
        rows = [self._info(device, now_ms) for device in self._devices.values()]
        rows += [
            {
                "time_unix_ms": now_ms,
                "device": uuid,
                "index": index,
                "vendor": "nvidia",
                "pci": pci,
                "driver": self._driver,
                "source": "nvml",
            }
            for uuid, (index, pci) in self._silent.items()
        ]
        return {"device_info": rows}

    def capabilities(self) -> list[Capability]:
        """What can be read and what cannot, and why."""
        found = [one for device in self._devices.values() for one in device.capabilities()]
        return [*found, Capability("", "kernel log", self._watch.log_why_not)]

    def why_not(self) -> dict[str, dict[str, str]]:
        """Why columns of a device are null, or count less than there is."""
        reasons = {
            device.uuid: off for device in self._devices.values() if (off := device.why_not())
        }
        log = self._watch.log_why_not
        if log is not None and self._devices:
            reasons[""] = {"xid_events_total": f"only those that are events: {log}"}
        return reasons

    def close(self) -> None:
        """Detach from the driver, unless a wait for events still holds it."""
        if not self._watch.close():
            return  # it would be closed under the wait; the process ends anyway
        for device in self._devices.values():
            if not device.is_lost:
                device.detach()
        self._library.close()

    # Opening, counting, finding.

    def _open(self, now_ms: int) -> Readings:
        self._open_ms = now_ms + _RETRY_MS
        try:
            self._library.open(attach=self._attach)
            self._driver = self._library.text("nvmlSystemGetDriverVersion")
            count = self._library.call("nvmlDeviceGetCount")
        except NvmlFailed as error:
            self._library.close()
            if error.code == ids.LIB_RM_VERSION_MISMATCH:
                raise _restart() from error
            self._why_closed = SourceUnavailable(unavailable(error.code, str(error)))
            if self._devices:
                return {}  # its devices are down, and their rows say so
            raise self._why_closed from error
        if count == 0 and not self._devices:
            self._library.close()
            self.unread = self._without_row()
            self._why_closed = SourceUnavailable(unavailable(ids.NOT_FOUND))
            raise self._why_closed
        self._why_closed = None
        self._passes = 0
        self._find_all(count, now_ms)
        return {}

    def _is_asleep(self) -> bool:
        """Whether nothing answers, perhaps because the driver was told to leave devices alone."""
        self._passes += 1
        return self._passes > _PASSES_TO_ANSWER and not self._attach

    def _open_awake(self, now_ms: int) -> Readings:
        """Open it again, and let the driver turn to every device."""
        self._attach = True
        self._shut()
        return self._open(now_ms)

    def _count(self, now_ms: int) -> Readings:
        """See whether devices came or went, or all that came with an opening are silent."""
        count = self._library.call("nvmlDeviceGetCount")
        missing = count != len(self._devices) - len(self._gone_ms)
        self._count_ms = now_ms + _COUNT_MS
        if count != self._counted or missing:
            self._find_all(count, now_ms)
        return {}

    def _find_all(self, count: int, now_ms: int) -> None:
        self._counted = count
        self._count_ms = now_ms + _COUNT_MS
        self._to_find = list(range(min(count, _MOST_DEVICES)))
        self._unfound = set(self._to_find)
        self._known = set()

    def _find(self, index: int, now_ms: int) -> Readings:
        """Take in the device of this index; one known before keeps what was counted."""
        try:
            handle = self._library.call("nvmlDeviceGetHandleByIndex", index)
            uuid = self._library.text("nvmlDeviceGetUUID", handle)
            self._unfound.discard(index)
            try:
                self._take_in(handle, uuid, index, now_ms)
            except NvmlFailed:
                if uuid not in self._devices and len(self._silent) < _MOST_DEVICES:
                    self._silent[uuid] = index, self._pci(handle)
                raise
        except NvmlFailed as error:
            # One GPU that fell off the bus must not hide the others.
            if error.driver_gone:
                raise
        if not self._to_find:
            self._end_finding(now_ms)
        return {}

    def _take_in(self, handle: object, uuid: str, index: int, now_ms: int) -> None:
        self._known.add(uuid)
        device = self._devices.get(uuid)
        if device is None:
            if len(self._devices) >= _MOST_DEVICES:
                return
            place = len(self._devices)
            device = Device(
                self._library, self._requests, self._procfs, handle, uuid, index, place,
                self._period_seconds,
            )  # fmt: skip
            self._devices[uuid] = device
            self._silent.pop(uuid, None)
        elif device.is_lost:
            device.detach()
            device.attach(self._library, self._requests, handle, index)
        else:
            device.index = index
            return
        self._gone_ms.pop(uuid, None)
        self._retry_ms.pop(uuid, None)
        self._watch.add(device, now_ms)

    def _end_finding(self, now_ms: int) -> None:
        """Devices that were not among those found were unplugged, or do not answer."""
        if len(self._known) < self._counted:
            # One of those counted did not answer; it is not known which, or whether one is gone.
            self._count_ms = now_ms + _RETRY_MS
            return
        self._silent = {uuid: who for uuid, who in self._silent.items() if uuid in self._known}
        if self._silent:
            self._count_ms = now_ms + _RETRY_MS
        for uuid, device in self._devices.items():
            if uuid not in self._known and not device.is_unplugged:
                device.is_lost = device.is_unplugged = True
                self._gone_ms[uuid] = now_ms

    def _pci(self, handle: object) -> str | None:
        try:
            return as_text(self._library.call("nvmlDeviceGetPciInfo", handle).busId)
        except NvmlFailed:
            return None

    def _without_row(self) -> list[str]:
        """Devices that are counted, or that the driver holds, and have no row."""
        lost = {one.index for one in self._devices.values() if one.uuid not in self._known}
        indices = [str(index) for index in sorted(self._unfound - lost)]
        known = {device.identity.pci for device in self._devices.values()}
        known |= {pci for _, pci in self._silent.values()}
        places = [f"at {place}" for place in self._procfs.bus() if place not in known]
        if len(indices) == len(places) == 1:
            return [f"{indices[0]} {places[0]}"]
        # Which of them is at which address is not known.
        return places if len(places) >= len(indices) else indices

    def _lost(self) -> list[Device]:
        return [
            device
            for device in self._devices.values()
            if device.is_lost and not device.is_unplugged
        ]

    def _seek(self, device: Device, now_ms: int) -> Readings:
        """Look for a lost device again."""
        self._retry_ms[device.uuid] = now_ms + _RETRY_MS
        try:
            handle = self._library.call("nvmlDeviceGetHandleByUUID", device.uuid.encode())
            index = self._library.call("nvmlDeviceGetIndex", handle)
            self._take_in(handle, device.uuid, index, now_ms)
        except NvmlFailed as error:
            if error.driver_gone:
                raise
        return {}

    # Reading.

    def _read_device(self, device: Device, now_ms: int) -> Readings:
        if device.is_unplugged and now_ms - self._gone_ms.get(device.uuid, now_ms) > _GONE_MS:
            del self._devices[device.uuid]
            self._gone_ms.pop(device.uuid, None)
            return {}
        try:
            if self._library.is_open or device.is_lost:
                readings = device.read(now_ms)
                self._has_answered |= not device.is_lost
                return readings
        except NvmlFailed as error:
            self._lose_driver(error, now_ms)
        return {"device": [device.lost_row(now_ms)]}

    def _read_silent(self, uuid: str, now_ms: int) -> Readings:
        return {"device": [{"time_unix_ms": now_ms, "device": uuid, "up": 0}]}

    def _read_xids(self, now_ms: int) -> Readings:
        rows = self._watch.read(self._devices, now_ms)
        return {"xid": rows} if rows else {}

    def _watch_again(self, now_ms: int) -> Readings:
        self._watch.begin_again(self._devices, now_ms)
        return {}

    def _guarded(self, step: Callable[[int], Readings], now_ms: int) -> Readings:
        """Do it; where the driver is gone, remember that."""
        try:
            return step(now_ms)
        except NvmlFailed as error:
            if error.driver_gone:
                self._lose_driver(error, now_ms)
            return {}

    def _lose_driver(self, error: NvmlFailed, now_ms: int) -> None:
        """Every device is gone with its driver.

        Raises:
            RestartNeeded: The driver was replaced, and this process has the old library.
        """
        if error.code == ids.LIB_RM_VERSION_MISMATCH:
            raise _restart() from error
        # Before any device has answered, the driver may only want to be asked for them.
        self._attach |= not self._has_answered
        self._shut()
        self._open_ms = now_ms + _RETRY_MS

    def _shut(self) -> None:
        """Detach from the driver, to open it again.

        Raises:
            RestartNeeded: A wait for its events goes on; it would be closed under it.
        """
        if not self._watch.end(_END_SECONDS):
            raise RestartNeeded("the driver went, and a wait for its events did not end")
        for device in self._devices.values():
            device.detach()
            device.is_lost = True
        self._requests = Requests(self._library)
        self._library.close()
        self._to_find = []
        self._unfound = set()

    def _info(self, device: Device, now_ms: int) -> Row:
        who = device.identity
        is_module = "module" in (device.power_scope, device.energy_scope)
        return {
            "time_unix_ms": now_ms,
            "device": device.uuid,
            "index": device.index,
            "vendor": "nvidia",
            "model": who.model,
            "pci": who.pci,
            "driver": self._driver,
            "source": "nvml",
            "power_mode": device.power_mode,
            "power_scope": device.power_scope,
            "energy_scope": device.energy_scope,
            "minor": who.minor,
            "serial": who.serial,
            "vbios": who.vbios,
            "mig": who.mig,
            "module": str(who.module) if is_module and who.module is not None else None,
        }


def _restart() -> RestartNeeded:
    return RestartNeeded("the NVIDIA driver was changed while its library was in use")
