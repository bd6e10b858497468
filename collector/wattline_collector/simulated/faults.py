"""The faults planted in a simulated factory, so that books and pages have something to find.

Each kind is planted twice: once in the history, at a fixed share of its length, and once around the
present, so that the live pages show it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from wattline_collector.simulated.shape import HOUR_MS, MINUTE_MS, Shape


class Fault(StrEnum):
    """What goes wrong with a node, a device or a rack."""

    SILENT = "silent"
    LOST = "lost"
    HOT = "hot"
    FROZEN = "frozen"
    RESET = "reset"
    XID = "xid"


@dataclass(frozen=True, slots=True)
class Outage:
    """A node that sends nothing, or a device that does not answer, from a start until an end.

    Attributes:
        fault: Which of the two.
        node: The node, counted over the factory.
        device: The device, counted over the factory; null: the whole node.
        start_ms: Its first moment.
        end_ms: Its end.
    """

    fault: Fault
    node: int
    device: int | None
    start_ms: int
    end_ms: int

    def overlaps(self, start_ms: int, end_ms: int) -> bool:
        """Whether any part of it lies in that time."""
        return self.start_ms < end_ms and start_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Heat:
    """A stretch in which a rack is too warm, and its working devices are slowed.

    Attributes:
        rack: The rack, counted from 0.
        start_ms: Its first moment.
        end_ms: Its end.
        share: Share of time heat holds the clocks back.
    """

    rack: int
    start_ms: int
    end_ms: int
    share: float


@dataclass(frozen=True, slots=True)
class Spell:
    """A rack that grows too warm, stays so, and cools down again.

    Attributes:
        rack: The rack, counted from 0.
        start_ms: Its first moment.
        end_ms: Its end.
        share: Share of time heat holds the clocks back at its height.
    """

    rack: int
    start_ms: int
    end_ms: int
    share: float

    @property
    def heats(self) -> tuple[Heat, ...]:
        """Its parts, each with one share."""
        edge = max(MINUTE_MS, (self.end_ms - self.start_ms) // 8 // MINUTE_MS * MINUTE_MS)
        rising, falling = self.start_ms + edge, self.end_ms - edge
        return (
            Heat(self.rack, self.start_ms, rising, self.share / 2),
            Heat(self.rack, rising, falling, self.share),
            Heat(self.rack, falling, self.end_ms, self.share / 2),
        )


@dataclass(frozen=True, slots=True)
class Mishap:
    """What goes wrong with the readings of a device that goes on working.

    Attributes:
        fault: `frozen` (its power sensor stands still), `reset` (its counters begin again) or
            `xid` (the driver reports an error).
        device: The device, counted over the factory.
        start_ms: When it happens.
        end_ms: Until when it lasts; its start where it is over at once.
        code: Number of the XID.
    """

    fault: Fault
    device: int
    start_ms: int
    end_ms: int
    code: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """A stretch in which a node is kept from other jobs.

    Attributes:
        node: The node, counted over the factory.
        start_ms: Its first moment.
        end_ms: Its end.
        hangs_ms: When the one job on it stops working and holds on; null: the node stays free.
    """

    node: int
    start_ms: int
    end_ms: int
    hangs_ms: int | None


@dataclass(frozen=True, slots=True)
class Faults:
    """All that is planted."""

    outages: tuple[Outage, ...]
    spells: tuple[Spell, ...]
    reservations: tuple[Reservation, ...] = ()
    mishaps: tuple[Mishap, ...] = ()

    @property
    def heats(self) -> tuple[Heat, ...]:
        """All parts of all warm spells."""
        return tuple(heat for spell in self.spells for heat in spell.heats)

    def silences(self, node: int) -> tuple[Outage, ...]:
        """When a node sends nothing."""
        return tuple(o for o in self.outages if o.fault is Fault.SILENT and o.node == node)

    def mishaps_of(self, device: int) -> tuple[Mishap, ...]:
        """What goes wrong with a device's readings."""
        return tuple(mishap for mishap in self.mishaps if mishap.device == device)

    def with_more(self, more: Iterable[Outage | Spell | Mishap]) -> Faults:
        """These and others."""
        faults = list(more)
        return replace(
            self,
            outages=(*self.outages, *(one for one in faults if isinstance(one, Outage))),
            spells=(*self.spells, *(one for one in faults if isinstance(one, Spell))),
            mishaps=(*self.mishaps, *(one for one in faults if isinstance(one, Mishap))),
        )

    def losses(self, device: int) -> tuple[Outage, ...]:
        """When a device does not answer."""
        return tuple(o for o in self.outages if o.fault is Fault.LOST and o.device == device)


