"""The one door to NVML.

What is asked once goes through the functions of the binding `pynvml`. What is asked every second
goes straight to the library's functions, which the binding has loaded, with buffers that are made
once: the binding's own functions make new ones at each call, and cost three times as much.
"""

from __future__ import annotations

from collections.abc import Callable

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.off import NvmlFailed

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from typing import Any

Function = Callable[..., int]
"""A function of the library; returns one of the codes in `ids`."""

_UNAVAILABLE = {
    ids.LIBRARY_NOT_FOUND: f"no NVIDIA driver on this node ({ids.LIBRARY} is not there)",
    ids.DRIVER_NOT_LOADED: "the NVIDIA driver is installed and not loaded",
    ids.LIB_RM_VERSION_MISMATCH: "the NVIDIA driver was changed under its library; reboot the node",
    ids.NO_PERMISSION: "this user may not open the NVIDIA devices",
    ids.NOT_FOUND: "no NVIDIA device on this node",
    ids.GPU_NOT_FOUND: "no NVIDIA device on this node",
}


def unavailable(code: int, text: str = "") -> str:
    """What a failure to open NVML says to a person."""
    return _UNAVAILABLE.get(code, f"NVML: {text}")


def _missing(*_arguments: object) -> int:
    return ids.FUNCTION_NOT_FOUND


class Library:
    """NVML, behind `pynvml`."""

    def __init__(self, module: Any) -> None:
        """Wrap the module; `open` before calling."""
        self._module = module
        self.is_open = False

    def open(self, *, attach: bool = False) -> None:
        """Begin to use the driver.

        Args:
            attach: Whether the driver should turn to every device at once, as it does if it is not
                asked to wait: a sick one then holds up all.

        Raises:
            NvmlFailed: It does not work; the code says why.
        """
        flags = 0 if attach else ids.INIT_NO_ATTACH
        try:
            self.call("nvmlInitWithFlags", flags)
        except NvmlFailed as error:
            if error.code not in (ids.FUNCTION_NOT_FOUND, ids.INVALID_ARGUMENT):
                raise
            self.call("nvmlInit")
        self.is_open = True

    def close(self) -> None:
        """Detach; harmless where nothing is open any more."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            self.call("nvmlShutdown")
        except NvmlFailed:
            pass  # the driver went first; there is nothing left to close

    def call(self, name: str, *arguments: Any) -> Any:
        """Call one function of the binding.

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
        return as_text(self.call(name, *arguments))

    def function(self, name: str) -> Function:
        """The library's own function; where there is none, one that says so when it is called."""
        try:
            found: Function = getattr(self._module.nvmlLib, name)
        except AttributeError:
            return _missing
        return found

    def kind(self, name: str) -> Any:
        """A struct of the binding, as a type.

        Raises:
            NvmlFailed: The binding does not have it.
        """
        kind = getattr(self._module, name, None)
        if kind is None:
            raise NvmlFailed(ids.FUNCTION_NOT_FOUND, name, "not in this version of nvidia-ml-py")
        return kind


def as_text(value: Any) -> str:
    """Text of the driver, from bytes or text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
