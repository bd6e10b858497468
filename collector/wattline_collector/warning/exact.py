"""Chances of counts, exactly, and what becomes of them when many are looked at. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_NEGLIGIBLE = 1e-17


def at_least(count: int, of: int, chance: float) -> float:
    """The chance that `count` or more of so many fall to one whose part of them is `chance`.

    The upper tail of the binomial distribution, summed term by term. With `chance` one's part of
    the time, it is the exact test of two Poisson rates (Przyborowski and Wilenski 1940): given how
    many there were in all, none of the rates need be known.

    Raises:
        ValueError: `chance` is no chance, or counts are negative.
    """
    if not 0 <= chance <= 1 or of < 0 or count < 0:
        raise ValueError(f"not a chance of counts: {count} of {of} at {chance}")
    if count == 0:
        return 1.0
    if count > of or chance == 0:
        return 0.0
    if chance == 1:
        return 1.0
    log_term = (
        math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
        + count * math.log(chance) + (of - count) * math.log1p(-chance)
    )  # fmt: skip
    odds = chance / (1 - chance)
    term = total = math.exp(log_term)
    for k in range(count, of):
        ratio = (of - k) / (k + 1) * odds
        term *= ratio
        total += term
        if ratio < 1 and term < total * _NEGLIGIBLE:
            break
    return min(1.0, total)


def beyond(deviation: float) -> float:
    """The chance that a normal figure is so many standard deviations off, on either side."""
    return math.erfc(abs(deviation) / math.sqrt(2))


def adjusted(chances: Sequence[float], tests: int) -> list[float]:
    """Chances as they are when so many were looked at (Holm 1979).

    Of those that come out under a level, any is false no more often than that level says, however
    the tests hang together.

    Args:
        chances: Those that are small enough to matter.
        tests: How many were looked at, these included.

    Raises:
        ValueError: There are more chances than tests.
    """
    if len(chances) > tests:
        raise ValueError(f"{len(chances)} chances of {tests} tests")
    order = sorted(range(len(chances)), key=chances.__getitem__)
    found = [1.0] * len(chances)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, chances[place] * (tests - rank)))
        found[place] = highest
    return found
