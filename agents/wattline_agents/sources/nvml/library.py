"""The one door to NVML: every call goes through here, and every error of its comes out as ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.nvml import ids


class Off(StrEnum):
    """Why something cannot be read. Each has another cure."""

    NOT_SUPPORTED = "this device has no such sensor"
    OLD_DRIVER = "the driver is too old to know it"
    NO_PERMISSION = "the driver refuses it to this user"
    FAILED = "reading it failed"


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether one thing of one device can be read.

    Attributes:
        device: The device's UUID.
        name: What it is: `power`, `energy`, `gpm`, ...
        off: Why it cannot be read; None if it can.
    """

    device: str
    name: str
    off: Off | None


_OFF = {
    ids.NOT_SUPPORTED: Off.NOT_SUPPORTED,
    # What an older driver answers for a field or struct version it does not know.
    ids.INVALID_ARGUMENT: Off.OLD_DRIVER,
    ids.ARGUMENT_VERSION_MISMATCH: Off.OLD_DRIVER,
    ids.FUNCTION_NOT_FOUND: Off.OLD_DRIVER,
    ids.DEPRECATED: Off.NOT_SUPPORTED,
    ids.NO_PERMISSION: Off.NO_PERMISSION,
}

_UNAVAILABLE = {
    ids.LIBRARY_NOT_FOUND: f"no NVIDIA driver on this node ({ids.LIBRARY} is not there)",
    ids.DRIVER_NOT_LOADED: "the NVIDIA driver is installed and not loaded",
    ids.LIB_RM_VERSION_MISMATCH: "the NVIDIA driver was changed under its library; reboot the node",
    ids.NO_PERMISSION: "this user may not open the NVIDIA devices",
    ids.NOT_FOUND: "no NVIDIA device on this node",
    ids.GPU_NOT_FOUND: "no NVIDIA device on this node",
}


class NvmlFailed(ReadFailed):
    """One call of NVML failed; `code` is what it returned."""

    def __init__(self, code: int, call: str, text: str) -> None:
        """Name the call and what NVML said."""
        self.code = code
        super().__init__(f"{call}: {text} (NVML {code})")

    @property
    def off(self) -> Off:
        """Why the thing asked for cannot be read."""
        return why_off(self.code)

    @property
    def device_gone(self) -> bool:
        """The device itself no longer answers."""
        return self.code in (ids.GPU_IS_LOST, ids.RESET_REQUIRED, ids.GPU_NOT_FOUND)

    @property
    def driver_gone(self) -> bool:
        """The whole library must be opened again."""
        return self.code in (
            ids.UNINITIALIZED,
            ids.DRIVER_NOT_LOADED,
            ids.LIB_RM_VERSION_MISMATCH,
        )


def why_off(code: int) -> Off:
    """What a return code says about asking again."""
    return _OFF.get(code, Off.FAILED)


def unavailable(code: int, text: str = "") -> str:
    """What a failure to open NVML says to a person."""
    return _UNAVAILABLE.get(code, f"NVML: {text}")


class Library:
    """NVML, behind any module shaped like `pynvml`."""

    def __init__(self, module: Any) -> None:
        """Wrap the module; `open` before calling."""
        self._module = module
        self._is_open = False

    def open(self) -> None:
        """Attach to the driver.

        Raises:
            SourceUnavailable: There is no driver, or it does not work; says which.
        """
        try:
            self._module.nvmlInit()
        except self._module.NVMLError as error:
            code = int(getattr(error, "value", ids.UNKNOWN))
            raise SourceUnavailable(unavailable(code, str(error))) from error
        self._is_open = True

    def close(self) -> None:
        """Detach; harmless where nothing is open any more."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._module.nvmlShutdown()
        except self._module.NVMLError:
            pass  # the driver went first; there is nothing left to close

    def call(self, name: str, *arguments: Any) -> Any:
        """Call one function of NVML.

        Raises:
            NvmlFailed: It returned anything but success.
        """
        function = getattr(self._module, name, None)
        if function is None:
            raise NvmlFailed(ids.FUNCTION_NOT_FOUND, name, "not in this version of nvidia-ml-py")
        try:
            return function(*arguments)
        except self._module.NVMLError as error:
            code = int(getattr(error, "value", ids.UNKNOWN))
            raise NvmlFailed(code, name, str(error)) from error

    def text(self, name: str, *arguments: Any) -> str:
        """Call a function that returns text; older bindings return bytes."""
        value = self.call(name, *arguments)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def struct(self, name: str) -> Any:
        """A fresh struct of the binding, zeroed.

        Raises:
            NvmlFailed: The binding does not have it.
        """
        kind = getattr(self._module, name, None)
        if kind is None:
            raise NvmlFailed(ids.FUNCTION_NOT_FOUND, name, "not in this version of nvidia-ml-py")
        return kind()
