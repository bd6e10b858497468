"""What the answers of `amdsmi` mean, in base units; pure functions of its dictionaries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wattline_agents.wire import MAX_TEXT_BYTES, Value

_ROUNDED_UJ = 15.3
_UNIT_UJ = 1e6 / 2**16
_KIB, MIB = 2**10, 2**20
_GENERATIONS = {25: 1, 50: 2, 80: 3, 160: 4, 320: 5, 640: 6}
"""A lane's speed in 0.1 GT/s -> generation of PCI Express."""

_PAGE_RESERVED, _PAGE_PENDING, _PAGE_UNRESERVABLE = 0, 1, 2
"""AmdSmiMemoryPageStatus."""
RESIDENCIES = {
    "power_cap": ("ppt_residency_acc",),
    "thermal": ("socket_thm_residency_acc", "hbm_thm_residency_acc", "vr_thm_residency_acc"),
    "power_brake": ("prochot_residency_acc",),
}
"""Ticks during which clocks were held back; kinds of heat may overlap, and the most counts."""
VIOLATIONS = {
    "power_cap": ("acc_ppt_pwr",),
    "thermal": ("acc_socket_thrm", "acc_hbm_thrm", "acc_vr_thrm"),
    "power_brake": ("acc_prochot_thrm",),
}
"""The same by `amdsmi_get_violation_status`, for libraries whose metrics leave it out."""


def number_of(value: Any) -> float | None:
    """A number of the library; None for "N/A" and what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 2**64 - 1 else None


def whole_of(value: Any) -> int | None:
    """A whole number of the library; None for "N/A" and what is none."""
    number = number_of(value)
    return None if number is None or not isinstance(value, int) or value >= 2**63 else value


def text_of(value: Any) -> str | None:
    """A text of the library; None for "N/A" and what says nothing."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    return None if text in ("", "N/A") or not text.isprintable() else _trimmed(text, 96)


def resolution(value: Any) -> float | None:
    """Microjoules per count; the library's rounded figure becomes what the hardware counts in."""
    number = number_of(value)
    if not number:
        return None
    return _UNIT_UJ if abs(number - _ROUNDED_UJ) < 0.05 else number


def most(told: Mapping[str, Any], names: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Per reason the most of its counters; none where none is known."""
    found: dict[str, float] = {}
    for reason, keys in names.items():
        counts = [count for key in keys if (count := number_of(told.get(key))) is not None]
        if counts:
            found[reason] = max(counts)
    return found


def _mean(values: Any) -> float | None:
    if not isinstance(values, list):
        return None
    found = [number for value in values if (number := number_of(value)) is not None]
    return sum(found) / len(found) if found else None


def put_plain(row: dict[str, Value], metrics: Mapping[str, Any], meters: bool) -> None:
    """What the table of metrics tells as it is."""
    if meters:
        # The hottest spot, which every generation tells and throttling goes by; else the edge.
        heat = number_of(metrics.get("temperature_hotspot")) or number_of(
            metrics.get("temperature_edge")
        )
        memory = number_of(metrics.get("temperature_mem"))
        for column, celsius in (
            ("temperature_celsius", heat),
            ("memory_temperature_celsius", memory),
        ):
            if celsius and celsius < 150:
                row[column] = celsius
        _put_links(row, metrics)
    for column, key in (
        ("busy_ratio", "average_gfx_activity"),
        ("memory_busy_ratio", "average_umc_activity"),
    ):
        percent = number_of(metrics.get(key))
        if percent is not None and percent <= 100:
            row[column] = percent / 100
    clock = _mean(metrics.get("current_gfxclks"))
    megahertz = number_of(metrics.get("current_gfxclk")) if clock is None else clock
    for column, number in (
        ("sm_clock_hertz", megahertz),
        ("memory_clock_hertz", number_of(metrics.get("current_uclk"))),
    ):
        if number is not None and number < 20_000:
            row[column] = number * 1e6


def _put_links(row: dict[str, Value], metrics: Mapping[str, Any]) -> None:
    for column, key in (
        ("nvlink_receive_bytes_total", "xgmi_read_data_acc"),
        ("nvlink_transmit_bytes_total", "xgmi_write_data_acc"),
    ):
        links = metrics.get(key)
        known = [whole_of(link) for link in links] if isinstance(links, list) else []
        counts = [count for count in known if count is not None]
        if counts:
            row[column] = min(sum(counts) * _KIB, 2**63 - 1)
    replays = whole_of(metrics.get("pcie_replay_count_acc"))
    if replays is not None:
        row["pcie_replays_total"] = replays
    width, speed = (
        whole_of(metrics.get("pcie_link_width")),
        whole_of(metrics.get("pcie_link_speed")),
    )
    if width and width <= 64:
        row["pcie_link_width"] = width
    if speed in _GENERATIONS:
        row["pcie_link_generation"] = _GENERATIONS[speed]


def pages_of(pages: list[Any]) -> dict[str, Value]:
    """Pages taken out of use, which is what AMD does where NVIDIA replaces rows."""
    kinds = [whole_of(page.get("status")) for page in pages if isinstance(page, Mapping)]
    return {
        "row_remaps_uncorrected": kinds.count(_PAGE_RESERVED),
        "row_remap_pending": int(_PAGE_PENDING in kinds),
        "row_remap_failed": int(_PAGE_UNRESERVABLE in kinds),
    }


def cgroup(path: Path) -> str | None:
    """The control group of a process: the last line's path, which is version 2's own."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        lines = os.read(descriptor, 4_096).decode(errors="replace").splitlines()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    place = lines[-1].partition("::")[2] or lines[-1].rpartition(":")[2] if lines else ""
    return _trimmed(place, MAX_TEXT_BYTES) or None


def _trimmed(text: str, most_bytes: int) -> str:
    return text.encode(errors="replace")[:most_bytes].decode(errors="ignore")
