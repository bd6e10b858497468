"""What early warning says: of whom, what, since when, how sure, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

ALPHA = 0.01
"""Of a hundred reports on fleets in which nothing is wrong, so many in one may name somebody."""


class Kind(StrEnum):
    """What is looked at."""

    XID = "xid"
    ECC = "ecc"
    LOST = "lost"
    OUTAGE = "outage"
    JOB_FAILURE = "job-failure"
    POWER = "power"
    TEMPERATURE = "temperature"
    THROTTLE = "throttle"
    CLOCK = "clock"


LEMONS = (Kind.XID, Kind.ECC, Kind.LOST, Kind.OUTAGE, Kind.JOB_FAILURE)
"""Kinds that are counted, by node."""
DRIFTS = (Kind.POWER, Kind.TEMPERATURE, Kind.THROTTLE, Kind.CLOCK)
"""Kinds that are measured, by device."""

MEANING: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.XID: "XIDs of the hardware come more often than on other nodes",
        Kind.ECC: "uncorrectable memory errors come more often than on other nodes",
        Kind.LOST: "devices were lost more often than on other nodes",
        Kind.OUTAGE: "it was out of use unplanned more often than other nodes",
        Kind.JOB_FAILURE: "jobs on it were ended by the infrastructure more often than on others",
        Kind.POWER: "power at the same activity is not what devices of its model draw",
        Kind.TEMPERATURE: "temperature at the same power is not that of devices around it",
        Kind.THROTTLE: "heat holds it back, and not the devices around it",
        Kind.CLOCK: "its clock is under that of the devices it works with",
    }
)

NEXT: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.XID: "Drain the node and run a long diagnosis (dcgmi diag -r 3); have the device that "
        "repeats it replaced.",
        Kind.ECC: "Look at row remaps of the device (nvidia-smi -q -d ROW_REMAPPER); drain the "
        "node, reset the device, and have it replaced if it comes again.",
        Kind.LOST: "Look at dmesg around those times, at the riser, the power plug and the slot; "
        "drain the node before the next large job.",
        Kind.OUTAGE: "Look at what the register says of each outage; keep the node out of large "
        "jobs until the cause is one and known.",
        Kind.JOB_FAILURE: "Run the acceptance test on the node before it takes large jobs again; "
        "look at its log around the ends of those jobs.",
        Kind.POWER: "Compare its power limit, clocks and energy counter with a neighbour's under "
        "the same load; doubt its sensor, then the board.",
        Kind.TEMPERATURE: "Look at its fan or coolant and the seat of its cooler at the next "
        "maintenance; compare with the device beside it.",
        Kind.THROTTLE: "Look at its cooler first, then at what is in front of the node's air; keep "
        "it out of jobs that work in step.",
        Kind.CLOCK: "Look for a clock or power limit that somebody left set (nvidia-smi -q -d "
        "CLOCK,POWER); keep it out of jobs that work in step until it is found.",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One node or device that is not as others are.

    Attributes:
        kind: In what.
        system: Its system.
        node: Its node.
        device: The device; None: the node, or none of its devices alone.
        since_ms: Since when it is so, as far as the period goes.
        chance: How often chance alone would make one like it in a whole report; what is over
            `ALPHA` is not reported.
        effect: How far it is from others: times their rate, or the share, degrees or part by
            which it differs.
        evidence: What was seen, in a line.
    """

    kind: Kind
    system: str
    node: str
    device: str | None
    since_ms: int
    chance: float
    effect: float
    evidence: str

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return {
            "kind": self.kind.value,
            "system": self.system,
            "node": self.node,
            "device": self.device,
            "since_unix_ms": self.since_ms,
            "chance": self.chance,
            "effect": self.effect,
            "evidence": self.evidence,
            "meaning": MEANING[self.kind],
            "next": NEXT[self.kind],
        }
