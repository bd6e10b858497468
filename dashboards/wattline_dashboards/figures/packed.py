"""Numbers packed as the browser holds them: a tenth of the bytes of a list, and no parsing."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Iterable
from math import nan

import pyarrow as pa

Packed = dict[str, str]
"""Plotly's form of a typed array: `dtype`, base64 `bdata`, and `shape` where it has two axes."""


def packed(
    values: Iterable[float] | pa.Array,
    shape: tuple[int, int] | None = None,
    *,
    precise: bool = False,
) -> Packed:
    """Values as 32-bit floats, little-endian; NaN or null is a gap.

    Moments need the `precise` 64 bits.
    """
    if isinstance(values, pa.Array):
        numbers = array("d" if precise else "f")
        whole = values.cast(pa.float64() if precise else pa.float32(), safe=False)
        numbers.frombytes(held(whole.fill_null(nan)))
    else:
        numbers = array("d" if precise else "f", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    spec = {
        "dtype": "f8" if precise else "f4",
        "bdata": base64.b64encode(numbers.tobytes()).decode("ascii"),
    }
    if shape is not None:
        spec["shape"] = f"{shape[0]}, {shape[1]}"
    return spec


def held(numbers: pa.Array) -> memoryview:
    """The bytes of an array of numbers, as it holds them."""
    size = numbers.type.bit_width // 8
    held = numbers.buffers()[1]
    start = numbers.offset * size
    return memoryview(b"" if held is None else held)[start : start + len(numbers) * size]


def unpacked(spec: Packed) -> list[float]:
    """The values of `packed`, flat."""
    numbers = array("d" if spec["dtype"] == "f8" else "f", base64.b64decode(spec["bdata"]))
    if sys.byteorder == "big":
        numbers.byteswap()
    return list(numbers)
