"""A simulated factory some of whose nodes and devices ail: what early warning would look at.

The factory's own schedule says what every device does; here each of its hours is summed up as the
books would, in closed form, with the noise of sensors on it, and with what was planted. Events come
at random at a fleet's rate, in bursts as real ones do, and more often on nodes that are lemons. So
a month of a factory is made in seconds, and it is known who ails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

import polars as pl

from wattline_collector.simulated.schedule import Schedule
from wattline_collector.simulated.segments import Segment, State
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS
from wattline_collector.warning.drift import HOURS
from wattline_collector.warning.finding import DRIFTS, LEMONS, Kind
from wattline_collector.warning.gather import Evidence
from wattline_collector.warning.lemons import EVENTS, EXPOSURE

A_NODE_YEAR: Mapping[Kind, float] = MappingProxyType(
    {Kind.XID: 2.0, Kind.ECC: 0.5, Kind.LOST: 0.7, Kind.OUTAGE: 1.5, Kind.JOB_FAILURE: 2.5}
)
"""Incidents of a node in a year on a fleet in which nothing is wrong; round figures."""
_BURST = 4.0
"""Mean events of an incident."""
_WATTS_NOISE, _CELSIUS_NOISE, _HERTZ_NOISE = 0.01, 0.7, 0.004
"""Standard deviations of an hour's mean power and clock (shares), and of its temperature."""
_DAY_NOISE = 0.008
"""And of what a device's whole day is off by: its work is not quite that of its peers."""

