"""What kinds of jobs a simulated factory runs, and what each does from stage to stage."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

from wattline_collector.simulated.faults import Heat
from wattline_collector.simulated.jobs import Rates, Stage
from wattline_collector.simulated.shape import HOUR_MS, MINUTE_MS

PEAK_FLOPS = 989e12
"""Dense bfloat16 of a Hopper device; turns activity into tokens. `paced` turns it into others."""
MODEL_SHARE = 0.56
"""Model operations done for each unit of activity and peak: activity 0.78 is an MFU of 0.44."""
DECODE_SHARE = 0.19
"""The same for serving, in generated tokens: memory-bound, so far lower."""
SEQUENCE_TOKENS = 8192
SLOWED_BY_HEAT = 0.45
SLOWED_BY_CAP = 0.15
_LEAST_HOUR_MS = 30 * MINUTE_MS
"""A shorter rest of an hour is counted to the next: quiet stretches are clearly longer than the
ledger's grace time."""
NIGHT_SHIFT_HOURS = 1
"""Local time of the factory's users, ahead of UTC."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is trained or served: what a job is called, and how large it is."""

    name: str
    parameters: float


LARGE_TRAININGS = (
    Model("pretrain-eu-10b", 10e9),
    Model("pretrain-nordic-34b", 34e9),
    Model("cpt-legal-24b", 24e9),
    Model("pretrain-moe-16x3b", 9e9),
    Model("weather-fm-3b", 3.2e9),
    Model("vision-lm-12b", 12e9),
)
SMALL_TRAININGS = (
    Model("sft-health-8b", 8e9),
    Model("dpo-assist-8b", 8e9),
    Model("protein-lm-3b", 3e9),
    Model("speech-lm-2b", 2.1e9),
    Model("distil-code-4b", 4e9),
    Model("rl-math-8b", 8e9),
)
TUNINGS = (
    Model("lora-finance-8b", 8e9),
    Model("lora-minutes-3b", 3e9),
    Model("probe-layers-1b", 1.2e9),
)
SERVICES = (
    Model("serve-chat-70b", 70e9),
    Model("serve-code-32b", 32e9),
    Model("serve-translate-24b", 24e9),
    Model("serve-embed-7b", 7e9),
    Model("serve-pilot-13b", 13e9),
    Model("serve-vision-12b", 12e9),
)
GENERATIONS = (Model("generate-dialogues-32b", 32e9), Model("rewrite-corpus-24b", 24e9))
OTHERS = ("eval-suite", "md-water-box", "tokenise-corpus", "render-terrain")
NOTEBOOKS = ("notebook", "interactive", "debug-session")
PILOT = "serve-pilot-13b"
"""The service nobody calls at night: it holds its devices all the same."""


