"""E07: how much of a device's work is left when there are more of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A rate on a number of devices.

    Attributes:
        devices: How many.
        tokens_per_second: What all of them made.
    """

    devices: int
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """A rate against that of the fewest devices.

    Attributes:
        devices: How many.
        base: How many the comparison is with.
        tokens_per_second: What they made.
        linear_tokens_per_second: What they would make if each did what it did there.
        efficiency: The first over the second; None where there is nothing to compare with. Over 1
            is possible: what did not fit one device's cache may fit many.
    """

    devices: int
    base: int
    tokens_per_second: float
    linear_tokens_per_second: float
    efficiency: float | None


def scaling(points: Iterable[Point]) -> list[Scaling]:
    """E07: (tok/s at n) / (n / n0 x tok/s at n0), n0 the fewest devices that were measured.

    Points of one model and one configuration; several of one number of devices are averaged.

    Returns:
        By number of devices. One number alone compares with nothing: its efficiency is None.

    Raises:
        ValueError: A point without devices, or with a rate that is none.
    """
    rates: dict[int, list[float]] = {}
    for point in points:
        if point.devices < 1 or not (
            math.isfinite(point.tokens_per_second) and point.tokens_per_second >= 0
        ):
            raise ValueError(f"not a rate of devices: {point}")
        rates.setdefault(point.devices, []).append(point.tokens_per_second)
    if not rates:
        return []
    means = {devices: sum(found) / len(found) for devices, found in sorted(rates.items())}
    base = min(means)
    result = []
    for devices, rate in means.items():
        linear = means[base] * devices / base
        comparable = len(means) > 1 and linear > 0
        result.append(Scaling(devices, base, rate, linear, rate / linear if comparable else None))
    return result
