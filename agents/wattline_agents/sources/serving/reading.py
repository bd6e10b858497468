"""What one page of an engine says: pure functions from a parsed page to numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from wattline_agents.sources.scraped.page import Page, Sample, parse
from wattline_agents.sources.serving.engines import ENGINES
from wattline_agents.sources.serving.frontends import FRONTENDS
from wattline_agents.sources.serving.names import Framework, Series, Sum, spellings

FRAMEWORKS: Mapping[str, Framework] = {one.name: one for one in (*ENGINES, *FRONTENDS)}
"""By name; engines first, as a page that speaks of both is an engine's."""

_START = "process_start_time_seconds"
_NAMES = frozenset(name for one in FRAMEWORKS.values() for name in one.names()) | {_START}
_MOST_SERIES = 1_024
"""Of one column; an engine has a dozen, a node of Ray some hundred."""
_MOST_VALUE = 1e15
"""Of one series: a hundred times the tokens of the largest training so far. A collector refuses a
batch in which one number is beyond all bounds, with the rows of all other jobs in it."""
_MOST_BUCKETS_OF_KIND = 4_096
"""Of one kind of latency, over all series; a node of Ray has some thousand."""
_MOST_BUCKETS = 128
"""Of one histogram; vLLM's longest has 25."""
_MOST_MODELS = 16
_MOST_MODEL_CHARS = 160

