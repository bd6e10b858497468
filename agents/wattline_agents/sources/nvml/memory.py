"""The memory of a device or of a MIG instance."""

from __future__ import annotations

import ctypes
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Asked, Off, why_off

MEMORY = Struct("=QQQ")
"""c_nvmlMemory_t: total, free, used, which here includes what the driver keeps for itself."""
MEMORY_V2 = Struct("=I4xQQQQ")
"""c_nvmlMemory_v2_t: version, total, reserved, free, used."""


_MOST_BYTES = 1 << 63


class Memory:
    """Asks for memory by the newest struct the driver knows."""

    def __init__(self, library: Library, handle: object, asked: Asked) -> None:
        """Nothing is read yet."""
        self._new = library.function("nvmlDeviceGetMemoryInfo_v2")
        self._old = library.function("nvmlDeviceGetMemoryInfo")
        self._handle, self._asked = handle, asked
        self._is_old = False
        self._buffer = ctypes.create_string_buffer(MEMORY_V2.size)

    def read(self, now_ms: int) -> tuple[int, int, int | None] | None:
        """Bytes used, bytes there are, and bytes the driver keeps; None if it cannot be told.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self._asked.wanted(now_ms):
            return None
        if not self._is_old:
            MEMORY_V2.pack_into(self._buffer, 0, ids.MEMORY_INFO_V2, 0, 0, 0, 0)
            code = self._new(self._handle, self._buffer)
            if code == ids.SUCCESS or why_off(code) is not Off.OLD_DRIVER:
                if not self._asked.took(code, now_ms):
                    return None
                _version, total, reserved, _free, used = MEMORY_V2.unpack(self._buffer)
                return _checked(used, total, reserved)
            self._is_old = True
        if not self._asked.took(self._old(self._handle, self._buffer), now_ms):
            return None
        total, _free, used = MEMORY.unpack_from(self._buffer)
        return _checked(used, total, None)


def _checked(used: int, total: int, reserved: int | None) -> tuple[int, int, int | None] | None:
    """What can be true: with all bits set a driver says that it does not know."""
    return (used, total, reserved) if max(used, total, reserved or 0) < _MOST_BYTES else None
