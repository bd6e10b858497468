from __future__ import annotations

from itertools import pairwise

import pytest

from wattline_collector.simulated.faults import Fault
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS, Shape
from wattline_collector.simulated.truth import truth


@pytest.fixture(scope="module")
def factory() -> Schedule:
    present_ms = 1_795_000_000_000 // MINUTE_MS * MINUTE_MS
    return plan(
        Shape.living(nodes=6, devices=4, seed=5, present_ms=present_ms, history_ms=3 * DAY_MS)
    )


def test_accounts_add_up_to_all_device_time(factory: Schedule) -> None:
    shape = factory.shape
    found = truth(factory, shape.start_ms, shape.present_ms)
    assert sum(found.duration_ms.values()) == 24 * 3 * DAY_MS
    assert len(found.devices) == 24
    for accounts in found.devices.values():
        assert sum(accounts.values()) == 3 * DAY_MS


def test_any_stretch_adds_up_even_one_that_cuts_segments(factory: Schedule) -> None:
    shape = factory.shape
    edges = [shape.start_ms, shape.start_ms + 7_654_321, shape.present_ms - 1234, shape.present_ms]
    parts = [truth(factory, low, high) for low, high in pairwise(edges)]
    whole = truth(factory, shape.start_ms, shape.present_ms)
    for account, duration_ms in whole.duration_ms.items():
        found = sum(part.duration_ms.get(account, 0) for part in parts)
        # Shares of slowed time are rounded to milliseconds, once per device and cut.
        assert found == pytest.approx(duration_ms, abs=100)
        energy = sum(part.energy_joules.get(account, 0) for part in parts)
        assert energy == pytest.approx(whole.energy_joules[account], rel=1e-6, abs=1)
    assert sum(part.total_tokens("tokens_trained_total") for part in parts) == (
        whole.total_tokens("tokens_trained_total")
    )


def test_the_planted_faults_are_in_their_accounts(factory: Schedule) -> None:
    shape = factory.shape
    found = truth(factory, shape.start_ms, shape.present_ms)
    silent = lost = 0
    for outage in factory.faults.outages:
        length = min(outage.end_ms, shape.present_ms) - outage.start_ms
        if outage.fault is Fault.SILENT:
            silent += length * shape.devices
        else:
            lost += length
    assert found.duration_ms["unobserved"] == silent
    assert found.duration_ms["down"] == lost
    assert found.energy_joules["down"] == 0
    assert found.duration_ms["slowed"] > 0
    assert found.duration_ms["held"] > 0


def test_a_node_uses_more_than_its_devices(factory: Schedule) -> None:
    shape = factory.shape
    found = truth(factory, shape.start_ms, shape.start_ms + HOUR_MS)
    devices = sum(found.energy_joules.values())
    nodes = sum(found.node_energy_joules.values())
    assert devices * 1.1 < nodes < devices + 6 * 3600 * 2500
