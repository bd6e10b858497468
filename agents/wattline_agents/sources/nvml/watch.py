"""Watches for XID errors, as events of the driver and in the kernel's log."""

from __future__ import annotations

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.events import Events, unix_ms
from wattline_agents.sources.nvml.kmsg import KernelLog, place_of
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import NvmlFailed, is_due
from wattline_agents.sources.nvml.xids import XidBook

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wattline_agents.sources.nvml.device import Device
    from wattline_agents.wire import Row

_RETRY_MS = 10_000


class XidWatch:
    """The XIDs of all devices, for as long as the agent runs."""

    def __init__(
        self,
        library: Library,
        log: KernelLog,
        wait_ms: int,
        clock: Callable[[], int] = unix_ms,
    ) -> None:
        """Watch nothing yet.

        Args:
            library: NVML.
            log: The kernel's log.
            wait_ms: How long one wait for events may take; 0 to wait for none.
            clock: Tells when something came; milliseconds since 1970.
        """
        self._library, self._log = library, log
        self._wait_ms, self._clock = wait_ms, clock
        self._events = Events(library, wait_ms, clock)
        self._book = XidBook()
        self._places: dict[str, str] = {}
        self._again_ms = 0

    @property
    def log_why_not(self) -> str | None:
        """Why the kernel's log cannot be read; None if it can."""
        return self._log.why_not

    def add(self, device: Device, now_ms: int) -> None:
        """Watch this device, too.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if device.identity.pci is not None:
            self._places[place_of(device.identity.pci)] = device.uuid
        asked = device.ledger.ask_for("events")
        self._events.register(device.handle, device.uuid, asked, now_ms)

    def has_ended(self, now_ms: int) -> bool:
        """Whether the wait for events ended with an error, and it is time to begin again."""
        return self._events.has_ended and is_due(self._again_ms, _RETRY_MS, now_ms)

    def begin_again(self, devices: Mapping[str, Device], now_ms: int) -> None:
        """Register all these devices anew.

        Raises:
            NvmlFailed: The driver is gone.
        """
        self._again_ms = now_ms + _RETRY_MS
        self.end()
        for device in devices.values():
            if not device.is_lost:
                try:
                    self.add(device, now_ms)
                except NvmlFailed as error:
                    # Its own reading finds it lost; the others have something to say yet.
                    if error.driver_gone:
                        raise

    def read(self, devices: Mapping[str, Device], now_ms: int) -> list[Row]:
        """Rows of `xid`; counts on the devices what came. Asks the driver nothing."""
        if self._library.is_open:
            self._events.begin()
        for address, kind, datum, at_ms in self._events.take():
            uuid = self._events.handles.get(address)
            if uuid is None:
                continue
            if kind == ids.EVENT_XID:
                self._book.add(uuid, datum, at_ms)
            elif uuid in devices:
                # Memory errors, and what the driver asks for: its counters say which.
                devices[uuid].look_at_health_soon()
        for place, xid in self._log.read():
            uuid = self._places.get(place)
            if uuid is not None:
                self._book.add(uuid, xid, self._clock(), from_log=True)
        rows = self._book.rows(now_ms)
        for row in rows:
            device = devices.get(str(row["device"]))
            if device is not None:
                device.xids = self._book.total(device.uuid)
        return rows

    def end(self, seconds: float = 0.0) -> bool:
        """Wait no more until devices are added; whether the wait has ended within that time."""
        if not self._events.close(seconds):
            return False
        self._events = Events(self._library, self._wait_ms, self._clock)
        return True

    def close(self) -> bool:
        """Let go of everything; whether the library may be closed, too."""
        self._log.close()
        return self.end()