SIZES: Mapping[Kind, float] = MappingProxyType(
    {
        Kind.POWER: 0.10,
        Kind.TEMPERATURE: 8.0,
        Kind.THROTTLE: 0.12,
        Kind.CLOCK: 0.08,
        **dict.fromkeys(LEMONS, 20.0),
    }
)
"""How much is planted, if nothing else is said: a share, degrees, a share of time, a share; and of
events how many times the fleet's rate."""


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is planted.

    Attributes:
        kind: What ails.
        node: Which node, counted over the factory.
        device: Which device, counted over the factory; of events: which of the node's shows them.
        start_ms: Since when.
        size: How much, as `SIZES`.
    """

    kind: Kind
    node: int
    device: int
    start_ms: int
    size: float


def planted(
    schedule: Schedule,
    rng: Random,
    kinds: Sequence[Kind] = tuple(Kind),
    a_kind: int = 1,
    size: float = 1.0,
) -> list[Ailment]:
    """So many ailments of each kind, each on a node of its own, as far as there are nodes.

    Drift begins somewhere in the middle of the time, events come more often all of it.

    Args:
        schedule: Of the factory.
        rng: Chooses nodes, devices and times.
        kinds: Of which kinds.
        a_kind: How many of each.
        size: How large, in times of `SIZES`.
    """
    shape = schedule.shape
    nodes = rng.sample(range(shape.nodes), min(shape.nodes, a_kind * len(kinds)))
    length = shape.present_ms - shape.start_ms
    found = []
    for place, node in enumerate(nodes):
        kind = kinds[place % len(kinds)]
        device = node * shape.devices + rng.randrange(shape.devices)
        share = rng.uniform(0.35, 0.6) if kind in DRIFTS else 0.0
        start = shape.start_ms + round(length * share)
        found.append(Ailment(kind, node, device, start, SIZES[kind] * size))
    return found


def evidence(
    schedule: Schedule, ailments: Sequence[Ailment], rng: Random, *, with_hours: bool = True
) -> Evidence:
    """What early warning would look at.

    Args:
        schedule: Of the factory.
        ailments: What is planted.
        rng: Makes events and noise.
        with_hours: Whether hours of devices are wanted; without, only events are looked at.
    """
    shape = schedule.shape
    events = list(_events(schedule, ailments, rng))
    days = (shape.present_ms - shape.start_ms) / DAY_MS
    exposure = [
        {"kind": kind.value, "system": shape.system, "node": shape.node_name(node), "days": days}
        for kind in LEMONS
        for node in range(shape.nodes)
    ]
    columns: dict[str, list[object]] = {name: [] for name in HOURS}
    for device in range(shape.nodes * shape.devices if with_hours else 0):
        mine = [one for one in ailments if one.device == device and one.kind in DRIFTS]
        for row in _hours(schedule, device, mine, rng):
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return Evidence(
        shape.start_ms,
        shape.present_ms,
        pl.DataFrame(events, schema=EVENTS, orient="row"),
        pl.DataFrame(exposure, schema=EXPOSURE),
        pl.DataFrame(columns, schema=HOURS),
    )


def _events(
    schedule: Schedule, ailments: Sequence[Ailment], rng: Random
) -> Iterator[tuple[object, ...]]:
    shape = schedule.shape
    lemons = {(one.kind, one.node): one for one in ailments if one.kind in LEMONS}
    for kind in LEMONS:
        for node in range(shape.nodes):
            lemon = lemons.get((kind, node))
            rate = A_NODE_YEAR[kind] * (1.0 if lemon is None else lemon.size) / (365 * DAY_MS)
            at = float(shape.start_ms)
            while True:
                at += rng.expovariate(rate)
                if at >= shape.present_ms:
                    break
                slot = rng.randrange(shape.devices)
                device = node * shape.devices + slot if lemon is None else lemon.device
                has_device = kind in (Kind.XID, Kind.ECC, Kind.LOST)
                owner = f"p{rng.randrange(20)}" if kind is Kind.JOB_FAILURE else None
                what = f"XID {rng.choice((48, 74, 79, 94))}" if kind is Kind.XID else kind.value
                moment = at
                for _ in range(1 + int(rng.expovariate(1 / _BURST))):
                    yield (
                        kind.value, shape.system, shape.node_name(node),
                        schedule.device_names[device] if has_device else None,
                        round(moment), what, owner,
                    )  # fmt: skip
                    moment += rng.expovariate(1 / 600_000)


def _hours(
    schedule: Schedule, device: int, ailments: Sequence[Ailment], rng: Random
) -> Iterator[tuple[object, ...]]:
    """Hours in which one job works on a device all the time."""
    shape = schedule.shape
    node = device // shape.devices
    names = (shape.system, shape.node_name(node), schedule.device_names[device],
             shape.profile.model, shape.rack_name(shape.rack_of(node)))  # fmt: skip
    day, off = -1, 0.0
    for hour_ms, parts in _whole_hours(schedule, device):
        if hour_ms // DAY_MS != day:
            day, off = hour_ms // DAY_MS, rng.gauss(0, _DAY_NOISE)
        seconds = HOUR_MS / 1000
        joules = sum(part.joules(high) - part.joules(low) for part, low, high in parts)
        active = sum(
            part.active_seconds(high) - part.active_seconds(low) for part, low, high in parts
        )
        warmest = max(part.terms.rest_celsius + part.terms.celsius_swing for part, _, _ in parts)
        held = sum(part.terms.thermal * (high - low) for part, low, high in parts) / HOUR_MS
        hertz = sum(part.terms.hertz * (high - low) for part, low, high in parts) / HOUR_MS
        more = {one.kind: one.size for one in ailments if one.start_ms <= hour_ms}
        throttle = more.get(Kind.THROTTLE, 0.0)
        watts = joules / seconds * (1 + more.get(Kind.POWER, 0.0))
        job = parts[0][0].job
        yield (
            *names,
            None if job is None else job.key,
            hour_ms,
            active / seconds,
            watts * (1 + off) * rng.gauss(1, _WATTS_NOISE),
            warmest + more.get(Kind.TEMPERATURE, 0.0) + rng.gauss(0, _CELSIUS_NOISE),
            min(1.0, held + throttle),
            hertz * (1 - more.get(Kind.CLOCK, 0.0)) * (1 - 0.3 * throttle)
            * rng.gauss(1, _HERTZ_NOISE),
        )  # fmt: skip


def _whole_hours(
    schedule: Schedule, device: int
) -> Iterator[tuple[int, list[tuple[Segment, int, int]]]]:
    shape = schedule.shape
    first = -(-shape.start_ms // HOUR_MS) * HOUR_MS
    life = schedule.life(device)
    node = device // shape.devices
    for hour_ms in range(first, shape.present_ms - HOUR_MS + 1, HOUR_MS):
        parts = list(life.within(hour_ms, hour_ms + HOUR_MS))
        at_work = all(part.state is State.WORKING for part, _, _ in parts)
        if at_work and len({id(part.job) for part, _, _ in parts}) == 1:
            if schedule.silence(node, hour_ms + HOUR_MS // 2) is None:
                yield hour_ms, parts
