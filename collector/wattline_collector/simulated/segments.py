"""The life of one device as consecutive segments, from the jobs that hold it and its faults."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby, pairwise
from random import Random

from wattline_agents.sources.simulated import physics
from wattline_agents.sources.simulated.physics import FLOATS, Terms
from wattline_agents.sources.simulated.profile import Profile
from wattline_collector.simulated.faults import Faults, Heat, Outage
from wattline_collector.simulated.jobs import GRACE_MS, Job, Stage
from wattline_collector.simulated.shape import Shape


class State(StrEnum):
    """What a device is doing, as the ledger should find it."""

    FREE = "free"
    HELD = "held"
    WORKING = "working"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a device's life in which nothing changes but the wave around its level.

    Attributes:
        start_ms: Its start; a sample at this very moment still belongs to the segment before,
            because a sample describes the interval that ends with it.
        end_ms: Its end.
        state: What the device is doing.
        job: The job that holds it.
        terms: What the formulas need.
    """

    start_ms: int
    end_ms: int
    state: State
    job: Job | None
    terms: Terms[float]

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ms - self.start_ms) / 1000

    @property
    def slowed_share(self) -> float:
        """Share of it in which the hardware held the device back."""
        if self.state is not State.WORKING:
            return 0.0
        return max(self.terms.power_cap, self.terms.thermal)

    def joules(self, at_ms: int) -> float:
        """Energy since the factory's origin, at a time within."""
        seconds = (at_ms - self.start_ms) / 1000
        return physics.joules(self.terms, seconds, physics.waves(self.terms, seconds, FLOATS))

    def active_seconds(self, at_ms: int) -> float:
        """Active time since the factory's origin, at a time within."""
        seconds = (at_ms - self.start_ms) / 1000
        swept = physics.swept(self.terms, seconds, FLOATS)
        return physics.active_seconds(self.terms, seconds, swept)


