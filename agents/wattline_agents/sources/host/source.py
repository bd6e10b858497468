"""The source: what of the host goes into a row, and how often.

Whole-node power is not read here: it needs a meter (RAPL, pm_counters, a BMC), and a guess from
utilisation would be a figure nobody measured.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wattline_agents.catalogue import NODE
from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.host.figures import CpuTimes, Figures
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

EVERY_SECONDS = 5.0
"""Host figures move slowly; this is twice as often as the catalogue asks for most of them."""

_INSTALL = "`pip install psutil`"
_STEP_SECONDS = 3.0
"""What the kernel's idle time is seen to step back by is less."""
_SENSORS_EVERY_MS = next(
    round(1000 * metric.every_seconds)
    for metric in NODE.metrics
    if metric.column == "temperature_celsius"
)
"""Asking a sensor takes a bus or an interrupt: no oftener than the catalogue says."""


class HostSource:
    """Reads the node it runs on."""

    name = "host"

    def __init__(
        self, figures: Figures | None = None, *, every_seconds: float = EVERY_SECONDS
    ) -> None:
        """Open it.

        Args:
            figures: Where they come from; what fits this system if not given.
            every_seconds: How far apart readings should be.
        """
        self._figures = _figures() if figures is None else figures
        self._before: CpuTimes | None = None
        self._sensors_ms: int | None = None
        self.every_seconds = every_seconds

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; option `every` sets how many seconds readings are apart."""
        config.check_options(cls.name, ("every",))
        every = config.number(cls.name, "every", EVERY_SECONDS, 0.1, 3600)
        return cls(every_seconds=max(every, config.period_seconds))

    def read(self, now_ms: int) -> Readings:
        """One row of `node`; the temperature is in it only when its time has come."""
        try:
            row = self._row(now_ms)
        except self._figures.errors as error:
            raise ReadFailed(f"host: {error}") from error
        return {"node": [row]}

    def describe(self, now_ms: int) -> Readings:
        """One row of `node_info`: operating system and cores."""
        return {
            "node_info": [{"time_unix_ms": now_ms, "os": _os_name()[:128], "cores": os.cpu_count()}]
        }

    def close(self) -> None:
        """Close what the figures are read from."""
        self._figures.close()

    def _row(self, now_ms: int) -> Row:
        figures = self._figures
        times = _forward(figures.cpu_times(), self._before)
        used, size = figures.memory()
        row: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "cpu_user_seconds_total": times.user,
            "cpu_system_seconds_total": times.system,
            "cpu_idle_seconds_total": times.idle,
            "cpu_iowait_seconds_total": times.iowait,
            "cpu_busy_ratio": self._busy_ratio(times),
            "memory_used_bytes": used,
            "memory_size_bytes": size,
        }
        network, disks = figures.network(), figures.disks()
        if network is not None:
            row["network_receive_bytes_total"], row["network_transmit_bytes_total"] = network
        if disks is not None:
            row["disk_read_bytes_total"], row["disk_write_bytes_total"] = disks
        if self._sensors_are_due(now_ms):
            row["temperature_celsius"] = figures.hottest()
        return row

    def _busy_ratio(self, times: CpuTimes) -> float | None:
        """The share of processor time that was not idle since the reading before."""
        before, self._before = self._before, times
        if before is None or times.total <= before.total:
            return None
        idle = times.idle + (times.iowait or 0.0) - before.idle - (before.iowait or 0.0)
        # What stood still for having stepped back lands just outside 0-1.
        return min(1.0, max(0.0, 1.0 - idle / (times.total - before.total)))

    def _sensors_are_due(self, now_ms: int) -> bool:
        """Whether their time has come, also after the clock was set back."""
        before = self._sensors_ms
        if before is not None and 0 <= now_ms - before < _SENSORS_EVERY_MS:
            return False
        self._sensors_ms = now_ms
        return True


def _forward(times: CpuTimes, before: CpuTimes | None) -> CpuTimes:
    """The times, of which idle and iowait do not step back.

    The kernel's do, by some ticks, and to who reads counters that is one that began again at 0.
    What falls further, as with a processor that was taken away, did begin again.
    """
    if before is None:
        return times
    idle, iowait = times.idle, times.iowait
    if 0 < before.idle - idle < _STEP_SECONDS:
        idle = before.idle
    if iowait is not None and 0 < (before.iowait or 0.0) - iowait < _STEP_SECONDS:
        iowait = before.iowait
    return CpuTimes(times.user, times.system, idle, iowait, times.total)


def _figures() -> Figures:
    if sys.platform == "linux":
        from wattline_agents.sources.host.linux import LinuxFigures

        try:
            return LinuxFigures()
        except LinuxFigures.errors:
            pass  # a /proc that is not Linux's own; psutil may know it
    from wattline_agents.sources.host.portable import PsutilFigures

    try:
        return PsutilFigures()
    except ImportError as error:  # on Linux it is not installed along
        raise SourceUnavailable(f"/proc is not as Linux has it; {_INSTALL} reads it") from error


def _os_name() -> str:
    if sys.platform == "linux":
        for path in (Path("/etc/os-release"), Path("/usr/lib/os-release")):
            name = _pretty_name(path)
            if name is not None:
                return name
    import platform

    return f"{platform.system()} {platform.release()}"


def _pretty_name(path: Path) -> str | None:
    """What an os-release file says the system is called."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'") or None
    return None
