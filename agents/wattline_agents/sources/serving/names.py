"""What is declared of a framework: under which names its page says what we ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ENGINE = "engine"
"""Computes tokens, on devices of the job."""
FRONTEND = "frontend"
"""Passes requests on to engines and counts the same tokens once more."""
ROUTER = "router"
"""Chooses an engine for a request; its requests and targets count, never its tokens."""

COUNTERS = (
    "tokens_prompt_total",
    "tokens_prompt_cached_total",
    "tokens_generated_total",
    "requests_total",
    "requests_failed_total",
)
"""Columns of tables `serving` and `job`."""
GAUGES = ("requests_running", "requests_waiting", "kv_cache_used_ratio")
"""Columns of table `serving`."""
MISSES = ("first_token", "per_token")
"""Targets whose misses some routers count themselves."""


@dataclass(frozen=True, slots=True)
class Series:
    """The series of one name, or those of them with certain values of a label.

    Attributes:
        name: As the newest release writes it; `_total` may be missing or there.
        label: Only series that have this label, with one of `values`.
        values: See `label`.
        is_other: Those with any other value, or without the label, instead.
        at_end: It moves only when a request ends, all its tokens at once.
    """

    name: str
    label: str | None = None
    values: tuple[str, ...] = ()
    is_other: bool = False
    at_end: bool = False

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is one of them."""
        if self.label is None:
            return True
        return (labels.get(self.label) in self.values) is not self.is_other


Sum = tuple[Series, ...]
"""Series that are added up."""


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework's page.

    Attributes:
        name: As table `serving` names it.
        prefixes: How names of its metrics begin: what it is known by.
        layer: `ENGINE`, `FRONTEND` or `ROUTER`.
        counters: Column -> what may stand for it, the best first; the first that is on the page.
        gauges: The same of gauges; added up over series, but for ratios, whose mean counts.
        histograms: Kind of latency -> names, the best first.
        misses: Target -> counters of requests that missed it.
        models: Labels that may hold a model's name, the best first.
        ranks: Labels of processes that all say the same; of those that differ in nothing else the
            lowest speaks.
    """

    name: str
    prefixes: tuple[str, ...]
    layer: str = ENGINE
    counters: Mapping[str, tuple[Sum, ...]] = field(default_factory=dict)
    gauges: Mapping[str, tuple[Sum, ...]] = field(default_factory=dict)
    histograms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    misses: Mapping[str, tuple[Sum, ...]] = field(default_factory=dict)
    models: tuple[str, ...] = ("model_name",)
    ranks: tuple[str, ...] = ()

    def names(self) -> Iterator[str]:
        """Every name that may be on its page and matters."""
        for found in (self.counters, self.gauges, self.misses):
            for alternatives in found.values():
                for parts in alternatives:
                    for part in parts:
                        yield from spellings(part.name)
        for names in self.histograms.values():
            for name in names:
                yield from (f"{name}_bucket", f"{name}_sum", f"{name}_count")


def one_of(*names: str, at_end: bool = False) -> tuple[Sum, ...]:
    """Names for one and the same thing, the newest first."""
    return tuple((Series(name, at_end=at_end),) for name in names)


def spellings(name: str) -> tuple[str, str]:
    """The name with and without `_total`: releases of client libraries differ in that."""
    if name.endswith("_total"):
        return name, name.removesuffix("_total")
    return name, f"{name}_total"
