"""A Linux host's figures, from /proc and /sys.

They are short texts of a form that does not change, so reading them takes a tenth of the
instructions that psutil needs for the same, and psutil need not be loaded.
"""

from __future__ import annotations

import os
from pathlib import Path

from wattline_agents.sources.host.figures import CpuTimes, hottest_of, is_whole_disk

_MOST_BYTES = 1 << 20
"""Of one file; a node with a thousand interfaces has 150 kB of them."""
_SECTOR_BYTES = 512
"""What /proc/diskstats counts in, whatever the disk's own sectors are."""
_LOOPBACK = "772"
"""ARPHRD_LOOPBACK, as an interface's `type` says it."""
_MOST_SENSORS = 64
_RESCAN_READS = 60
"""Sensors are looked for again after so many readings: ten minutes, at ten seconds each."""
_GPUS = ("amdgpu", "nouveau", "nvidia", "xe", "i915", "radeon")
"""Chips whose sensors are no sensors of the host; GPUs have temperatures of their own."""


class LinuxFigures:
    """Reads one Linux system."""

    errors: tuple[type[Exception], ...] = (OSError, ValueError, IndexError)

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        """Open it.

        Args:
            proc: Where the kernel tells its figures.
            sys: Where it tells hardware from what is made of it.

        Raises:
            OSError: There is no such thing here.
            ValueError: It is not as Linux has it.
        """
        self._sys = sys
        self._stat, self._meminfo = _Text(proc / "stat"), _Text(proc / "meminfo")
        self._net, self._diskstats = _Text(proc / "net/dev"), _Text(proc / "diskstats")
        self._ticks = float(os.sysconf("SC_CLK_TCK"))
        self._cards: tuple[list[bytes], frozenset[bytes]] = ([], frozenset())
        self._is_disk: dict[bytes, bool] = {}
        self._moved, self._sectors = _Totals(), _Totals()
        self._sensors: list[Path] = []
        self._reads_left = 0
        try:
            self.cpu_times()
            self.memory()
        except self.errors:
            self.close()
            raise

    def cpu_times(self) -> CpuTimes:
        """Processor time, from the first line of /proc/stat."""
        fields = self._stat.read(512).partition(b"\n")[0].split()
        if len(fields) < 6 or fields[0] != b"cpu":
            raise ValueError(f"{self._stat.path}: no times of processors in its first line")
        # user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of the first.
        times = [int(field) / self._ticks for field in fields[1:9]]
        return CpuTimes(times[0], times[2], times[3], times[4], sum(times))

    def memory(self) -> tuple[int, int]:
        """Main memory in use and there is, from /proc/meminfo."""
        text = self._meminfo.read(512)
        size = self._kilobytes(text, b"MemTotal:")
        available = self._kilobytes(text, b"MemAvailable:")
        if available > size:  # seen inside containers that show the machine's share of it
            available = self._kilobytes(text, b"MemFree:")
        return (size - available) * 1024, size * 1024

    def network(self) -> tuple[int, int] | None:
        """Bytes of the interfaces that count, from /proc/net/dev."""
        try:
            lines = self._net.read().splitlines()[2:]
        except FileNotFoundError:
            return None
        cards = [line.partition(b":") for line in lines]
        names = [name.strip() for name, _, _ in cards]
        if names != self._cards[0]:
            self._cards = names, self._counted_cards(names)
        counts: dict[bytes, tuple[int, int]] = {}
        for name, (_, _, rest) in zip(names, cards, strict=True):
            if name in self._cards[1]:
                fields = rest.split(None, 9)
                counts[name] = int(fields[0]), int(fields[8])
        return self._moved.total(counts) if counts else None

    def disks(self) -> tuple[int, int] | None:
        """Bytes of whole disks, from /proc/diskstats."""
        try:
            lines = self._diskstats.read().splitlines()
        except FileNotFoundError:
            return None
        counts: dict[bytes, tuple[int, int]] = {}
        for line in lines:
            fields = line.split(None, 10)
            if self._is_counted_disk(fields[2]):
                counts[fields[2]] = int(fields[5]), int(fields[9])
        if not counts:
            return None
        read, written = self._sectors.total(counts)
        return read * _SECTOR_BYTES, written * _SECTOR_BYTES

    def hottest(self) -> float | None:
        """The highest temperature of hwmon, or of the thermal zones where it has none."""
        if self._reads_left <= 0:
            self._sensors = self._find_sensors()
            self._reads_left = _RESCAN_READS
        self._reads_left -= 1
        found: list[float] = []
        for path in self._sensors:
            try:
                found.append(int(_once(path)) / 1000)
            except (OSError, ValueError):  # a sensor that is asleep, gone or not connected
                continue
        return hottest_of(found)

    def close(self) -> None:
        """Close the files."""
        for text in (self._stat, self._meminfo, self._net, self._diskstats):
            text.close()

    def _kilobytes(self, text: bytes, name: bytes) -> int:
        _, _, rest = text.partition(name)
        number, _, _ = rest.partition(b" kB")
        try:
            return int(number)
        except ValueError:
            raise ValueError(f"{self._meminfo.path}: no {name.decode()}") from None

    def _counted_cards(self, names: list[bytes]) -> frozenset[bytes]:
        """Hardware if there is any: a bond or bridge counts the same bytes again.

        In a container no interface is hardware, and all but the loopback count.
        """
        cards = {name: self._sys / "class/net" / os.fsdecode(name) for name in names}
        others = {name: card for name, card in cards.items() if not _is_loopback(name, card)}
        hardware = frozenset(name for name, card in others.items() if (card / "device").exists())
        return hardware or frozenset(others)

    def _is_counted_disk(self, name: bytes) -> bool:
        known = self._is_disk.get(name)
        if known is None:
            blocks, text = self._sys / "block", os.fsdecode(name)
            there = not blocks.is_dir() or (blocks / text.replace("/", "!")).exists()
            if len(self._is_disk) > _MOST_SENSORS * 64:
                self._is_disk.clear()
            known = self._is_disk[name] = is_whole_disk(text) and there
        return known

    def _find_sensors(self) -> list[Path]:
        found: list[Path] = []
        for chip in sorted((self._sys / "class/hwmon").glob("hwmon*")):
            for place in (chip, chip / "device"):
                inputs = sorted(place.glob("temp*_input"))
                if inputs and _text_of(place / "name") not in _GPUS:
                    # One sensor per package is the hottest of its cores already; reading each
                    # core's would interrupt that core.
                    packages = [path for path in inputs if _is_of_package(path)]
                    found += packages or inputs
        if not found:
            found = sorted((self._sys / "class/thermal").glob("thermal_zone*/temp"))
        return found[:_MOST_SENSORS]


