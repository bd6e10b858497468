"""A whole simulated factory, planned: its nodes, jobs and faults, and what each device does when.

Everything follows from the shape, seed included, so that the process that writes the month of
history, the one that plays the live agents, and the test that asks for the truth plan the same
factory without exchanging a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from wattline_collector.simulated.faults import Faults, Mishap, Outage, Spell, plant
from wattline_collector.simulated.jobs import Job
from wattline_collector.simulated.placement import place
from wattline_collector.simulated.segments import Life, life
from wattline_collector.simulated.shape import Shape


@dataclass(frozen=True)
class Schedule:
    """What happens in a simulated factory.

    Attributes:
        shape: What it was made from.
        faults: What goes wrong in it.
        jobs: All jobs, in order of their start.
    """

    shape: Shape
    faults: Faults
    jobs: tuple[Job, ...]
    _lives: dict[int, Life] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _jobs_by_device(self) -> dict[int, list[Job]]:
        holders: dict[int, list[Job]] = defaultdict(list)
        for job in self.jobs:
            for device in job.devices:
                holders[device].append(job)
        return holders

    @cached_property
    def jobs_by_reporter(self) -> dict[int, list[Job]]:
        """The jobs each node's agent reports on."""
        reported: dict[int, list[Job]] = defaultdict(list)
        for job in self.jobs:
            reported[job.reporter].append(job)
        return reported

    @cached_property
    def device_names(self) -> tuple[str, ...]:
        """The id of every device."""
        devices = self.shape.nodes * self.shape.devices
        return tuple(self.shape.device_name(device) for device in range(devices))

    def devices_of(self, node: int) -> range:
        """The devices of a node, counted over the factory."""
        return range(node * self.shape.devices, (node + 1) * self.shape.devices)

    def life(self, device: int) -> Life:
        """What a device does from the origin to the end."""
        known = self._lives.get(device)
        if known is None:
            known = life(self.shape, self.faults, device, self._jobs_by_device.get(device, []))
            self._lives[device] = known
        return known

    def jobs_of(self, device: int) -> list[Job]:
        """The jobs that hold a device at some time, in order."""
        return self._jobs_by_device.get(device, [])

    def silence(self, node: int, at_ms: int) -> Outage | None:
        """The silence a node is in at that time; null if it sends."""
        within = (s for s in self.faults.silences(node) if s.start_ms < at_ms < s.end_ms)
        return next(within, None)

    def spoken(self, node: int, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """The parts of a time in which a node sends; both ends of a part have a sample."""
        at = start_ms
        for silence in sorted(self.faults.silences(node), key=lambda silence: silence.start_ms):
            if silence.end_ms <= at or silence.start_ms >= end_ms:
                continue
            if silence.start_ms >= at:
                yield at, silence.start_ms
            at = silence.end_ms
        if at <= end_ms:
            yield at, end_ms


def plan(shape: Shape, more: Iterable[Outage | Spell | Mishap] = ()) -> Schedule:
    """Plan a factory; the same shape gives the same plan.

    Args:
        shape: What it is made from.
        more: Faults beside those that are planted in every factory.
    """
    faults = plant(shape).with_more(more)
    return Schedule(shape, faults, place(shape, faults))
