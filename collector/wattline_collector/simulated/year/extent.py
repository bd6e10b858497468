"""How big a planted year is, and the ticks it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from wattline_agents.errors import UsageError
from wattline_agents.sources.simulated.profile import H200, Profile
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS, Shape

TICK_MS = 10 * MINUTE_MS
"""Nothing changes within one. It is the ledger's grace time, so a tick without work is held time,
and less than a quarter of an hour, as far as booking looks beyond the hours it books."""
TICKS_A_DAY = DAY_MS // TICK_MS
PERIODS_MS = tuple(minutes * MINUTE_MS for minutes in (1, 2, 5, 10))
"""Sampling periods: a tick is a whole number of them."""
LEAST_NODES = 6
"""Fewer have no room for a large job beside a service and a shared node."""
LEAST_DAYS = 28
"""Fewer have no room for all that is planted."""
MOST_DAYS = 3660


@dataclass(frozen=True)
class Extent:
    """What a planted year is made from; equal extents make equal years.

    Attributes:
        nodes: How many nodes.
        devices: Devices a node.
        seed: Chooses one year of many.
        start_ms: Its first moment, on a UTC day.
        days: How long it is.
        period_ms: Time between two samples, one of `PERIODS_MS`.
        system: Its name.
        holes: Whether the planted holes in the data are there; without them the same things
            happen and all of them are seen.
        profile: What its nodes are.
    """

    nodes: int
    devices: int
    seed: int
    start_ms: int
    days: int = 365
    period_ms: int = TICK_MS
    system: str = "sim"
    holes: bool = True
    profile: Profile = H200

    def __post_init__(self) -> None:
        """Refuse what cannot be planned."""
        if self.nodes < LEAST_NODES:
            raise UsageError(f"a planted year needs {LEAST_NODES} nodes or more: {self.nodes}")
        if self.devices < 2:
            raise UsageError(f"a planted year needs 2 devices a node or more: {self.devices}")
        if not LEAST_DAYS <= self.days <= MOST_DAYS:
            raise UsageError(
                f"a planted year has from {LEAST_DAYS} to {MOST_DAYS:,} days: {self.days}"
            )
        if self.period_ms not in PERIODS_MS:
            minutes = ", ".join(f"{period // MINUTE_MS}m" for period in PERIODS_MS)
            raise UsageError(
                f"a planted year is sampled every {minutes}, not {self.period_ms / MINUTE_MS:g}m"
            )
        if self.start_ms % DAY_MS:
            raise UsageError("a planted year begins with a UTC day")
        if self.profile.dies > 1 or self.profile.hidden:
            raise UsageError(
                "a planted year has devices with a meter and activity counters each (h200, h100, "
                f"b200, ...), not {self.profile.name}"
            )

    @property
    def end_ms(self) -> int:
        """The first moment after it."""
        return self.start_ms + self.days * DAY_MS

    @property
    def hours(self) -> float:
        """Its length."""
        return self.days * 24.0

    @cached_property
    def shape(self) -> Shape:
        """What its parts are called."""
        return Shape(
            nodes=self.nodes, devices=self.devices, seed=self.seed, start_ms=self.start_ms,
            present_ms=self.end_ms, end_ms=self.end_ms + DAY_MS, system=self.system,
            profile=self.profile,
        )  # fmt: skip

    @cached_property
    def node_names(self) -> tuple[str, ...]:
        """The name of every node."""
        return tuple(self.shape.node_name(node) for node in range(self.nodes))

    @cached_property
    def device_names(self) -> tuple[str, ...]:
        """The id of every device, counted over the factory."""
        return tuple(self.shape.device_name(device) for device in range(self.nodes * self.devices))

    def at(self, share: float) -> int:
        """A moment at that share of the year, on an hour."""
        return self.start_ms + round(self.days * 24 * share) * HOUR_MS

    def devices_of(self, node: int) -> range:
        """The devices of a node."""
        return range(node * self.devices, (node + 1) * self.devices)
