"""How evenly the hours of a system are spread: Gini and Lorenz."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def gini(values: Iterable[float]) -> float | None:
    """How unevenly hours are spread: 0 where all have the same, near 1 where one has all.

    Sum over all pairs of how far they are apart, over twice their number times the mean, by the
    sorted form sum((2 i - n - 1) x_i) / (n sum(x)). Those who had nothing count if they are given:
    say whether they are.

    Returns:
        None where there is nothing to spread.

    Raises:
        ValueError: A value is negative or no number.
    """
    ordered = sorted(values)
    if any(not math.isfinite(value) or value < 0 for value in ordered):
        raise ValueError("hours cannot be negative")
    n, total = len(ordered), math.fsum(ordered)
    if not n or total <= 0:
        return None
    weighted = math.fsum((2 * i - n - 1) * value for i, value in enumerate(ordered, start=1))
    return weighted / (n * total)


def lorenz(values: Sequence[float]) -> list[tuple[float, float]]:
    """Points of the Lorenz curve: share of users, from those with least, and share of hours."""
    ordered = sorted(values)
    total = math.fsum(ordered)
    if total <= 0:
        return []
    points, sum_so_far = [(0.0, 0.0)], 0.0
    for i, value in enumerate(ordered, start=1):
        sum_so_far += value
        points.append((i / len(ordered), sum_so_far / total))
    return points
