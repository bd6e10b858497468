"""Who a device is."""

from __future__ import annotations

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.library import Library, as_text
from wattline_agents.sources.nvml.off import NvmlFailed

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from typing import Any


class Identity:
    """What does not change while a device works, except that MIG can be switched.

    Attributes:
        model: The product's name.
        pci: Its PCI address.
        minor: N of its /dev/nvidiaN.
        serial: The board's serial number.
        vbios: Version of its firmware.
        module: The number of the module it sits on.
        mig: `enabled` or `disabled`; None where there is no MIG.
    """

    def __init__(self, library: Library, handle: object) -> None:
        """Ask.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        self._library, self._handle = library, handle
        self.model = self._text("nvmlDeviceGetName")
        pci = self._ask("nvmlDeviceGetPciInfo")
        self.pci = None if pci is None else as_text(pci.busId)
        self.minor: int | None = self._ask("nvmlDeviceGetMinorNumber")
        self.serial = self._text("nvmlDeviceGetSerial")
        self.vbios = self._text("nvmlDeviceGetVbiosVersion")
        self.module: int | None = self._ask("nvmlDeviceGetModuleId")
        self.mig: str | None = None
        self.look_at_mig()

    def look_at_mig(self) -> bool:
        """Ask whether MIG is on; whether that has changed.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        before = self.mig
        modes = self._ask("nvmlDeviceGetMigMode")
        if modes is None:
            self.mig = None
        else:
            self.mig = "enabled" if modes[0] == ids.MIG_ENABLED else "disabled"
        return self.mig != before

    def ecc_is_off(self) -> bool:
        """Whether error correction can be switched on, and is not."""
        modes = self._ask("nvmlDeviceGetEccMode")
        return modes is not None and not modes[0]

    def _text(self, name: str) -> str | None:
        value = self._ask(name)
        return None if value is None else as_text(value)[:256]

    def _ask(self, name: str) -> Any:
        try:
            return self._library.call(name, self._handle)
        except NvmlFailed as error:
            if error.device_gone or error.driver_gone:
                raise
            return None
