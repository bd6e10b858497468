"""A planted year, planned: which job runs where and when, between all that is planted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from wattline_collector.simulated.shape import DAY_MS, HOUR_MS
from wattline_collector.simulated.year.extent import TICK_MS, Extent
from wattline_collector.simulated.year.grants import COMMERCIAL, GRANTS, Grant
from wattline_collector.simulated.year.planted import Event, Planted, What, plant, rooms
from wattline_collector.simulated.year.work import (
    SERVED,
    TRAINED,
    Job,
    Model,
    Stage,
    plain,
    service,
    training,
)

COMMERCIAL_SHARE = 0.21
"""Part of the Union's access time that the commercial project uses: a point over the limit."""
UNION_SHARE = 0.45
"""About the Union's part of all time; the planted share makes it exact, see `papers`."""
_SHORTEST = 6
_SIZES = (1, 2, 4, 8, 16, 32)
_WEIGHTS = (0.36, 0.26, 0.18, 0.1, 0.07, 0.03)
_LARGEST_PART = 0.5
"""Of the large room: a job that needs all of it would leave it empty before."""


@dataclass(frozen=True, slots=True)
class Charged:
    """A job with whose it is.

    Attributes:
        job: The job.
        grant: Its project.
        user: Its owner.
        submit_ms: When it was submitted.
    """

    job: Job
    grant: Grant
    user: str
    submit_ms: int


@dataclass(frozen=True)
class Plan:
    """What happens in a planted year.

    Attributes:
        extent: What it was made from.
        planted: All that is planted beside jobs.
        charged: All jobs, in order of their start.
    """

    extent: Extent
    planted: Planted
    charged: tuple[Charged, ...]

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs, in order of their start."""
        return tuple(charged.job for charged in self.charged)


@dataclass
class _Unit:
    """A node, or a device of the shared node, and when it is free."""

    devices: tuple[int, ...]
    blocks: tuple[Event, ...]
    free_ms: int


@dataclass(frozen=True, slots=True)
class _Slot:
    units: list[_Unit]
    start_ms: int
    end_ms: int
    dies: bool

    @property
    def devices(self) -> tuple[int, ...]:
        return tuple(sorted(device for unit in self.units for device in unit.devices))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A job before it has a number; those of one `run` are one person's."""

    job: Job
    run: int


def plan(extent: Extent) -> Plan:
    """Plan a year; equal extents make equal plans, but for the holes in what is seen of them."""
    planted = plant(extent)
    drafts = [
        *_large(extent, planted), *_services(extent, planted), *_shared(extent, planted),
    ]  # fmt: skip
    drafts.sort(key=lambda draft: (draft.job.start_ms, draft.job.devices))
    jobs = [replace(draft.job, number=number) for number, draft in enumerate(drafts)]
    runs: dict[int, list[Job]] = {}
    for job, draft in zip(jobs, drafts, strict=True):
        runs.setdefault(draft.run, []).append(job)
    return Plan(extent, planted, tuple(_charged(extent, planted, runs)))


def _charged(extent: Extent, planted: Planted, runs: dict[int, list[Job]]) -> Iterator[Charged]:
    """Give every run a project and an owner, and its jobs a time of submission."""
    rng = Random(f"{extent.seed}/owners")
    installed = extent.nodes * extent.devices * extent.hours
    wanted = COMMERCIAL_SHARE * UNION_SHARE * installed
    sellable = [run for run, jobs in runs.items() if jobs[0].kind != "inference"]
    rng.shuffle(sellable)
    sold: set[int] = set()
    for run in sellable:
        hours = sum(job.gpu_hours for job in runs[run])
        if hours <= wanted:
            sold.add(run)
            wanted -= hours
    weights = [grant.weight for grant in GRANTS]
    charged = []
    for run, jobs in sorted(runs.items()):
        grant = COMMERCIAL if run in sold else rng.choices(GRANTS, weights)[0]
        user = f"{grant.organisation.split()[0].lower()}-{rng.randrange(grant.users) + 1}"
        for job in jobs:
            if job.run is not None:
                job = replace(job, run=f"run-{run}")
            ticks = round(rng.lognormvariate(0, 0.8) * grant.wait_hours * HOUR_MS / TICK_MS)
            charged.append(Charged(job, grant, user, job.start_ms - ticks * TICK_MS))
    yield from sorted(charged, key=lambda one: one.job.number)


def _large(extent: Extent, planted: Planted) -> Iterator[_Draft]:
    rng = Random(f"{extent.seed}/large")
    nodes = rooms(extent).large
    units = [
        _Unit(tuple(extent.devices_of(node)), planted.of_node(node), _opening(extent, rng))
        for node in nodes
    ]
    most = max(1, round(len(nodes) * _LARGEST_PART))
    run = 0
    while waiting := _soon(units, extent.end_ms):
        sizes = [size for size in _SIZES if size <= min(len(waiting), most)]
        size = rng.choices(sizes, _WEIGHTS[: len(sizes)])[0]
        ticks = round(rng.lognormvariate(0, 0.6) * (60 + 24 * size))
        slot = _slot(extent, waiting[:size], ticks)
        if slot is None:
            continue
        run += 1
        if rng.random() < 0.75:
            yield from _trained(extent, rng, slot, run)
        else:
            yield _Draft(_plain(rng, slot, "simulation"), run)
        _leave(slot, rng, 5)


