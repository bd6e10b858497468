"""Which exporter a page is from, and its rows; for pages that were recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wattline_agents.sources.scraped import (
    amd_exporter,
    dcgm,
    node_exporter,
    nvidia_gpu_exporter,
    xpumd,
)
from wattline_agents.sources.scraped.page import Page, parse
from wattline_agents.sources.source import Readings


@dataclass(frozen=True, slots=True)
class Exporter:
    """How pages of one exporter are told and read.

    Attributes:
        name: The word people choose its source by.
        lines: What its lines begin with.
        wants: Which of its metrics matter.
        rows: Makes rows of a parsed page.
    """

    name: str
    lines: re.Pattern[str]
    wants: Callable[[str], bool]
    rows: Callable[[Page, int], Readings]


EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {
        exporter.name: exporter
        for exporter in (
            Exporter(
                "dcgm", re.compile(r"DCGM_(?:FI|EXP)_|dcgm_"), dcgm.NAMES.__contains__, dcgm.rows
            ),
            Exporter(
                "nvidia-gpu-exporter",
                re.compile(r"nvidia_smi_"),
                nvidia_gpu_exporter.NAMES.__contains__,
                nvidia_gpu_exporter.rows,
            ),
            Exporter(
                "amd-exporter",
                re.compile(r"(?:amd_)?(?:gpu|pcie)_[a-z0-9_]+\{[^}]*\b(?:gpu_id|serial_number)="),
                amd_exporter.NAMES.__contains__,
                amd_exporter.rows,
            ),
            Exporter(
                "node-exporter", re.compile(r"node_"), node_exporter.wants, node_exporter.rows
            ),
            Exporter(
                "xpumd",
                re.compile(r"hw_[a-z0-9_]+\{[^}]*\bhw_id="),
                xpumd.NAMES.__contains__,
                xpumd.rows,
            ),
        )
    }
)
"""All exporters whose pages can be read, by name."""


def detect(text: str) -> str | None:
    """The exporter most lines of a page are from, by its name in `EXPORTERS`; None if from none."""
    counts = dict.fromkeys(EXPORTERS, 0)
    for line in text.splitlines():
        for exporter in EXPORTERS.values():
            if exporter.lines.match(line):
                counts[exporter.name] += 1
                break
    most = max(counts, key=lambda name: counts[name])
    return most if counts[most] else None


def read(text: str, exporter: str, now_ms: int) -> tuple[Readings, Page]:
    """The rows of one page of that exporter, and the page, which says what was left out of it.

    Args:
        text: The page.
        exporter: A name of `EXPORTERS`.
        now_ms: The rows' time.

    Raises:
        UsageError: The library that reads pages is not installed.
    """
    kind = EXPORTERS[exporter]
    page = parse(text, kind.wants)
    return kind.rows(page, now_ms), page
