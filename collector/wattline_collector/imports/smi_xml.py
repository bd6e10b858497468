"""`nvidia-smi -q -x`: XML, one document after the other where it was asked again and again.

Only what stands between `<nvidia_smi_log>` and its end is given to the parser. What comes before
is left out, and with it every document type: so there are no entities to expand, and none to fetch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.parsers import expat

from wattline_agents.errors import InputError
from wattline_collector.imports import files

_MOST_BYTES = 16 * 2**20
"""Of one document; one of 16 GPUs with all clocks they support has some 500 kB."""
_MOST_DEPTH = 12
_MOST_TEXT = 4_096
_START, _END = b"<nvidia_smi_log", b"</nvidia_smi_log>"

Part = dict[str, str]
"""Path of an element below a part -> its text."""


@dataclass(slots=True)
class Gpu:
    """What one document says of one GPU.

    Attributes:
        fields: Path below `<gpu>` -> text.
        instances: The same of each `<mig_device>`.
        processes: The same of each `<process_info>`.
    """

    fields: Part = field(default_factory=dict)
    instances: list[Part] = field(default_factory=list)
    processes: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Document:
    """One answer of nvidia-smi.

    Attributes:
        line: Where it begins in its file.
        fields: Path below the root -> text: `timestamp`, `driver_version`, ...
        gpus: Its GPUs, in order.
    """

    line: int
    fields: Part = field(default_factory=dict)
    gpus: list[Gpu] = field(default_factory=list)


FIELDS: Mapping[str, tuple[str, ...]] = {
    "uuid": ("uuid",),
    "name": ("product_name",),
    "serial": ("serial",),
    "minor_number": ("minor_number",),
    "vbios_version": ("vbios_version",),
    "pci.bus_id": ("pci/pci_bus_id",),
    "mig.mode.current": ("mig_mode/current_mig",),
    "utilization.gpu": ("utilization/gpu_util",),
    "utilization.memory": ("utilization/memory_util",),
    "memory.used": ("fb_memory_usage/used",),
    "memory.total": ("fb_memory_usage/total",),
    "memory.reserved": ("fb_memory_usage/reserved",),
    "temperature.gpu": ("temperature/gpu_temp",),
    "temperature.memory": ("temperature/memory_temp",),
    "temperature.gpu.tlimit": ("temperature/gpu_temp_tlimit",),
    "clocks.current.sm": ("clocks/sm_clock",),
    "clocks.current.memory": ("clocks/mem_clock",),
    "pstate": ("performance_state",),
    "power.draw": ("gpu_power_readings/power_draw", "power_readings/power_draw"),
    "power.draw.average": ("gpu_power_readings/average_power_draw",),
    "power.draw.instant": ("gpu_power_readings/instant_power_draw",),
    "module.power.draw.average": (
        "module_power_readings/average_power_draw", "module_power_readings/power_draw",
    ),
    "module.power.draw.instant": ("module_power_readings/instant_power_draw",),
    "enforced.power.limit": (
        "gpu_power_readings/current_power_limit", "power_readings/enforced_power_limit",
    ),
    "power.limit": ("power_readings/power_limit",),
    "power.default_limit": (
        "gpu_power_readings/default_power_limit", "power_readings/default_power_limit",
    ),
    **{
        f"clocks_event_reasons.{reason}": (
            f"clocks_event_reasons/clocks_event_reason_{reason}",
            f"clocks_throttle_reasons/clocks_throttle_reason_{reason}",
        )
        for reason in (
            "sw_power_cap", "sw_thermal_slowdown", "hw_thermal_slowdown",
            "hw_power_brake_slowdown", "sync_boost",
        )
    },
    **{
        f"clocks_event_reasons_counters.{reason}": (
            f"clocks_event_reasons_counters/clocks_event_reasons_counters_{reason}",
        )
        for reason in (
            "sw_power_cap", "hw_thermal_slowdown", "hw_power_brake_slowdown",
        )
    },
    "clocks_event_reasons_counters.sw_thermal_slowdown": (
        "clocks_event_reasons_counters/clocks_event_reasons_counters_sw_thermal_slowdown",
        "clocks_event_reasons_counters/clocks_event_reasons_counters_sw_therm_slowdown",
    ),
    "pcie.link.gen.gpucurrent": (
        "pci/pci_gpu_link_info/pcie_gen/device_current_link_gen",
        "pci/pci_gpu_link_info/pcie_gen/current_link_gen",
    ),
    "pcie.link.width.current": ("pci/pci_gpu_link_info/link_widths/current_link_width",),
    "pcie.replays": ("pci/replay_counter",),
    "remapped_rows.correctable": ("remapped_rows/remapped_row_corr",),
    "remapped_rows.uncorrectable": ("remapped_rows/remapped_row_unc",),
    "remapped_rows.pending": ("remapped_rows/remapped_row_pending",),
    "remapped_rows.failure": ("remapped_rows/remapped_row_failure",),
    "gpu_recovery_action": ("gpu_recovery_action",),
    "ecc.errors.corrected.volatile.total": ("ecc_errors/volatile/single_bit/total",),
    "ecc.errors.corrected.aggregate.total": ("ecc_errors/aggregate/single_bit/total",),
    "ecc.errors.uncorrected.volatile.total": ("ecc_errors/volatile/double_bit/total",),
    "ecc.errors.uncorrected.aggregate.total": ("ecc_errors/aggregate/double_bit/total",),
}  # fmt: skip
"""Field as in smi_fields -> the places it had in the versions of the document."""

_ECC_PARTS = {
    "corrected": (("sram_correctable",), ("dram_correctable",)),
    "uncorrected": (
        ("sram_uncorrectable",), ("sram_uncorrectable_parity", "sram_uncorrectable_secded"),
        ("dram_uncorrectable",),
    ),
}  # fmt: skip
"""Since Ampere errors are told per memory and no total is; the parts make it."""


def texts(gpu: Gpu) -> dict[str, str]:
    """The texts of a GPU's fields, by the fields' names."""
    found: dict[str, str] = {}
    for name, places in FIELDS.items():
        there = [gpu.fields[place] for place in places if place in gpu.fields]
        if there:
            found[name] = there[0]
    for kind, groups in _ECC_PARTS.items():
        for lifetime in ("volatile", "aggregate"):
            name = f"ecc.errors.{kind}.{lifetime}.total"
            parts = [
                gpu.fields.get(f"ecc_errors/{lifetime}/{part}", "")
                for group in groups
                for part in group
            ]
            counts = [int(part) for part in parts if part.isascii() and part.isdigit()]
            if name not in found and counts:
                found[name] = str(sum(counts))
    return found


def unkept(gpu: Gpu) -> set[str]:
    """Paths of a GPU's fields that have no place here."""
    kept = {place for places in FIELDS.values() for place in places}
    return {
        path
        for path in gpu.fields
        if path not in kept and not path.startswith(("ecc_errors/", "supported_clocks/"))
    }


