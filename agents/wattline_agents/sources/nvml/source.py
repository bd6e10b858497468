"""The source `nvml`: thin, so that the process that only asks whether it is here stays small."""

from __future__ import annotations

from wattline_agents.errors import SourceUnavailable
from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.presence import library_is_here

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Self

    from wattline_agents.sources.nvml.fleet import Fleet
    from wattline_agents.sources.nvml.off import Capability
    from wattline_agents.sources.settings import SourceConfig
    from wattline_agents.sources.source import Part, Readings


class NvmlSource:
    """Reads every NVIDIA GPU of the node, keyed by UUID."""

    name = "nvml"

    def __init__(
        self,
        module: Any = None,
        proc: str = "/proc",
        kmsg: str = "/dev/kmsg",
        event_wait_ms: int = 60_000,
        period_seconds: float = 1.0,
    ) -> None:
        """Touch nothing yet; the first part opens the driver.

        Args:
            module: What answers like `pynvml`; `pynvml` itself if not given.
            proc: Where processes are described.
            kmsg: The kernel's log.
            event_wait_ms: How long one wait for events may take; 0 to wait for none.
            period_seconds: How far apart readings are to be.
        """
        self._module, self._proc, self._kmsg = module, proc, kmsg
        self._event_wait_ms, self._period_seconds = event_wait_ms, period_seconds
        self._fleet: Fleet | None = None

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Look whether there is a driver's library; it has no options.

        Raises:
            SourceUnavailable: There is none.
        """
        config.check_options(cls.name, ())
        if not library_is_here():
            raise SourceUnavailable(f"no NVIDIA driver on this node ({ids.LIBRARY} is not there)")
        return cls(period_seconds=config.period_seconds)

    def parts(self, now_ms: int) -> Iterator[Part]:
        """Opening the driver, finding each device, XIDs, and each device by its UUID.

        Parts raise SourceUnavailable where there is no driver or no device, and RestartNeeded where
        the driver was replaced under its library.
        """
        if self._fleet is None:
            self._fleet = self._begin()
        return self._fleet.parts(now_ms)

    def read(self, now_ms: int) -> Readings:
        """All parts, in this process.

        Raises:
            SourceUnavailable: There is no driver, or no device.
            RestartNeeded: The driver was replaced under its library.
        """
        readings: Readings = {"device": []}
        for _name, read in self.parts(now_ms):
            for table, rows in read().items():
                readings.setdefault(table, []).extend(rows)
        if self._fleet is not None:
            self._fleet.check()
        return readings

    def describe(self, now_ms: int) -> Readings:
        """One row of `device_info` per GPU; asks the driver nothing."""
        return {"device_info": []} if self._fleet is None else self._fleet.describe(now_ms)

    def capabilities(self) -> list[Capability]:
        """What of each device can be read and what cannot, and why; asks the driver nothing."""
        return [] if self._fleet is None else self._fleet.capabilities()

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why columns of a device are null; asks the driver nothing."""
        return {} if self._fleet is None else self._fleet.why_not()

    def unread(self) -> Sequence[str]:
        """Devices that are there and of which there is no row; asks the driver nothing."""
        return () if self._fleet is None else self._fleet.unread

    def close(self) -> None:
        """Detach from the driver, if it was opened."""
        if self._fleet is not None:
            self._fleet.close()

    def _begin(self) -> Fleet:
        # Only the process that reads pays for these: several megabytes.
        from wattline_agents.sources.nvml.binding import binding
        from wattline_agents.sources.nvml.fleet import Fleet
        from wattline_agents.sources.nvml.kmsg import KernelLog
        from wattline_agents.sources.nvml.library import Library
        from wattline_agents.sources.nvml.procfs import ProcFs
        from wattline_agents.sources.nvml.watch import XidWatch

        library = Library(binding() if self._module is None else self._module)
        watch = XidWatch(library, KernelLog(self._kmsg), self._event_wait_ms)
        return Fleet(library, ProcFs(self._proc), watch, self._period_seconds)
