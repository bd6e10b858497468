"""How many planted faults early warning finds, and how many it names that are none.

A simulated factory is planned for each seed, ailments of known kind, place and size are planted in
it, and the report is held against them. Recall is found over planted, precision right over named;
both with n and a 95 % interval (Wilson). A device that is named for a consequence of what was
planted on it (heat lowers clocks) is right. Healthy factories, with nothing planted, follow.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from wattline_collector.simulated.ailing import SIZES, Ailment, evidence, planted
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, Shape
from wattline_collector.warning.finding import DRIFTS, LEMONS, Finding, Kind
from wattline_collector.warning.report import report

NOVEMBER_2025_MS = 1_761_955_200_000
DEVICES = 4


@dataclass
class Score:
    """What became of what was planted."""

    planted: Counter[Kind] = field(default_factory=Counter)
    found: Counter[Kind] = field(default_factory=Counter)
    named: Counter[Kind] = field(default_factory=Counter)
    right: Counter[Kind] = field(default_factory=Counter)

    def add(
        self, schedule: Schedule, ailments: Iterable[Ailment], found: Iterable[Finding]
    ) -> None:
        """Hold a report against what was planted."""
        ailing = {
            (one.kind, schedule.shape.node_name(one.node)): schedule.device_names[one.device]
            for one in ailments
        }
        hit = set()
        for one in found:
            self.named[one.kind] += 1
            device = ailing.get((one.kind, one.node))
            if device is not None and one.device in (None, device):
                hit.add((one.kind, one.node))
                self.right[one.kind] += 1
            elif one.kind is Kind.CLOCK and ailing.get((Kind.THROTTLE, one.node)) == one.device:
                self.right[one.kind] += 1
        for kind, _ in ailing:
            self.planted[kind] += 1
        for kind, _ in hit:
            self.found[kind] += 1


def wilson(hits: int, of: int) -> str:
    """A share with n and its 95 % interval."""
    if not of:
        return "-  (0)"
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{p:.2f}  ({hits}/{of}; {max(0, middle - half):.2f} to {min(1, middle + half):.2f})"


def factory(nodes: int, days: int, seed: int) -> Schedule:
    end_ms = NOVEMBER_2025_MS + days * DAY_MS
    return plan(
        Shape(
            nodes=nodes, devices=DEVICES, seed=seed, start_ms=NOVEMBER_2025_MS, present_ms=end_ms,
            end_ms=end_ms + DAY_MS,
        )
    )  # fmt: skip


def run(kinds: tuple[Kind, ...], nodes: int, days: int, seeds: int, a_kind: int) -> None:
    """One table: these kinds, planted and not."""
    with_hours = kinds == DRIFTS
    score, healthy, took = Score(), 0, 0.0
    for seed in range(1, seeds + 1):
        schedule = factory(nodes, days, seed)
        for is_ill in (True, False):
            rng = Random(f"{seed}/{is_ill}")
            ailments = planted(schedule, rng, kinds, a_kind) if is_ill else []
            seen = evidence(schedule, ailments, rng, with_hours=with_hours)
            began = time.process_time()
            told = report(seen).findings
            took += time.process_time() - began
            if is_ill:
                score.add(schedule, ailments, told)
            else:
                healthy += bool(told)
    print(f"\n{nodes} nodes of {DEVICES} devices, {days} days, {seeds} seeds, {a_kind} of a kind")
    print(f"  {'kind':<12} {'planted':<16} {'recall':<32} precision")
    for kind in kinds:
        size = f"{SIZES[kind]:g}" + (" x rate" if kind in LEMONS else "")
        recall = wilson(score.found[kind], score.planted[kind])
        precision = wilson(score.right[kind], score.named[kind])
        print(f"  {kind.value:<12} {size:<16} {recall:<32} {precision}")
    print(f"  healthy factories in which anybody was named: {wilson(healthy, seeds)}")
    print(f"  {took / (2 * seeds):.2f} CPU s a report", flush=True)
    if not sum(score.found.values()):
        sys.exit("nothing was found: the benchmark is at fault")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, help="factories of each table (20)")
    parser.add_argument("--nodes", type=int, default=32, help="nodes of those with hours (32)")
    parser.add_argument("--days", type=int, default=28, help="days of those with hours (28)")
    arguments = parser.parse_args()
    seeds = max(1, arguments.seeds)
    run(DRIFTS, arguments.nodes, arguments.days, seeds, 2)
    for days in (28, 90, 180):
        run(LEMONS, 128, days, seeds, 2)


if __name__ == "__main__":
    main()
