"""C02: time and energy to train to a target, from MLPerf-style logs.

Rules, after MLCommons' training policies: a run is the wall clock from touching the data to the
target, never paused; initialisation of at most 20 minutes stays off the clock, and what is over
that is on it. A result is N runs, the fastest and the slowest dropped, the mean of the rest; one
run that did not converge counts as the slowest, more than one makes the result invalid.

What comes out is MLPerf-style and no more. MLPerf is a trademark of MLCommons, and a result under
that name is one that was submitted to and reviewed by MLCommons.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wattline_collector.capability.training_log import Level, Run
from wattline_collector.imports import files

RUNS = 5
"""Runs of a result; the policies ask for 10 where a benchmark's times scatter more."""
LEAST_RUNS = 3
"""Below this nothing is left when the fastest and the slowest are dropped."""


@dataclass(frozen=True, slots=True)
class Target:
    """A quality to reach.

    Attributes:
        value: The value.
        is_lower_better: Whether it is reached from above, as a loss is.
    """

    value: float
    is_lower_better: bool

    def is_reached(self, quality: float) -> bool:
        """Whether a quality is as good as that."""
        return quality <= self.value if self.is_lower_better else quality >= self.value


@dataclass(frozen=True, slots=True)
class Judged:
    """A run, and what it counts as.

    Attributes:
        run: The run.
        is_converged: Whether it reached its target.
        is_kept: Whether it is in the mean.
        why: Why it is not, or nothing.
    """

    run: Run
    is_converged: bool
    is_kept: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What several runs come to.

    Attributes:
        benchmark: What was trained.
        runs: All of them, in the order given.
        needed: How many a result takes.
        seconds: Mean time to train of the kept runs; None where there is no result.
        joules: Mean energy of the same runs; None where one of them has none.
        level: The level of that energy.
        spread: Standard deviation over mean of the kept times; None for fewer than two.
        refusals: Why there is no result; nothing, if there is.
        unseen: What a rule asks for and the logs do not tell.
    """

    benchmark: str | None
    runs: tuple[Judged, ...]
    needed: int
    seconds: float | None
    joules: float | None
    level: Level | None
    spread: float | None
    refusals: tuple[str, ...]
    unseen: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "kpi": "C02", "kind": "MLPerf-style, not reviewed by MLCommons",
            "benchmark": self.benchmark, "valid": not self.refusals,
            "seconds_to_train": self.seconds, "joules_to_train": self.joules,
            "power_level": None if self.level is None else self.level.value,
            "coefficient_of_variation": self.spread, "runs_needed": self.needed,
            "runs": [
                {
                    "file": str(judged.run.path), "seconds": judged.run.seconds,
                    "initialisation_over_seconds": judged.run.init_over_ms / 1000,
                    "quality": judged.run.quality, "converged": judged.is_converged,
                    "kept": judged.is_kept, "why_not": judged.why, "seed": judged.run.seed,
                    "joules": None if judged.run.energy is None else judged.run.energy.joules,
                }
                for judged in self.runs
            ],
            "refusals": list(self.refusals), "not_shown": list(self.unseen),
        }  # fmt: skip


def outcome(runs: Sequence[Run], *, needed: int = RUNS, target: Target | None = None) -> Outcome:
    """What runs come to, by the rules.

    Args:
        runs: Of one benchmark, in any order.
        needed: How many a result takes, at least 3.
        target: The quality to reach; without it, what the logs call a success is believed.

    Raises:
        ValueError: `needed` leaves nothing after the fastest and the slowest are dropped.
    """
    if needed < LEAST_RUNS:
        raise ValueError(f"a result takes at least {LEAST_RUNS} runs, not {needed}")
    judged = [_judge(run, target) for run in runs]
    refusals = _set_faults(runs, needed)
    refusals += [f"{j.run.path.name}: {fault}" for j in judged for fault in j.run.faults]
    failed = sum(not j.is_converged for j in judged)
    if failed > 1:
        refusals.append(f"{failed} runs did not reach the target; one may")
    kept: list[int] = []
    if len(judged) >= LEAST_RUNS and failed <= 1:
        # A run that did not converge is slower than any that did.
        order = sorted(
            range(len(judged)),
            key=lambda i: judged[i].run.seconds if judged[i].is_converged else math.inf,
        )
        kept = order[1:-1]
        judged[order[0]] = replace(judged[order[0]], why="the fastest")
        last = judged[order[-1]]
        judged[order[-1]] = replace(last, why=last.why or "the slowest")
        for i in kept:
            judged[i] = replace(judged[i], is_kept=True)
    stands = bool(kept) and not refusals
    times = [judged[i].run.seconds for i in kept] if stands else []
    seconds = sum(times) / len(times) if times else None
    joules, level = _energy([judged[i].run for i in kept]) if stands else (None, None)
    return Outcome(
        benchmark=runs[0].benchmark if runs else None,
        runs=tuple(judged),
        needed=needed,
        seconds=seconds,
        joules=joules,
        level=level,
        spread=_spread(times),
        refusals=tuple(refusals),
        unseen=tuple(_unseen(runs, target)),
    )


def _judge(run: Run, target: Target | None) -> Judged:
    if run.status != "success":
        return Judged(run, False, why=f"ended as {files.shown(run.status or 'nothing')}")
    if target is None:
        return Judged(run, True)
    if run.quality is None:
        return Judged(run, False, why="no evaluation in the log")
    if not target.is_reached(run.quality):
        why = f"its last evaluation, {run.quality:g}, is not the target of {target.value:g}"
        return Judged(run, False, why=why)
    return Judged(run, True)


def _set_faults(runs: Sequence[Run], needed: int) -> list[str]:
    faults = []
    if len(runs) != needed:
        faults.append(f"{len(runs)} runs; a result takes {needed}, and leaves none out")
    names = {run.benchmark for run in runs}
    if len(names) > 1:
        told = ", ".join(sorted(str(name) for name in names))
        faults.append(f"runs of different benchmarks: {told}")
    times = Counter((run.start_ms, run.stop_ms) for run in runs)
    if any(count > 1 for count in times.values()):
        faults.append("one run is given twice: start and stop are the same to the millisecond")
    seeds = Counter(run.seed for run in runs if run.seed is not None)
    repeated = [str(seed) for seed, count in seeds.items() if count > 1]
    if repeated:
        faults.append(f"runs share a seed: {', '.join(repeated[:3])}")
    return faults


def _unseen(runs: Sequence[Run], target: Target | None) -> list[str]:
    told = []
    if target is None:
        told.append("the target: what the logs call a success is believed; state it with --target")
    if any(run.init_start_ms is None for run in runs):
        told.append("how long initialisation took: a log without init_start")
    return told


def _energy(kept: Sequence[Run]) -> tuple[float | None, Level | None]:
    """Mean energy at the lowest level among the runs; none where one of them was not measured."""
    known = [run.energy for run in kept if run.energy is not None]
    if not known or len(known) < len(kept):
        return None, None
    return sum(one.joules for one in known) / len(known), min(one.level for one in known)


def _spread(times: Sequence[float]) -> float | None:
    if len(times) < 2:
        return None
    mean = sum(times) / len(times)
    return math.sqrt(sum((t - mean) ** 2 for t in times) / (len(times) - 1)) / mean
