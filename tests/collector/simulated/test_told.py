from __future__ import annotations

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.wire import Row
from wattline_collector.simulated.faults import Fault, Mishap, Outage, Spell
from wattline_collector.simulated.node import FactoryNode
from wattline_collector.simulated.schedule import plan
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS, Shape
from wattline_collector.simulated.told import checked, clash, drawn, fault_told

PRESENT_MS = 1_790_000_040_000
SHAPE = Shape.living(nodes=8, devices=4, seed=2, present_ms=PRESENT_MS, history_ms=DAY_MS)
START_MS = SHAPE.present_ms


def device_rows(text: str, *at_seconds: float) -> list[Row]:
    """Rows of device 6 (node 1, device 2) at seconds after the present."""
    reader = FactoryNode(plan(SHAPE, [fault_told(text, SHAPE)]), 1, 1.0)
    return [reader.read(START_MS + round(at * 1000))["device"][2] for at in at_seconds]


def test_each_kind_is_read_as_told() -> None:
    assert fault_told("lost:node=1,device=2,at=+2m,for=30s", SHAPE) == Outage(
        Fault.LOST, 1, 6, START_MS + 2 * MINUTE_MS, START_MS + 2 * MINUTE_MS + 30_000
    )
    assert fault_told("silent:node=3,at=+1h,for=2h", SHAPE) == Outage(
        Fault.SILENT, 3, None, START_MS + HOUR_MS, START_MS + 3 * HOUR_MS
    )
    assert fault_told("hot:rack=1,for=1h,share=0.5", SHAPE) == Spell(
        1, START_MS + MINUTE_MS, START_MS + 61 * MINUTE_MS, 0.5
    )
    assert fault_told("xid:node=7,device=3,at=2026-09-21T15:00:00Z,code=48", SHAPE) == Mishap(
        Fault.XID, 31, 1_790_002_800_000, 1_790_002_800_000, 48
    )


def test_plus_counts_from_the_moment_that_is_told() -> None:
    fault = fault_told("xid:at=+20s", SHAPE, START_MS + 45_000)
    assert isinstance(fault, Mishap)
    assert fault.start_ms == START_MS + 65_000


def test_a_device_is_lost_and_comes_back() -> None:
    before, lost, back = device_rows("lost:node=1,device=2,at=+10s,for=20s", 9, 20, 31)
    assert (before["up"], lost["up"], back["up"]) == (1, 0, 1)


def test_a_frozen_sensor_is_flagged_and_its_power_left_out() -> None:
    before, frozen, after = device_rows("frozen:node=1,device=2,at=+10s,for=20s", 9, 20, 31)
    assert before["power_watts"] is not None
    assert (frozen["power_watts"], frozen["power_stale"]) == (None, 1)
    assert frozen["energy_joules_total"] is not None
    assert after["power_stale"] == 0
    assert after["power_watts"] is not None


def test_a_reset_begins_the_energy_counter_anew_and_counts() -> None:
    before, after, later = device_rows("reset:node=1,device=2,at=+10s", 9, 11, 21)
    assert float(before["energy_joules_total"] or 0) > 1e6
    one_second = float(after["energy_joules_total"] or 0)
    assert 0 < one_second < 800
    assert one_second < float(later["energy_joules_total"] or 0) < 11 * 800
    assert after["energy_resets_total"] == 1


def test_an_xid_is_said_once_with_its_count_and_time() -> None:
    texts = ("xid:node=1,device=2,at=+10s,code=79", "xid:node=1,device=2,at=+15s,code=79")
    reader = FactoryNode(plan(SHAPE, [fault_told(text, SHAPE) for text in texts]), 1, 1.0)
    said = [
        (second, row["device"], row["xid"], row["count_total"], row["last_unix_seconds"])
        for second in range(5, 20)
        for row in reader.read(START_MS + second * 1000).get("xid", [])
    ]
    name = SHAPE.device_name(6)
    assert said == [
        (10, name, 79, 1, START_MS / 1000 + 10),
        (15, name, 79, 2, START_MS / 1000 + 15),
    ]


def test_drawn_faults_follow_the_seed_and_never_overlap() -> None:
    faults = drawn(SHAPE, 50)
    assert faults == drawn(SHAPE, 50)
    assert len(faults) == pytest.approx(50 * 14, rel=0.2)
    kinds = {one.fault for one in faults if isinstance(one, Outage | Mishap)}
    assert kinds == {Fault.LOST, Fault.SILENT, Fault.FROZEN, Fault.RESET, Fault.XID}
    outages = [one for one in faults if isinstance(one, Outage)]
    assert not any(clash(one, other) for one in outages for other in outages if other is not one)
    assert drawn(SHAPE, 0) == []
    plan(SHAPE, faults).life(6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frozzen", "no kind 'frozzen'; did you mean 'frozen'"),
        ("lost:nod=1", "not one of its keys: 'nod=1'; did you mean 'node'"),
        ("lost:node=8", "node: not from 0 to 7: '8'"),
        ("lost:device=-1", "device: not from 0 to 3: '-1'"),
        ("lost:for=0s", "not a time such as 30s"),
        ("lost:at=tomorrow", "at: not \\+2m or a time"),
        ("lost:at=2020-01-01", "at: before the present"),
        ("hot:for=1m", "for: at least 10m: 1m"),
        ("hot:share=2", "share: not over 0 and up to 0.9"),
        ("silent:device=1", "not one of its keys: 'device=1'"),
    ],
)
def test_what_is_no_fault_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fault_told(text, SHAPE)


def test_two_outages_of_one_device_at_one_time_are_refused() -> None:
    faults = [
        fault_told("lost:node=1,device=2,at=+2m,for=10m", SHAPE),
        fault_told("lost:node=1,device=2,at=+5m,for=10m", SHAPE),
    ]
    with pytest.raises(UsageError, match="device 2 already has one at that time"):
        checked(faults, SHAPE)
    assert checked(faults[:1], SHAPE) == faults[:1]
