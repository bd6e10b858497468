"""What a simulated device reads at a time, in closed form.

Within one segment of a device's life, activity and power are a level and a slow wave around it:

    activity(t) = level + swing * sin(2 pi t / period + phase)

so that energy and active time are known exactly at any moment, without stepping through time. The
formulas are written once, over anything that adds and multiplies: the live source puts in floats,
and the history puts in whole columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from wattline_agents.sources.simulated.profile import Profile

COOLING_SECONDS = 95.0
INLET_CELSIUS = 24.0

HOST_WATTS_PER_DEVICE_WATT = 0.105
"""Fans, voltage regulators and the power supplies' losses grow with what the devices draw."""


class Number(Protocol):
    """A float, or a column of them."""

    def __add__(self, other: Any, /) -> Self: ...  # noqa: D105
    def __radd__(self, other: Any, /) -> Self: ...  # noqa: D105
    def __sub__(self, other: Any, /) -> Self: ...  # noqa: D105
    def __rsub__(self, other: Any, /) -> Self: ...  # noqa: D105
    def __mul__(self, other: Any, /) -> Self: ...  # noqa: D105
    def __rmul__(self, other: Any, /) -> Self: ...  # noqa: D105
    def __truediv__(self, other: Any, /) -> Self: ...  # noqa: D105


N = TypeVar("N", bound=Number)


@dataclass(frozen=True, slots=True)
class Maths(Generic[N]):
    """The two functions that floats and columns spell differently."""

    sin: Callable[[N], N]
    exp: Callable[[N], N]


FLOATS: Maths[float] = Maths(math.sin, math.exp)


@dataclass(frozen=True, slots=True)
class Terms(Generic[N]):
    """What is constant within one segment of a device.

    Attributes:
        activity: Mean share of the compute units at work.
        activity_swing: How far activity swings around it.
        watts: Mean power.
        watts_swing: How far power swings around it.
        period_seconds: Length of the wave.
        phase: Its angle at the segment's start, in radians.
        busy: Share of time in which any kernel runs.
        tensor: Tensor activity for each unit of activity.
        dram: Memory activity for each unit of activity.
        memory_bytes: Device memory in use.
        hertz: Clock of the compute units.
        rest_celsius: Temperature it settles at.
        warm_celsius: How far above that it is at the start.
        celsius_swing: How far temperature swings around it.
        power_cap: Share of time the power cap holds it back.
        thermal: Share of time heat holds it back.
        joules: Energy used since the factory's origin, at the segment's start.
        counter_joules: What its energy counter says at the segment's start.
        active_seconds: Integral of activity since the origin, at the segment's start.
        power_cap_seconds: What that counter says at the segment's start.
        thermal_seconds: What that counter says at the segment's start.
    """

    activity: N
    activity_swing: N
    watts: N
    watts_swing: N
    period_seconds: N
    phase: N
    busy: N
    tensor: N
    dram: N
    memory_bytes: N
    hertz: N
    rest_celsius: N
    warm_celsius: N
    celsius_swing: N
    power_cap: N
    thermal: N
    joules: N
    counter_joules: N
    active_seconds: N
    power_cap_seconds: N
    thermal_seconds: N


@dataclass(frozen=True, slots=True)
class Waves(Generic[N]):
    """Where the wave stands at a time.

    Attributes:
        height: Of the wave now, -1 to 1.
        swept: Its integral from the segment's start to now, in seconds.
        lagged: Its height a little earlier: temperature follows power with a delay.
        cooling: The share that is left of the warmth at the segment's start.
    """

    height: N
    swept: N
    lagged: N
    cooling: N


LAG_RADIANS = 0.6
LAGGED_SHARE = 0.7


def waves(terms: Terms[N], seconds: N, maths: Maths[N]) -> Waves[N]:
    """Where the wave stands `seconds` after the segment's start."""
    angle = seconds * (2 * math.pi) / terms.period_seconds + terms.phase
    return Waves(
        height=maths.sin(angle),
        swept=swept(terms, seconds, maths),
        lagged=maths.sin(angle - LAG_RADIANS),
        cooling=maths.exp(seconds * (-1 / COOLING_SECONDS)),
    )


def swept(terms: Terms[N], seconds: N, maths: Maths[N]) -> N:
    """Integral of the wave from the segment's start, in seconds."""
    angle = seconds * (2 * math.pi) / terms.period_seconds + terms.phase
    # cos(x) = sin(x + pi/2), so that one function is enough.
    fallen = maths.sin(terms.phase + math.pi / 2) - maths.sin(angle + math.pi / 2)
    return terms.period_seconds * fallen / (2 * math.pi)


def joules(terms: Terms[N], seconds: N, at: Waves[N]) -> N:
    """Energy used since the factory's origin."""
    return terms.joules + terms.watts * seconds + terms.watts_swing * at.swept