def training(
    rng: Random, model: Model, devices: int, start_ms: int, end_ms: int, *, hangs: bool
) -> list[Stage]:
    """Load, then train between checkpoints; one that hangs holds its devices until it is ended."""
    length = end_ms - start_ms
    memory = rng.uniform(0.7, 0.95)
    tensor, dram = rng.uniform(0.5, 0.66), rng.uniform(0.4, 0.58)
    starved = rng.random() < 0.16
    level = rng.uniform(0.34, 0.5) if starved else rng.uniform(0.64, 0.85)
    capped = rng.uniform(0.06, 0.24) if level > 0.7 and rng.random() < 0.4 else 0.0
    batch = 2.0e6 * math.sqrt(devices / 8)
    stages: list[Stage] = []

    def add(minutes: float, phase: str, activity: float, **more: float) -> None:
        at = stages[-1].end_ms if stages else start_ms
        until = min(end_ms, at + max(1, round(minutes)) * MINUTE_MS)
        if until <= at:
            return
        rates: dict[str, float] = {}
        if phase != "idle":
            rates[f"phase_{phase}_seconds_total"] = 1.0
        cap = more.get("power_cap", 0.0)
        if phase == "step":
            flops = devices * MODEL_SHARE * PEAK_FLOPS * activity * (1 - SLOWED_BY_CAP * cap)
            tokens = flops / (6 * model.parameters)
            rates |= {
                "tokens_trained_total": tokens,
                "steps_total": tokens / batch,
                "samples_total": tokens / SEQUENCE_TOKENS,
                "flops_total": flops,
            }
        stages.append(
            Stage(
                at,
                until,
                phase,
                activity,
                swing=more.get("swing", 0.0),
                period_seconds=rng.uniform(400, 2400),
                busy=more.get("busy", 0.985),
                tensor=tensor,
                dram=dram,
                memory=more.get("memory", memory),
                power_cap=cap,
                rates=rates,
            )
        )

    def at() -> int:
        return stages[-1].end_ms if stages else start_ms

    loads_long = length > 3 * HOUR_MS and rng.random() < 0.3
    if loads_long:
        add(rng.uniform(22, 46), "init", 0.012, busy=0.03, memory=memory / 2)
    elif rng.random() < 0.6:
        add(rng.uniform(3, 6), "init", 0.13, busy=0.4, memory=memory / 2)
    working_end = end_ms
    if hangs:
        waits = min(rng.uniform(3, 8) * HOUR_MS, length * 0.4)
        working_end = end_ms - round(waits) // MINUTE_MS * MINUTE_MS
    between = rng.uniform(2, 4.5) * 60
    while at() < working_end:
        left = (working_end - at()) / MINUTE_MS
        activity = level * rng.uniform(0.97, 1.03)
        swing = rng.uniform(0.03, 0.09)
        # A stage shorter than the grace time at low activity would be neither work nor held;
        # checkpoints therefore stay above the idle limit, as copying from devices does.
        add(min(between, left), "step", activity, swing=swing, power_cap=capped)
        left = (working_end - at()) / MINUTE_MS
        if left > 30:
            add(rng.uniform(3, 6), "checkpoint_save", 0.085, busy=0.3)
            if starved:
                add(rng.uniform(4, 8), "data_wait", 0.11, busy=0.35)
    if hangs:
        stages.append(hung(stages[-1], end_ms))
    return stages


def paced(stages: Iterable[Stage], peak_flops: float) -> tuple[Stage, ...]:
    """The stages as devices of another peak make them: what they count, as much faster or slower.

    Time counts as fast on any device.
    """
    factor = peak_flops / PEAK_FLOPS
    return tuple(
        replace(
            stage,
            rates={
                name: rate if name.startswith("phase_") else rate * factor
                for name, rate in stage.rates.items()
            },
        )
        for stage in stages
    )


def hung(last: Stage, end_ms: int) -> Stage:
    """After the last stage: a kernel waits for a peer that is gone, always running, never working.

    This is what a busy ratio alone calls fully used.
    """
    return replace(
        last, start_ms=last.end_ms, end_ms=end_ms, phase="idle", activity=0.004, swing=0.0,
        busy=1.0, power_cap=0.0, rates={},
    )  # fmt: skip


