"""Power of NVIDIA Grace processors and their modules: ACPI power meters under `/sys/class/hwmon`.

Each meter gives `power1_average` in microwatts and names itself in `power1_oem_info`, such as
`Grace Power Socket 0`: `Module` is processor and GPU of a superchip together, `Grace` the
processor with its memory, `CPU` its cores, `SysIO` the rest of it. None of them is the whole node.
See NVIDIA's "Grace Performance Tuning Guide", Power Telemetry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Readings
from wattline_agents.sources.sysfs import read_bytes, read_count, read_text, reason
from wattline_agents.wire import Row

PATH = Path("/sys/class/hwmon")

_LABEL = re.compile(r"(Module|Grace|CPU|SysIO) Power Socket (\d{1,3})\Z")
_METER = re.compile(r"power\d{1,2}_average\Z")
_MOST_METERS = 128
_CAP_MS = 60_000
_MOST_MICROWATTS = 10**11


@dataclass(slots=True)
class _Meter:
    domain: str
    file: Path
    cap_watts: float | None = None


class GraceSource:
    """Reads the power meters of Grace superchips; rows of `meter`, never the node."""

    name = "grace"

    def __init__(self, path: Path = PATH) -> None:
        """Find the meters.

        Args:
            path: Where the kernel lists hardware monitors.

        Raises:
            SourceUnavailable: There are none of a Grace processor.
        """
        self._meters = _meters(path)
        self._caps_ms: int | None = None
        if not self._meters:
            raise SourceUnavailable(
                f"no power meter of a Grace processor in {path} (on one, the kernel module "
                "acpi_power_meter with force_cap_on=y brings them)"
            )

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; option `path` names another directory of monitors."""
        config.check_options(cls.name, ("path",))
        told = config.options.get("path")
        return cls(Path(told)) if told else cls()

    def read(self, now_ms: int) -> Readings:
        """One row of `meter` per meter that answers: mean power of its own short interval.

        Raises:
            ReadFailed: None answers.
        """
        if self._caps_ms is None or not 0 <= now_ms - self._caps_ms < _CAP_MS:
            self._caps_ms = now_ms
            for meter in self._meters:
                cap = read_count(str(meter.file).removesuffix("average") + "cap")
                meter.cap_watts = cap / 1e6 if cap else None
        rows: list[Row] = []
        failed: str | None = None
        for meter in self._meters:
            watts = _watts(meter.file)
            if isinstance(watts, str):
                failed = watts
                continue
            rows.append(
                {
                    "time_unix_ms": now_ms,
                    "source": "grace",
                    "domain": meter.domain,
                    "power_watts": watts,
                    "power_limit_watts": meter.cap_watts,
                }
            )
        if not rows:
            raise ReadFailed(f"grace: {failed}")
        return {"meter": rows}

    def describe(self, now_ms: int) -> Readings:
        """Nothing: no meter is of the whole node."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def _meters(path: Path) -> list[_Meter]:
    try:
        monitors = sorted(path.iterdir())
    except OSError:
        return []
    found: dict[str, _Meter] = {}
    for monitor in monitors:
        # Older kernels keep the attributes at the ACPI device behind the monitor.
        for place in (monitor, monitor / "device"):
            for file in sorted(place.glob("power*_average")):
                domain = _domain(file)
                if domain is not None and len(found) < _MOST_METERS:
                    found.setdefault(domain, _Meter(domain, file))
    return list(found.values())


def _domain(file: Path) -> str | None:
    if not _METER.match(file.name):
        return None
    stem = file.name.removesuffix("average")
    for ending in ("oem_info", "label"):
        match = _LABEL.match(read_text(file.with_name(stem + ending)) or "")
        if match is not None:
            return f"{match[1].lower()}-{int(match[2])}"
    return None


def _watts(file: Path) -> float | str:
    """What the meter says, in watts; or why there is nothing."""
    try:
        text = read_bytes(file).strip()
    except OSError as error:
        return f"{file}: {reason(error)}"
    if not text.isdigit() or int(text[:20]) > _MOST_MICROWATTS:
        return f"{file}: not a power in microwatts: {text[:40]!r}"
    return int(text) / 1e6
