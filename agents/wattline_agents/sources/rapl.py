"""Energy of processor packages and their memory: Linux powercap, `/sys/class/powercap`.

Every zone has a counter of microjoules that begins again at 0 beyond `max_energy_range_uj`; the
counter given here only grows. Zones are processors, their memory and cores, and on some machines
`psys`, which is what the firmware takes for the platform and no node's meter: none of them is ever
the whole node. Since CVE-2020-8694 only root may read the counters unless a udev rule says
otherwise. See the kernel's "Power Capping Framework".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.sources.sysfs import read_bytes, read_count, read_text, reason
from wattline_agents.wire import Row

PATH = Path("/sys/class/powercap")

_ZONE = re.compile(r"(?:intel|amd)-rapl:\d+(?::\d+)*\Z")
"""`intel-rapl-mmio:0` is left out: it counts the package of `intel-rapl:0` a second time."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
_MOST_ZONES = 256
_MOST_WATTS = 5_000.0
"""No processor draws more; a counter that says so was set back rather than wrapped."""
_PLAIN_WATTS = 1_000.0
"""What a zone may well draw for minutes; tells whether a counter can have wrapped twice."""
_AGAIN_SECONDS = 60.0
"""How often a zone that may not be read is tried again, and how often its limit is read."""

NO_PERMISSION = (
    'only root may read energy_uj since CVE-2020-8694; a udev rule for SUBSYSTEM=="powercap" '
    "that runs chgrp GROUP and chmod g+r on /sys%p/energy_uj lets the agent's group read it"
)


@dataclass(slots=True)
class _Zone:
    """One counter and what is known of it."""

    domain: str
    path: Path
    range_uj: int
    counter: Path
    total_uj: int | None = None
    raw_uj: int = 0
    read_at: float = 0.0
    limit_watts: float | None = None
    asked_at: float | None = None
    refused: OSError | None = None


def grown(before_uj: int, now_uj: int, range_uj: int) -> int | None:
    """Microjoules between two readings of a counter that wraps.

    Args:
        before_uj: The earlier reading.
        now_uj: The later one.
        range_uj: Where the counter wraps; 0 if that is not known.

    Returns:
        What was added, at most one wrap assumed; None if the counter was set back and nothing is
        known of where it wraps.
    """
    if now_uj >= before_uj:
        return now_uj - before_uj
    return now_uj - before_uj + range_uj if range_uj >= before_uj else None


class RaplSource:
    """Reads the energy counters of a node's processors; rows of `meter`, never the node."""

    name = "rapl"

    def __init__(self, path: Path = PATH, clock: Clock | None = None) -> None:
        """Find the zones.

        Args:
            path: Where the kernel lists them.
            clock: Tells how much time lies between two readings.

        Raises:
            SourceUnavailable: There are none.
        """
        self._clock = SystemClock() if clock is None else clock
        self._zones = _zones(path)
        if not self._zones:
            raise SourceUnavailable(f"no zone intel-rapl:* with a counter in {path}")

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; option `path` names another directory of zones."""
        config.check_options(cls.name, ("path",))
        told = config.options.get("path")
        return cls(Path(told)) if told else cls()

    def read(self, now_ms: int) -> Readings:
        """One row of `meter` per zone that may be read; power is known from the second on.

        Raises:
            ReadFailed: A counter that may be read does not answer, and no other one does.
        """
        rows = [row for zone in self._zones if (row := self._row(zone, now_ms)) is not None]
        if rows:
            return {"meter": rows}
        for zone in self._zones:
            if zone.refused is not None and not isinstance(zone.refused, PermissionError):
                raise ReadFailed(f"{zone.counter}: {reason(zone.refused)}")
        return {}

    def describe(self, now_ms: int) -> Readings:
        """Nothing: no zone is the whole node."""
        return {}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why the counters may not be read, and what would change it."""
        if any(isinstance(zone.refused, PermissionError) for zone in self._zones):
            return {"": {"energy_joules_total": NO_PERMISSION}}
        return {}

    def close(self) -> None:
        """Nothing is held."""

    def _row(self, zone: _Zone, now_ms: int) -> Row | None:
        at = self._clock.monotonic()
        is_time = zone.asked_at is None or at - zone.asked_at >= _AGAIN_SECONDS
        if zone.refused is not None and not is_time:
            return None
        if is_time:
            zone.asked_at = at
            zone.limit_watts = _limit(zone.path)
        try:
            text = read_bytes(zone.counter).strip()
        except OSError as error:
            zone.refused = error
            return None
        zone.refused = None
        if not text.isdigit() or len(text) > 20:
            return None
        watts = _advance(zone, int(text), at)
        assert zone.total_uj is not None
        return {
            "time_unix_ms": now_ms,
            "source": "rapl",
            "domain": zone.domain,
            "energy_joules_total": zone.total_uj / 1e6,
            "power_watts": watts,
            "power_limit_watts": zone.limit_watts,
        }


def _advance(zone: _Zone, raw_uj: int, at: float) -> float | None:
    """Add what was used since the reading before; returns the mean power in watts, if known."""
    before_uj, seconds = zone.raw_uj, at - zone.read_at
    zone.raw_uj, zone.read_at = raw_uj, at
    if zone.total_uj is None:
        zone.total_uj = raw_uj
        return None
    added = grown(before_uj, raw_uj, zone.range_uj)
    if added is None or seconds <= 0 or added > _MOST_WATTS * 1e6 * seconds:
        return None  # the counter was set back: what was used meanwhile nobody knows
    zone.total_uj += added
    if 0 < zone.range_uj < _PLAIN_WATTS * 1e6 * seconds:
        return None  # it may have wrapped more than once: what was added is the least there was
    return added / 1e6 / seconds


def _zones(path: Path) -> list[_Zone]:
    try:
        names = sorted(entry.name for entry in path.iterdir() if _ZONE.match(entry.name))
    except OSError:
        return []
    zones: dict[str, _Zone] = {}
    for name in names[:_MOST_ZONES]:
        place = path / name
        counter = place / "energy_uj"
        if not counter.exists():
            continue
        domain = _domain(name, lambda zone: read_text(path / zone / "name") or "")
        if domain is None or domain in zones:
            domain = name.replace(":", "-")
        range_uj = read_count(place / "max_energy_range_uj") or 0
        zones[domain] = _Zone(domain, place, range_uj, counter)
    return list(zones.values())


def _domain(zone: str, name_of: Callable[[str], str]) -> str | None:
    """`package-0`, `psys`, and for what is inside a package `dram-0` or `core-0`."""
    own = name_of(zone)
    if not _NAME.match(own):
        return None
    parent = zone.rpartition(":")[0]
    if ":" not in parent:
        return own
    package = name_of(parent).removeprefix("package-")
    return f"{own}-{package}" if _NAME.match(package) else None


def _limit(zone: Path) -> float | None:
    """The long-term limit in watts; None where there is none."""
    limit = read_count(zone / "constraint_0_power_limit_uw")
    return limit / 1e6 if limit else None
