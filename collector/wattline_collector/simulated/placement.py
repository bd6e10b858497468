"""Which job runs where and when: a scheduler good enough to fill a simulated factory.

A room's units (nodes, or single devices of a shared node) each have a time from which they are
free. Again and again the unit that is free first is taken, together with others that are free soon
after, and given to the largest job drawn for them. So large jobs come and go, and units wait for
one another, as they do in reality.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from wattline_collector.simulated import workloads
from wattline_collector.simulated.faults import Fault, Faults, Outage, Reservation, rooms
from wattline_collector.simulated.jobs import Job, Stage
from wattline_collector.simulated.shape import HOUR_MS, MINUTE_MS, Shape
from wattline_collector.simulated.workloads import Model

SHORTEST_MS = 12 * MINUTE_MS
WAIT_MS = 3 * HOUR_MS
"""How long a free unit waits for others, so that a large job can start."""

UNHEARD_MS = 5 * MINUTE_MS
"""A job on a silent node ends at least this long before the node speaks again."""

NODE_SIZES = (1, 2, 4, 8, 16)
_NODE_WEIGHTS = (0.38, 0.26, 0.2, 0.12, 0.08)
_TYPICAL_HOURS = {1: 7.0, 2: 11.0, 4: 16.0, 8: 26.0, 16: 44.0}

DEVICE_SIZES = (1, 2, 4)
_DEVICE_WEIGHTS = (0.5, 0.3, 0.2)


@dataclass
class _Unit:
    """A node, or a device of a shared node, and when it is free."""

    devices: tuple[int, ...]
    node: int
    outages: tuple[Outage, ...]
    free_ms: int
    reservations: tuple[Reservation, ...] = ()


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where and when a job can run, and whether it is cut short."""

    start_ms: int
    end_ms: int
    fails: bool
    unseen: bool
    """Some of its time is on a node that sends nothing, and it has no other."""


