"""What really happened in a simulated factory: what the books should find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from wattline_agents.sources.simulated import physics
from wattline_collector.simulated.schedule import Schedule
from wattline_collector.simulated.segments import Segment, State

Durations = Mapping[str, int]
"""Milliseconds by account, in the ledger's words."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the books of a time should say.

    Attributes:
        start_ms: First moment of the time.
        end_ms: First moment after it.
        duration_ms: Device time by account.
        energy_joules: Energy at the gpu boundary by account; of devices that were lost or not
            observed, too, though no meter could be read.
        devices: Device time by device and account.
        node_energy_joules: Energy at the node boundary by node.
        tokens: By job, then by column of table `job` that counts tokens.
    """

    start_ms: int
    end_ms: int
    duration_ms: Durations
    energy_joules: Mapping[str, float]
    devices: Mapping[str, Durations]
    node_energy_joules: Mapping[str, float]
    tokens: Mapping[str, Mapping[str, int]]

    def total_tokens(self, column: str) -> int:
        """Tokens of one kind over all jobs."""
        return sum(made.get(column, 0) for made in self.tokens.values())


def truth(schedule: Schedule, start_ms: int, end_ms: int) -> Truth:
    """What happened between two moments of a schedule."""
    shape = schedule.shape
    duration: dict[str, int] = defaultdict(int)
    energy: dict[str, float] = defaultdict(float)
    devices: dict[str, Durations] = {}
    node_energy: dict[str, float] = {}
    for node in range(shape.nodes):
        joules = active = 0.0
        for device in schedule.devices_of(node):
            own: dict[str, int] = defaultdict(int)
            for part in _parts(schedule, node, device, start_ms, end_ms):
                own[part.account] += part.milliseconds
                energy[part.account] += part.joules
                joules += part.joules
                active += part.active_seconds
            devices[schedule.device_names[device]] = dict(own)
            for account, milliseconds in own.items():
                duration[account] += milliseconds
        seconds = (end_ms - start_ms) / 1000
        node_energy[shape.node_name(node)] = physics.node_joules(
            shape.profile, seconds, joules, active, shape.devices
        )
    return Truth(
        start_ms, end_ms, dict(duration), dict(energy), devices, node_energy,
        _tokens(schedule, start_ms, end_ms),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    account: str
    milliseconds: int
    joules: float
    active_seconds: float


def _parts(
    schedule: Schedule, node: int, device: int, start_ms: int, end_ms: int
) -> Iterator[_Part]:
    silences = schedule.faults.silences(node)
    for segment, low, high in schedule.life(device).within(start_ms, end_ms):
        edges = {low, high}
        for silence in silences:
            edges.update(at for at in (silence.start_ms, silence.end_ms) if low < at < high)
        for start, end in pairwise(sorted(edges)):
            quiet = any(silence.overlaps(start, end) for silence in silences)
            joules = segment.joules(end) - segment.joules(start)
            active = segment.active_seconds(end) - segment.active_seconds(start)
            for account, milliseconds in _accounts(segment, end - start, quiet).items():
                share = milliseconds / (end - start)
                yield _Part(account, milliseconds, joules * share, active * share)


def _accounts(segment: Segment, milliseconds: int, quiet: bool) -> dict[str, int]:
    if quiet:
        return {"unobserved": milliseconds}
    if segment.state is State.LOST:
        return {"down": milliseconds}
    if segment.state is not State.WORKING:
        return {segment.state.value: milliseconds}
    slowed = round(milliseconds * segment.slowed_share)
    return {"busy": milliseconds - slowed, "slowed": slowed}


def _tokens(schedule: Schedule, start_ms: int, end_ms: int) -> dict[str, dict[str, int]]:
    tokens: dict[str, dict[str, int]] = {}
    for job in schedule.jobs:
        if job.end_ms <= start_ms or job.start_ms >= end_ms:
            continue
        before, after = job.made(max(start_ms, job.start_ms)), job.made(min(end_ms, job.end_ms))
        counted = {
            column: int(after[column]) - int(before.get(column, 0.0))
            for column in after
            if column.startswith("tokens_")
        }
        if counted:
            tokens[job.key] = counted
    return tokens
