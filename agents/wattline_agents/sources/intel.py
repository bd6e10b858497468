"""Intel data-centre GPUs, through what the drivers i915 and xe tell in sysfs.

What is there depends on driver and board: energy in microjoules and power limits from hwmon
(`energy1_input` is the card's, `energy2_input` of xe its package's), temperatures from xe, clocks
from the tiles. i915 counts energy of a tile under `i915_gtN`, which is left alone where the card
itself has a counter. There is no busy ratio in sysfs; see the source `xpumd` for that.

The register of the energy counter has 32 bits and wraps after minutes. Kernels since 6.2 add up
what is read of it; where a driver does not, a counter that steps back is taken to have wrapped.
See Documentation/ABI/testing/sysfs-driver-intel-{i915,xe}-hwmon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import SourceUnavailable
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.sources.sysfs import read_bytes, read_count, read_text, reason
from wattline_agents.wire import Row, Value

SYS = Path("/sys")

_CARD = re.compile(r"card(\d+)\Z")
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\Z")
_ID = re.compile(r"(?:0x)?[0-9a-fA-F]{4,32}\Z")
_INTEL = "0x8086"
_INTEGRATED = "0000:00:02.0"
"""Where Intel's processors have their own graphics, which are no accelerator."""
_MOST_CARDS = 64
_MOST_TILES = 16
_FIND_MS = 60_000
_STATIC_MS = 60_000
_MOST_WATTS = 2_000.0
"""No card draws more; a counter that says so was set back, or jumped."""
_WRAPS_UJ = sorted([1 << 32, *((10**6 << 32) >> shift for shift in range(10, 21))])
"""Where 32 bits of microjoules wrap, and of the register's units, 2^-10 to 2^-20 J."""
_SETTLE_SECONDS = 0.2
"""Over a shorter time the steps of the counter are larger than what is measured."""

_NAMES = {
    "0x0bd5": "Intel Data Center GPU Max 1550",
    "0x0bd6": "Intel Data Center GPU Max 1550",
    "0x0bd9": "Intel Data Center GPU Max 1100",
    "0x0bda": "Intel Data Center GPU Max 1100",
    "0x0bdb": "Intel Data Center GPU Max 1100",
    "0x0b69": "Intel Data Center GPU Max 1450",
    "0x56c0": "Intel Data Center GPU Flex 170",
    "0x56c1": "Intel Data Center GPU Flex 140",
}
"""PCI device id -> product name; sysfs has only the number."""


@dataclass(slots=True)
class Counter:
    """A counter of microjoules that may wrap: what was used since it was first read.

    Attributes:
        total_uj: The first reading, and all that came since.
        watts: Mean power between the last two readings; None where it is not known.
    """

    total_uj: int | None = None
    watts: float | None = None
    _raw_uj: int = 0
    _at: float = 0.0

    def advance(self, raw_uj: int, at: float) -> None:
        """Take in a reading made at that time (seconds that never run backwards)."""
        if self.total_uj is None:
            self.total_uj, self._raw_uj, self._at = raw_uj, raw_uj, at
            return
        seconds = at - self._at
        if seconds < _SETTLE_SECONDS:
            return
        added = self._added(raw_uj, _MOST_WATTS * 1e6 * seconds)
        self._raw_uj, self._at = raw_uj, at
        if added is None:
            self.watts = None
            return
        self.total_uj += added
        self.watts = added / 1e6 / seconds

    def _added(self, raw_uj: int, most: float) -> int | None:
        """What was used meanwhile; None if the counter was set back or jumped."""
        if raw_uj >= self._raw_uj:
            added = raw_uj - self._raw_uj
            return added if added <= most else None
        # The least wrap above the last reading that leaves a power a card can draw.
        for wrap in _WRAPS_UJ:
            added = raw_uj + wrap - self._raw_uj
            if self._raw_uj < wrap and 0 <= added <= most:
                return added
        return None


@dataclass(slots=True)
class _Card:
    """One GPU, by the directory of its PCI device."""

    device: str
    index: int
    minor: int | None
    pci: str
    path: Path
    drm: Path
    model: str | None
    driver: str | None
    hwmon: Path | None
    energy: Path | None
    counter: Counter = field(default_factory=Counter)
    errors: int = 0
    limits: dict[str, Value] = field(default_factory=dict)
    limits_ms: int | None = None
    why_not: dict[str, str] = field(default_factory=dict)


