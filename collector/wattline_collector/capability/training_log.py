"""The log of one training run, in the lines `:::MLLOG {...}` that MLPerf-style harnesses write."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from wattline_agents.errors import InputError
from wattline_collector.imports import files, lines
from wattline_collector.imports.lines import Event, Refusals
from wattline_collector.imports.recording import LEAST_MS, MOST_MS

MOST_INIT_MS = 20 * 60_000
"""Initialisation that stays off the clock."""
_MOST_EVALUATIONS = 100_000
_BEFORE_CLOCK = ("block_start", "epoch_start", "eval_start", "eval_accuracy")
"""What cannot happen before the clock runs without touching the data."""


class Level(StrEnum):
    """Quality of a power measurement, EE HPC WG methodology: all four aspects must reach it."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of one run, at a stated level.

    Attributes:
        joules: How much.
        level: Quality of the measurement.
    """

    joules: float
    level: Level


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as its log tells it.

    Attributes:
        path: The log.
        benchmark: What was trained.
        seed: Its seed.
        init_start_ms: When initialisation began; None where the log does not say.
        start_ms: When the clock started.
        stop_ms: When it stopped.
        status: `success`, `aborted` or what else the log says.
        evaluations: Unix ms and quality of every evaluation.
        faults: What breaks a rule.
        energy: What it used; None where nobody measured.
    """

    path: Path
    benchmark: str | None
    seed: int | None
    init_start_ms: float | None
    start_ms: float
    stop_ms: float
    status: str | None
    evaluations: tuple[tuple[float, float], ...]
    faults: tuple[str, ...] = ()
    energy: Energy | None = None

    @property
    def init_over_ms(self) -> float:
        """Initialisation beyond the allowance, which is on the clock."""
        if self.init_start_ms is None:
            return 0.0
        return max(0.0, self.start_ms - self.init_start_ms - MOST_INIT_MS)

    @property
    def seconds(self) -> float:
        """Time on the clock."""
        return (self.stop_ms - self.start_ms + self.init_over_ms) / 1000

    @property
    def quality(self) -> float | None:
        """What the last evaluation found."""
        return self.evaluations[-1][1] if self.evaluations else None


def read(path: Path) -> Run:
    """Read the log of one run.

    Raises:
        InputError: It cannot be read, is malformed, or does not tell when the clock ran.
    """
    refusals = Refusals()
    said = _Said()
    with files.opened(path) as stream:
        for event in lines.events(stream, path, refusals):
            said.take(event)
    refusals.check()
    if not refusals.good:
        raise InputError("holds no line `:::MLLOG {...}`; is it the log of a run?", path=path)
    return said.run(path)


@dataclass(slots=True)
class _Said:
    """What the lines of one log say."""

    benchmark: str | None = None
    seed: int | None = None
    init: list[float] = field(default_factory=list)
    starts: list[Event] = field(default_factory=list)
    stops: list[Event] = field(default_factory=list)
    evaluations: list[tuple[float, float]] = field(default_factory=list)
    earliest: float = math.inf  # when the data was first used, as far as the log tells

    def take(self, event: Event) -> None:
        """Take one line."""
        match event.key:
            case "submission_benchmark" if isinstance(event.value, str):
                self.benchmark = files.shown(event.value)
            case "seed":
                self.seed = event.count()
            case "init_start":
                self.init.append(event.time_ms)
            case "run_start":
                self.starts.append(_timed(event))
            case "run_stop":
                self.stops.append(_timed(event))
            case "eval_accuracy" if len(self.evaluations) < _MOST_EVALUATIONS:
                value = event.value
                if isinstance(value, int | float) and not isinstance(value, bool):
                    self.evaluations.append((event.time_ms, float(value)))
        if event.key in _BEFORE_CLOCK:
            self.earliest = min(self.earliest, event.time_ms)

    def run(self, path: Path) -> Run:
        """The run they tell of."""
        for key, found in (("run_start", self.starts), ("run_stop", self.stops)):
            if not found:
                raise InputError("not in the log: the clock has no edge", path=path, field=key)
        start = min(event.time_ms for event in self.starts)
        last = max(self.stops, key=lambda event: event.time_ms)
        if last.time_ms <= start:
            last.refuse("is not after run_start", "time_ms")
        faults = []
        first_stop = min(event.time_ms for event in self.stops)
        if any(event.time_ms > first_stop for event in self.starts):
            faults.append("the clock was stopped and started again")
        if self.earliest < start:
            faults.append("training or evaluation began before the clock")
        status = last.metadata.get("status")
        self.evaluations.sort()
        return Run(
            path=path,
            benchmark=self.benchmark,
            seed=self.seed,
            init_start_ms=min(self.init) if self.init else None,
            start_ms=start,
            stop_ms=last.time_ms,
            status=status if isinstance(status, str) else None,
            evaluations=tuple(self.evaluations),
            faults=tuple(faults),
        )


def _timed(event: Event) -> Event:
    if not LEAST_MS <= event.time_ms <= MOST_MS:
        event.refuse(f"{event.time_ms} is not a time of day in Unix milliseconds", "time_ms")
    return event