class _Totals:
    """Two counters of each of several parts, added up: the sums grow whatever comes and goes.

    An interface that is handed to a container, or a disk that is detached, takes its counts along.
    Subtracted from the sum they would look like a counter that began again, far up.
    """

    def __init__(self) -> None:
        self._before: dict[bytes, tuple[int, int]] | None = None
        self._sums = 0, 0

    def total(self, counts: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
        """The sums, from the counts of the parts there are now.

        Of a part that is new, what it counted so far is of a time when it was not here.
        """
        before, self._before = self._before, counts
        one, other = self._sums
        for name, (first, second) in counts.items():
            known = (0, 0) if before is None else before.get(name, (first, second))
            # What is less than before began again at 0.
            one += first - known[0] if first >= known[0] else first
            other += second - known[1] if second >= known[1] else second
        self._sums = one, other
        return self._sums


class _Text:
    """A file of /proc, kept open: opening it costs more than reading it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def read(self, most: int = _MOST_BYTES) -> bytes:
        """Its text as it is now, or no more than the first so many bytes."""
        if self._file is None:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        text = part = os.pread(self._file, min(most, 65536), 0)
        while part and len(text) < most:
            part = os.pread(self._file, 65536, len(text))
            text += part
        return text

    def close(self) -> None:
        """Let go of it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _is_loopback(name: bytes, card: Path) -> bool:
    return name == b"lo" or _text_of(card / "type") == _LOOPBACK


def _is_of_package(path: Path) -> bool:
    label = path.with_name(path.name.replace("_input", "_label"))
    return _text_of(label).startswith("Package")


def _text_of(path: Path) -> str:
    try:
        return _once(path).decode(errors="replace").strip()
    except OSError:
        return ""


def _once(path: Path) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 256)
    finally:
        os.close(file)