class IntelSource:
    """Reads every discrete Intel GPU of the node."""

    name = "intel"

    def __init__(self, sys_path: Path = SYS, clock: Clock | None = None) -> None:
        """Find the cards.

        Args:
            sys_path: Where the kernel tells of hardware, `/sys`.
            clock: Tells how much time lies between two readings.

        Raises:
            SourceUnavailable: There are none.
        """
        self._sys = sys_path
        self._clock = SystemClock() if clock is None else clock
        self._cards = {card.device: card for card in _find(sys_path)}
        self._found_ms: int | None = None
        if not self._cards:
            raise SourceUnavailable("no Intel GPU on this node (other than a processor's own)")

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; option `path` names another place than `/sys`."""
        config.check_options(cls.name, ("path",))
        told = config.options.get("path")
        return cls(Path(told)) if told else cls()

    def read(self, now_ms: int) -> Readings:
        """One row of `device` per card; power is known from the second reading on."""
        return {"device": [self._row(card, now_ms) for card in self._cards.values()]}

    def describe(self, now_ms: int) -> Readings:
        """One row of `device_info` per card; also finds cards that were added."""
        self._look_again(now_ms)
        return {
            "device_info": [
                {
                    "time_unix_ms": now_ms,
                    "device": card.device,
                    "index": card.index,
                    "vendor": "intel",
                    "model": card.model,
                    "pci": card.pci,
                    "driver": card.driver,
                    "source": self.name,
                    "power_mode": None if card.energy is None else "average",
                    "power_scope": None if card.energy is None else "gpu",
                    "energy_scope": None if card.energy is None else "gpu",
                    "minor": card.minor,
                }
                for card in self._cards.values()
            ]
        }

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """What a card does not tell, or this user may not read."""
        return {card.device: dict(card.why_not) for card in self._cards.values() if card.why_not}

    def close(self) -> None:
        """Nothing is held."""

    def _look_again(self, now_ms: int) -> None:
        if self._found_ms is not None and 0 <= now_ms - self._found_ms < _FIND_MS:
            return
        self._found_ms = now_ms
        for found in _find(self._sys):
            card = self._cards.setdefault(found.device, found)
            # A driver that was loaded anew numbers its monitors and cards anew.
            card.index, card.minor, card.drm = found.index, found.minor, found.drm
            card.driver, card.hwmon, card.energy = found.driver, found.hwmon, found.energy

    def _row(self, card: _Card, now_ms: int) -> Row:
        if not card.path.exists():
            return {"time_unix_ms": now_ms, "device": card.device, "up": 0}
        row: dict[str, Value] = {"time_unix_ms": now_ms, "device": card.device, "up": 1}
        card.why_not = {"busy_ratio": "the driver tells it only to privileged perf; see xpumd"}
        self._put_energy(card, row)
        row |= self._limits(card, now_ms)
        row |= _temperatures(card)
        clock = _clock_hertz(card)
        if clock is not None:
            row["sm_clock_hertz"] = clock
        row |= _throttling(card)
        row["read_errors_total"] = card.errors
        return row

    def _put_energy(self, card: _Card, row: dict[str, Value]) -> None:
        if card.energy is None:
            card.why_not["energy_joules_total"] = "the driver has no energy counter for this card"
            card.why_not["power_watts"] = card.why_not["energy_joules_total"]
            return
        try:
            text = read_bytes(card.energy).strip()
        except OSError as error:
            if not isinstance(error, PermissionError):
                card.errors += 1
            card.why_not["energy_joules_total"] = f"{card.energy}: {reason(error)}"
            card.why_not["power_watts"] = card.why_not["energy_joules_total"]
            return
        if not text.isdigit() or len(text) > 20:
            card.errors += 1
            return
        card.counter.advance(int(text), self._clock.monotonic())
        assert card.counter.total_uj is not None
        row["energy_joules_total"] = card.counter.total_uj / 1e6
        row["power_watts"] = card.counter.watts

    def _limits(self, card: _Card, now_ms: int) -> Mapping[str, Value]:
        asked = card.limits_ms
        if card.hwmon is None or (asked is not None and 0 <= now_ms - asked < _STATIC_MS):
            return card.limits
        card.limits_ms, card.limits = now_ms, {}
        for column, kind in (
            ("power_limit_watts", "max"),
            ("power_limit_default_watts", "rated_max"),
        ):
            for number in (1, 2):  # the card's, and its package's
                limit = read_count(card.hwmon / f"power{number}_{kind}")
                if limit:  # 0 says the limit is off
                    card.limits.setdefault(column, limit / 1e6)
        return card.limits


def _find(sys_path: Path) -> list[_Card]:
    drm = sys_path / "class" / "drm"
    try:
        names = sorted(
            (int(found.group(1)), entry.name)
            for entry in drm.iterdir()
            if (found := _CARD.match(entry.name))
        )
    except OSError:
        return []
    cards = [_card(drm / name, index) for index, name in names[:_MOST_CARDS]]
    return [card for card in cards if card is not None]


def _card(drm: Path, index: int) -> _Card | None:
    path = drm / "device"
    driver = _link(path / "driver")
    if read_text(path / "vendor") != _INTEL or driver not in ("i915", "xe"):
        return None
    pci = _link(path)
    if pci is None or not _PCI.match(pci) or pci == _INTEGRATED:
        return None
    if (path / "physfn").exists():
        return None  # a virtual function: the card behind it is read already
    hwmon, energy = _hwmon(path)
    if energy is None and not _is_discrete(path, drm):
        return None
    number = read_text(path / "device") or ""
    unique = read_text(path / "unique_id") or read_text(path / "serial_number")
    suffix = f"-{unique.lower()}" if unique is not None and _ID.match(unique) else ""
    return _Card(
        device=f"intel-{pci}{suffix}",
        index=index,
        minor=_render_minor(path),
        pci=pci,
        path=path,
        drm=drm,
        model=_NAMES.get(number, f"Intel GPU {number}" if _ID.match(number) else None),
        driver=driver,
        hwmon=hwmon,
        energy=energy,
    )


def _render_minor(path: Path) -> int | None:
    """N of the card's `renderD(128+N)`."""
    try:
        names = [entry.name.removeprefix("renderD") for entry in (path / "drm").iterdir()]
    except OSError:
        return None
    return next((int(name) - 128 for name in names if name.isdigit() and len(name) < 6), None)