Key = int
"""Tells series of one name apart, by their labels."""
Bucket = tuple[float, float]
"""Upper bound, seconds, and how many were at most that long; the last bound is infinite."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took, cumulative since the engine started.

    Attributes:
        buckets: In order of their bounds.
        seconds: Sum of all; None where the page does not say.
    """

    buckets: tuple[Bucket, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One page.

    Attributes:
        framework: Whose page it is.
        models: Names of models on it, printable and bounded.
        counters: Column -> series -> its value; no entry where the page does not say.
        gauges: Column -> value.
        histograms: Kind of latency -> series -> its histogram.
        misses: Target -> requests that missed it.
        chosen: Column or kind -> the name it was read from.
        at_end: Whether its tokens are counted when a request ends, all at once.
        started: When its process began, Unix seconds, where the page says so.
        bad_lines: How many lines could not be read.
    """

    framework: Framework
    models: tuple[str, ...] = ()
    counters: Mapping[str, Mapping[Key, float]] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    histograms: Mapping[str, Mapping[Key, Histogram]] = field(default_factory=dict)
    misses: Mapping[str, Mapping[Key, float]] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    at_end: bool = False
    started: float | None = None
    bad_lines: int = 0


def read(text: str, told: str | None = None, before: Mapping[str, str] | None = None) -> Reading:
    """Read a page.

    Args:
        text: The page.
        told: The framework's name, if it is known; else it is seen from the names on the page.
        before: `chosen` of the reading before: what was chosen stays so while it is on the page,
            as a series that takes over from another must not be counted on top of it.

    Raises:
        LookupError: Nothing on it is of an engine that is known.
        UsageError: The library that reads pages is not installed.
    """
    page = parse(text, _NAMES.__contains__)
    framework = FRAMEWORKS.get(told or "") or detect(page.samples)
    if framework is None:
        raise LookupError(f"no metric of {', '.join(FRAMEWORKS)}")
    before = before or {}
    chosen: dict[str, str] = {}
    at_end = False
    counters: dict[str, Mapping[Key, float]] = {}
    for column, alternatives in framework.counters.items():
        found = _resolved(page, alternatives, before.get(column))
        if found is not None:
            chosen[column] = _named(found)
            counters[column] = _values(page, framework, found)
            at_end |= column == "tokens_generated_total" and any(part.at_end for part in found)
    gauges: dict[str, float] = {}
    for column, alternatives in framework.gauges.items():
        found = _resolved(page, alternatives, before.get(column))
        values = [] if found is None else list(_values(page, framework, found).values())
        if found is not None and values:
            chosen[column] = _named(found)
            total = math.fsum(values)
            gauges[column] = total / len(values) if column.endswith("_ratio") else total
    histograms: dict[str, Mapping[Key, Histogram]] = {}
    for kind, names in framework.histograms.items():
        name = next((name for name in names if page.of(f"{name}_count")), None)
        if name is not None:
            chosen[kind] = name
            histograms[kind] = _histograms(page, framework, name)
    misses = {
        target: _values(page, framework, found)
        for target, alternatives in framework.misses.items()
        if (found := _resolved(page, alternatives, None)) is not None
    }
    started = [sample.value for sample in page.of(_START)]
    return Reading(
        framework=framework,
        models=_models(page, framework),
        counters=counters,
        gauges=gauges,
        histograms=histograms,
        misses=misses,
        chosen=chosen,
        at_end=at_end,
        started=started[0] if len(started) == 1 else None,
        bad_lines=page.bad_lines,
    )


def detect(names: Iterable[str]) -> Framework | None:
    """The framework whose metrics these are, engines before frontends; None if nobody's."""
    there = [name for name in names if name != _START]
    for framework in FRAMEWORKS.values():
        if any(name.startswith(framework.prefixes) for name in there):
            return framework
    return None


def summed(series: Iterable[Histogram]) -> Histogram | None:
    """Histograms added up, at the bounds that all of them have; None if there are none."""
    every = list(series)
    if not every:
        return None
    bounds = set.intersection(*({bound for bound, _ in one.buckets} for one in every))
    counts = [dict(one.buckets) for one in every]
    seconds = [one.seconds for one in every if one.seconds is not None]
    return Histogram(
        tuple((bound, math.fsum(count[bound] for count in counts)) for bound in sorted(bounds)),
        math.fsum(seconds) if len(seconds) == len(every) else None,
    )


def _resolved(page: Page, alternatives: Sequence[Sum], before: str | None) -> Sum | None:
    there = [parts for parts in alternatives if all(_samples(page, part) for part in parts)]
    return next((parts for parts in there if _named(parts) == before), there[0] if there else None)


def _named(parts: Sum) -> str:
    return " + ".join(dict.fromkeys(part.name for part in parts))


def _samples(page: Page, part: Series) -> list[Sample]:
    return next((found for name in spellings(part.name) if (found := page.of(name))), [])


def _values(page: Page, framework: Framework, parts: Sum) -> dict[Key, float]:
    values: dict[Key, float] = {}
    for place, part in enumerate(parts):
        mine = [sample for sample in _samples(page, part) if part.takes(sample.labels)]
        for sample in _speaking(mine, framework.ranks)[:_MOST_SERIES]:
            if 0 <= sample.value <= _MOST_VALUE:
                values[hash((place, _identity(sample.labels)))] = sample.value
    return values


def _speaking(samples: Sequence[Sample], ranks: tuple[str, ...]) -> Sequence[Sample]:
    """Of samples that differ in their rank only, the lowest."""
    if not ranks:
        return samples
    lowest: dict[object, tuple[tuple[tuple[int, str], ...], Sample]] = {}
    for sample in samples:
        rank = tuple((len(text := sample.labels.get(name, "")), text) for name in ranks)
        same = _identity(sample.labels, ranks)
        if same not in lowest or rank < lowest[same][0]:
            lowest[same] = (rank, sample)
    return [sample for _, sample in lowest.values()]


def _identity(labels: Mapping[str, str], without: tuple[str, ...] = ()) -> object:
    return tuple(sorted(item for item in labels.items() if item[0] not in without))


def _histograms(page: Page, framework: Framework, name: str) -> dict[Key, Histogram]:
    buckets: dict[Key, list[Bucket]] = {}
    room = _MOST_BUCKETS_OF_KIND
    for sample in page.of(f"{name}_bucket"):
        key = hash(_identity(sample.labels, ("le",)))
        try:
            bound = float(sample.labels.get("le", ""))
        except ValueError:
            continue
        if room > 0 and (len(buckets) < _MOST_SERIES or key in buckets):
            mine = buckets.setdefault(key, [])
            if len(mine) < _MOST_BUCKETS and sample.value >= 0 and not math.isnan(bound):
                room -= 1
                mine.append((bound, sample.value))
    sums = {
        hash(_identity(one.labels)): one.value
        for one in page.of(f"{name}_sum")
        if 0 <= one.value <= _MOST_VALUE
    }
    counts = _speaking(page.of(f"{name}_count"), framework.ranks)
    found: dict[Key, Histogram] = {}
    for sample in counts[:_MOST_SERIES]:
        key = hash(_identity(sample.labels))
        finite = {bound: count for bound, count in buckets.get(key, []) if math.isfinite(bound)}
        ordered = [*sorted(finite.items()), (math.inf, sample.value)]
        if 0 <= sample.value <= _MOST_VALUE and all(a[1] <= b[1] for a, b in pairwise(ordered)):
            found[key] = Histogram(tuple(ordered), sums.get(key))
    return found


def _models(page: Page, framework: Framework) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for samples in page.samples.values():
        for sample in samples:
            text = next((t for name in framework.models if (t := sample.labels.get(name))), None)
            if text is not None and len(found) < _MOST_MODELS:
                found[printable(text, _MOST_MODEL_CHARS)] = None
    return tuple(sorted(name for name in found if name))


def printable(text: str, most: int) -> str:
    """The text as it can be shown: one line, so many characters at most."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * most])
    return " ".join(shown.split())[:most]
