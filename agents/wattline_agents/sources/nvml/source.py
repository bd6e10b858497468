"""All NVIDIA GPUs of a node; loses and finds them again, one by one or all at once."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.device import Device
from wattline_agents.sources.nvml.gpm import COLUMNS as GPM_COLUMNS
from wattline_agents.sources.nvml.library import Capability, Library, NvmlFailed, unavailable
from wattline_agents.sources.source import Readings, SourceConfig
from wattline_agents.wire import Row

_RETRY_MS = 10_000
"""How long a lost device or driver is left alone: asking a sick one may take seconds."""
_OPEN_SECONDS = 5.0
"""A driver at work answers at once; without persistence mode it first wakes every GPU, which takes
seconds, and its GPUs appear when it has."""

_COLUMNS = {
    "power": ("power_watts",),
    "energy": ("energy_joules_total",),
    "utilisation": ("busy_ratio", "memory_busy_ratio"),
    "gpm": tuple(GPM_COLUMNS.values()),
    "memory": ("memory_used_bytes", "memory_size_bytes"),
}
"""What a capability gives, where that is not the column of the same name."""


class NvmlSource:
    """Reads every NVIDIA GPU of the node, keyed by UUID."""

    name = "nvml"
    may_block = True
    """A sick GPU can hold a call of its driver for ever; the agent reads it with a deadline."""

    def __init__(self, module: Any = None, open_seconds: float | None = None) -> None:
        """Open NVML and find the devices.

        Args:
            module: What answers like `pynvml`; `pynvml` itself if not given.
            open_seconds: How long to wait for the driver; if it takes longer, readings fail until
                it has answered. None: as long as it takes.

        Raises:
            SourceUnavailable: No library, no driver, or no device.
        """
        self._library = Library(_binding() if module is None else module)
        self._devices: dict[str, Device] = {}
        self._driver: str | None = None
        self._retry_ms: int | None = None
        self._retry_device_ms: dict[str, int] = {}
        self._opening: _Opening | None = None
        if open_seconds is None:
            self._open()
            return
        opening = _Opening(self._open)
        if opening.ended_within(open_seconds):
            opening.check()
        else:
            self._opening = opening

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; it has no options."""
        config.check_options(cls.name, ())
        # One GPU that hangs while the agent starts must not keep the node from being seen.
        return cls(open_seconds=_OPEN_SECONDS)

    def read(self, now_ms: int) -> Readings:
        """One row of `device` per GPU; a lost one says so and stops no other.

        Raises:
            ReadFailed: The driver has not answered since the start, or was replaced under its
                library, which only a new process cures.
        """
        self._await_opening(now_ms)
        if self._retry_ms is not None:
            if now_ms < self._retry_ms:
                return {"device": self._lost_rows(now_ms)}
            self._open_again(now_ms)
            if self._retry_ms is not None:
                return {"device": self._lost_rows(now_ms)}
        try:
            rows = [self._read_device(device, now_ms) for device in self._devices.values()]
        except NvmlFailed as error:
            self._lose_driver(now_ms)
            if error.code == ids.LIB_RM_VERSION_MISMATCH:
                raise ReadFailed(
                    "the NVIDIA driver was changed while the agent ran; restart the agent"
                ) from error
            rows = self._lost_rows(now_ms)
        return {"device": rows}

    def describe(self, now_ms: int) -> Readings:
        """One row of `device_info` per GPU; also finds GPUs that were added."""
        if self._opening is not None:
            return {"device_info": []}
        if self._retry_ms is None:
            try:
                if self._library.call("nvmlDeviceGetCount") != len(self._devices):
                    self._find_devices()
            except NvmlFailed:
                pass  # the next read meets the same and counts it
        return {
            "device_info": [
                {
                    "time_unix_ms": now_ms,
                    "device": device.uuid,
                    "index": device.index,
                    "vendor": "nvidia",
                    "model": device.model,
                    "pci": device.pci,
                    "driver": self._driver,
                    "source": self.name,
                    "power_mode": device.power_mode,
                    "power_scope": device.power_scope,
                }
                for device in self._devices.values()
            ]
        }

    def capabilities(self) -> list[Capability]:
        """What of each device can be read and what cannot, and why."""
        if self._opening is not None:
            return []
        return [found for device in self._devices.values() for found in device.capabilities()]

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why columns of a device are null."""
        reasons: dict[str, dict[str, str]] = {}
        for one in self.capabilities():
            if one.off is not None:
                for column in _COLUMNS.get(one.name, (one.name,)):
                    reasons.setdefault(one.device, {})[column] = one.off.value
        return reasons

    def close(self) -> None:
        """Detach from the driver, unless it still holds the call that opens it."""
        if self._opening is not None:
            return
        for device in self._devices.values():
            device.detach()
        self._library.close()

    def _open(self) -> None:
        self._library.open()
        try:
            self._find_devices()
        except NvmlFailed as error:
            self._library.close()
            raise SourceUnavailable(str(error)) from error
        if not self._devices:
            self._library.close()
            raise SourceUnavailable("no NVIDIA device on this node")

    def _await_opening(self, now_ms: int) -> None:
        if self._opening is None:
            return
        if not self._opening.ended_within(0.0):
            raise ReadFailed("nvml: the driver has not answered since the agent started")
        opening, self._opening = self._opening, None
        try:
            opening.check()
        except SourceUnavailable as error:
            self._retry_ms = now_ms + _RETRY_MS
            raise ReadFailed(f"nvml: {error}") from error

    def _find_devices(self) -> None:
        """Take in what there is now; a device known before keeps its place and its errors.

        Raises:
            NvmlFailed: The driver is gone.
        """
        self._driver = self._library.text("nvmlSystemGetDriverVersion")
        for index in range(self._library.call("nvmlDeviceGetCount")):
            try:
                handle = self._library.call("nvmlDeviceGetHandleByIndex", index)
                uuid = self._library.text("nvmlDeviceGetUUID", handle)
                known = self._devices.get(uuid)
                if known is None:
                    self._devices[uuid] = Device(self._library, handle, uuid, index)
                elif known.is_lost:
                    known.attach(handle, index)
            except NvmlFailed as error:
                # One GPU that fell off the bus must not hide the others.
                if error.driver_gone:
                    raise

    def _read_device(self, device: Device, now_ms: int) -> Row:
        if device.is_lost and now_ms >= self._retry_device_ms.get(device.uuid, 0):
            self._retry_device_ms[device.uuid] = now_ms + _RETRY_MS
            self._try_attach(device)
        row = device.read(now_ms)
        if device.is_lost:
            self._retry_device_ms.setdefault(device.uuid, now_ms + _RETRY_MS)
        else:
            self._retry_device_ms.pop(device.uuid, None)
        return row

    def _try_attach(self, device: Device) -> None:
        try:
            handle = self._library.call("nvmlDeviceGetHandleByUUID", device.uuid.encode())
            index = self._library.call("nvmlDeviceGetIndex", handle)
            device.detach()
            device.attach(handle, index)
        except NvmlFailed as error:
            if error.driver_gone:
                raise
            device.is_lost = True

    def _lose_driver(self, now_ms: int) -> None:
        for device in self._devices.values():
            device.detach()
            device.is_lost = True
        self._library.close()
        self._retry_ms = now_ms + _RETRY_MS

    def _open_again(self, now_ms: int) -> None:
        self._retry_ms = now_ms + _RETRY_MS
        try:
            self._library.open()
        except SourceUnavailable:
            return
        try:
            self._find_devices()
        except NvmlFailed:
            self._library.close()
            return
        self._retry_ms = None

    def _lost_rows(self, now_ms: int) -> list[Row]:
        return [device.lost_row(now_ms) for device in self._devices.values()]


class _Opening:
    """A source being opened in a thread of its own, because a sick GPU may never answer."""

    def __init__(self, open: Callable[[], None]) -> None:
        self._open = open
        self._error: BaseException | None = None
        # A daemon: a call that never returns must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="open nvml", daemon=True)
        self._thread.start()

    def ended_within(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def check(self) -> None:
        """Raise what opening raised, if it did."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            self._open()
        except BaseException as error:  # it is raised again where the opening is awaited
            self._error = error


def _binding() -> Any:
    """The module `pynvml`, which takes 10 MiB: only where there is a library for it to bind.

    Raises:
        SourceUnavailable: There is none.
    """
    try:
        ctypes.CDLL(ids.LIBRARY)
    except OSError as error:
        raise SourceUnavailable(unavailable(ids.LIBRARY_NOT_FOUND)) from error
    import pynvml

    return pynvml
