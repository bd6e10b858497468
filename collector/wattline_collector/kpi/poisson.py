"""How sure a count of rare events is, and so a mean time between them."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_EXACT_TO = 100
"""Counts up to here are solved for; above, an approximation is off by less than 1 in 10,000."""
_STEPS = 200


@lru_cache(maxsize=1024)
def count_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Between which means a count of independent events came about, equal tails on both sides.

    Source: Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936); of large
    counts by the chi-squared approximation of Wilson and Hilferty, PNAS 17 (1931).

    Args:
        count: Events seen.
        confidence: Such as 0.95.

    Returns:
        The lower mean, 0 for no event, and the upper one.

    Raises:
        ValueError: The count is negative, or the confidence is none.
    """
    if count < 0 or not 0 < confidence < 1:
        raise ValueError(f"no interval of {count} events with {confidence}")
    tail = (1 - confidence) / 2
    if count > _EXACT_TO:
        return _approximate(count, tail), _approximate(count + 1, 1 - tail)
    low = 0.0 if count == 0 else _mean_with(count - 1, 1 - tail)
    return low, _mean_with(count, tail)


def _mean_with(most: int, probability: float) -> float:
    """The mean of which at most that many events have that probability."""
    low, high = 0.0, most + 20.0 * math.sqrt(most + 1) + 20.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _at_most(most, middle) > probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _at_most(most: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(most + 1))
    return math.fsum(math.exp(term) for term in terms)


def _approximate(count: int, probability: float) -> float:
    z = NormalDist().inv_cdf(probability)
    return count * (1 - 1 / (9 * count) + z / (3 * math.sqrt(count))) ** 3