@dataclass(frozen=True, slots=True)
class Rooms:
    """What each node is for; all are counted over the factory.

    Attributes:
        whole: Nodes given as a whole to large jobs.
        service: Nodes that serve inference.
        shared: Nodes whose devices are given out one by one.
    """

    whole: tuple[int, ...]
    service: tuple[int, ...]
    shared: tuple[int, ...]


def rooms(shape: Shape) -> Rooms:
    """Divide the nodes: the first for large jobs, then services, the last shared."""
    shared = 1 if shape.nodes < 8 else round(shape.nodes * 0.09)
    service = 0 if shape.nodes < 3 else max(1, round(shape.nodes * 0.19))
    first_service = shape.nodes - shared - service
    first_shared = shape.nodes - shared
    return Rooms(
        tuple(range(first_service)),
        tuple(range(first_service, first_shared)),
        tuple(range(first_shared, shape.nodes)),
    )


def plant(shape: Shape) -> Faults:
    """Place the faults; what does not fit into a short history is left out."""
    divided = rooms(shape)
    length = shape.present_ms - shape.start_ms
    outages: list[Outage] = []
    spells: list[Spell] = []

    def at(share: float) -> int:
        return (shape.start_ms + round(length * share)) // MINUTE_MS * MINUTE_MS

    def of_history(share: float, most_hours: float) -> int:
        return min(round(length * share), round(most_hours * HOUR_MS)) // MINUTE_MS * MINUTE_MS

    def silent(node: int, start_ms: int, end_ms: int) -> None:
        outages.append(Outage(Fault.SILENT, node, None, start_ms, end_ms))

    def lost(node: int, place: int, start_ms: int, end_ms: int) -> None:
        device = node * shape.devices + place % shape.devices
        outages.append(Outage(Fault.LOST, node, device, start_ms, end_ms))

    def hot(rack: int, start_ms: int, end_ms: int, share: float) -> None:
        spells.append(Spell(rack, start_ms, end_ms, share))

    whole, shared = divided.whole, divided.shared
    if length >= 12 * HOUR_MS:
        if whole:
            silent(whole[len(whole) // 3], at(0.40), at(0.40) + of_history(0.12, 31))
            lost(whole[len(whole) // 2], 5, at(0.60), at(0.60) + of_history(0.09, 22))
        hot(
            shape.rack_of(shape.nodes // 2),
            at(0.72),
            at(0.72) + of_history(0.08, 7.5),
            0.6,
        )

    def ago(minutes: int) -> int:
        return max(shape.start_ms, shape.present_ms - minutes * MINUTE_MS)

    def ahead(minutes: int) -> int:
        return min(shape.end_ms, shape.present_ms + minutes * MINUTE_MS)

    if whole and shape.nodes > 1:
        silent(whole[len(whole) * 2 // 3], ago(38), ahead(9 * 60))
    lost(shared[0], 3, ago(105), ahead(11 * 60))
    hot(shape.rack_of(shape.nodes // 4), ago(55), ahead(4 * 60), 0.66)
    # Whatever the time of day, somebody holds a node for nothing, and a node is free.
    reservations: list[Reservation] = []
    if len(whole) >= 5:
        reservations = [
            Reservation(whole[1], ago(7 * 60), ahead(7 * 60), ago(150)),
            Reservation(whole[-1], ago(80), ahead(5 * 60), None),
        ]
    return Faults(tuple(outages), tuple(spells), tuple(reservations))
