"""Jobs that serve: their engines' counters added up, each token at exactly one layer.

A frontend counts the tokens of the engines behind it once more. Of one job the layer nearest to the
devices counts and the others do not; a frontend or router counts at all only if it was told, as the
engines behind one that was found may be another agent's, or another job's. Where prefill and decode
are apart, prompts count where they are computed and generated tokens where those are.

A job's totals begin with what its engines counted since they began, if they began while we look;
an engine that was there before us begins with nought, as nobody here knows what was told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wattline_agents.sources.serving.counts import Counts
from wattline_agents.sources.serving.goodput import Targets, good
from wattline_agents.sources.serving.lumps import Since, is_due
from wattline_agents.sources.serving.names import COUNTERS, ENGINE, FRONTEND, MISSES, ROUTER
from wattline_agents.sources.serving.reading import Reading
from wattline_agents.wire import Row, Value

GOOD = "requests_good_total"
PREFILL, DECODE = "prefill", "decode"
ROLES = (PREFILL, DECODE, FRONTEND)
"""What a page may be told to be."""
REPEAT_ROW_MS = 5_000

_TOKENS, _REQUESTS = COUNTERS[:3], COUNTERS[3:]
_OF_ROLE: Mapping[str | None, tuple[str, ...]] = {
    PREFILL: _TOKENS[:2],
    DECODE: (_TOKENS[2], *_REQUESTS),
}
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "tokens": (ENGINE, FRONTEND),
    "requests": (ENGINE, FRONTEND, ROUTER),
    "good": (ROUTER, ENGINE, FRONTEND),
}
"""What is counted at one layer -> layers, the best first."""
_GONE_MS = 3_600_000
_MOST_TOTAL = 1e18
"""More, as of an engine that seems to begin again and again, no column of a collector holds."""
_GROUP_OF = {
    **dict.fromkeys(_TOKENS, "tokens"),
    **dict.fromkeys(_REQUESTS, "requests"),
    GOOD: "good",
}


@dataclass(slots=True)
class Engine:
    """One page of a job.

    Attributes:
        name: Its address, as table `serving` names it.
        job: The job's key.
        role: `prefill`, `decode`, `frontend`, or None: it does all.
        is_told: Whether it was told, and not found.
        counts: What it counted.
        answered_ms: When it answered last.
        is_answering: Whether it did when it was asked last; a process that is gone does not count
            as one that does not answer.
        is_gone: Whether nobody listens there any more.
    """

    name: str
    job: str
    role: str | None = None
    is_told: bool = False
    counts: Counts = field(default_factory=Counts)
    answered_ms: int = 0
    is_answering: bool = True
    is_gone: bool = False
    _credited: dict[str, float] = field(default_factory=dict)
    _good: float = 0.0

    @property
    def layer(self) -> str:
        """Where it counts."""
        if self.role == FRONTEND:
            return FRONTEND
        return ENGINE if self.counts.newest is None else self.counts.newest.framework.layer

    def made(self, targets: Targets) -> dict[str, float]:
        """What it counted in this life, in the columns that count here."""
        totals = self.counts.totals()
        if self.layer == ROUTER:
            totals = {column: totals[column] for column in _REQUESTS if column in totals}
        elif self.role in _OF_ROLE:
            wanted = _OF_ROLE[self.role]
            totals = {column: totals[column] for column in wanted if column in totals}
        # First tokens come from one and the others from another: nobody sees both of a request.
        within = None if self.role in _OF_ROLE else good(self.counts, targets)
        if within is not None:
            # It may fall while requests that began late are still running; the most it ever was
            # is true as well.
            self._good = max(self._good, within)
            totals[GOOD] = self._good
        return totals

    def credit(self, made: Mapping[str, float], *, is_new: bool, from_nought: bool) -> None:
        """Begin a life: with all it says as news, or with none of it."""
        if is_new:
            self._good = 0.0
            self._credited = {} if from_nought else dict(made)

    def news(self, made: Mapping[str, float]) -> dict[str, float]:
        """What it made since it was asked last."""
        grown = {
            column: max(0.0, value - self._credited.get(column, 0.0))
            for column, value in made.items()
        }
        self._credited.update(made)
        return grown


@dataclass(slots=True)
class Job:
    """One job, the sum of its engines."""

    key: str
    engines: dict[str, Engine] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    told_ms: int | None = None
    told_in_flight: float | None = None
    heard_ms: int = 0

    def accepts(self, engine: Engine, column: str, is_router_counting: bool) -> bool:
        """Whether a column of that engine counts, by the layers of the job."""
        group = _GROUP_OF[column]
        layer = engine.layer
        if layer not in _GROUPS[group] or (layer != ENGINE and not engine.is_told):
            return False
        if group == "good" and layer == ROUTER and not is_router_counting:
            return False
        order = _GROUPS[group]
        best = self.layers.get(group)
        if best is None or order.index(layer) < order.index(best):
            self.layers[group] = layer
        return self.layers[group] == layer


class Jobs:
    """All jobs that serve on this node."""

    def __init__(self, targets: Targets, since_ms: int) -> None:
        """Begin empty.

        Args:
            targets: What a request must keep to be good.
            since_ms: Since when we look: an engine that began later is counted from its beginning.
        """
        self._targets, self._since_ms = targets, since_ms
        self._jobs: dict[str, Job] = {}
        self._begun: list[Row] = []

    def take(self, engine: Engine, reading: Reading, now_ms: int, began_ms: int | None) -> bool:
        """Take in a page; returns whether it is the first of a life of its engine.

        Args:
            engine: Whose page it is; its job may have changed when a life begins.
            reading: What it says.
            now_ms: The time.
            began_ms: When its process began, where known; the page itself may say so, too.
        """
        was_known = engine.counts.newest is not None
        is_new = engine.counts.take(reading)
        engine.answered_ms, engine.is_answering, engine.is_gone = now_ms, True, False
        job = self._jobs.setdefault(engine.job, Job(engine.job))
        job.heard_ms = now_ms
        if is_new:
            for other in self._jobs.values():
                if other is not job:
                    other.engines.pop(engine.name, None)
        job.engines[engine.name] = engine
        if reading.started is not None:
            began_ms = round(reading.started * 1000)
        began_here = was_known or (began_ms is not None and began_ms >= self._since_ms)
        before = dict(job.layers)
        made = engine.made(self._targets)
        counts_misses = all(target in reading.misses for target in MISSES)
        accepted = [column for column in made if job.accepts(engine, column, counts_misses)]
        # What another layer counted so far must not be counted by this one again.
        took_over = any(
            group in before and before[group] != layer for group, layer in job.layers.items()
        )
        engine.credit(made, is_new=is_new, from_nought=began_here and not took_over)
        if job.told_ms is None and accepted:
            if is_new and began_here and began_ms is not None and not was_known:
                self._begin(job, accepted, min(max(began_ms, self._since_ms), now_ms))
        for column, grown in engine.news(made).items():
            if column in accepted:
                job.totals[column] = min(job.totals.get(column, 0.0) + grown, _MOST_TOTAL)
        return is_new

    def missed(self, engine: Engine, *, is_gone: bool) -> None:
        """An engine did not answer; `is_gone`: nobody listens there."""
        engine.is_answering, engine.is_gone = False, is_gone

    def rows(self, now_ms: int) -> list[Row]:
        """Rows of table `job` that are due."""
        rows, self._begun = self._begun, []
        for job in self._jobs.values():
            row = self._row(job, now_ms)
            if row is not None:
                rows.append(row)
        self._forget(now_ms)
        return rows

    def keys(self) -> tuple[str, ...]:
        """Jobs whose engines answer."""
        return tuple(
            key
            for key, job in self._jobs.items()
            if any(engine.is_answering for engine in job.engines.values())
        )

    def of(self, key: str) -> tuple[Engine, ...]:
        """The engines of a job."""
        job = self._jobs.get(key)
        return () if job is None else tuple(job.engines.values())

    def _begin(self, job: Job, columns: Iterable[str], began_ms: int) -> None:
        """A row of noughts when the job's first engine began, for the books to count from."""
        job.told = dict.fromkeys(columns, 0.0)
        job.told_ms = began_ms
        row: dict[str, Value] = {"time_unix_ms": began_ms, "job": job.key}
        self._begun.append(row | dict.fromkeys(columns, 0))

    def _row(self, job: Job, now_ms: int) -> Row | None:
        if not job.totals:
            return None
        has_moved = job.totals != job.told
        answering = [one for one in job.engines.values() if one.is_answering]
        if not answering and not has_moved:
            return None
        in_flight = _in_flight(job)
        if job.told_ms is not None:
            ago_ms = now_ms - job.told_ms
            if not has_moved and 0 <= ago_ms < REPEAT_ROW_MS:
                return None
            since = Since(
                seconds=ago_ms / 1000 if ago_ms >= 0 else 1e9,  # a clock was set back
                has_moved=has_moved,
                finished=_finished(job),
                in_flight=None if in_flight is None else max(in_flight, job.told_in_flight or 0.0),
                at_end=any(_is_at_end(job, engine) for engine in answering),
                is_waited_for=any(
                    not (one.is_answering or one.is_gone) for one in job.engines.values()
                ),
                is_idle=in_flight == 0,
            )
            if not is_due(since):
                return None
        job.told, job.told_ms, job.told_in_flight = dict(job.totals), now_ms, in_flight
        row: dict[str, Value] = {"time_unix_ms": now_ms, "job": job.key}
        row |= {column: round(total) for column, total in job.totals.items()}
        if not self._knows_good(job):
            row.pop(GOOD, None)
        return row

    def _knows_good(self, job: Job) -> bool:
        """Whether every engine whose requests count says how many of them were good."""
        if job.layers.get("good") == ROUTER:
            return True
        layer = job.layers.get("requests")
        counting = [one for one in job.engines.values() if one.layer == layer]
        return bool(counting) and all(GOOD in one.made(self._targets) for one in counting)

    def _forget(self, now_ms: int) -> None:
        for key, job in list(self._jobs.items()):
            for name, engine in list(job.engines.items()):
                if engine.is_gone or not 0 <= now_ms - engine.answered_ms < _GONE_MS:
                    # What it counted stays in the totals; it may come back as another.
                    if job.totals == job.told:
                        del job.engines[name]
            if not job.engines and not 0 <= now_ms - job.heard_ms < _GONE_MS:
                del self._jobs[key]


def _counting(job: Job) -> list[Engine]:
    """Engines whose tokens count, or whose requests do if nobody's tokens are counted."""
    layer = job.layers.get("tokens", job.layers.get("requests"))
    return [one for one in job.engines.values() if one.layer == layer and not one.is_gone]


def _in_flight(job: Job) -> float | None:
    flights = [one.counts.in_flight for one in _counting(job)]
    known = [each for each in flights if each is not None]
    return sum(known) if len(known) == len(flights) else None


def _finished(job: Job) -> float | None:
    if "requests_total" not in job.totals:
        return None
    return sum(job.totals.get(column, 0.0) - job.told.get(column, 0.0) for column in _REQUESTS)


def _is_at_end(job: Job, engine: Engine) -> bool:
    newest = engine.counts.newest
    return engine.layer == job.layers.get("tokens") and newest is not None and newest.at_end
