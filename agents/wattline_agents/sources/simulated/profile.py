"""The machines a factory can be simulated with: what their accelerators are, and cannot tell.

Sizes are those their makers and sites publish. What matters more are the limits: a column that a
generation has no sensor for is null here too, and where one meter serves two devices only one of
them reports it. Watts at rest and at work are round figures of the kind seen in practice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from wattline_agents.errors import UsageError
from wattline_agents.nearest import instead
from wattline_agents.wire import Value

_ACTIVITY = ("sm_active_ratio", "sm_occupancy_ratio", "tensor_active_ratio", "dram_active_ratio")
_THROTTLED = ("throttle_power_cap_seconds_total", "throttle_thermal_seconds_total")
SHARED = ("energy_joules_total", "power_watts", "power_limit_watts")
"""What a meter that several devices share tells."""
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of node.

    Attributes:
        name: What it is chosen by.
        help: One line for people.
        vendor: As `device_info` says it.
        model: The vendor's product name.
        devices: Devices a node.
        memory_bytes: Memory of a device.
        idle_watts: Power of a device at rest.
        held_watts: Power with contexts open and memory full, while no kernel runs.
        peak_watts: The limit the hardware enforces, per device.
        peak_flops: Dense bfloat16 operations a second of a device.
        idle_hertz: Clock at rest.
        working_hertz: Clock at work.
        idle_memory_bytes: Device memory taken when nothing runs.
        celsius_per_watt: How much warmer a device is for each watt.
        cores: Processor cores of a node.
        host_memory_bytes: Main memory of a node.
        host_watts: Power of a node beside its devices, at rest.
        host_watts_at_work: What the processors add when every device is fed.
        power_mode: As `device_info` says it.
        power_scope: `gpu`, or `module` where processor and memory are in it, or both dies.
        dies: Devices that share one meter, which the first of them reports.
        hidden: Columns its devices have no sensor for.
    """

    name: str
    help: str
    vendor: str
    model: str
    devices: int
    memory_bytes: int
    idle_watts: float
    held_watts: float
    peak_watts: float
    peak_flops: float
    idle_hertz: float
    working_hertz: float
    cores: int
    host_memory_bytes: int
    host_watts: float
    host_watts_at_work: float
    idle_memory_bytes: float = 629_145_600.0
    celsius_per_watt: float = 0.058
    power_mode: str = "instant"
    power_scope: str = "gpu"
    dies: int = 1
    hidden: frozenset[str] = frozenset()

    @property
    def constants(self) -> dict[str, float]:
        """Readings of a device that never change."""
        return {
            "power_limit_watts": self.peak_watts,
            "memory_size_bytes": float(self.memory_bytes),
        }


H200 = Profile(
    "h200", "8 x H200 SXM 141 GB", "simulated", "Simulated H200", 8, 150_754_820_096,
    75.0, 122.0, 700.0, 989e12, 345e6, 1.98e9, 192, 2_199_023_255_552, 760.0, 410.0,
)  # fmt: skip
"""What is simulated unless another is asked for."""

_A100 = Profile(
    "a100", "8 x A100 SXM 80 GB; no activity of the chip's parts", "simulated",
    "Simulated A100-SXM4-80GB", 8, 80 * GIB, 60.0, 88.0, 400.0, 312e12, 210e6, 1.41e9, 128,
    1024 * GIB, 620.0, 300.0, celsius_per_watt=0.09,
    # GPM came with Hopper; before it only dcgm-exporter tells how much of a chip works.
    hidden=frozenset(_ACTIVITY),
)  # fmt: skip

_MI250X = Profile(
    "mi250x", "4 x MI250X, so 8 dies; only the even die of a module has a meter", "simulated",
    "Simulated MI250X die", 8, 64 * GIB, 45.0, 62.0, 280.0, 191.5e12, 800e6, 1.7e9, 64,
    512 * GIB, 260.0, 140.0, celsius_per_watt=0.145, power_mode="average_1s",
    # One meter for the two dies of a module, reported by the even die.
    power_scope="module", dies=2,
    # amd-smi tells how busy a die is, not how much of it works, and counts no throttling here.
    hidden=frozenset({*_ACTIVITY, *_THROTTLED}),
)  # fmt: skip

