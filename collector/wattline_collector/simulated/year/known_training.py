"""True values of figures of training: where its time went, how it scaled, how long it took."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from wattline_collector.simulated.year import logs, trials
from wattline_collector.simulated.year.expected import EXACT, Expected
from wattline_collector.simulated.year.known_jobs import committed, untold
from wattline_collector.simulated.year.planted import Hole
from wattline_collector.simulated.year.statements import nodes_of
from wattline_collector.simulated.year.truth import MS_PER_HOUR, Happened
from wattline_collector.simulated.year.work import (
    SLOWED_STEPS_A_TICK,
    STEPS_A_CHECKPOINT,
    STEPS_A_TICK,
    Job,
)

_OPERATIONS_A_TOKEN = 6 * 10e9
"""Of the model of ten billion parameters that C03 is of."""
_PROJECTED = {"0.2 T": 0.2e12, "1 T": 1e12, "2 T": 2e12, "15 T": 15e12}
_SECONDS_A_DAY = 86_400
_LEAST_FAILURES = 3
"""Fewer tell no rate at which nodes fail."""


def of_step_time(found: Happened) -> Iterator[Expected]:
    """Where the time of training went."""
    telling = _telling(found)
    steps = sum(_phase(job, "step") for job in telling)
    waited = sum(_phase(job, "data_wait") for job in telling)
    slack = EXACT + _unheard(found, telling)
    why = "planned phases of training; of a silence nothing is heard"
    yield Expected("E03", 100 * _ettr(telling), relative=slack + _mixed(telling),
                   why=f"{why}, and steps done again are taken for as long as others")  # fmt: skip
    yield Expected("E05", 100 * waited / (steps + waited), relative=slack,
                   dims={"loss": "data_wait"}, why=why)  # fmt: skip
    yield Expected("E05", None, dims={"loss": "exposed_communication"},
                   why="only a profiler tells, and no job sends one's figures")  # fmt: skip
    saving = [job for job in telling if _checkpoints(job)]
    saved = sum(_phase(job, "checkpoint_save") for job in saving)
    wrote = sum(_seconds(job) for job in saving)
    yield Expected("E08", saved / wrote, relative=slack, dims={"of": "overhead"}, why=why)
    failures = sum(job.outcome == "node_fail" for job in found.plan.jobs)
    best = 0.0
    if failures >= _LEAST_FAILURES:
        extent = found.plan.extent
        node_seconds = sum(len(nodes_of(extent, job)) * _seconds(job) for job in found.plan.jobs)
        for job in saving:
            between = node_seconds / failures / len(nodes_of(extent, job))
            one = _phase(job, "checkpoint_save") / _checkpoints(job)
            best += _checkpoints(job) * math.sqrt(2 * one * between)
    yield Expected("E08", wrote / best if best else None, relative=slack,
                   dims={"of": "interval_over_best"},
                   why="planned checkpoints and failures, by Young's formula")  # fmt: skip


def of_rates(found: Happened) -> Iterator[Expected]:
    """What training reached of the hardware's peak, and how it scaled."""
    plan = found.plan
    training = [job for job in plan.jobs if job.kind == "training"]
    peak = plan.extent.profile.peak_flops
    said = trials.runs(plan)[0].name
    executed = sum(
        _flops(job)
        * (3 + (trials.RECOMPUTED_OF_A_RUN if job.run == said else trials.RECOMPUTED[_model(job)]))
        / 3
        for job in training
    )
    unseen = untold(plan, _flops) / sum(map(_flops, training))
    able = sum(job.gpu_hours * 3600 * peak for job in training)
    # What nobody heard of may be the part of which most is computed again.
    yield Expected("E02", 100 * executed / able, relative=EXACT + 4 / 3 * unseen,
                   why="6 N by planned tokens, and the declared part of 2 N again, over the peak of"
                   " the devices jobs had")  # fmt: skip
    yield from _scaling(found)
    telling = _telling(found)
    slack = EXACT + _unheard(found, telling) + _mixed(telling)
    lasting = sum(len(job.devices) * _productive(job) for job in telling)
    mfu = sum(map(_flops, telling)) / (peak * lasting)
    devices = plan.extent.nodes * plan.extent.devices
    a_day = devices * peak * mfu * _ettr(telling) * _SECONDS_A_DAY
    for name, tokens in _PROJECTED.items():
        yield Expected("C03", _OPERATIONS_A_TOKEN * tokens / a_day, relative=2 * slack,
                       dims={"way": "measured", "tokens": name},
                       why="6 N D over all devices, the MFU of planned steps that lasted and the"
                       " planned ETTR; each of the two by the tolerance of E03")  # fmt: skip
    declared = devices * peak * logs.PROJECTED_MFU * logs.PROJECTED_ETTR * _SECONDS_A_DAY
    yield Expected("C03", _OPERATIONS_A_TOKEN * logs.PROJECTED_TOKENS / declared,
                   dims={"way": "declared", "tokens": "1 T"},
                   why="6 N D over what was declared")  # fmt: skip


