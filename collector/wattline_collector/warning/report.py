"""Early warning as a whole: what was looked at, and whom it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from wattline_agents.doctor.page import printable
from wattline_collector.warning.drift import drifts
from wattline_collector.warning.finding import ALPHA, DRIFTS, LEMONS, MEANING, NEXT, Finding, Kind
from wattline_collector.warning.gather import Evidence
from wattline_collector.warning.lemons import lemons


@dataclass(frozen=True, slots=True)
class Report:
    """What early warning has to say.

    Attributes:
        start_ms: First moment of the period.
        end_ms: First moment no longer in it.
        nodes: Nodes that were looked at.
        device_hours: Hours of devices at work that were looked at.
        events: How many events of each kind there were.
        findings: Whom it names, the surest first.
    """

    start_ms: int
    end_ms: int
    nodes: int
    device_hours: int
    events: dict[str, int]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, object]:
        """As it leaves the program."""
        return {
            "from_unix_ms": self.start_ms,
            "to_unix_ms": self.end_ms,
            "nodes": self.nodes,
            "device_hours": self.device_hours,
            "events": self.events,
            "chance_of_any_false": 2 * ALPHA,
            "findings": [one.to_json() for one in self.findings],
        }


def report(evidence: Evidence) -> Report:
    """Look at everything."""
    found = [*lemons(evidence.events, evidence.exposure), *drifts(evidence.hours)]
    counts = dict(evidence.events.group_by("kind").len().iter_rows())
    return Report(
        evidence.start_ms,
        evidence.end_ms,
        evidence.exposure.select("system", "node").n_unique(),
        evidence.hours.height,
        {kind.value: counts.get(kind.value, 0) for kind in LEMONS},
        tuple(sorted(found, key=lambda one: (one.chance, one.system, one.node, one.kind))),
    )


def table(found: Report) -> str:
    """For a terminal."""
    days = (found.end_ms - found.start_ms) / 86_400_000
    seen = ", ".join(f"{count} {kind}" for kind, count in found.events.items())
    head = (
        f"{_day(found.start_ms)} to {_day(found.end_ms)}, {days:.0f} days: {found.nodes} nodes, "
        f"{found.device_hours:,} hours of devices at work; events: {seen}"
    )
    if not found.findings:
        return f"{head}\nnobody is named: no node and no device differs more than chance allows\n"
    rows = [("since", "node", "device", "kind", "evidence")]
    rows += [
        (
            _day(one.since_ms),
            printable(one.node),
            printable(one.device or "-"),
            one.kind.value,
            printable(one.evidence),
        )
        for one in found.findings
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    lines = [
        "  ".join(
            [*(word.ljust(width) for word, width in zip(row[:4], widths, strict=True)), row[4]]
        )
        for row in rows
    ]
    kinds = list(dict.fromkeys(one.kind for one in found.findings))
    lines += ["", *(f"{kind.value}: {NEXT[kind]}" for kind in kinds)]
    return "\n".join([head, *lines]) + "\n"


def explained(kinds: Sequence[Kind] = (*LEMONS, *DRIFTS)) -> str:
    """What is looked at, and what to do about it."""
    parts = [f"{kind.value}\n  means: {MEANING[kind]}\n  do:    {NEXT[kind]}" for kind in kinds]
    return "\n".join(parts) + "\n"


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"