def active_seconds(terms: Terms[N], seconds: N, swept: N) -> N:
    """Integral of activity since the factory's origin."""
    return terms.active_seconds + terms.activity * seconds + terms.activity_swing * swept


def mean_activity(terms: Terms[N], swept_before: N, swept_now: N, seconds: float) -> N:
    """Mean activity over an interval within the segment, which lasted that many seconds."""
    return terms.activity + terms.activity_swing * (swept_now - swept_before) / seconds


def watts(terms: Terms[N], at: Waves[N]) -> N:
    """Power now."""
    return terms.watts + terms.watts_swing * at.height


def celsius(terms: Terms[N], at: Waves[N]) -> N:
    """Temperature of the chip: follows power, slowly."""
    return terms.rest_celsius + terms.warm_celsius * at.cooling + terms.celsius_swing * at.lagged


def device_values(terms: Terms[N], seconds: N, at: Waves[N], activity: N) -> dict[str, N]:
    """The readings of one device that answers, by column of table `device`.

    Args:
        terms: Of the segment.
        seconds: Since the segment's start.
        at: The wave at that time.
        activity: Mean activity over the interval that the sample ends, as the hardware's own
            activity counters give it.
    """
    tensor, dram = terms.tensor * activity, terms.dram * activity
    core = celsius(terms, at)
    return {
        "energy_joules_total": (
            terms.counter_joules + terms.watts * seconds + terms.watts_swing * at.swept
        ),
        "power_watts": watts(terms, at),
        "busy_ratio": terms.busy,
        "memory_busy_ratio": dram * 0.85,
        "sm_active_ratio": activity,
        "tensor_active_ratio": tensor,
        "dram_active_ratio": dram,
        "memory_used_bytes": terms.memory_bytes,
        "temperature_celsius": core,
        "memory_temperature_celsius": core + 4.0 + dram * 9.0,
        "sm_clock_hertz": terms.hertz,
        "throttle_power_cap_seconds_total": terms.power_cap_seconds + terms.power_cap * seconds,
        "throttle_thermal_seconds_total": terms.thermal_seconds + terms.thermal * seconds,
    }


@dataclass(frozen=True, slots=True)
class NodeSums(Generic[N]):
    """What a node's readings are made of.

    Attributes:
        seconds: Since the factory's origin.
        joules: Of all its devices since the origin.
        watts: Of all its devices now.
        active_seconds: Of all its devices since the origin.
        activity: Summed over its devices, mean over the sample's interval.
    """

    seconds: N
    joules: N
    watts: N
    active_seconds: N
    activity: N


def node_joules(profile: Profile, seconds: N, joules: N, active_seconds: N, devices: int) -> N:
    """Energy of a whole node from its devices' energy and active time."""
    return (
        joules * (1 + HOST_WATTS_PER_DEVICE_WATT)
        + active_seconds * (profile.host_watts_at_work / devices)
        + seconds * profile.host_watts
    )


def node_values(profile: Profile, sums: NodeSums[N], devices: int) -> dict[str, N]:
    """The readings of one node, by column of table `node`."""
    cores, memory = profile.cores, profile.host_memory_bytes
    at_work = sums.activity / devices
    worked = sums.active_seconds / devices
    user = sums.seconds * (0.015 * cores) + worked * (0.17 * cores)
    system = sums.seconds * (0.006 * cores) + worked * (0.035 * cores)
    iowait = sums.seconds * (0.002 * cores)
    return {
        "energy_joules_total": node_joules(
            profile, sums.seconds, sums.joules, sums.active_seconds, devices
        ),
        # The derivative of the energy above, but for the host's part, which follows the mean.
        "power_watts": (
            sums.watts * (1 + HOST_WATTS_PER_DEVICE_WATT)
            + at_work * profile.host_watts_at_work
            + profile.host_watts
        ),
        "cpu_user_seconds_total": user,
        "cpu_system_seconds_total": system,
        "cpu_idle_seconds_total": sums.seconds * cores - user - system - iowait,
        "cpu_iowait_seconds_total": iowait,
        "cpu_busy_ratio": at_work * 0.205 + 0.021,
        "memory_used_bytes": at_work * (0.42 * memory) + 0.06 * memory,
        "network_receive_bytes_total": sums.seconds * 4.0e4 + worked * 2.1e9,
        "network_transmit_bytes_total": sums.seconds * 3.5e4 + worked * 2.0e9,
        "disk_read_bytes_total": sums.seconds * 1.2e4 + worked * 3.1e8,
        "disk_write_bytes_total": sums.seconds * 5.0e4 + worked * 4.4e7,
        "temperature_celsius": sums.watts * (0.0042 * 8 / devices) + 31.0,
    }
