"""The node itself: processors, memory, network, disks and its hottest sensor, through psutil.

Whole-node power is not read here: it needs a meter (RAPL, pm_counters, a BMC), and a guess from
utilisation would be a figure nobody measured.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from wattline_agents.errors import ReadFailed
from wattline_agents.sources.source import Readings, SourceConfig
from wattline_agents.wire import Row, Value

EVERY_SECONDS = 5.0
"""Host figures move slowly and psutil costs as much as all of NVML; twice as often as declared."""

_PLAUSIBLE_CELSIUS = (-50.0, 150.0)
"""Unconnected sensors report -128 or 65535; those are no temperatures."""


class HostSource:
    """Reads the node it runs on."""

    name = "host"

    def __init__(
        self, *, every_seconds: float = EVERY_SECONDS, ps: Any = None, sys_path: Path | None = None
    ) -> None:
        """Open it.

        Args:
            every_seconds: How far apart readings should be.
            ps: What answers like psutil; psutil itself if not given.
            sys_path: Where Linux tells hardware from what is made of it, `/sys`.
        """
        if ps is None:
            import psutil

            ps = psutil
        self._ps = ps
        self._sys = Path("/sys") if sys_path is None else sys_path
        self._before: tuple[float, float] | None = None
        self._cards: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self.every_seconds = every_seconds

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; option `every` sets how many seconds readings are apart."""
        config.check_options(cls.name, ("every",))
        every = config.number(cls.name, "every", EVERY_SECONDS, 0.1, 3600)
        return cls(every_seconds=max(every, config.period_seconds))

    def read(self, now_ms: int) -> Readings:
        """One row of `node`."""
        try:
            row = self._row(now_ms)
        except (OSError, self._ps.Error) as error:
            raise ReadFailed(f"host: {error}") from error
        return {"node": [row]}

    def describe(self, now_ms: int) -> Readings:
        """One row of `node_info`: operating system and cores."""
        return {
            "node_info": [
                {
                    "time_unix_ms": now_ms,
                    "os": _os_name()[:128],
                    "cores": self._ps.cpu_count(logical=True),
                }
            ]
        }

    def close(self) -> None:
        """Nothing is held."""

    def _row(self, now_ms: int) -> Row:
        times = self._ps.cpu_times()
        memory = self._ps.virtual_memory()
        row: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "cpu_user_seconds_total": times.user,
            "cpu_system_seconds_total": times.system,
            "cpu_idle_seconds_total": times.idle,
            "cpu_iowait_seconds_total": getattr(times, "iowait", None),
            "cpu_busy_ratio": self._busy_ratio(times),
            "memory_used_bytes": memory.total - memory.available,
            "memory_size_bytes": memory.total,
            "temperature_celsius": self._hottest(),
        }
        row |= self._network()
        row |= self._disks()
        return row

    def _busy_ratio(self, times: Any) -> float | None:
        # `guest` and `guest_nice` are already part of `user` and `nice`.
        fields = times._asdict()
        total = sum(value for name, value in fields.items() if not name.startswith("guest"))
        idle = times.idle + getattr(times, "iowait", 0.0)
        before, self._before = self._before, (total, idle)
        if before is None or total <= before[0]:
            return None
        ratio: float = 1.0 - (idle - before[1]) / (total - before[0])
        # The kernel's idle and iowait may step back by a tick, which lands just outside 0-1.
        return min(1.0, max(0.0, ratio))

    def _network(self) -> dict[str, Value]:
        cards = self._ps.net_io_counters(pernic=True, nowrap=True)
        if self._cards[0] != cards.keys():
            self._cards = (frozenset(cards), self._counted_cards(cards))
        counted = [cards[name] for name in self._cards[1]]
        if not counted:
            return {}
        return {
            "network_receive_bytes_total": sum(card.bytes_recv for card in counted),
            "network_transmit_bytes_total": sum(card.bytes_sent for card in counted),
        }

    def _counted_cards(self, names: Iterable[str]) -> frozenset[str]:
        """Hardware if there is any: a bond or bridge counts the same bytes again.

        In a container no interface is hardware, and all but the loopback count.
        """
        loopback = {name for name, up in self._ps.net_if_stats().items() if "loopback" in up.flags}
        others = frozenset(names) - loopback - {"lo"}
        hardware = {name for name in others if (self._sys / "class/net" / name / "device").exists()}
        return frozenset(hardware) or others

    def _disks(self) -> dict[str, Value]:
        disks: Mapping[str, Any] = self._ps.disk_io_counters(perdisk=True, nowrap=True) or {}
        counted = [disk for name, disk in disks.items() if self._is_whole_disk(name)]
        if not counted:
            return {}
        return {
            "disk_read_bytes_total": sum(disk.read_bytes for disk in counted),
            "disk_write_bytes_total": sum(disk.write_bytes for disk in counted),
        }

    def _is_whole_disk(self, name: str) -> bool:
        """Whether it is hardware: partitions, loops and mapped devices would count bytes twice."""
        if name.startswith(("loop", "ram", "zram", "dm-", "md")):
            return False
        blocks = self._sys / "block"
        return not blocks.is_dir() or (blocks / name).exists()

    def _hottest(self) -> float | None:
        read = getattr(self._ps, "sensors_temperatures", None)
        if read is None:  # psutil offers it only where the system does
            return None
        chips: Mapping[str, Iterable[Any]] = read()
        least, most = _PLAUSIBLE_CELSIUS
        found = [
            float(sensor.current)
            for sensors in chips.values()
            for sensor in sensors
            if sensor.current is not None and least < sensor.current < most
        ]
        return max(found, default=None)


def _os_name() -> str:
    if sys.platform == "linux":
        try:
            return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        except OSError:
            pass
    return f"{platform.system()} {platform.release()}"
