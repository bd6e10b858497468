"""One small simulated node whose devices work when a real job holds them.

It stands in for a GPU where there is none: `wattline agent --source simulated`. Its devices idle
until a job announces itself to the agent, then take up work within a few seconds. Energy is the
exact integral of power, which changes in straight lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from wattline_agents.catalogue import DEVICE, NODE
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.simulated import identity, physics
from wattline_agents.sources.simulated.ids import MOST_DEVICES_A_NODE, simulated_id
from wattline_agents.sources.simulated.profile import (
    H200,
    Profile,
    as_metered,
    profile_named,
)
from wattline_agents.sources.simulated.typed import typed
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Value

WORKING_ACTIVITY = 0.85
RAMP_SECONDS = 3.0
"""How long a device takes from rest to full work, and back."""
_WORKING_SHARE = 0.904
"""Of the way from the power at rest to the limit."""
_WORKING_MEMORY = 0.62


@dataclass(slots=True)
class _Device:
    """A device, as it was when it was last looked at."""

    name: str
    profile: Profile
    celsius: float
    load: float = 0.0
    wanted: float = 0.0
    joules: float = 0.0
    active_seconds: float = 0.0

    @property
    def watts(self) -> float:
        return self._watts(self.load)

    def _watts(self, load: float) -> float:
        idle = self.profile.idle_watts
        return idle + (self.profile.peak_watts - idle) * _WORKING_SHARE * load

    def pass_time(self, seconds: float) -> None:
        """Move on: load goes in a straight line to what is wanted, then stays."""
        change = self.wanted - self.load
        ramp = min(seconds, abs(change) * RAMP_SECONDS)
        if ramp > 0:
            self._pass(ramp, self.load + (1 if change > 0 else -1) * ramp / RAMP_SECONDS)
        if seconds > ramp:
            # Exactly there, whatever the steps' rounding left.
            self.load = self.wanted
            self._pass(seconds - ramp, self.wanted)

    def _pass(self, seconds: float, load: float) -> None:
        mean = (self.load + load) / 2
        watts = self._watts(mean)
        self.joules += watts * seconds
        self.active_seconds += WORKING_ACTIVITY * mean * seconds
        rest = physics.INLET_CELSIUS + self.profile.celsius_per_watt * watts
        left = physics.FLOATS.exp(-seconds / physics.COOLING_SECONDS)
        self.celsius = rest + (self.celsius - rest) * left
        self.load = load


class SimulatedSource:
    """A node that is not there, for `wattline agent`."""

    name = "simulated"

    def __init__(
        self, node: str, devices: int, rack: str | None = None, profile: Profile = H200
    ) -> None:
        """Make a node of that many devices, all at rest."""
        self._rack = rack
        self._profile = profile
        rest = physics.INLET_CELSIUS + profile.celsius_per_watt * profile.idle_watts
        self._devices = [
            _Device(simulated_id(f"single/{node}/{index}"), profile, rest)
            for index in range(devices)
        ]
        self._started_ms: int | None = None
        self._read_ms: int | None = None

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it; options: `devices` says how many (4 unless given), `profile` what they are.

        Raises:
            UsageError: An option is not what it should be.
        """
        config.check_options(cls.name, ("devices", "profile"))
        devices = config.number(cls.name, "devices", 4, 1, MOST_DEVICES_A_NODE)
        profile = profile_named(config.options.get("profile", H200.name))
        return cls(config.node, int(devices), config.rack, profile)

    @property
    def device_names(self) -> tuple[str, ...]:
        """The ids of its devices, by index."""
        return tuple(device.name for device in self._devices)

    def on_assignments(self, devices_held: Mapping[str, str]) -> None:
        """Let the devices that a job holds work, and the others rest."""
        for device in self._devices:
            device.wanted = 1.0 if device.name in devices_held else 0.0

    def read(self, now_ms: int) -> Readings:
        """Its devices and itself."""
        if self._started_ms is None:
            self._started_ms = self._read_ms = now_ms
        elapsed = max(0, now_ms - (self._read_ms or now_ms)) / 1000
        # A clock set back gives no time twice.
        self._read_ms = max(now_ms, self._read_ms or now_ms)
        rows: list[dict[str, Value]] = []
        joules = watts = active = activity = 0.0
        for device in self._devices:
            before = device.active_seconds
            device.pass_time(elapsed)
            mean = (
                (device.active_seconds - before) / elapsed
                if elapsed > 0
                else WORKING_ACTIVITY * device.load
            )
            joules += device.joules
            watts += device.watts
            active += device.active_seconds
            activity += mean
            rows.append(_device_row(device, now_ms, mean))
        seconds = (self._read_ms - self._started_ms) / 1000
        values = physics.node_values(
            self._profile,
            physics.NodeSums(seconds, joules, watts, active, activity),
            len(self._devices),
        )
        node: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "memory_size_bytes": self._profile.host_memory_bytes,
        }
        return {
            "device": list(as_metered(self._profile, rows, rows)),
            "node": [node | typed(NODE, values)],
        }

    def describe(self, now_ms: int) -> Readings:
        """Who it is, and who its devices are."""
        return {
            "node_info": [
                {
                    "time_unix_ms": now_ms,
                    "rack": self._rack,
                    "os": "none (simulated)",
                    "cores": self._profile.cores,
                    "power_source": identity.METHOD,
                }
            ],
            "device_info": [
                identity.device_row(self._profile, device.name, index, now_ms)
                | {"module": self._module_of(index)}
                for index, device in enumerate(self._devices)
            ],
        }

    def _module_of(self, index: int) -> str | None:
        dies = self._profile.dies
        first = self._devices[index - index % dies]
        return simulated_id(f"module/{first.name}") if dies > 1 else None

    def close(self) -> None:
        """Nothing is held."""


def _device_row(device: _Device, now_ms: int, activity: float) -> dict[str, Value]:
    profile = device.profile
    span = profile.working_hertz - profile.idle_hertz
    memory = profile.idle_memory_bytes + _WORKING_MEMORY * profile.memory_bytes * device.load
    values = {
        "energy_joules_total": device.joules,
        "power_watts": device.watts,
        "busy_ratio": min(1.0, activity / WORKING_ACTIVITY),
        "memory_busy_ratio": activity * 0.45,
        "sm_active_ratio": activity,
        "tensor_active_ratio": activity * 0.55,
        "dram_active_ratio": activity * 0.5,
        "memory_used_bytes": memory,
        "temperature_celsius": device.celsius,
        "memory_temperature_celsius": device.celsius + 4.0 + activity * 4.5,
        "sm_clock_hertz": profile.idle_hertz + span * min(1.0, device.load * 4),
        "throttle_power_cap_seconds_total": 0.0,
        "throttle_thermal_seconds_total": 0.0,
        **profile.constants,
    }
    row: dict[str, Value] = {"time_unix_ms": now_ms, "device": device.name, "up": 1}
    return row | typed(DEVICE, values)