def service(rng: Random, model: Model, devices: int, start_ms: int, end_ms: int) -> list[Stage]:
    """Serve what people ask, by the hour of their day; quiet at night and at weekends."""
    stages: list[Stage] = []
    peak = rng.uniform(0.5, 0.78)
    cached, prompt = rng.uniform(0.25, 0.5), rng.uniform(3.5, 7.0)
    memory = rng.uniform(0.86, 0.94)
    shape = rng.uniform(0.42, 0.55)
    at = start_ms
    while at < end_ms:
        until = min(end_ms, ((at + _LEAST_HOUR_MS) // HOUR_MS + 1) * HOUR_MS)
        demand = _demand(at, least=shape) * rng.uniform(0.93, 1.07)
        activity = min(0.85, max(0.08, peak * demand))
        if model.name == PILOT:
            activity = 0.007 if _night(at) else 0.32 * demand
        generated = devices * DECODE_SHARE * PEAK_FLOPS * activity / (2 * model.parameters)
        quiet = activity < 0.05
        rates: Rates = {
            "tokens_prompt_total": 0.0 if quiet else generated * prompt,
            "tokens_prompt_cached_total": 0.0 if quiet else generated * prompt * cached,
            "tokens_generated_total": 0.0 if quiet else generated,
            "requests_total": 0.0 if quiet else generated / 310,
        }
        stages.append(
            Stage(
                at,
                until,
                "idle" if quiet else "serve",
                activity,
                swing=0.0 if quiet else rng.uniform(0.05, 0.12),
                period_seconds=rng.uniform(600, 1900),
                busy=0.02 if quiet else min(0.97, 0.45 + 0.6 * activity),
                tensor=0.3,
                dram=0.92,
                memory=memory,
                rates=rates,
            )
        )
        at = until
    return stages


def generation(rng: Random, model: Model, devices: int, start_ms: int, end_ms: int) -> list[Stage]:
    """Generate a data set, flat out: inference without anybody waiting."""
    stages: list[Stage] = []
    level, at = rng.uniform(0.66, 0.84), start_ms
    while at < end_ms:
        until = min(end_ms, at + round(rng.uniform(60, 150)) * MINUTE_MS)
        activity = level * rng.uniform(0.96, 1.04)
        made = devices * DECODE_SHARE * 2.2 * PEAK_FLOPS * activity / (2 * model.parameters)
        rates = {
            "tokens_prompt_total": made * 0.4,
            "tokens_generated_total": made,
            "requests_total": made / 900,
        }
        stages.append(
            Stage(
                at, until, "serve", activity, 0.05, rng.uniform(500, 1500), 0.99, 0.35, 0.95, 0.92,
                rates=rates,
            )
        )  # fmt: skip
        at = until
    return stages


def steady(rng: Random, start_ms: int, end_ms: int) -> list[Stage]:
    """Work that makes no tokens: evaluations, simulations, preparing data."""
    stages: list[Stage] = []
    level, at = rng.uniform(0.3, 0.62), start_ms
    memory, tensor = rng.uniform(0.2, 0.7), rng.uniform(0.05, 0.3)
    while at < end_ms:
        until = min(end_ms, at + round(rng.uniform(45, 180)) * MINUTE_MS)
        stages.append(
            Stage(
                at, until, "step", level * rng.uniform(0.9, 1.1), rng.uniform(0.05, 0.2),
                rng.uniform(400, 1800), 0.9, tensor, 0.45, memory,
            )
        )  # fmt: skip
        at = until
    return stages


def notebook(rng: Random, start_ms: int, end_ms: int) -> list[Stage]:
    """A person at work: short bursts, and long stretches of holding a device for nothing."""
    stages: list[Stage] = []
    at, works = start_ms, True
    while at < end_ms:
        minutes = rng.uniform(15, 50) if works else rng.uniform(35, 200)
        until = min(end_ms, at + round(minutes) * MINUTE_MS)
        if end_ms - until < 30 * MINUTE_MS:
            until = end_ms
        activity = rng.uniform(0.2, 0.5) if works else 0.002
        stages.append(
            Stage(
                at, until, "step" if works else "idle", activity, 0.15 if works else 0.0,
                rng.uniform(300, 900), 0.7 if works else 0.0, 0.2, 0.4, 0.3,
            )
        )  # fmt: skip
        at, works = until, not works
    return stages


def heated(stages: Iterable[Stage], heats: Iterable[Heat]) -> tuple[Stage, ...]:
    """Cut stages where heat begins and ends, and slow what they make in between.

    A job goes as fast as its slowest device, so one warm rack slows all of it.
    """
    events = list(heats)
    pieces: list[Stage] = []
    for stage in stages:
        edges = {stage.start_ms, stage.end_ms}
        for heat in events:
            edges.update(
                at for at in (heat.start_ms, heat.end_ms) if stage.start_ms < at < stage.end_ms
            )
        for start, end in pairwise(sorted(edges)):
            share = max(
                (heat.share for heat in events if heat.start_ms <= start < heat.end_ms),
                default=0.0,
            )
            piece = replace(stage, start_ms=start, end_ms=end)
            if share and stage.works:
                # Below the cap while heat holds the clocks down, so the cap does nothing.
                rates = {
                    column: _slowed(column, rate, share) for column, rate in piece.rates.items()
                }
                piece = replace(piece, rates=rates, power_cap=0.0)
            pieces.append(piece)
    return tuple(pieces)


def _slowed(column: str, rate: float, share: float) -> float:
    return rate if column.startswith("phase_") else rate * (1 - SLOWED_BY_HEAT * share)


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000 + NIGHT_SHIFT_HOURS * 3600, UTC)


def _night(at_ms: int) -> bool:
    hour = _local(at_ms).hour
    return hour >= 20 or hour < 7


def _demand(at_ms: int, *, least: float) -> float:
    local = _local(at_ms)
    # Highest in the early afternoon, lowest before dawn.
    daily = 0.5 - 0.5 * math.cos((local.hour - 3) / 24 * 2 * math.pi)
    weekend = 0.72 if local.weekday() >= 5 else 1.0
    return (least + (1 - least) * daily) * weekend
