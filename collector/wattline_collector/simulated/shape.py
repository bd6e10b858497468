"""How big a simulated factory is, when it runs, and what its parts are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from wattline_agents.errors import UsageError
from wattline_agents.sources.simulated.ids import MOST_DEVICES_A_NODE, simulated_id
from wattline_agents.sources.simulated.profile import H200, Profile

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

AHEAD_MS = 14 * DAY_MS
"""How long a factory can be played live before its plan ends."""

MOST_RACKS = 4
MOST_NODES = 1024


class Hall:
    """Where a factory's nodes stand and what they are called, by how many there are."""

    __slots__ = ()

    nodes: int
    system: str

    @property
    def racks(self) -> int:
        """How many racks its nodes stand in."""
        return min(MOST_RACKS, self.nodes)

    def rack_of(self, node: int) -> int:
        """The rack a node stands in; both count from 0."""
        return node * self.racks // self.nodes

    def rack_name(self, rack: int) -> str:
        """E.g. `r1`."""
        return f"r{rack + 1}"

    def node_name(self, node: int) -> str:
        """E.g. `sim-r1-n01`: simulated, and where it stands."""
        rack = self.rack_of(node)
        first = -(-rack * self.nodes // self.racks)
        return f"{self.system}-{self.rack_name(rack)}-n{node - first + 1:02d}"


@dataclass(frozen=True, slots=True)
class Shape(Hall):
    """What a factory is made from; equal shapes make equal factories.

    Attributes:
        nodes: How many nodes.
        devices: Devices a node.
        seed: Chooses one factory of many.
        start_ms: When its history begins; on a minute.
        present_ms: When history ends and live data begins; faults are placed around it.
        end_ms: Until when its jobs are planned.
        system: Its name.
        installed_ms: Since when its devices count as installed; its start if null.
        profile: What its nodes are.
    """

    nodes: int
    devices: int
    seed: int
    start_ms: int
    present_ms: int
    end_ms: int
    system: str = "sim"
    installed_ms: int | None = None
    profile: Profile = H200

    @classmethod
    def living(
        cls,
        *,
        nodes: int,
        devices: int,
        seed: int,
        present_ms: int,
        history_ms: int,
        system: str = "sim",
        profile: Profile = H200,
    ) -> Self:
        """A factory with that much history, planned far enough ahead to be played live.

        Without a history it has been running for a day all the same, so that it is not empty; its
        devices then count as installed from the present.
        """
        present_ms -= present_ms % MINUTE_MS
        start_ms = present_ms - (history_ms - history_ms % MINUTE_MS or DAY_MS)
        return cls(
            nodes=nodes,
            devices=devices,
            seed=seed,
            start_ms=start_ms,
            present_ms=present_ms,
            end_ms=present_ms + AHEAD_MS,
            system=system,
            installed_ms=start_ms if history_ms else present_ms,
            profile=profile,
        )

    def __post_init__(self) -> None:
        """Refuse what cannot be planned."""
        if not 1 <= self.nodes <= MOST_NODES:
            raise UsageError(f"nodes: not from 1 to {MOST_NODES}: {self.nodes}")
        if not 1 <= self.devices <= MOST_DEVICES_A_NODE:
            raise UsageError(f"devices: not from 1 to {MOST_DEVICES_A_NODE}: {self.devices}")
        if not self.start_ms <= self.present_ms < self.end_ms:
            raise UsageError("a simulated factory must start before its present and its end")
        if any(at % MINUTE_MS for at in (self.start_ms, self.present_ms, self.end_ms)):
            raise UsageError("a simulated factory starts, is and ends on whole minutes")
        if self.devices % self.profile.dies:
            raise UsageError(
                f"devices: profile {self.profile.name} has them in groups of {self.profile.dies}: "
                f"{self.devices}"
            )

    @property
    def origin_ms(self) -> int:
        """A minute before the start, so that the first sample has an interval to describe."""
        return self.start_ms - MINUTE_MS

    @property
    def installed_from_ms(self) -> int:
        """Since when its devices count as installed."""
        return self.start_ms if self.installed_ms is None else self.installed_ms

    def module_of(self, device: int) -> str | None:
        """What a device shares its meter with; null where it has one of its own."""
        dies = self.profile.dies
        return (
            simulated_id(f"{self.seed}/{self.system}/module/{device // dies}") if dies > 1 else None
        )

    def device_name(self, device: int) -> str:
        """The id of a device, counted over the whole factory; says that no vendor gave it."""
        return simulated_id(f"{self.seed}/{self.system}/{device}")
