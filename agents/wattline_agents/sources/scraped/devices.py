"""Rows of devices put together sample by sample, keyed by the device's UUID."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wattline_agents.catalogue import DEVICE, MIG
from wattline_agents.sources.scraped.page import Page, Sample
from wattline_agents.sources.scraped.values import trimmed, value_of
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

Columns = Mapping[str, tuple[str, float]]
"""Name on the page -> the column it fills and the factor to the column's unit.

Of several names for one column the first that is on the page counts.
"""

_MOST_DEVICES = 1_024
_MOST_KEY_BYTES = 96
_BARE_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@dataclass(slots=True)
class Devices:
    """Devices of one page.

    Attributes:
        now_ms: The time of the rows.
        rows: By UUID.
        instances: MIG instances by UUID and number.
        infos: Who they are, by UUID.
    """

    now_ms: int
    rows: dict[str, dict[str, Value]] = field(default_factory=dict)
    instances: dict[tuple[str, str], dict[str, Value]] = field(default_factory=dict)
    infos: dict[str, dict[str, Value]] = field(default_factory=dict)

    def add(self, device: str) -> dict[str, Value] | None:
        """The row of that device, a fresh one the first time; None where there are too many."""
        row = self.rows.get(device)
        if row is None and len(self.rows) < _MOST_DEVICES:
            row = {"time_unix_ms": self.now_ms, "device": device, "up": 1}
            self.rows[device] = row
        return row

    def put(self, device: str, column: str, number: float) -> None:
        """Set a column that is not set yet; a second series of it says the same."""
        row = self.add(device)
        if row is not None and row.get(column) is None:
            value = value_of(DEVICE, column, number)
            if value is not None:
                row[column] = value

    def put_instance(self, device: str, instance: str, column: str, number: float) -> None:
        """Set a column of a MIG instance that is not set yet."""
        key = (device, instance)
        if key in self.instances and self.instances[key].get(column) is None:
            value = value_of(MIG, column, number)
            if value is not None:
                self.instances[key][column] = value

    def add_instance(
        self, device: str, instance: str, number: int | None, profile: str | None
    ) -> None:
        """Know a MIG instance of a device."""
        if len(self.instances) < _MOST_DEVICES:
            self.instances.setdefault(
                (device, instance),
                {
                    "time_unix_ms": self.now_ms,
                    "device": device,
                    "instance": instance,
                    "gpu_instance": number,
                    "profile": profile,
                },
            )

    def info(self, device: str, **fields: Value) -> None:
        """Note who a device is; what is known already stays."""
        if device not in self.rows:
            return
        known = self.infos.setdefault(device, {"time_unix_ms": self.now_ms, "device": device})
        for name, value in fields.items():
            if value is not None and known.get(name) is None:
                known[name] = value

    def readings(self) -> Readings:
        """The rows, by table; no table without rows."""
        tables: dict[str, Iterable[Row]] = {
            "device": self.rows.values(),
            "mig": self.instances.values(),
            "device_info": self.infos.values(),
        }
        return {name: rows for name, found in tables.items() if (rows := list(found))}


def nvidia_uuid(text: str | None) -> str | None:
    """The UUID as the vendor writes it: `GPU-` and 32 digits; None if it can be no key.

    Some exporters leave `GPU-` out; a device is the same device, whoever reads it.
    """
    text = label(text)
    if text is None:
        return None
    return f"GPU-{text}" if _BARE_UUID.match(text) else text


def label(text: str | None, most: int = _MOST_KEY_BYTES) -> str | None:
    """A label's text, at most so many bytes; None for what means "not known"."""
    if text is None:
        return None
    text = text.strip()
    if not text or text.upper() in ("N/A", "[N/A]", "UNKNOWN", "NONE") or not text.isprintable():
        return None
    return trimmed(text, most)


def number(text: str | None) -> int | None:
    """A label's whole number, if it is one."""
    text = label(text, 12)
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def sums(samples: Iterable[Sample], keys: Iterable[str], part: Iterable[str]) -> dict[str, float]:
    """Sums over the parts of each device, every part counted once.

    Args:
        samples: Of one metric.
        keys: The device of each, in the same order; "" leaves a sample out.
        part: Labels that together tell a part of a device: a link, a memory module.
    """
    names = tuple(part)
    seen: dict[str, dict[tuple[str, ...], float]] = {}
    for sample, key in zip(samples, keys, strict=True):
        if key and sample.value >= 0:
            parts = tuple(sample.labels.get(name, "") for name in names)
            seen.setdefault(key, {}).setdefault(parts, sample.value)
    return {key: sum(parts.values()) for key, parts in seen.items()}


def first(page: Page, *names: str) -> list[Sample]:
    """The samples of the first of these names that is on the page."""
    return next((page.of(name) for name in names if page.of(name)), [])