@dataclass(frozen=True, slots=True)
class Life:
    """All segments of one device, in order and without gaps."""

    segments: tuple[Segment, ...]
    _ends: tuple[int, ...]

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> Life:
        """From segments in order."""
        return cls(tuple(segments), tuple(segment.end_ms for segment in segments))

    def at(self, at_ms: int) -> Segment:
        """The segment that a sample at this time describes; the last one after the end."""
        return self.segments[min(bisect_left(self._ends, at_ms), len(self.segments) - 1)]

    def within(self, start_ms: int, end_ms: int) -> Iterator[tuple[Segment, int, int]]:
        """The segments of a time, each with the part of it that lies in that time."""
        for segment in self.segments[bisect_left(self._ends, start_ms + 1) :]:
            if segment.start_ms >= end_ms:
                return
            yield segment, max(segment.start_ms, start_ms), min(segment.end_ms, end_ms)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What happens in a stretch, before the physics of this one device is known."""

    start_ms: int
    end_ms: int
    job: Job | None = None
    stage: Stage | None = None
    lost: bool = False
    heat: Heat | None = None


def life(shape: Shape, faults: Faults, device: int, jobs: Sequence[Job]) -> Life:
    """The life of a device.

    Args:
        shape: Of the factory.
        faults: Planted in it.
        device: Counted over the factory.
        jobs: Those that hold this device, in order of their start.
    """
    rack = shape.rack_of(device // shape.devices)
    heats = [heat for heat in faults.heats if heat.rack == rack]
    pieces = _cut(_pieces(shape, jobs, faults.losses(device)), heats)
    return Life.of(list(_physical(shape, device, rack, pieces)))


def _pieces(shape: Shape, jobs: Sequence[Job], losses: Sequence[Outage]) -> Iterator[_Piece]:
    taken: list[_Piece] = [_Piece(o.start_ms, o.end_ms, lost=True) for o in losses]
    for job in jobs:
        for stage in job.stages:
            # Jobs are placed around losses, but for those that a reservation puts in their place.
            for start_ms, end_ms in _outside(stage.start_ms, stage.end_ms, losses):
                taken.append(_Piece(start_ms, end_ms, job, stage))
    at = shape.origin_ms
    for piece in sorted(taken, key=lambda piece: piece.start_ms):
        if piece.start_ms > at:
            yield _Piece(at, piece.start_ms)
        yield piece
        at = piece.end_ms
    if at < shape.end_ms:
        yield _Piece(at, shape.end_ms)


def _outside(start_ms: int, end_ms: int, losses: Sequence[Outage]) -> Iterator[tuple[int, int]]:
    """The parts of a stretch in which the device is not lost."""
    for loss in sorted(losses, key=lambda loss: loss.start_ms):
        if loss.overlaps(start_ms, end_ms):
            if loss.start_ms > start_ms:
                yield start_ms, loss.start_ms
            start_ms = loss.end_ms
    if start_ms < end_ms:
        yield start_ms, end_ms


def _cut(pieces: Iterator[_Piece], heats: Sequence[Heat]) -> Iterator[_Piece]:
    for piece in pieces:
        edges = {piece.start_ms, piece.end_ms}
        for heat in heats:
            edges.update(
                at for at in (heat.start_ms, heat.end_ms) if piece.start_ms < at < piece.end_ms
            )
        for start, end in pairwise(sorted(edges)):
            warm = next((h for h in heats if h.start_ms <= start < h.end_ms), None)
            yield _Piece(start, end, piece.job, piece.stage, piece.lost, warm)


def _states(pieces: Sequence[_Piece]) -> list[State]:
    """Held is only what lasts longer than the grace time, counted over neighbouring pieces."""
    states: list[State] = []
    runs = groupby(pieces, lambda piece: (piece.lost, piece.job, _works(piece)))
    for (lost, job, works), run in runs:
        stretch = list(run)
        if lost:
            state = State.LOST
        elif job is None:
            state = State.FREE
        elif works or stretch[-1].end_ms - stretch[0].start_ms < GRACE_MS:
            state = State.WORKING
        else:
            state = State.HELD
        states += [state] * len(stretch)
    return states


def _works(piece: _Piece) -> bool:
    return piece.stage is not None and piece.stage.works


def _physical(shape: Shape, device: int, rack: int, cut: Iterator[_Piece]) -> Iterator[Segment]:
    pieces = list(cut)
    rng = Random(f"{shape.seed}/device/{device}")
    # No two devices are alike: a few per cent in power, and here and there a slow one.
    thirst = rng.uniform(0.97, 1.03)
    pace = 0.95 if rng.random() < 0.03 else rng.uniform(0.985, 1.0)
    inlet = physics.INLET_CELSIUS + 1.3 * rack + rng.uniform(-0.8, 0.8)
    joules = active = cap_seconds = heat_seconds = 0.0
    # The counters began when the driver was loaded, some time before.
    origin = -rng.uniform(1e8, 9e8)
    celsius: float | None = None
    last_lost = False
    for piece, state in zip(pieces, _states(pieces), strict=True):
        if last_lost and state is not State.LOST and shape.profile.dies == 1:
            # It came back by a reset, and its counters began anew; a meter of several goes on.
            origin, cap_seconds, heat_seconds = joules, 0.0, 0.0
        last_lost = state is State.LOST
        level = _levels(shape.profile, piece, state, thirst, pace)
        warmer = 0.0 if piece.heat is None else 16.0 * piece.heat.share
        rest = inlet + warmer + shape.profile.celsius_per_watt * level.watts
        phase = rng.uniform(0, 2 * math.pi)
        wave = physics.LAGGED_SHARE * shape.profile.celsius_per_watt * level.watts_swing
        start = rest + wave * math.sin(phase - physics.LAG_RADIANS)
        terms = Terms(
            activity=level.activity,
            activity_swing=level.activity_swing,
            watts=level.watts,
            watts_swing=level.watts_swing,
            period_seconds=level.period_seconds,
            phase=phase,
            busy=level.busy,
            tensor=level.tensor,
            dram=level.dram,
            memory_bytes=level.memory_bytes,
            hertz=level.hertz,
            rest_celsius=rest,
            warm_celsius=0.0 if celsius is None else celsius - start,
            celsius_swing=wave,
            power_cap=level.power_cap,
            thermal=level.thermal,
            joules=joules,
            counter_joules=joules - origin,
            active_seconds=active,
            power_cap_seconds=cap_seconds,
            thermal_seconds=heat_seconds,
        )
        segment = Segment(piece.start_ms, piece.end_ms, state, piece.job, terms)
        yield segment
        seconds = segment.seconds
        at_end = physics.waves(terms, seconds, FLOATS)
        joules = physics.joules(terms, seconds, at_end)
        active = physics.active_seconds(terms, seconds, at_end.swept)
        cap_seconds += level.power_cap * seconds
        heat_seconds += level.thermal * seconds
        celsius = physics.celsius(terms, at_end)


@dataclass(frozen=True, slots=True)
class _Levels:
    activity: float = 0.0
    activity_swing: float = 0.0
    watts: float = 0.0
    watts_swing: float = 0.0
    period_seconds: float = 1200.0
    busy: float = 0.0
    tensor: float = 0.0
    dram: float = 0.0
    memory_bytes: float = 0.0
    hertz: float = 0.0
    power_cap: float = 0.0
    thermal: float = 0.0


_FLOOR_SHARE = 0.12
_WATTS_PER_ACTIVITY = 0.9


def _levels(profile: Profile, piece: _Piece, state: State, thirst: float, pace: float) -> _Levels:
    stage = piece.stage
    idle, peak = profile.idle_watts, profile.peak_watts
    at_rest = _Levels(memory_bytes=profile.idle_memory_bytes, hertz=profile.idle_hertz)
    if state is State.LOST:
        # Off the bus and without power, until somebody comes.
        return at_rest
    if stage is None:
        return replace(at_rest, watts=idle * thirst)
    memory = round(stage.memory * profile.memory_bytes)
    if not stage.works:
        return _Levels(
            activity=stage.activity,
            watts=profile.held_watts * thirst,
            busy=stage.busy,
            tensor=stage.tensor,
            dram=stage.dram,
            memory_bytes=float(memory),
            hertz=profile.working_hertz,
        )
    heat = 0.0 if piece.heat is None else piece.heat.share
    cap = stage.power_cap
    activity = stage.activity * pace
    span = (peak - idle) * (1 - 0.35 * heat) * thirst
    watts = idle * thirst + span * (_FLOOR_SHARE + _WATTS_PER_ACTIVITY * activity)
    swing = stage.swing * activity
    watts_swing = span * _WATTS_PER_ACTIVITY * swing
    # Never above the limit: what would draw more is held at it, and draws evenly.
    watts_swing = min(watts_swing, max(0.0, peak - watts))
    if cap:
        watts, watts_swing = peak * 0.992, peak * 0.006
    return _Levels(
        activity=activity,
        activity_swing=swing,
        watts=min(watts, peak),
        watts_swing=watts_swing,
        period_seconds=stage.period_seconds,
        busy=stage.busy,
        tensor=stage.tensor,
        dram=stage.dram,
        memory_bytes=float(memory),
        hertz=profile.working_hertz * (1 - 0.4 * heat) * (1 - 0.25 * cap),
        power_cap=cap,
        thermal=heat,
    )
