"""The meters of an HPE Cray node: `/sys/cray/pm_counters`, open to everybody.

The node's controller writes all counters about ten times a second (`raw_scan_hz`). `power` and
`energy` are the whole node, accelerators included; `cpu_*`, `memory_*` and `accel<N>_*` are parts
of it, where one `accel` is a whole module (on MI250X both dies). A counter is one line,
`<value> <W|J> <microseconds since 1970> us`. `freshness` counts the scans, and `generation` the
changes of a cap. See HPE's "User Access to Compute Node Power Data".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.sources.sysfs import read_bytes, read_text, reason
from wattline_agents.wire import Row, Value

PATH = Path("/sys/cray/pm_counters")

_POWER = re.compile(r"(?:(cpu\d*|memory|accel\d+)_)?power\Z")
_MOST_DOMAINS = 64
_TRIES = 3
"""A scan takes a tenth of a second and reading all counters a millisecond; two scans that fall
into one reading are rare, and three readings that each met one are a slow machine."""
_OLDEST_MS = 60_000
_AHEAD_MS = 2_000
"""Between these the controller's clock is believed; the node's clock is used where it is not."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One line of a counter.

    Attributes:
        value: In the counter's unit, watts or joules.
        time_ms: When the controller read it, milliseconds since 1970 by its own clock.
    """

    value: float
    time_ms: int


@dataclass(frozen=True, slots=True)
class _Domain:
    """A part of the node with its files."""

    name: str
    power: str
    energy: str
    cap: str


@dataclass(frozen=True, slots=True)
class _Scan:
    """All counters as of one scan."""

    freshness: bytes | None
    generation: bytes | None
    counters: Mapping[str, tuple[Counter | None, Counter | None]]


def parse_counter(line: bytes, unit: bytes) -> Counter | None:
    """The counter that a line holds; None if it is not `<value> <unit> <time> us`.

    Args:
        line: What the file held.
        unit: `W` or `J`; any other unit is not taken for this one.
    """
    parts = line.split()
    if len(parts) != 4 or parts[1] != unit or parts[3] != b"us":
        return None
    if not parts[0].isdigit() or not parts[2].isdigit() or len(parts[0]) > 18:
        return None
    return Counter(float(parts[0]), int(parts[2]) // 1000)


class CraySource:
    """Reads the meters of one HPE Cray node; node power and energy are the whole node's."""

    name = "cray"

    def __init__(self, path: Path = PATH) -> None:
        """Find the counters.

        Args:
            path: Where they are.

        Raises:
            SourceUnavailable: They are not there.
        """
        self._path = path
        try:
            names = sorted(entry.name for entry in path.iterdir())
        except OSError:
            raise SourceUnavailable(f"no {path}: this is no HPE Cray node") from None
        self._domains = _domains(str(path), names)
        if not self._domains:
            raise SourceUnavailable(f"{path} holds no power counters")
        self._before: _Scan | None = None
        self._new_since_ms = 0
        self._caps: dict[str, float] = {}
        self._caps_generation: bytes | None = None
        self._why: dict[str, str] = {}

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; option `path` names another directory of counters."""
        config.check_options(cls.name, ("path",))
        told = config.options.get("path")
        return cls(Path(told)) if told else cls()

    def read(self, now_ms: int) -> Readings:
        """One row of `meter` per domain and one of `node`, timed by the counters themselves.

        Where the controller has not scanned since the reading before, the rows say only how old
        its last scan is: its values are no new readings.

        Raises:
            ReadFailed: No counter could be read.
        """
        scan = self._scan()
        if self._before is not None and _same(scan, self._before):
            age = max(0, now_ms - self._new_since_ms) / 1000
            return {"meter": [_row(now_ms, d.name, age, {}) for d in self._domains]}
        self._before = scan
        self._read_caps(scan.generation)
        meter = [self._meter(domain, scan, now_ms) for domain in self._domains]
        self._new_since_ms = int(meter[0]["time_unix_ms"] or now_ms)
        self._note_missing(meter[0])
        node = {
            column: meter[0].get(column)
            for column in ("time_unix_ms", "energy_joules_total", "power_watts")
        }
        return {"meter": meter, "node": [node]}

    def describe(self, now_ms: int) -> Readings:
        """One row of `node_info`: what meters the node."""
        return {"node_info": [{"time_unix_ms": now_ms, "power_source": "pm_counters"}]}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """What of the whole node is not told, and why."""
        return {"": self._why} if self._why else {}

    def close(self) -> None:
        """Nothing is held."""

    def _scan(self) -> _Scan:
        """All counters; again if the controller wrote them meanwhile.

        After a few tries what was read is used as it is: every counter is timed for itself.
        """
        freshness, generation = self._freshness(), self._generation()
        for _ in range(_TRIES):
            counters = {domain.name: self._counters(domain) for domain in self._domains}
            before = freshness, generation
            freshness, generation = self._freshness(), self._generation()
            if (freshness, generation) == before:
                break
        if not any(counter for pair in counters.values() for counter in pair):
            raise ReadFailed(f"{self._path}: no counter could be read")
        return _Scan(freshness, generation, counters)

    def _counters(self, domain: _Domain) -> tuple[Counter | None, Counter | None]:
        return _counter(domain.power, b"W"), _counter(domain.energy, b"J")

    def _freshness(self) -> bytes | None:
        return _first_word(self._path / "freshness")

    def _generation(self) -> bytes | None:
        return _first_word(self._path / "generation")

    def _read_caps(self, generation: bytes | None) -> None:
        """Caps are read when `generation` says that one changed; a cap of 0 W is none."""
        if generation is not None and generation == self._caps_generation:
            return
        self._caps_generation = generation
        caps = {domain.name: _counter(domain.cap, b"W") for domain in self._domains}
        self._caps = {name: cap.value for name, cap in caps.items() if cap and cap.value > 0}

    def _meter(self, domain: _Domain, scan: _Scan, now_ms: int) -> Row:
        power, energy = scan.counters[domain.name]
        stamp = power or energy
        values: dict[str, Value] = {
            "energy_joules_total": None if energy is None else energy.value,
            "power_watts": None if power is None else power.value,
            "power_limit_watts": self._caps.get(domain.name),
        }
        if stamp is None or not -_AHEAD_MS <= now_ms - stamp.time_ms <= _OLDEST_MS:
            return _row(now_ms, domain.name, None, values)
        return _row(stamp.time_ms, domain.name, max(0, now_ms - stamp.time_ms) / 1000, values)

    def _note_missing(self, node: Row) -> None:
        files = {"power_watts": "power", "energy_joules_total": "energy"}
        self._why = {
            column: f"{self._path / name}: {_complaint(self._path / name)}"
            for column, name in files.items()
            if node.get(column) is None
        }


def _domains(path: str, names: list[str]) -> list[_Domain]:
    """The node first, then its parts by name."""
    found = []
    for name in names:
        match = _POWER.match(name)
        if match is not None:
            prefix = f"{path}/{name.removesuffix('power')}"
            found.append(
                _Domain(
                    match[1] or "node", f"{prefix}power", f"{prefix}energy", f"{prefix}power_cap"
                )
            )
    found.sort(key=lambda domain: domain.name != "node")
    return found[:_MOST_DOMAINS] if found and found[0].name == "node" else []


def _row(time_ms: int, domain: str, age: float | None, values: Mapping[str, Value]) -> Row:
    return {
        "time_unix_ms": time_ms,
        "source": "pm_counters",
        "domain": domain,
        **values,
        "reading_age_seconds": age,
    }


def _same(now: _Scan, before: _Scan) -> bool:
    """Whether it is the same scan; where scans are not counted, their times tell."""
    if now.freshness is not None:
        return now.freshness == before.freshness
    return now.counters == before.counters


def _counter(path: str, unit: bytes) -> Counter | None:
    try:
        return parse_counter(read_bytes(path), unit)
    except OSError:
        return None


def _first_word(path: Path) -> bytes | None:
    try:
        words = read_bytes(path).split(None, 1)
    except OSError:
        return None
    return words[0] if words else None


def _complaint(path: Path) -> str:
    try:
        read_bytes(path)
    except OSError as error:
        return reason(error)
    return f"not `<value> <unit> <time> us`: {(read_text(path) or '')[:60]!r}"
