"""The jobs of a planted year: their stages, what they make, and what of it is thrown away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from wattline_collector.simulated.year.extent import TICK_MS

STEPS_A_TICK = 60
SLOWED_STEPS_A_TICK = 50
STEPS_A_CHECKPOINT = 300
"""A whole number of ticks at either pace, so that checkpoints are saved between two of them."""
SLOWED_SHARE = 0.3
"""Share of a slowed stage in which heat holds the clocks back."""
MFU = 0.4
"""What training on one device would reach at full pace; its tokens follow from it."""
KEPT_A_DOUBLING = 0.98
"""Of the rate of a device, what is left with twice as many of them."""
PHASES_AT_WORK = {"step": 0.9, "data_wait": 0.06, "checkpoint_save": 0.04}
BUSY, SERVING, QUIET, HELD, LOADING = 0.72, 0.55, 0.18, 0.01, 0.1
"""Activity of training, of a service by day and by night, of a hung job, of loading."""
SEQUENCE = 4096


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is trained or served."""

    name: str
    parameters: int

    @property
    def flops_trained(self) -> float:
        """Model operations of one token in training, 6 N."""
        return 6.0 * self.parameters

    @property
    def flops_served(self) -> float:
        """The same forward only, 2 N."""
        return 2.0 * self.parameters


