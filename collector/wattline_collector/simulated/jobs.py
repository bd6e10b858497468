"""What a simulated job is: what it does from stage to stage, and what it makes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from wattline_collector.simulated.shape import MINUTE_MS

IDLE_ACTIVITY = 0.05
"""The ledger's limit: below it for the grace time, an assigned device is held."""
GRACE_MS = 10 * MINUTE_MS

Rates = Mapping[str, float]
"""Counts per second by column of table `job`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a job in which nothing changes but the wave around its level.

    Attributes:
        start_ms: Its first moment.
        end_ms: Its end.
        phase: One of the catalogue's phases, or `serve`, or `idle`.
        activity: Share of the compute units at work.
        swing: How far activity swings, as a share of it.
        period_seconds: Length of that wave.
        busy: Share of time in which any kernel runs.
        tensor: Tensor activity for each unit of activity.
        dram: Memory activity for each unit of activity.
        memory: Share of device memory in use.
        power_cap: Share of time the power cap holds the devices back.
        rates: What the whole job makes.
    """

    start_ms: int
    end_ms: int
    phase: str
    activity: float
    swing: float = 0.0
    period_seconds: float = 1200.0
    busy: float = 0.98
    tensor: float = 0.55
    dram: float = 0.5
    memory: float = 0.85
    power_cap: float = 0.0
    rates: Rates = field(default_factory=dict)

    @property
    def works(self) -> bool:
        """Whether it counts as work; one that does not lasts longer than the grace time."""
        return self.activity >= IDLE_ACTIVITY


@dataclass(frozen=True)
class Job:
    """One job of the factory.

    Attributes:
        key: Its number under the scheduler.
        name: What its owner called it.
        kind: training, inference or other.
        project: The grant it runs under.
        user: Its owner's account.
        outcome: completed, failed or cancelled; what it is once it has ended.
        devices: The devices it holds, counted over the factory.
        stages: What it does, without gaps.
        reporter: The node whose agent reports what the job made.
    """

    key: str
    name: str
    kind: str
    project: str
    user: str
    outcome: str
    devices: tuple[int, ...]
    stages: tuple[Stage, ...]
    reporter: int
    _made: tuple[Rates, ...] = field(init=False, repr=False, compare=False)
    _ends: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Add up what was made before each stage."""
        made = accumulate(self.stages[:-1], _after, initial=dict[str, float]())
        object.__setattr__(self, "_made", tuple(made))
        object.__setattr__(self, "_ends", tuple(stage.end_ms for stage in self.stages))

    @property
    def start_ms(self) -> int:
        """When it starts."""
        return self.stages[0].start_ms

    @property
    def end_ms(self) -> int:
        """When it ends."""
        return self.stages[-1].end_ms

    @property
    def made_before(self) -> tuple[Rates, ...]:
        """What was made before each stage, by column of table `job`."""
        return self._made

    def made(self, at_ms: int) -> dict[str, float]:
        """What it has made by then, by column of table `job`."""
        place = min(bisect_left(self._ends, at_ms), len(self.stages) - 1)
        stage, made = self.stages[place], dict(self._made[place])
        seconds = (min(max(at_ms, stage.start_ms), stage.end_ms) - stage.start_ms) / 1000
        for column, rate in stage.rates.items():
            made[column] = made.get(column, 0.0) + rate * seconds
        return made

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of table `job` it counts, in order of first use."""
        return tuple(dict.fromkeys(column for stage in self.stages for column in stage.rates))


def _after(made: dict[str, float], stage: Stage) -> dict[str, float]:
    seconds = (stage.end_ms - stage.start_ms) / 1000
    total = dict(made)
    for column, rate in stage.rates.items():
        total[column] = total.get(column, 0.0) + rate * seconds
    return total