def _trained(extent: Extent, rng: Random, slot: _Slot, run: int) -> Iterator[_Draft]:
    model = rng.choice(TRAINED)
    tells = rng.random() < 0.85
    parts = training(
        rng, model, len(slot.devices), extent.profile.peak_flops, slot.start_ms, slot.end_ms,
        dies=slot.dies, tells_steps=tells,
    )  # fmt: skip
    for part in parts:
        yield _Draft(
            Job(
                0, model.name, "training", part.outcome, slot.devices, part.stages,
                run="" if tells else None, resumed=part.resumed, replayed=part.replayed,
                lost_from_ms=part.lost_from_ms, model=model,
            ),
            run,
        )  # fmt: skip


def _plain(rng: Random, slot: _Slot, name: str) -> Job:
    stages = tuple(plain(rng, slot.start_ms, slot.end_ms))
    draw = rng.random()
    outcome = "completed"
    if slot.dies:
        outcome = "node_fail"
    elif draw < 0.08:
        outcome = "failed"
    elif draw < 0.16:
        outcome = "timeout"
    elif draw < 0.19:
        outcome = "preempted"
    lost = slot.start_ms if outcome in ("failed", "node_fail") else None
    return Job(0, name, "other", outcome, slot.devices, stages, lost_from_ms=lost)


def _services(extent: Extent, planted: Planted) -> Iterator[_Draft]:
    """Every service node serves one model, released anew every week or two."""
    for place, node in enumerate(rooms(extent).service):
        rng = Random(f"{extent.seed}/service/{node}")
        model: Model = SERVED[place % len(SERVED)]
        unit = _Unit(tuple(extent.devices_of(node)), planted.of_node(node), _opening(extent, rng))
        release = 0
        while _soon([unit], extent.end_ms):
            slot = _slot(extent, [unit], round(rng.uniform(6, 14) * DAY_MS / TICK_MS))
            if slot is None:
                continue
            stages = service(rng, model, len(slot.devices), slot.start_ms, slot.end_ms)
            release += 1
            outcome = "node_fail" if slot.dies else "completed"
            lost = slot.start_ms if slot.dies else None
            yield _Draft(
                Job(
                    0, f"serve-{model.name}", "inference", outcome, slot.devices, tuple(stages),
                    model=model, lost_from_ms=lost,
                ),
                1_000_000 + node * 10_000 + release,
            )  # fmt: skip
            _leave(slot, rng, 2)


def _shared(extent: Extent, planted: Planted) -> Iterator[_Draft]:
    rng = Random(f"{extent.seed}/shared")
    node = rooms(extent).shared
    units = []
    for device in extent.devices_of(node):
        lost = tuple(
            Event(What.RESERVED, "node", None, (node,), loss.start_ms, loss.end_ms)
            for loss in planted.losses
            if loss.device == device
        )
        blocks = sorted((*planted.of_node(node), *lost), key=lambda event: event.start_ms)
        units.append(_Unit((device,), tuple(blocks), _opening(extent, rng)))
    run = 2_000_000_000
    while waiting := _soon(units, extent.end_ms):
        slot = _slot(extent, waiting[: rng.choice((1, 1, 2))], rng.randrange(12, 90))
        if slot is None:
            continue
        run += 1
        yield _Draft(_plain(rng, slot, "notebook"), run)
        _leave(slot, rng, 6)


def _opening(extent: Extent, rng: Random) -> int:
    return extent.start_ms + rng.randrange(1, 12) * TICK_MS


def _soon(units: Sequence[_Unit], end_ms: int) -> list[_Unit]:
    """The unit that is free first, and those free within six hours; none when all is planned."""
    order = sorted(units, key=lambda unit: (unit.free_ms, unit.devices))
    first = order[0].free_ms
    if first > end_ms - _SHORTEST * TICK_MS:
        return []
    return [unit for unit in order if unit.free_ms <= first + 6 * HOUR_MS]


def _slot(extent: Extent, units: list[_Unit], ticks: int) -> _Slot | None:
    """When a job can run on these units; None after moving on a unit that cannot take it."""
    start = max(unit.free_ms for unit in units)
    until = start + max(_SHORTEST, ticks) * TICK_MS
    dies = False
    for unit in units:
        for event in unit.blocks:
            if event.start_ms <= start < event.end_ms:
                unit.free_ms = event.end_ms
                return None
            if event.what is not What.DRAIN and start < event.start_ms < until:
                until, dies = event.start_ms, event.kills
    until = min(until, extent.end_ms)
    if until - start < _SHORTEST * TICK_MS:
        for unit in units:
            unit.free_ms = max(unit.free_ms, until + TICK_MS)
        return None
    return _Slot(units, start, until, dies)


def _leave(slot: _Slot, rng: Random, ticks: int) -> None:
    """Free the units, some time after: between jobs a unit is cleaned, and waits."""
    for unit in slot.units:
        unit.free_ms = slot.end_ms + (1 + round(rng.expovariate(1 / ticks))) * TICK_MS


def stages_of(jobs: Sequence[Job]) -> Iterator[tuple[Job, Stage]]:
    """Every stage of every job."""
    return ((job, stage) for job in jobs for stage in job.stages)
