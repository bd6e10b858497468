"""Runs, held against the rules, and what those of one item come to.

Every item takes the same number of runs, and all of them are handed in. The best and the worst are
left out of the mean; a run that missed the target is worse than any that did not. This is
MLPerf-style: after MLCommons' training policies, and reviewed by nobody of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wattline_reports.challenge.documents import moment
from wattline_reports.challenge.rules import Rules
from wattline_reports.exchange.refused import Reason, Refused


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        id: What its entrant calls it.
        item: The secret item it is of; None: of what is public.
        start: When it began.
        seconds: What it took.
        joules: What it took; None: not measured.
        euros: What it cost; None: not told.
        work: In the unit of the rules; None: not told.
        quality: What it came to.
        is_converged: Whether that is the target.
        figure: Its score.
        output: Digest of what it gave out, `sha256:…`; None: not told.
        log: Digest of its log.
    """

    id: str
    item: int | None
    start: datetime
    seconds: float
    joules: float | None
    euros: float | None
    work: float | None
    quality: float
    is_converged: bool
    figure: float
    output: str | None
    log: str


@dataclass(frozen=True, slots=True)
class Series:
    """The runs of one item.

    Attributes:
        item: Which; None: what is public.
        runs: All of them.
        kept: The runs its mean is made of.
        mean: Of their figures.
        spread: Standard deviation over mean of all runs that converged; None for fewer than two.
    """

    item: int | None
    runs: tuple[Run, ...]
    kept: tuple[Run, ...]
    mean: float
    spread: float | None

    @property
    def count(self) -> int:
        """How many runs there were."""
        return len(self.runs)

    @property
    def unconverged(self) -> int:
        """How many of them missed the target."""
        return sum(not run.is_converged for run in self.runs)


def read(
    rules: Rules, told: Sequence[Mapping[str, Any]], until: datetime, path: object
) -> list[Run]:
    """Runs as a result tells them, each held against the rules.

    Args:
        rules: The rules.
        told: Runs that fit their schema.
        until: When the last must have ended.
        path: Whence they come, for errors.

    Raises:
        Refused: One is told twice, began before the draw, ended too late, or lacks what the score
            is made of.
    """
    for name in ("id", "log"):
        twice = [value for value, n in Counter(run[name] for run in told).items() if n > 1]
        if twice:
            raise Refused(Reason.RULES, f"two runs with one {name}", path=path, field=twice[0])
    return [_run(rules, run, until, path) for run in told]


def series(rules: Rules, runs: Sequence[Run], item: int | None, path: object) -> Series:
    """What the runs of one item come to.

    Raises:
        Refused: There are too few or too many, or too many missed the target.
    """
    own = [run for run in runs if run.item == item]
    needed = rules.public_runs if item is None else rules.runs
    field = _named(item)
    if len(own) < needed:
        words = f"{len(own)} runs; a result takes {needed}"
        raise Refused(Reason.TOO_FEW_RUNS, words, path=path, field=field)
    if len(own) > needed:
        words = f"{len(own)} runs; a result takes {needed}: more would be a choice"
        raise Refused(Reason.RULES, words, path=path, field=field)
    failed = sum(not run.is_converged for run in own)
    if failed > rules.unconverged:
        words = f"{failed} runs missed the target; the rules forgive {rules.unconverged}"
        raise Refused(Reason.NOT_CONVERGED, words, path=path, field=field)
    kept = tuple(
        sorted(own, key=lambda run: _order(rules, run))[rules.trim : len(own) - rules.trim]
    )
    converged = [run.figure for run in own if run.is_converged]
    mean = math.fsum(run.figure for run in kept) / len(kept)
    return Series(item, tuple(own), kept, mean, spread_of(converged))


def spread_of(figures: Sequence[float]) -> float | None:
    """Standard deviation over mean; None for fewer than two figures."""
    if len(figures) < 2:
        return None
    mean = math.fsum(figures) / len(figures)
    return math.sqrt(math.fsum((one - mean) ** 2 for one in figures) / (len(figures) - 1)) / mean


def _run(rules: Rules, told: Mapping[str, Any], until: datetime, path: object) -> Run:
    def wrong(words: str) -> Refused:
        return Refused(Reason.RULES, words, path=path, field=f"run {told['id']}")

    start = moment(told["start"], path, f"run {told['id']}")
    if start < rules.times.enter_by:
        raise wrong("it began before the items were drawn")
    # Subtracted, as a sum could lie beyond the last year there is.
    if (until - start).total_seconds() < told["seconds"]:
        raise wrong("it ended after the time in which runs count")
    if rules.least_bits and (told["bits"] is None or told["bits"] < rules.least_bits):
        raise wrong(f"its lowest precision is not told, or under {rules.least_bits} bit")
    work = rules.work_of(told["work"], told["size"])
    figure = _figure(rules, told, work)
    if figure is None:
        raise wrong(f"it does not tell what its score, {rules.score}, is made of")
    return Run(
        told["id"], told["item"], start, told["seconds"], told["joules"], told["euros"], work,
        told["quality"], rules.is_reached(told["quality"]), figure, told["output"], told["log"],
    )  # fmt: skip


def _figure(rules: Rules, told: Mapping[str, Any], work: float | None) -> float | None:
    seconds: float = told["seconds"]
    joules: float | None = told["joules"]
    if rules.score == "seconds":
        return seconds
    if rules.score == "joules":
        return joules
    if work is None:
        return None
    if rules.score == "work_per_second":
        return work / seconds
    return None if joules is None else work / joules


def _order(rules: Rules, run: Run) -> tuple[bool, float, str]:
    """Best first; the id decides between equals, so that the same runs are always kept."""
    return (not run.is_converged, run.figure if rules.is_lower_better else -run.figure, run.id)


def _named(item: int | None) -> str:
    return "public" if item is None else f"item {item}"
