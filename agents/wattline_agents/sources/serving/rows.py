"""Rows about engines: what each says of itself, how long things took, and what it serves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wattline_agents.assignment.spoken import Spoken
from wattline_agents.sources.serving.jobs import Engine
from wattline_agents.sources.serving.names import COUNTERS, GAUGES
from wattline_agents.sources.serving.reading import Histogram
from wattline_agents.wire import Row, Value

LATENCY_MS = 15_000
REPEAT_LATENCY_MS = 300_000
"""A histogram that does not grow is told again this often."""
REPEAT_INFO_MS = 600_000
_MOST_MODEL_BYTES = 240
_KINDS = (
    frozenset(("tokens_prompt_total", "tokens_prompt_cached_total")),
    frozenset(("tokens_generated_total",)),
    frozenset(("requests_total", "requests_failed_total", "requests_good_total")),
)
"""Columns of table `job` that are counted together or not at all."""
_HEAD = 2
"""Columns of a row that says nothing: its time and job."""


@dataclass(slots=True)
class Told:
    """What was said when: engines repeat themselves, we need not.

    Attributes:
        histograms: By engine and kind: its count, and when it was told.
        infos: By job: its model, and when it was told.
    """

    histograms: dict[tuple[str, str, str], tuple[Histogram, int]] = field(default_factory=dict)
    infos: dict[str, tuple[str | None, int]] = field(default_factory=dict)

    def latencies(self, engine: Engine, now_ms: int) -> list[Row]:
        """Rows of table `latency` of an engine that are due."""
        rows: list[Row] = []
        for kind in engine.counts.kinds:
            histogram = engine.counts.histogram(kind)
            key = (engine.job, engine.name, kind)
            before = self.histograms.get(key)
            if histogram is None or not _is_due(histogram, before, now_ms):
                continue
            self.histograms[key] = (histogram, now_ms)
            rows += latency_rows(engine, kind, histogram, now_ms)
        return rows

    def infos_of(
        self, job: str, engines: Iterable[Engine], now_ms: int, spoken: Spoken | None = None
    ) -> dict[str, list[Row]]:
        """The rows of `job_info` and `job_model` of a job, if they are due.

        Its own word comes first: one that trains and serves at once is of the kind it says, and its
        model is the one it declared.
        """
        models = {name for one in engines if one.counts.newest for name in one.counts.newest.models}
        model = model_named(models)
        before = self.infos.get(job)
        if before is not None and before[0] == model and 0 <= now_ms - before[1] < REPEAT_INFO_MS:
            return {}
        self.infos[job] = (model, now_ms)
        head: dict[str, Value] = {"time_unix_ms": now_ms, "job": job}
        found: dict[str, list[Row]] = {}
        if spoken is None:
            found["job_info"] = [{**head, "kind": "inference"}]
        if model is not None and (spoken is None or not spoken.has_model):
            found["job_model"] = [{**head, "model": model}]
        return found

    def forget(self, jobs: Iterable[str]) -> None:
        """Keep what was said of these jobs only."""
        here = set(jobs)
        self.infos = {job: told for job, told in self.infos.items() if job in here}
        self.histograms = {key: told for key, told in self.histograms.items() if key[0] in here}


def left_to_engines(rows: Iterable[Row], spoken: Mapping[str, Spoken]) -> list[Row]:
    """Rows of table `job`, without what their job counts itself: what it says of a kind wins.

    Args:
        rows: What engines of jobs counted.
        spoken: The jobs that speak for themselves.
    """
    found = []
    for row in rows:
        said = spoken.get(str(row["job"]))
        if said is not None:
            own = {column for kind in _KINDS if said.counters & kind for column in kind}
            row = {column: value for column, value in row.items() if column not in own}
        if len(row) > _HEAD:
            found.append(row)
    return found


def serving_row(engine: Engine, now_ms: int) -> Row:
    """The row of table `serving` of an engine."""
    newest = engine.counts.newest
    row: dict[str, Value] = {"time_unix_ms": now_ms, "job": engine.job, "engine": engine.name}
    if newest is None:
        return row
    row["framework"] = newest.framework.name
    row["model"] = model_named(newest.models)
    for column in COUNTERS:
        total = engine.counts.total(column)
        row[column] = None if total is None else round(total)
    for column in GAUGES:
        value = newest.gauges.get(column)
        if value is None or not column.endswith("_ratio"):
            row[column] = None if value is None else round(value)
        elif value <= 1.01:  # in per cent it is another thing than the name says
            row[column] = min(1.0, value)
    return row


def latency_rows(engine: Engine, kind: str, histogram: Histogram, now_ms: int) -> list[Row]:
    """One row per bucket; the one without a bound has the sum of all."""
    head: dict[str, Value] = {
        "time_unix_ms": now_ms, "job": engine.job, "engine": engine.name, "kind": kind,
    }  # fmt: skip
    rows: list[Row] = [
        {**head, "le_seconds": bound, "latency_count_total": round(count)}
        for bound, count in histogram.buckets
        if math.isfinite(bound)
    ]
    last: dict[str, Value] = {
        "le_seconds": None,
        "latency_count_total": round(histogram.buckets[-1][1]),
        "latency_seconds_total": histogram.seconds,
    }
    return [*rows, head | last]


def model_named(models: Iterable[str]) -> str | None:
    """One text for what is served: the model, or the first and how many more."""
    names = sorted(models)
    if not names:
        return None
    first = names[0].encode()[:_MOST_MODEL_BYTES].decode(errors="ignore")
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"


def _is_due(histogram: Histogram, before: tuple[Histogram, int] | None, now_ms: int) -> bool:
    if before is None:
        return True
    ago_ms = now_ms - before[1]
    least = LATENCY_MS if histogram != before[0] else REPEAT_LATENCY_MS
    return not 0 <= ago_ms < least
