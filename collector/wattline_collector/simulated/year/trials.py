"""What was tried in a planted year: runs with a target, evaluations, benchmarks, a challenge.

All of it is declared: it stands in the register of results, or in logs that the factory keeps.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from wattline_collector.simulated.year.extent import TICK_MS, Extent
from wattline_collector.simulated.year.plan import Charged, Plan

Row = Mapping[str, object]

RECOMPUTED: Mapping[str, float] = {"pretrain-8b": 1.0, "pretrain-14b": 0.5, "tune-3b": 0.0}
"""Part of the forward pass that is computed again, by model."""
RECOMPUTED_OF_A_RUN = 0.25
"""The same of the first run of the year, which says so itself."""
_MISSES = 5
"""Every fifth run that completes misses its target."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training run with the target that was declared for it.

    Attributes:
        name: As its jobs call it.
        project: Whose it is.
        start_ms: When its first job started.
        until_ms: When it reached its target, ended, or was last looked at.
        reached: Whether it reached its target; None: it is not known yet.
    """

    name: str
    project: str
    start_ms: int
    until_ms: int
    reached: bool | None


@dataclass(frozen=True, slots=True)
class Quality:
    """An evaluation of a model, at a share of the year."""

    model: str
    metric: str
    test_set: str
    share: float
    value: float
    baseline: float | None


@dataclass(frozen=True, slots=True)
class Hpl:
    """A run of HPL with its power measured, at a share of the year."""

    id: str
    share: float
    flops: float
    hours: float
    kilowatts: float
    level: str
    valid: bool


@dataclass(frozen=True, slots=True)
class Score:
    """A score in a challenge; `public` is that on the items everybody knows."""

    entrant: str
    value: float
    public: float | None = None
    site: str = "own"
    valid: bool = True


QUALITIES = (
    Quality("chat-24b", "accuracy", "exams", 0.2, 0.71, 0.68),
    Quality("chat-24b", "accuracy", "exams", 0.7, 0.745, 0.68),
    Quality("code-7b", "pass_at_1", "exercises", 0.5, 0.431, None),
)
"""The second of the first model takes the place of its first."""
HPL_RUNS = (
    Hpl("hpl-first", 0.1, 0.52e15, 1.5, 16.0, "L1", True),
    Hpl("hpl-again", 0.5, 0.61e15, 1.25, 15.5, "L1", True),
    Hpl("hpl-whole", 0.6, 0.58e15, 1.4, 15.8, "L3", True),
    Hpl("hpl-wrong", 0.7, 0.99e15, 1.0, 10.0, "L3", False),
)
"""The last does not stand by the rules: it may be in no figure."""
EVENT, SECRET, SCORED_AT = "planted-challenge", "secret-questions", 0.55
SCORES = (
    Score("team-a", 0.61, 0.70), Score("team-a", 0.63, 0.71), Score("team-a", 0.62, 0.69),
    Score("team-a", 0.60, site="second"),
    Score("team-b", 0.50, 0.50), Score("team-b", 0.54, 0.53), Score("team-b", 0.49, 0.51),
    Score("team-b", 0.97, valid=False),
    Score("team-c", 0.40),
)  # fmt: skip
"""One of the second team was disqualified; of the third there is one run."""
COMMITS: Mapping[str, bool | None] = {
    "team-a": True,
    "team-b": True,
    "team-c": None,
    "team-d": False,
}
"""Whether what each entrant revealed agrees with what it had committed to; None: not revealed."""


def runs(plan: Plan) -> list[Run]:
    """The runs of which targets were declared: those that tell their steps.

    A run that reaches its target does so half an hour before its last job is over.
    """
    by_name: dict[str, list[Charged]] = defaultdict(list)
    for charged in plan.charged:
        if charged.job.run is not None:
            by_name[charged.job.run].append(charged)
    found = []
    for place, (name, jobs) in enumerate(by_name.items()):
        last = max((charged.job for charged in jobs), key=lambda job: job.start_ms)
        reached: bool | None = last.outcome == "completed" and place % _MISSES != _MISSES - 1
        if place == len(by_name) - 1:
            reached = None
        until_ms = last.end_ms - (3 * TICK_MS if reached else 0)
        start_ms = min(charged.job.start_ms for charged in jobs)
        found.append(Run(name, jobs[0].grant.project, start_ms, until_ms, reached))
    return found


def results(plan: Plan) -> list[Row]:
    """The register of results."""
    return [
        *_of_runs(plan), *_of_models(plan.extent), *_of_hpl(plan.extent),
        *_of_challenge(plan.extent),
    ]  # fmt: skip


def _of_runs(plan: Plan) -> Iterator[Row]:
    declared = runs(plan)
    for run in declared:
        yield {
            "id": f"target-{run.name}", "kind": "run", "run": run.name, "project": run.project,
            "start": iso(run.start_ms), "when": iso(run.until_ms), "valid": _flag(run.reached),
            "declared_by": "its project",
        }  # fmt: skip
    start = iso(plan.extent.at(0.05))
    for model, part in RECOMPUTED.items():
        yield {"id": f"recomputed-{model}", "kind": "recomputed", "when": start, "model": model,
               "value": part}  # fmt: skip
    yield {"id": "recomputed-once", "kind": "recomputed", "when": start,
           "run": declared[0].name, "value": RECOMPUTED_OF_A_RUN}  # fmt: skip


def _of_models(extent: Extent) -> Iterator[Row]:
    for number, one in enumerate(QUALITIES):
        yield {
            "id": f"quality-{number}", "kind": "quality", "when": iso(extent.at(one.share)),
            "model": one.model, "metric": one.metric, "benchmark": one.test_set,
            "value": one.value, "baseline": "" if one.baseline is None else one.baseline,
            "evidence": _evidence(f"quality-{number}"),
        }  # fmt: skip


def _of_hpl(extent: Extent) -> Iterator[Row]:
    for one in HPL_RUNS:
        end_ms = extent.at(one.share)
        yield {
            "id": one.id, "kind": "hpl", "system": extent.system, "benchmark": "HPL",
            "start": iso(end_ms - round(one.hours * 3_600_000)), "when": iso(end_ms),
            "value": one.flops, "unit": "FLOP/s", "energy": one.kilowatts * one.hours,
            "power_level": one.level, "valid": _flag(one.valid), "evidence": _evidence(one.id),
        }  # fmt: skip


def _of_challenge(extent: Extent) -> Iterator[Row]:
    when = iso(extent.at(SCORED_AT))
    for number, one in enumerate(SCORES):
        yield {
            "id": f"score-{number}", "kind": "score", "when": when, "event": EVENT,
            "entrant": one.entrant, "benchmark": SECRET, "value": one.value,
            "public": "" if one.public is None else one.public, "site": one.site,
            "valid": _flag(one.valid), "evidence": _evidence(f"score-{number}"),
        }  # fmt: skip
    for entrant, agrees in COMMITS.items():
        yield {
            "id": f"commit-{entrant}", "kind": "commit", "when": when, "event": EVENT,
            "entrant": entrant, "valid": _flag(agrees), "evidence": _evidence(entrant),
        }  # fmt: skip


def iso(ms: int) -> str:
    """A moment as registers have it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def _flag(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _evidence(of: str) -> str:
    return f"sha256:{hashlib.sha256(of.encode()).hexdigest()}"