def _scaling(found: Happened) -> Iterator[Expected]:
    """Rates of one model by the number of its devices, against that on the fewest."""
    alike: dict[str, dict[int, list[Job]]] = defaultdict(lambda: defaultdict(list))
    for job in _telling(found):
        if job.made("tokens_trained_total"):
            alike[_model(job)][len(job.devices)].append(job)
    for model, sizes in sorted(alike.items()):
        family = f"{model}, bf16, {found.plan.extent.profile.model}"
        least = min(sizes)
        for devices in sorted(sizes.keys() - {least}):
            linear = _rate(sizes[least]) * devices / least
            heard = sum(_unheard(found, sizes[of]) for of in (least, devices))
            yield Expected("E07", 100 * _rate(sizes[devices]) / linear, relative=EXACT + heard,
                           dims={"family": family, "devices": f"{devices}"},
                           why="planned tokens over planned steps, of two numbers of devices; of a"
                           " silence nothing is heard")  # fmt: skip


def _rate(jobs: Sequence[Job]) -> float:
    """Tokens a second while stepping and waiting for data."""
    seconds = sum(_phase(job, "step") + _phase(job, "data_wait") for job in jobs)
    return sum(job.made("tokens_trained_total") for job in jobs) / seconds


def of_runs(found: Happened) -> Iterator[Expected]:
    """How long runs took, from start to end."""
    runs: dict[str, list[Job]] = defaultdict(list)
    for job in found.plan.jobs:
        if job.kind == "training":
            runs[job.run or job.key].append(job)
    took = [
        (jobs[-1].end_ms - jobs[0].start_ms) / MS_PER_HOUR
        for jobs in (sorted(of_run, key=lambda job: job.start_ms) for of_run in runs.values())
        if jobs[-1].outcome == "completed"
    ]
    yield Expected("P05", sum(took) / len(took) if took else None, dims={"way": "ledger"},
                   why="planned jobs of runs whose last one completed")  # fmt: skip


def _telling(found: Happened) -> list[Job]:
    """Training jobs that tell their steps and phases."""
    return [job for job in found.plan.jobs if job.resumed is not None]


def _ettr(telling: Sequence[Job]) -> float:
    runs: dict[str, list[Job]] = defaultdict(list)
    for job in telling:
        runs[str(job.run)].append(job)
    elapsed = sum(
        max(job.end_ms for job in jobs) - min(job.start_ms for job in jobs)
        for jobs in runs.values()
    )
    return sum(map(_productive, telling)) * 1000 / elapsed


def _unheard(found: Happened, jobs: Sequence[Job]) -> float:
    """Share of the time of jobs in which one of their nodes was silent."""
    silent = [m for m in found.plan.planted.missing if m.hole is Hole.SILENT_BUSY]
    unheard = sum(
        max(0, min(job.end_ms, hole.end_ms) - max(job.start_ms, hole.start_ms))
        for job in jobs
        for hole in silent
        if hole.node in nodes_of(found.plan.extent, job)
    )
    return unheard / sum(job.end_ms - job.start_ms for job in jobs)


def _mixed(telling: Sequence[Job]) -> float:
    """By how much steps done again may have lasted longer or shorter than the others of their job.

    The books know how many there were, and not which: they are as long as the mean of the job's. A
    slowed step lasts longer than one at full pace.
    """
    productive = sum(map(_productive, telling))
    again = sum(_phase(job, "step") for job in telling) - productive
    return (STEPS_A_TICK / SLOWED_STEPS_A_TICK - 1) * again / productive


def _model(job: Job) -> str:
    assert job.model is not None, "every training job of a plan has a model"
    return job.model.name


def _flops(job: Job) -> float:
    return 0.0 if job.model is None else job.model.flops_trained * committed(job)


def _seconds(job: Job) -> float:
    return (job.end_ms - job.start_ms) / 1000


def _phase(job: Job, phase: str) -> float:
    """Seconds it spent in a phase."""
    return sum(s.phases.get(phase, 0.0) * (s.end_ms - s.start_ms) / 1000 for s in job.stages)


def _productive(job: Job) -> float:
    """Seconds in steps that it was the first of its run to do: its first steps are done again."""
    again, seconds = job.replayed, 0.0
    for stage in job.stages:
        steps = stage.per_tick.get("steps_total", 0) * stage.ticks
        wasted = min(again, steps)
        again -= wasted
        if steps:
            spent = stage.phases.get("step", 0.0) * (stage.end_ms - stage.start_ms) / 1000
            seconds += spent * (1 - wasted / steps)
    return seconds


def _checkpoints(job: Job) -> int:
    return job.made("steps_total") // STEPS_A_CHECKPOINT