_GH200 = Profile(
    # Power and energy are the module's: GPU, processor and memory.
    "gh200", "4 x GH200; power and energy are the module's", "simulated",
    "Simulated GH200 96GB HBM3", 4, 96 * GIB, 165.0, 215.0, 680.0, 989e12, 345e6, 1.98e9, 288,
    480 * GIB, 180.0, 60.0, power_scope="module",
)  # fmt: skip

_H100 = Profile(
    "h100", "8 x H100 SXM 80 GB", "simulated", "Simulated H100 80GB HBM3", 8, 80 * GIB,
    70.0, 118.0, 700.0, 989e12, 345e6, 1.98e9, 112, 2048 * GIB, 740.0, 380.0,
)  # fmt: skip

_ALL = (
    H200,
    _H100,
    _A100,
    _GH200,
    _MI250X,
    Profile(
        "mi300x", "8 x MI300X 192 GB; busy ratios only", "simulated", "Simulated MI300X", 8,
        192 * GIB, 140.0, 190.0, 750.0, 1307e12, 132e6, 2.1e9, 192, 2304 * GIB, 780.0, 420.0,
        hidden=frozenset(_ACTIVITY),
    ),
    Profile(
        "b200", "8 x B200 180 GB", "simulated", "Simulated B200", 8, 180 * GIB, 140.0, 190.0,
        1000.0, 2250e12, 345e6, 1.965e9, 224, 2048 * GIB, 900.0, 480.0, celsius_per_watt=0.042,
    ),
    # Systems, by the kind of node their accelerated partition is made of.
    replace(_GH200, name="jupiter", help="JUPITER Booster: 4 x GH200"),
    replace(
        _A100, name="leonardo", help="Leonardo Booster: 4 x A100 64 GB",
        model="Simulated A100-SXM-64GB", devices=4, memory_bytes=64 * GIB, idle_watts=62.0,
        held_watts=92.0, peak_watts=440.0, celsius_per_watt=0.085, cores=32,
        host_memory_bytes=512 * GIB, host_watts=310.0, host_watts_at_work=120.0,
    ),
    replace(_MI250X, name="lumi-g", help="LUMI-G: 4 x MI250X, so 8 dies"),
    replace(
        _H100, name="marenostrum5", help="MareNostrum 5 ACC: 4 x H100 64 GB",
        model="Simulated H100 64GB", devices=4, memory_bytes=64 * GIB, cores=80,
        host_memory_bytes=512 * GIB, host_watts=420.0, host_watts_at_work=220.0,
    ),
    replace(
        _A100, name="meluxina", help="MeluXina Accelerator: 4 x A100 40 GB",
        model="Simulated A100-SXM4-40GB", devices=4, memory_bytes=40 * GIB, idle_watts=55.0,
        held_watts=82.0, cores=64, host_memory_bytes=512 * GIB, host_watts=380.0,
        host_watts_at_work=160.0,
    ),
)  # fmt: skip

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})
"""All profiles by name."""


def profile_named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        UsageError: There is none; names the nearest, or all there are.
    """
    profile = PROFILES.get(name)
    if profile is None:
        raise UsageError(f"no profile {name[:40]!r}; {instead(name, PROFILES)}")
    return profile


def as_metered(
    profile: Profile,
    rows: Sequence[dict[str, Value]],
    shared: Sequence[Mapping[str, Value]],
) -> Sequence[Mapping[str, Value]]:
    """Rows of a node's devices as its sensors would give them.

    What a generation has no sensor for goes. Where devices share a meter, the first of each group
    reports what it shows, and the others nothing.

    Args:
        profile: Of the node.
        rows: One of each device, in order of their index, as if each had sensors of its own.
        shared: What a meter of each device alone would show, of lost ones too: the meter stands
            outside them. Only looked at where devices share one.
    """
    if not profile.hidden and profile.dies == 1:
        return rows
    seen = [{c: v for c, v in row.items() if c not in profile.hidden} for row in rows]
    if profile.dies > 1:
        for column in SHARED:
            for row in seen:
                row.pop(column, None)
            for first in range(0, len(seen), profile.dies):
                group = [float(one[column] or 0.0) for one in shared[first : first + profile.dies]]
                if seen[first].get("up"):
                    seen[first][column] = sum(group)
    return seen