def _is_discrete(path: Path, drm: Path) -> bool:
    """Whether the card has memory of its own, or stands elsewhere than in the processor."""
    own_memory = (drm / "lmem_total_bytes").exists() or (path / "tile0" / "vram0").exists()
    number = read_text(path / "device")
    return own_memory or number in _NAMES


def _link(path: Path) -> str | None:
    """The last name of what a link leads to; None where there is no such thing."""
    try:
        return os.path.realpath(path, strict=True).rpartition("/")[2]
    except OSError:
        return None


def _hwmon(path: Path) -> tuple[Path | None, Path | None]:
    """The card's own hwmon, and its energy counter: the card's, else its package's."""
    try:
        entries = sorted((path / "hwmon").iterdir())[:_MOST_TILES]
    except OSError:
        return None, None
    for entry in entries:
        if read_text(entry / "name") not in ("i915", "xe"):
            continue  # `i915_gt0` is a tile, and a part of the card
        for number in (1, 2):
            counter = entry / f"energy{number}_input"
            if counter.exists():
                return entry, counter
        return entry, None
    return None, None


def _temperatures(card: _Card) -> dict[str, Value]:
    """The driver xe numbers them: 2 is the package, 3 its memory (millidegrees)."""
    found: dict[str, Value] = {}
    if card.hwmon is None:
        return found
    for column, number in (("temperature_celsius", 2), ("memory_temperature_celsius", 3)):
        milli = read_count(card.hwmon / f"temp{number}_input")
        if milli is not None and 0 < milli < 150_000:
            found[column] = milli / 1e3
    return found


def _tiles(card: _Card) -> list[Path]:
    """The directory of each tile's clock: `gt/gt0` of i915, `tile0/gt0/freq0` of xe.

    The first part of a tile computes; xe lists the engines for video as a second one.
    """
    found = [
        place for tile in range(_MOST_TILES) if (place := card.drm / "gt" / f"gt{tile}").is_dir()
    ]
    for tile in range(_MOST_TILES):
        place = card.path / f"tile{tile}"
        if place.is_dir():
            parts = (place / f"gt{number}" / "freq0" for number in range(2 * _MOST_TILES))
            found += [part for part in parts if part.is_dir()][:1]
    return found


def _clock_hertz(card: _Card) -> float | None:
    """The mean over tiles of the clock that runs; a tile asleep runs at 0."""
    found = [
        value
        for place in _tiles(card)
        for name in ("rps_act_freq_mhz", "act_freq")
        if (value := read_count(place / name)) is not None and value < 100_000
    ]
    return sum(found) / len(found) * 1e6 if found else None


def _throttling(card: _Card) -> dict[str, Value]:
    """Why clocks are held back now: 1 if any tile says so."""
    reasons = {
        "power_cap": ("throttle_reason_pl1", "throttle_reason_pl2", "throttle_reason_pl4",
                      "throttle/reason_pl1", "throttle/reason_pl2", "throttle/reason_pl4"),
        "thermal": ("throttle_reason_thermal", "throttle_reason_vr_thermalert",
                    "throttle/reason_thermal", "throttle/reason_vr_thermalert"),
        "power_brake": ("throttle_reason_prochot", "throttle/reason_prochot"),
    }  # fmt: skip
    found: dict[str, Value] = {}
    for place in _tiles(card):
        for ours, names in reasons.items():
            said = [value for name in names if (value := read_count(place / name)) is not None]
            if said:
                column = f"throttle_{ours}_active"
                found[column] = max(int(any(said)), int(found.get(column) or 0))
    return found
