"""What is planted in a year beside its jobs: outages, failures, drains, lost devices, holes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from wattline_collector.simulated.shape import DAY_MS, HOUR_MS
from wattline_collector.simulated.year.extent import Extent

MARGIN_MS = 2 * DAY_MS
"""Between two things planted on one node."""
_TRIES = 200


class What(StrEnum):
    """What happens to nodes."""

    SCHEDULED = "scheduled"  # in the register, users were told: jobs end before it
    UNSCHEDULED = "unscheduled"  # in the register: jobs die with it
    FAILURE = "failure"  # the scheduler says that the node is down: its job dies with it
    DRAIN = "drain"  # the scheduler drains the node: its job goes on, none begins
    RESERVED = "reserved"  # kept free, so that a hole in the data has no job in it


class Hole(StrEnum):
    """What is missing of the data, of nodes or of a meter."""

    SILENT_FREE = "silent_free"  # a node without jobs sends nothing for days
    SILENT_BUSY = "silent_busy"  # a node sends nothing for days, in the middle of jobs
    NO_ACTIVITY = "no_activity"  # the activity of a node's devices is not measured for days
    NO_METER = "no_meter"  # the IT meter was not read for some weeks


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to nodes.

    Attributes:
        what: What.
        scope: `system`, `rack` or `node`, as a register says it.
        name: Which rack or node; None: the system.
        nodes: The nodes, counted over the factory.
        start_ms: Since when; on an hour.
        end_ms: Until when.
    """

    what: What
    scope: str
    name: str | None
    nodes: tuple[int, ...]
    start_ms: int
    end_ms: int

    @property
    def kills(self) -> bool:
        """Whether jobs die with it."""
        return self.what in (What.UNSCHEDULED, What.FAILURE)

    @property
    def powers_off(self) -> bool:
        """Whether its nodes neither draw power nor send anything."""
        return self.kills


@dataclass(frozen=True, slots=True)
class Loss:
    """A device of the shared node that does not answer; no job is given it meanwhile."""

    device: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A hole in the data of a node; of the meter where `node` is None."""

    hole: Hole
    node: int | None
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Planted:
    """All that is planted.

    Attributes:
        events: What happens to nodes; those of one node are apart.
        losses: Devices that are lost.
        missing: Holes in the data.
    """

    events: tuple[Event, ...]
    losses: tuple[Loss, ...]
    missing: tuple[Missing, ...]

    def of_node(self, node: int) -> tuple[Event, ...]:
        """What happens to a node, in order."""
        mine = (event for event in self.events if node in event.nodes)
        return tuple(sorted(mine, key=lambda event: event.start_ms))


@dataclass(frozen=True, slots=True)
class Rooms:
    """What each node is for: large jobs, services, or single devices."""

    large: range
    service: range
    shared: int


def rooms(extent: Extent) -> Rooms:
    """Divide the nodes: the first for large jobs, then services, and the last is shared."""
    services = max(1, round(extent.nodes * 0.18))
    first = extent.nodes - 1 - services
    return Rooms(range(first), range(first, extent.nodes - 1), extent.nodes - 1)


def plant(extent: Extent) -> Planted:
    """Plant everything, by the seed."""
    rng = Random(f"{extent.seed}/planted")
    divided = rooms(extent)
    every = tuple(range(extent.nodes))
    events: list[Event] = []

    def add(what: What, scope: str, name: str | None, nodes: Iterable[int], start_ms: int,
            hours: float) -> bool:  # fmt: skip
        end_ms = start_ms + round(hours) * HOUR_MS
        event = Event(what, scope, name, tuple(nodes), start_ms, end_ms)
        inside = extent.start_ms + DAY_MS <= start_ms and end_ms + DAY_MS <= extent.end_ms
        if not inside or any(_near(event, other) for other in events):
            return False
        events.append(event)
        return True

    maintenances = max(1, round(extent.days / 91))
    for place in range(maintenances):
        add(What.SCHEDULED, "system", None, every, extent.at((place + 0.5) / maintenances), 12)
    outages = max(1, round(extent.days / 180))
    for place in range(outages):
        add(What.UNSCHEDULED, "system", None, every, extent.at((place + 0.2) / outages), 5)
    rack = extent.shape.rack_of(extent.nodes // 3)
    of_rack = [node for node in every if extent.shape.rack_of(node) == rack]
    add(What.UNSCHEDULED, "rack", extent.shape.rack_name(rack), of_rack, extent.at(0.64), 8)
    repaired = divided.large[-1]
    add(What.SCHEDULED, "node", extent.node_names[repaired], [repaired], extent.at(0.36), 24)

    reserved = divided.large[1]
    days = max(2, round(extent.days * 0.02))
    # Wherever there is room for it: a year has a stretch without any outage of the system.
    places = (0.84, 0.8, 0.76, 0.72, 0.56, 0.44, 0.3)
    next(p for p in places
         if add(What.RESERVED, "node", None, [reserved], extent.at(p), days * 24))  # fmt: skip

    node_years = extent.nodes * extent.days / 365
    for what, a_year, least, most in (
        (What.FAILURE, 1.5, 3.0, 30.0),
        (What.DRAIN, 1.0, 6.0, 40.0),
    ):
        left = max(2, round(node_years * a_year))
        for _ in range(_TRIES * left):
            node = rng.randrange(divided.shared)
            if add(what, "node", extent.node_names[node], [node], extent.at(rng.random()),
                   rng.uniform(least, most)):  # fmt: skip
                left -= 1
            if not left:
                break
    shared = extent.devices_of(divided.shared)
    lost_ms, long_ms = extent.at(0.6), max(1, extent.days // 60) * DAY_MS
    losses = (Loss(shared[-1], lost_ms, lost_ms + long_ms),)
    missing: tuple[Missing, ...] = ()
    if extent.holes:
        free = next(event for event in events if event.what is What.RESERVED)
        silent, blind = divided.large[-2], divided.large[0]
        days = max(3, round(extent.days * 0.012))
        missing = (
            Missing(Hole.SILENT_FREE, reserved, free.start_ms, free.end_ms),
            Missing(Hole.SILENT_BUSY, silent, extent.at(0.12), extent.at(0.12) + days * DAY_MS),
            Missing(Hole.NO_ACTIVITY, blind, extent.at(0.43), extent.at(0.43) + 2 * days * DAY_MS),
            Missing(Hole.NO_METER, None, *meter_gap(extent)),
        )
    return Planted(tuple(sorted(events, key=lambda e: e.start_ms)), losses, missing)


def meter_gap(extent: Extent) -> tuple[int, int]:
    """When the IT meter was not read: some of the weeks that meters are read by."""
    week = 7 * DAY_MS
    first = extent.start_ms + (extent.days * 3 // 5) // 7 * week
    return first, first + max(1, extent.days // 120) * week


def _near(event: Event, other: Event) -> bool:
    if not set(event.nodes) & set(other.nodes):
        return False
    return event.start_ms < other.end_ms + MARGIN_MS and other.start_ms < event.end_ms + MARGIN_MS