def documents(stream: IO[bytes], path: Path) -> Iterator[Document | InputError]:
    """Every document of a file, or what is wrong with it in its place."""
    parts: list[bytes] | None = None
    size = begin = 0
    for number, line in files.lines(stream):
        if line is None:
            line = b""
        if parts is None:
            at = line.find(_START)
            if at < 0:
                continue
            parts, size, begin, line = [], 0, number, line[at:]
        elif _START in line:
            yield InputError("ends before `</nvidia_smi_log>`", path=path, line=begin)
            parts, size, begin, line = [], 0, number, line[line.find(_START) :]
        end = line.find(_END)
        parts.append(line if end < 0 else line[: end + len(_END)])
        size += len(line)
        if size > _MOST_BYTES:
            yield InputError(f"a document of more than {_MOST_BYTES} bytes", path=path, line=begin)
            parts = None
        elif end >= 0:
            yield _document(b"".join(parts), path, begin)
            parts = None
    if parts is not None:
        yield InputError("ends before `</nvidia_smi_log>`", path=path, line=begin)


class _Builder:
    """Puts a document together from what the parser meets."""

    def __init__(self, line: int) -> None:
        self.document = Document(line)
        self._path: list[str] = []
        self._text: list[str] = []
        self._size = 0
        self._part: tuple[int, Part] = (1, self.document.fields)
        """Where fields go, and how deep its element is."""

    def start(self, name: str, _: object) -> None:
        self._path.append(name)
        if len(self._path) > _MOST_DEPTH:
            raise ValueError("is nested too deeply")
        self._text, self._size = [], 0
        depth, gpus = len(self._path), self.document.gpus
        if name == "gpu" and depth == 2:
            gpus.append(Gpu())
            self._part = depth, gpus[-1].fields
        elif name in ("mig_device", "process_info") and depth == 4 and gpus:
            parts = gpus[-1].instances if name == "mig_device" else gpus[-1].processes
            parts.append({})
            self._part = depth, parts[-1]

    def data(self, text: str) -> None:
        self._size += len(text)
        if self._size <= _MOST_TEXT:
            self._text.append(text)

    def end(self, _: str) -> None:
        depth, part = self._part
        text = "".join(self._text).strip()
        if text and len(self._path) > depth:
            part.setdefault("/".join(self._path[depth:]), text)
        self._text = []
        self._path.pop()
        if len(self._path) < depth:
            gpus = self.document.gpus
            is_in_gpu = len(self._path) >= 2 and gpus
            self._part = (2, gpus[-1].fields) if is_in_gpu else (1, self.document.fields)


def _document(text: bytes, path: Path, line: int) -> Document | InputError:
    builder = _Builder(line)
    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler = builder.start
    parser.CharacterDataHandler = builder.data
    parser.EndElementHandler = builder.end
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        return InputError(
            f"is not XML: {expat.ErrorString(error.code)}", path=path, line=line + error.lineno - 1
        )
    except ValueError as error:
        return InputError(str(error), path=path, line=line)
    return builder.document
