"""The figures of any other system, as psutil reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wattline_agents.sources.host.figures import CpuTimes, hottest_of, is_whole_disk


class PsutilFigures:
    """Reads one system through psutil."""

    def __init__(self, ps: Any = None) -> None:
        """Open it.

        Args:
            ps: What answers like psutil; psutil itself if not given.
        """
        if ps is None:
            import psutil

            ps = psutil
        self._ps = ps
        self.errors: tuple[type[Exception], ...] = (OSError, ps.Error)

    def cpu_times(self) -> CpuTimes:
        """Processor time."""
        times = self._ps.cpu_times()
        # `guest` and `guest_nice` are already part of `user` and `nice`.
        fields = {n: value for n, value in times._asdict().items() if not n.startswith("guest")}
        iowait = getattr(times, "iowait", None)
        return CpuTimes(times.user, times.system, times.idle, iowait, sum(fields.values()))

    def memory(self) -> tuple[int, int]:
        """Main memory in use and there is."""
        memory = self._ps.virtual_memory()
        return memory.total - memory.available, memory.total

    def network(self) -> tuple[int, int] | None:
        """Bytes of all interfaces but the loopback."""
        cards: Mapping[str, Any] = self._ps.net_io_counters(pernic=True, nowrap=True)
        known = self._ps.net_if_stats()
        loopback = {name for name, up in known.items() if "loopback" in up.flags}
        counted = [card for name, card in cards.items() if name not in loopback | {"lo", "lo0"}]
        if not counted:
            return None
        return sum(card.bytes_recv for card in counted), sum(card.bytes_sent for card in counted)

    def disks(self) -> tuple[int, int] | None:
        """Bytes of whole disks."""
        disks: Mapping[str, Any] = self._ps.disk_io_counters(perdisk=True, nowrap=True) or {}
        counted = [disk for name, disk in disks.items() if is_whole_disk(name)]
        if not counted:
            return None
        return sum(disk.read_bytes for disk in counted), sum(disk.write_bytes for disk in counted)

    def hottest(self) -> float | None:
        """The highest temperature, where psutil knows how to ask."""
        read = getattr(self._ps, "sensors_temperatures", None)
        if read is None:
            return None
        chips: Mapping[str, Iterable[Any]] = read()
        return hottest_of(
            float(sensor.current)
            for sensors in chips.values()
            for sensor in sensors
            if sensor.current is not None
        )

    def close(self) -> None:
        """Nothing is held."""