def place(shape: Shape, faults: Faults) -> tuple[Job, ...]:
    """All jobs of a factory from its origin to its end, in order of their start."""
    divided = rooms(shape)
    drafts: list[_Draft] = []
    drafts += _large(shape, faults, divided.whole)
    drafts += _hung(shape, faults)
    drafts += _services(shape, faults, divided.service)
    for node in divided.shared:
        drafts += _shared(shape, faults, node)
    drafts.sort(key=lambda draft: (draft.start_ms, draft.devices))
    number = 400_000 + Random(f"{shape.seed}/numbers").randrange(90_000)
    jobs = []
    for draft in drafts:
        # Other people's jobs, on partitions that are not looked at, take numbers too.
        number += 1 + Random(f"{shape.seed}/number/{number}").randrange(9)
        jobs.append(draft.to_job(str(number), shape, faults))
    return tuple(jobs)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A job before it has a number."""

    name: str
    kind: str
    outcome: str
    devices: tuple[int, ...]
    stages: list[Stage]

    @property
    def start_ms(self) -> int:
        return self.stages[0].start_ms

    def to_job(self, key: str, shape: Shape, faults: Faults) -> Job:
        start, end = self.stages[0].start_ms, self.stages[-1].end_ms
        nodes = list(dict.fromkeys(device // shape.devices for device in self.devices))
        speaking = [
            node
            for node in nodes
            if not any(silence.overlaps(start, end) for silence in faults.silences(node))
        ]
        racks = {shape.rack_of(node) for node in nodes}
        heats = [heat for heat in faults.heats if heat.rack in racks]
        rng = Random(f"{shape.seed}/owner/{key}")
        call = rng.choice(("AIF-2026PG01", "AIF-2026FA02", "AIF-2026LS01", "DEV-2026D04"))
        return Job(
            key=key,
            name=self.name,
            kind=self.kind,
            project=f"EHPC-{call}-{_PROJECTS[call][rng.randrange(4)]}",
            user=f"sim-user-{rng.randrange(1, 24):02d}",
            outcome=self.outcome,
            devices=self.devices,
            stages=workloads.paced(workloads.heated(self.stages, heats), shape.profile.peak_flops),
            reporter=(speaking or nodes)[0],
        )


_PROJECTS = {
    "AIF-2026PG01": (1124, 1187, 1203, 1266),
    "AIF-2026FA02": (2011, 2045, 2078, 2090),
    "AIF-2026LS01": (3008, 3017, 3042, 3061),
    "DEV-2026D04": (4102, 4119, 4133, 4150),
}


def _large(shape: Shape, faults: Faults, nodes: Sequence[int]) -> Iterator[_Draft]:
    rng = Random(f"{shape.seed}/large")
    units = [_node_unit(shape, faults, node, rng) for node in nodes]
    first = True
    while units:
        waiting = _soon(units, shape.end_ms)
        if not waiting:
            return
        sizes = [size for size in NODE_SIZES if size <= len(waiting)]
        size = sizes[-1] if first else rng.choices(sizes, _NODE_WEIGHTS[: len(sizes)])[0]
        hours = rng.lognormvariate(0, 0.5) * _TYPICAL_HOURS[size]
        if first:
            hours = min(hours, 30.0)
        first = False
        slot = _slot(waiting[:size], round(hours * 60) * MINUTE_MS, shape.end_ms)
        if slot is None:
            continue
        taken = waiting[:size]
        devices = tuple(sorted(device for unit in taken for device in unit.devices))
        draw, failing, hanging = rng.random(), rng.random(), rng.random()
        fails, hangs = slot.fails, False
        length = slot.end_ms - slot.start_ms
        if slot.unseen or draw < 0.1:
            name, kind = rng.choice(workloads.OTHERS), "other"
            stages = workloads.steady(rng, slot.start_ms, slot.end_ms)
        elif draw < 0.17 and size <= 2:
            model, kind = rng.choice(workloads.GENERATIONS), "inference"
            name = model.name
            stages = workloads.generation(rng, model, len(devices), slot.start_ms, slot.end_ms)
        else:
            models = workloads.LARGE_TRAININGS if size >= 4 else workloads.SMALL_TRAININGS
            model, kind = rng.choice(models), "training"
            name = model.name
            hangs = hanging < 0.06 and length > 8 * HOUR_MS and not fails
            stages = workloads.training(
                rng, model, len(devices), slot.start_ms, slot.end_ms, hangs=hangs
            )
            fails = fails or (failing < 0.08 and not hangs)
        outcome = "failed" if fails else "cancelled" if hangs else "completed"
        _occupy(taken, slot, rng, pause_minutes=62)
        yield _Draft(name, kind, outcome, devices, stages)


def _hung(shape: Shape, faults: Faults) -> Iterator[_Draft]:
    """Jobs that stop working and hold on to their node until somebody ends them."""
    for place in faults.reservations:
        if place.hangs_ms is None:
            continue
        rng = Random(f"{shape.seed}/hung/{place.node}")
        first = place.node * shape.devices
        devices = tuple(range(first, first + shape.devices))
        model = rng.choice(workloads.SMALL_TRAININGS)
        stages = workloads.training(
            rng, model, len(devices), place.start_ms, place.hangs_ms, hangs=False
        )
        stages.append(workloads.hung(stages[-1], place.end_ms))
        yield _Draft(model.name, "training", "cancelled", devices, stages)


def _shared(shape: Shape, faults: Faults, node: int) -> Iterator[_Draft]:
    rng = Random(f"{shape.seed}/shared/{node}")
    first = node * shape.devices
    units = [
        _Unit(
            (device,),
            node,
            (*faults.silences(node), *faults.losses(device)),
            _opening(shape, rng, 40),
        )
        for device in range(first, first + shape.devices)
    ]
    while True:
        waiting = _soon(units, shape.end_ms)
        if not waiting:
            return
        sizes = [size for size in DEVICE_SIZES if size <= len(waiting)]
        size = rng.choices(sizes, _DEVICE_WEIGHTS[: len(sizes)])[0]
        kind_draw = rng.random()
        interactive = kind_draw < 0.18
        hours = rng.uniform(3, 9) if interactive else _short_hours(rng)
        slot = _slot(waiting[:size], round(hours * 60) * MINUTE_MS, shape.end_ms)
        if slot is None:
            continue
        taken = waiting[:size]
        devices = tuple(sorted(unit.devices[0] for unit in taken))
        kind = "other"
        if interactive:
            name = rng.choice(workloads.NOTEBOOKS)
            stages = workloads.notebook(rng, slot.start_ms, slot.end_ms)
        elif kind_draw < 0.4 or slot.unseen:
            name = rng.choice(workloads.OTHERS)
            stages = workloads.steady(rng, slot.start_ms, slot.end_ms)
        else:
            model, kind = rng.choice(workloads.TUNINGS), "training"
            name = model.name
            stages = workloads.training(rng, model, size, slot.start_ms, slot.end_ms, hangs=False)
        failed = slot.fails or rng.random() < 0.07
        _occupy(taken, slot, rng, pause_minutes=34)
        yield _Draft(name, kind, "failed" if failed else "completed", devices, stages)


def _services(shape: Shape, faults: Faults, nodes: Sequence[int]) -> Iterator[_Draft]:
    rng = Random(f"{shape.seed}/services")
    free = [
        device
        for node in nodes
        for device in range(node * shape.devices, (node + 1) * shape.devices)
    ]
    half = max(1, shape.devices // 2)
    sizes = {"serve-chat-70b": 2 * shape.devices, "serve-embed-7b": half, workloads.PILOT: half}
    number = 0
    while free:
        model = workloads.SERVICES[number % len(workloads.SERVICES)]
        number += 1
        size = min(len(free), sizes.get(model.name, shape.devices))
        devices, free = tuple(free[:size]), free[size:]
        yield from _releases(shape, rng, model, devices)


def _releases(
    shape: Shape, rng: Random, model: Model, devices: tuple[int, ...]
) -> Iterator[_Draft]:
    """A service runs for days, is replaced by its next version, and so on."""
    at = _opening(shape, rng, 30)
    while at < shape.end_ms - SHORTEST_MS:
        # Ends on the hour and begins soon after, so that a quiet hour is never a few minutes.
        until = at + round(rng.uniform(4, 11) * 24) * HOUR_MS
        until = min(shape.end_ms, until - until % HOUR_MS)
        stages = workloads.service(rng, model, len(devices), at, until)
        yield _Draft(model.name, "inference", "completed", devices, stages)
        at = until + round(rng.uniform(6, 25)) * MINUTE_MS


def _short_hours(rng: Random) -> float:
    return rng.uniform(0.25, 0.8) if rng.random() < 0.35 else rng.uniform(1, 7)


def _opening(shape: Shape, rng: Random, most_minutes: float) -> int:
    return shape.origin_ms + (1 + round(rng.uniform(0, most_minutes))) * MINUTE_MS


def _node_unit(shape: Shape, faults: Faults, node: int, rng: Random) -> _Unit:
    devices = tuple(range(node * shape.devices, (node + 1) * shape.devices))
    outages = faults.silences(node) + tuple(o for d in devices for o in faults.losses(d))
    reserved = tuple(place for place in faults.reservations if place.node == node)
    return _Unit(devices, node, outages, _opening(shape, rng, 50), reserved)


def _soon(units: Sequence[_Unit], end_ms: int) -> list[_Unit]:
    """The unit that is free first, and those free not long after; none when all are planned."""
    order = sorted(units, key=lambda unit: (unit.free_ms, unit.devices))
    first = order[0].free_ms
    if first > end_ms - SHORTEST_MS:
        return []
    return [unit for unit in order if unit.free_ms <= first + WAIT_MS]


def _slot(units: Sequence[_Unit], length_ms: int, end_ms: int) -> _Slot | None:
    """When a job can run on these units; null after moving on a unit that cannot take it.

    A job whose device is lost fails at that moment, and the node is drained until it is back. A job
    on a node that falls silent goes on, as jobs do; but it ends before the node speaks again, so
    that what happened meanwhile stays without any evidence.
    """
    start = max(unit.free_ms for unit in units)
    until = start + max(SHORTEST_MS, length_ms)
    fails = False
    for unit in units:
        for outage in unit.outages:
            if outage.fault is Fault.LOST and outage.start_ms <= start < outage.end_ms:
                unit.free_ms = outage.end_ms
                return None
            if outage.fault is Fault.LOST and start < outage.start_ms < until:
                until, fails = outage.start_ms, True
            latest = outage.end_ms - UNHEARD_MS
            if outage.fault is Fault.SILENT and start < outage.end_ms and latest < until:
                if latest - start < SHORTEST_MS:
                    unit.free_ms = outage.end_ms
                    return None
                until, fails = latest, False
        for place in unit.reservations:
            if place.start_ms <= start < place.end_ms:
                unit.free_ms = place.end_ms
                return None
            if start < place.start_ms < until:
                until, fails = place.start_ms, False
    # What still runs at the end of the plan is cut there: the plan ends, not the job.
    until = min(until, end_ms)
    if until - start < SHORTEST_MS:
        for unit in units:
            unit.free_ms = max(unit.free_ms, until + 2 * MINUTE_MS)
        return None
    silent = [
        any(o.fault is Fault.SILENT and o.overlaps(start, until) for o in unit.outages)
        for unit in units
    ]
    return _Slot(start, until, fails, all(silent))


def _occupy(units: Sequence[_Unit], slot: _Slot, rng: Random, *, pause_minutes: float) -> None:
    """Take the units, and some time after: between jobs a unit is cleaned, and waits."""
    for unit in units:
        pause = 2 + round(rng.expovariate(1 / pause_minutes))
        unit.free_ms = slot.end_ms + pause * MINUTE_MS
