"""The rules find what is planted in a simulated factory, in time, and accuse nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from wattline_agents.wire import Row
from wattline_collector.alerts.kept import read_history
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.watch import Watch
from wattline_collector.receive.intake import Intake
from wattline_collector.simulated.faults import Fault, Mishap
from wattline_collector.simulated.node import FactoryNode
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import MINUTE_MS, Shape
from wattline_collector.store.latest import Latest

PRESENT_MS = 1_793_534_400_000
START_MS = PRESENT_MS - 125 * MINUTE_MS
NODES, DEVICES = 12, 4
FROZEN, BROKEN, LEAN = 2, 5, 9
"""Devices whose sensor freezes, and that have a critical and a harmless XID."""


@dataclass
class Factory:
    """A factory that has been watched until its present."""

    schedule: Schedule
    fired: dict[tuple[str, str], float] = field(default_factory=dict)
    """Minutes, counted from the present, at which a rule fired first for a subject."""
    turns: int = 0

    def device(self, number: int) -> str:
        return str(self.schedule.device_names[number])

    def minutes(self, rule: str) -> dict[str, float]:
        return {subject: at for (of, subject), at in self.fired.items() if of == rule}


@pytest.fixture(scope="module")
def factory(
    tmp_path_factory: pytest.TempPathFactory, module_clock: Any, module_sender: Callable[..., Any]
) -> Iterator[Factory]:
    from wattline_collector.store.store import Store

    shape = Shape.living(nodes=NODES, devices=DEVICES, seed=7, present_ms=PRESENT_MS, history_ms=0)
    schedule = plan(
        shape,
        [
            Mishap(Fault.FROZEN, FROZEN, PRESENT_MS - 30 * MINUTE_MS, PRESENT_MS),
            Mishap(Fault.XID, BROKEN, PRESENT_MS - 60 * MINUTE_MS, PRESENT_MS - 60 * MINUTE_MS, 79),
            Mishap(Fault.XID, LEAN, PRESENT_MS - 60 * MINUTE_MS, PRESENT_MS - 60 * MINUTE_MS, 31),
        ],
    )
    path = tmp_path_factory.mktemp("factory") / "store"
    with Store.open(path, write=True, clock=module_clock) as store:
        latest = Latest(module_clock)
        intake = Intake(store, latest)
        watch = Watch(path, shipped(), latest.known, dict)
        found = Factory(schedule)
        nodes = [FactoryNode(schedule, number, 60) for number in range(NODES)]
        senders = [
            module_sender(node=shape.node_name(number), system="sim", period_ms=60_000)
            for number in range(NODES)
        ]
        for now_ms in range(START_MS, PRESENT_MS + 1, MINUTE_MS):
            module_clock.now_ms = now_ms
            for number, (node, sender) in enumerate(zip(nodes, senders, strict=True)):
                if schedule.silence(number, now_ms) is not None:
                    continue
                readings: dict[str, list[Row]] = {
                    table: list(rows) for table, rows in node.read(now_ms).items()
                }
                if (now_ms - START_MS) % (10 * MINUTE_MS) == 0:
                    readings |= {t: list(rows) for t, rows in node.describe(now_ms).items()}
                readings["agent"] = [{"time_unix_ms": now_ms, "readings_total": now_ms // 1000}]
                for table, rows in readings.items():
                    batch = sender.batch(table, rows)
                    assert intake.accept(batch.table, batch.header, batch.body)
            watch.turn()
            found.turns += 1
            store.commit()
    assert watch.counters.errors == 0
    for entry in reversed(read_history(path)):
        if entry["event"] == "fired":
            labels = entry["labels"]
            subject = labels.get("device") or labels.get("node") or labels["system"]
            at = (entry["at_ms"] - PRESENT_MS) / MINUTE_MS
            found.fired.setdefault((entry["rule"], subject), at)
    yield found


def test_only_what_is_planted_is_found(factory: Factory) -> None:
    schedule, shape = factory.schedule, factory.schedule.shape
    (rack,) = {heat.rack for heat in schedule.faults.heats if heat.end_ms > PRESENT_MS}
    (lost,) = [o for o in schedule.faults.outages if o.fault is Fault.LOST and o.end_ms > START_MS]
    (silent,) = [
        o for o in schedule.faults.outages if o.fault is Fault.SILENT and o.end_ms > START_MS
    ]
    (hangs,) = [one for one in schedule.faults.reservations if one.hangs_ms is not None]
    held = range(hangs.node * DEVICES, (hangs.node + 1) * DEVICES)
    expected = {
        ("device-lost", factory.device(lost.device or 0)),
        ("node-silent", shape.node_name(silent.node)),
        ("agent-silent", shape.node_name(silent.node)),
        ("sensor-frozen", factory.device(FROZEN)),
        ("xid-critical", factory.device(BROKEN)),
        ("xid-application", factory.device(LEAN)),
        # A twelfth of the factory is silent, and more than a twentieth is worth a word.
        ("coverage", "sim"),
        *(("held", factory.device(number)) for number in held),
    }
    others = {one for one in factory.fired if one[0] != "throttled-thermal"}
    assert others == expected
    # Of a warm rack only devices at work are slowed.
    in_rack = {
        factory.device(number)
        for number in range(NODES * DEVICES)
        if shape.rack_of(number // DEVICES) == rack
    }
    warm = factory.minutes("throttled-thermal").keys()
    assert warm and warm <= in_rack


@pytest.mark.parametrize(
    ("rule", "planted", "within"),
    [
        ("device-lost", -105, 2),  # for 1m, and seen a minute after it began
        ("node-silent", -38, 4),  # older than two minutes, for 1m
        ("sensor-frozen", -30, 3),  # for 2m
        ("xid-critical", -60, 1),  # at once
        ("xid-application", -60, 1),
        ("throttled-thermal", -55, 12),  # a fifth of ten minutes, for 5m
        ("held", -125, 28),  # at the watch's start: 12 minutes known, for 15m
    ],
)
def test_it_is_found_in_time_and_not_before(
    factory: Factory, rule: str, planted: int, within: int
) -> None:
    for minute in factory.minutes(rule).values():
        assert planted <= minute <= planted + within


def test_every_turn_was_made(factory: Factory) -> None:
    assert factory.turns == 126
