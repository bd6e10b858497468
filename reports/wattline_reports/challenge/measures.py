"""What runs come to, for its size: per kWh, per euro, per peak FLOP, and against one's own before.

A large machine is fast and a small one is not; what both can be compared in is what they get out of
what they take. Ratios are sums over sums, of the runs that the score is made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattline_reports.challenge.rules import Rules
from wattline_reports.challenge.runs import Run, Series

_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Measures:
    """All figures of one entrant; None: not known.

    Attributes:
        score: Mean over items of the trimmed means of their runs, each over its item's reference
            where the rules say so; in the unit of the rules.
        per_kwh: Output over energy, 1/kWh.
        per_euro: Output over cost, 1/EUR.
        per_peak_flop: Output over peak rate times time, 1/FLOP.
        baseline: Score against what the entrant registered as its own before; over 1 is better.
    """

    score: float
    per_kwh: float | None
    per_euro: float | None
    per_peak_flop: float | None
    baseline: float | None

    def to_json(self) -> dict[str, float | None]:
        """By name."""
        return {
            "score": self.score, "per_kwh": self.per_kwh, "per_euro": self.per_euro,
            "per_peak_flop": self.per_peak_flop, "baseline": self.baseline,
        }  # fmt: skip


def measured(
    rules: Rules,
    items: Sequence[Series],
    references: Mapping[int | None, float],
    peak_flops: float,
    baseline: float | None,
) -> Measures:
    """What the runs of one system come to.

    The output of a run is its work; of one whose item has a reference, that many times what the
    reference is worth, so that a long item counts as more than a short one.

    Args:
        rules: The rules.
        items: Runs of each item; at least one.
        references: Of items, where scores are relative; others count as 1.
        peak_flops: Peak rate of the system, FLOP/s.
        baseline: The score that was its own before; None: not told.
    """
    means = [one.mean / references.get(one.item, 1.0) for one in items]
    score = math.fsum(means) / len(means)
    kept = [run for one in items for run in one.kept]
    outputs = [_output(rules, run, references.get(run.item, 1.0)) for run in kept]
    output = None if None in outputs else math.fsum(one or 0.0 for one in outputs)
    seconds = math.fsum(run.seconds for run in kept)
    against = None
    if baseline is not None:
        against = baseline / score if rules.is_lower_better else score / baseline
    return Measures(
        score,
        _over(output, _sum([run.joules for run in kept]), _JOULES_PER_KWH),
        _over(output, _sum([run.euros for run in kept]), 1.0),
        _over(output, seconds * peak_flops, 1.0),
        against,
    )


def better(rules: Rules, measure: str, one: float, other: float) -> float:
    """By which share one figure of a measure is better than another; less than 0 is worse."""
    if measure == "score" and rules.is_lower_better:
        return other / one - 1
    return one / other - 1


def _output(rules: Rules, run: Run, reference: float) -> float | None:
    if run.work is None:
        return None
    return run.work * reference if rules.is_lower_better else run.work / reference


def _sum(told: Sequence[float | None]) -> float | None:
    """The sum; None where one is not known."""
    known = [one for one in told if one is not None]
    return math.fsum(known) if len(known) == len(told) else None


def _over(output: float | None, taken: float | None, unit: float) -> float | None:
    return None if output is None or taken is None else output / (taken / unit)
