"""What the driver reports of its own accord: XID errors, above all.

A thread waits for events, blocked in the driver with a long timeout, so it costs one wake-up a
minute. It hands over what comes through a queue and touches nothing else.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.library import Function, Library
from wattline_agents.sources.nvml.off import Asked, NvmlFailed

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Callable

EVENT = Struct("=QQQII")
"""c_nvmlEventData_t: device, type, datum, GPU instance, compute instance."""

_MOST_WAITING = 1024
"""A storm of errors between two ticks; what comes beyond it is lost, and so is the device."""
_WANTED = ids.EVENT_XID | ids.EVENT_DOUBLE_BIT_ECC | ids.EVENT_RECOVERY_ACTION
_PAUSE_SECONDS = 1.0
_SHORT_SECONDS = 0.5

Event = tuple[int, int, int, int]
"""Address of the device's handle, type, datum, time in ms since 1970."""


def unix_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Events:
    """The events of all devices of one opening of the library.

    Attributes:
        handles: UUID by the address of a device's handle, which is what an event names.
    """

    def __init__(
        self, library: Library, wait_ms: int = 60_000, clock: Callable[[], int] = unix_ms
    ) -> None:
        """Nothing is waited for yet.

        Args:
            library: The open library.
            wait_ms: How long one wait may take; when it ends, another begins.
            clock: Tells the time of an event, which the driver does not; milliseconds since 1970.
        """
        self.handles: dict[int, str] = {}
        self._library, self._wait_ms, self._clock = library, wait_ms, clock
        self._came: deque[Event] = deque(maxlen=_MOST_WAITING)
        self._set: object | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def register(self, handle: object, uuid: str, asked: Asked, now_ms: int) -> None:
        """Wait for the events of this device, too.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if self._wait_ms <= 0 or not asked.wanted(now_ms):
            return
        try:
            if self._set is None:
                self._set = self._library.call("nvmlEventSetCreate")
            supported = self._library.call("nvmlDeviceGetSupportedEventTypes", handle)
            wanted = supported & _WANTED
            if not wanted & ids.EVENT_XID:
                asked.refuse(ids.NOT_SUPPORTED, now_ms)
                return
            self._library.call("nvmlDeviceRegisterEvents", handle, wanted, self._set)
        except NvmlFailed as error:
            asked.refuse(error.code, now_ms)
            return
        asked.took(ids.SUCCESS, now_ms)
        address = ctypes.cast(handle, ctypes.c_void_p).value  # type: ignore[arg-type]
        self.handles[address or 0] = uuid

    def begin(self) -> None:
        """Begin to wait, unless that has begun, or there is nothing to wait for."""
        if self._thread is not None or not self.handles:
            return
        wait = self._library.function("nvmlEventSetWait_v2")
        # A daemon: a wait that never returns must not keep the process from ending.
        self._thread = threading.Thread(
            target=self._work, args=(wait, self._set), name="nvml events", daemon=True
        )
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether the waiting has begun and come to an end, as it does with the driver."""
        return self._thread is not None and not self._thread.is_alive()

    def take(self) -> list[Event]:
        """What came since the call before, oldest first."""
        events = []
        while self._came:
            events.append(self._came.popleft())
        return events

    def close(self, seconds: float = 0.0) -> bool:
        """Wait no more; whether the wait has ended, so that the library may be closed.

        Args:
            seconds: How long it may take; a wait that is short is left to end in any case.
        """
        self._stop.set()
        if self._thread is not None:
            if self._wait_ms < _SHORT_SECONDS * 1000:
                seconds = max(seconds, _SHORT_SECONDS)
            self._thread.join(seconds)
            if self._thread.is_alive():
                return False
        if self._set is not None and self._library.is_open:
            try:
                self._library.call("nvmlEventSetFree", self._set)
            except NvmlFailed:
                pass  # the driver went first and took it along
        self._set = None
        return True

    def _work(self, wait: Function, set_: object) -> None:
        buffer = ctypes.create_string_buffer(EVENT.size)
        while not self._stop.is_set():
            code = wait(set_, buffer, self._wait_ms)
            if code == ids.SUCCESS:
                device, kind, datum, _gpu_instance, _compute = EVENT.unpack(buffer)
                self._came.append((device, kind, datum, self._clock()))
            elif code == ids.GPU_IS_LOST:
                # One device fell off the bus; the others still have something to say.
                self._stop.wait(_PAUSE_SECONDS)
            elif code != ids.TIMEOUT:
                return
