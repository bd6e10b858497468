"""How many requests were answered within their targets.

An engine keeps one histogram of times to the first token and another of times per token, and which
request stands in which bucket of both is lost. Of n first tokens, n - a came late; of m finished
requests b were fast enough per token: at least b - (n - a) requests kept both targets, however the
two overlap. That bound is what is counted; with one target alone it is the exact number. A target
that is no bound of a bucket has no number at all. A router that counts missed targets itself is
believed: of its requests at least those are good that are left when all misses are taken off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from wattline_agents.sources.serving.counts import Counts
from wattline_agents.sources.serving.names import MISSES
from wattline_agents.sources.serving.reading import Histogram

_SAME = 1e-9
"""Bounds are written as decimals: 0.1 and 0.10000000000000001 are one."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a request must keep to be good.

    Attributes:
        first_token: Longest time to the first token, seconds; None: no such target.
        per_token: Longest mean time per token after the first, seconds; None: no such target.
    """

    first_token: float | None = None
    per_token: float | None = None

    def items(self) -> tuple[tuple[str, float], ...]:
        """The targets there are, by kind of latency."""
        both = zip(MISSES, (self.first_token, self.per_token), strict=True)
        return tuple((kind, target) for kind, target in both if target is not None)


def good(counts: Counts, targets: Targets) -> float | None:
    """Requests of an engine's life that kept the targets, at least; None where nobody can know."""
    counted = _by_router(counts)
    if counted is not None:
        return counted
    wanted = targets.items()
    if not wanted:
        return None
    within: dict[str, tuple[float, float]] = {}
    for kind, target in wanted:
        histogram = counts.histogram(kind)
        fast = None if histogram is None else at_most(histogram, target)
        if histogram is None or fast is None:
            return None
        within[kind] = (fast, histogram.buckets[-1][1])
    if len(within) == 1:
        ((fast, _),) = within.values()
        return fast
    first, started = within["first_token"]
    per_token, _ = within["per_token"]
    return max(0.0, per_token - (started - first))


def at_most(histogram: Histogram, seconds: float) -> float | None:
    """How many took at most that long; None if no bucket ends there."""
    for bound, count in histogram.buckets:
        if math.isclose(bound, seconds, rel_tol=_SAME):
            return count
    return None


def unanswerable(counts: Counts, targets: Targets) -> Mapping[str, tuple[float, ...]]:
    """Targets that are no bound of a bucket -> the bounds there are."""
    found: dict[str, tuple[float, ...]] = {}
    for kind, target in targets.items():
        histogram = counts.histogram(kind)
        if histogram is not None and at_most(histogram, target) is None:
            found[kind] = tuple(bound for bound, _ in histogram.buckets if math.isfinite(bound))
    return found


def _by_router(counts: Counts) -> float | None:
    reading = counts.newest
    if reading is None or any(target not in reading.misses for target in MISSES):
        return None
    requests = counts.total("requests_total")
    if requests is None:
        return None
    failed = counts.total("requests_failed_total") or 0.0
    missed = math.fsum(value for each in reading.misses.values() for value in each.values())
    return max(0.0, requests - failed - missed)