TRAINED = (
    Model("pretrain-8b", 8_000_000_000),
    Model("pretrain-14b", 14_000_000_000),
    Model("tune-3b", 3_000_000_000),
)
SERVED = (Model("chat-24b", 24_000_000_000), Model("code-7b", 7_000_000_000))


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a job in which it does one thing.

    Attributes:
        start_ms: Its start, on a tick.
        end_ms: Its end, on a tick.
        activity: Share of the compute units at work.
        held: Whether it does nothing.
        slowed: Share of its time in which the clocks are held back.
        per_tick: What the job makes a tick, by column of table `job`; whole numbers.
        phases: Share of time by phase.
    """

    start_ms: int
    end_ms: int
    activity: float
    held: bool = False
    slowed: float = 0.0
    per_tick: Mapping[str, int] = field(default_factory=dict)
    phases: Mapping[str, float] = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        """Its length."""
        return (self.end_ms - self.start_ms) // TICK_MS


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        number: Its place among all jobs; its key is made of it.
        name: What its owner called it.
        kind: training, inference or other.
        outcome: The scheduler's word for how it ended.
        devices: What it holds, counted over the factory.
        stages: What it does, without gaps.
        run: The training run it is part of.
        resumed: The run's step it went on from; None: it tells no steps.
        replayed: Steps it did that an earlier job of its run had done.
        lost_from_ms: From when on its work was thrown away; None: all was kept.
        model: What it trains or serves.
    """

    number: int
    name: str
    kind: str
    outcome: str
    devices: tuple[int, ...]
    stages: tuple[Stage, ...]
    run: str | None = None
    resumed: int | None = None
    replayed: int = 0
    lost_from_ms: int | None = None
    model: Model | None = None

    @property
    def key(self) -> str:
        """Its id under the scheduler."""
        return str(100_000 + self.number)

    @property
    def start_ms(self) -> int:
        """When it starts."""
        return self.stages[0].start_ms

    @property
    def end_ms(self) -> int:
        """When it ends."""
        return self.stages[-1].end_ms

    @property
    def gpu_hours(self) -> float:
        """Devices times time."""
        return len(self.devices) * (self.end_ms - self.start_ms) / 3_600_000

    def made(self, column: str) -> int:
        """What it counted in all by one of its counters, steps done again included."""
        return sum(stage.per_tick.get(column, 0) * stage.ticks for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Part:
    """A job of a run before it has a number and devices."""

    stages: tuple[Stage, ...]
    outcome: str
    resumed: int | None
    replayed: int
    lost_from_ms: int | None


def training(
    rng: Random, model: Model, devices: int, peak_flops: float, start_ms: int, end_ms: int, *,
    dies: bool, tells_steps: bool,
) -> list[Part]:  # fmt: skip
    """The jobs of one training run, one after another on the same devices.

    Now and then one crashes, and the next goes on from the newest checkpoint. The last one may
    crash for good, hang until somebody ends it, or die with its node.

    Args:
        rng: Of this run.
        model: What is trained.
        devices: How many devices it has.
        peak_flops: Dense operations a second of one of them.
        start_ms: When it starts.
        end_ms: When its devices are gone.
        dies: Whether a failure takes them.
        tells_steps: Whether it tells the numbers of its steps and its checkpoints.
    """
    flops = MFU * KEPT_A_DOUBLING ** math.log2(devices) * peak_flops * devices
    tokens = round(flops / model.flops_trained * TICK_MS / 1000 / STEPS_A_TICK)
    ticks = (end_ms - start_ms) // TICK_MS
    cuts = []
    if ticks > 100 and tells_steps:
        cuts = sorted(rng.sample(range(20, ticks - 40), min(2, rng.randrange(3))))
        cuts = [cut for place, cut in enumerate(cuts) if not place or cut - cuts[place - 1] > 12]
    hangs = not dies and ticks > 60 and rng.random() < 0.2
    gives_up = not dies and not hangs and rng.random() < 0.15
    edges = [0, *cuts, ticks]
    parts: list[Part] = []
    saved = highest = 0
    for place, (low, high) in enumerate(pairwise(edges)):
        pause = 0 if not place else rng.randrange(1, 4)
        last = place == len(edges) - 2
        held = rng.randrange(6, 24) if last and hangs else 0
        at = start_ms + (low + pause) * TICK_MS
        stages = _stages(rng, tokens, at, high - low - pause - held, tells_steps)
        if held:
            until = start_ms + high * TICK_MS
            stages.append(Stage(until - held * TICK_MS, until, HELD, held=True))
        fails = not last or dies or gives_up
        outcome = (
            "cancelled" if held else "node_fail" if last and dies else
            "failed" if fails else "completed"
        )  # fmt: skip
        resumed = saved
        done = sum(s.per_tick.get("steps_total", 0) * s.ticks for s in stages)
        saved = resumed + done // STEPS_A_CHECKPOINT * STEPS_A_CHECKPOINT
        lost_from = _lost_from(stages, done) if fails else None
        again = max(0, min(highest, resumed + done) - resumed)
        highest = max(highest, resumed + done)
        parts.append(
            Part(tuple(stages), outcome, resumed if tells_steps else None, again, lost_from)
        )
    return parts


def _stages(rng: Random, tokens: int, start_ms: int, ticks: int, tells: bool) -> list[Stage]:
    """Load for a tick, then train; here and there a stretch is slowed by heat."""
    init = {"init": 1.0} if tells else {}
    stages = [Stage(start_ms, start_ms + TICK_MS, LOADING, phases=init)]
    left, at = ticks - 1, start_ms + TICK_MS
    while left > 0:
        slow = rng.random() < 0.12
        steps = SLOWED_STEPS_A_TICK if slow else STEPS_A_TICK
        checkpoint = STEPS_A_CHECKPOINT // steps
        length = min(left, checkpoint * rng.randrange(4, 12) if slow else
                     checkpoint * rng.randrange(20, 80))  # fmt: skip
        made = {"tokens_trained_total": steps * tokens}
        if tells:
            made["steps_total"] = steps
        stages.append(
            Stage(
                at, at + length * TICK_MS, BUSY * (steps / STEPS_A_TICK),
                slowed=SLOWED_SHARE if slow else 0.0, per_tick=made,
                phases=PHASES_AT_WORK if tells else {},
            )
        )  # fmt: skip
        at, left = at + length * TICK_MS, left - length
    return stages


def _lost_from(stages: list[Stage], done: int) -> int:
    """When the newest checkpoint was reached; the start where there is none."""
    wanted = done // STEPS_A_CHECKPOINT * STEPS_A_CHECKPOINT
    if not wanted:
        return stages[0].start_ms
    for stage in stages:
        steps = stage.per_tick.get("steps_total", 0)
        if steps and wanted <= steps * stage.ticks:
            return stage.start_ms + -(-wanted * TICK_MS // steps)
        wanted -= steps * stage.ticks
    return stages[-1].end_ms


def service(rng: Random, model: Model, devices: int, start_ms: int, end_ms: int) -> list[Stage]:
    """Serve: much from 6 to 20 h UTC, little at night."""
    stages: list[Stage] = []
    at, share = start_ms, rng.uniform(0.9, 1.1)
    while at < end_ms:
        hour = at // 3_600_000 % 24
        by_day = 6 <= hour < 20
        changes = 20 if by_day else 6 if hour < 6 else 30
        until = min(end_ms, at - at % 3_600_000 + (changes - hour) * 3_600_000)
        requests = round((600 if by_day else 90) * devices * share)
        stages.append(
            Stage(
                at, until, SERVING if by_day else QUIET,
                per_tick={
                    "tokens_prompt_total": requests * 900,
                    "tokens_prompt_cached_total": requests * 300,
                    "tokens_generated_total": requests * 280,
                    "requests_total": requests,
                    "requests_failed_total": requests // 100,
                    "requests_good_total": requests * 9 // 10,
                },
            )
        )  # fmt: skip
        at = until
    return stages


def plain(rng: Random, start_ms: int, end_ms: int) -> list[Stage]:
    """Work that counts nothing, at times interrupted by somebody who looks at it."""
    stages: list[Stage] = []
    at = start_ms
    while at < end_ms:
        works = not stages or stages[-1].held or rng.random() < 0.75
        until = min(end_ms, at + rng.randrange(6, 40) * TICK_MS)
        stages.append(
            Stage(at, until, rng.uniform(0.3, 0.6) if works else HELD / 2, held=not works)
        )
        at = until
    return stages
