"""What a device can do at most: dense peaks by model and number format, as data with their source.

MFU is what was done over what could have been done, so the peak decides it. Dense peaks, without
structured sparsity, are what the published definitions divide by. A device or a format that is not
here has no peak, and MFU is then unknown; a guess would be a wrong figure with decimals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_TORCHTITAN = "torchtitan, tools/utils.py, dense"
_VENDOR = "vendor's data sheet, dense"


@dataclass(frozen=True, slots=True)
class Peak:
    """What one device does at most in one number format.

    Attributes:
        flops: Operations a second.
        device: The class of device it is of.
        dtype: The number format.
        source: Where the number is from.
    """

    flops: float
    device: str
    dtype: str
    source: str


@dataclass(frozen=True, slots=True)
class _Class:
    """A class of devices: how its product names look, and its peaks by number format."""

    name: str
    pattern: str
    peaks: Mapping[str, tuple[float, str]]


def _peaks(bf16: float, source: str, **others: float) -> Mapping[str, tuple[float, str]]:
    # 16-bit formats share the matrix units on every device here.
    known = {"bf16": (bf16, source), "fp16": (bf16, source)}
    return MappingProxyType(known | {name: (v, _VENDOR) for name, v in others.items()})


_HOPPER = {"fp8": 1979e12, "tf32": 494.7e12, "fp32": 66.9e12}

_CLASSES = (
    # The narrower name first: what an H100 PCIe is called also matches H100.
    _Class("GB200", r"\bGB200\b", _peaks(2.5e15, _TORCHTITAN, fp8=5.0e15)),
    _Class("B200", r"\bB200\b", _peaks(2.25e15, _TORCHTITAN, fp8=4.5e15)),
    _Class("GH200", r"\bGH200\b", _peaks(989e12, "as H100 SXM, the same Hopper chip", **_HOPPER)),
    _Class("H200 NVL", r"\bH200 NVL\b", _peaks(835e12, _VENDOR)),
    _Class("H200", r"\bH200\b", _peaks(989e12, _TORCHTITAN, **_HOPPER)),
    _Class("H100 NVL", r"\bH100 NVL\b", _peaks(835e12, _TORCHTITAN)),
    _Class("H100 PCIe", r"\bH100 PCIE\b", _peaks(756e12, _TORCHTITAN)),
    _Class("H100 SXM", r"\bH100\b", _peaks(989e12, _TORCHTITAN, **_HOPPER)),
    _Class("A100", r"\bA100\b", _peaks(312e12, _TORCHTITAN, tf32=156e12, fp32=19.5e12)),
    _Class("MI250X die", r"\bMI250X\b", _peaks(191.5e12, _TORCHTITAN + ", half a module")),
    _Class("MI300A", r"\bMI300A\b", _peaks(980.6e12, _VENDOR)),
    _Class("MI300X", r"\bMI300X\b", _peaks(1.3e15, _TORCHTITAN)),
    _Class("MI355X", r"\bMI355X\b", _peaks(2.5e15, _TORCHTITAN)),
)

_DTYPES = {
    "bfloat16": "bf16", "bf16": "bf16", "float16": "fp16", "fp16": "fp16", "half": "fp16",
    "float8": "fp8", "fp8": "fp8", "tf32": "tf32", "float32": "fp32", "fp32": "fp32",
}  # fmt: skip


class Unknown(str):
    """Why there is no peak, in words."""


def peak(model: str | None, dtype: str | None) -> Peak | Unknown:
    """The peak of a device by its product name and a number format.

    Args:
        model: As the driver says it, such as `NVIDIA H100 80GB HBM3`.
        dtype: As a job says it; bf16 if it does not, which is what training uses today.
    """
    if not model:
        return Unknown("no device of it says its model")
    found = next((c for c in _CLASSES if re.search(c.pattern, _words(model))), None)
    if found is None:
        return Unknown(f"the peak of a {model[:60]} is not known")
    format = format_of(dtype)
    if format is None or format not in found.peaks:
        return Unknown(f"the peak of a {found.name} in {str(dtype)[:20]} is not known")
    flops, source = found.peaks[format]
    return Peak(flops, found.name, format, source)


def format_of(dtype: str | None) -> str | None:
    """The number format as this table and profiles name it; null if it is none of them.

    Args:
        dtype: As a job says it; bf16 if it does not, which is what training uses today.
    """
    return _DTYPES.get((dtype or "bf16").strip().lower())


def table() -> list[Peak]:
    """All that is known, for the documentation."""
    return [
        Peak(flops, one.name, dtype, source)
        for one in _CLASSES
        for dtype, (flops, source) in one.peaks.items()
    ]


def _words(model: str) -> str:
    return re.sub(r"[^A-Z0-9]+", " ", model.upper())
