from __future__ import annotations

from itertools import pairwise

import pytest

from wattline_agents.sources.simulated import physics
from wattline_agents.sources.simulated.physics import FLOATS
from wattline_agents.sources.simulated.profile import H200
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.segments import Segment, State
from wattline_collector.simulated.shape import DAY_MS, MINUTE_MS, Shape


@pytest.fixture(scope="module")
def factory() -> Schedule:
    present_ms = 1_795_000_000_000 // MINUTE_MS * MINUTE_MS
    return plan(
        Shape.living(nodes=5, devices=4, seed=3, present_ms=present_ms, history_ms=2 * DAY_MS)
    )


def of_history(factory: Schedule, device: int) -> list[Segment]:
    within = factory.life(device).within(factory.shape.start_ms, factory.shape.present_ms)
    return [segment for segment, _, _ in within]


def watts(segment: Segment, seconds: float) -> float:
    return physics.watts(segment.terms, physics.waves(segment.terms, seconds, FLOATS))


def celsius(segment: Segment, seconds: float) -> float:
    return physics.celsius(segment.terms, physics.waves(segment.terms, seconds, FLOATS))


@pytest.mark.parametrize("device", [0, 7, 13, 19])
def test_the_energy_counter_is_the_integral_of_power(factory: Schedule, device: int) -> None:
    for segment in of_history(factory, device):
        steps = 600
        width = segment.seconds / steps
        # The midpoint rule errs by less than a millionth at this many steps of a slow wave.
        integral = sum(watts(segment, (step + 0.5) * width) for step in range(steps)) * width
        grown = segment.joules(segment.end_ms) - segment.joules(segment.start_ms)
        assert grown == pytest.approx(integral, rel=1e-5, abs=1e-3)


def test_energy_and_active_time_go_on_from_segment_to_segment(factory: Schedule) -> None:
    for device in range(20):
        for one, other in pairwise(factory.life(device).segments):
            at_ms = one.end_ms
            assert one.joules(at_ms) == pytest.approx(other.joules(at_ms), rel=1e-12)
            assert one.active_seconds(at_ms) == pytest.approx(
                other.active_seconds(at_ms), rel=1e-12, abs=1e-9
            )


def test_power_stays_between_idle_and_the_limit(factory: Schedule) -> None:
    for device in range(20):
        for segment in of_history(factory, device):
            powers = [watts(segment, segment.seconds * part / 20) for part in range(21)]
            if segment.state is State.LOST:
                assert set(powers) == {0.0}
            else:
                assert min(powers) >= H200.idle_watts * 0.96
                assert max(powers) <= H200.peak_watts


def test_power_follows_load(factory: Schedule) -> None:
    means: dict[State, list[float]] = {}
    for device in range(20):
        for segment in of_history(factory, device):
            means.setdefault(segment.state, []).append(segment.terms.watts)
    assert max(means[State.FREE]) < min(means[State.HELD])
    assert max(means[State.HELD]) < min(means[State.WORKING])


def test_temperature_does_not_jump_and_follows_power(factory: Schedule) -> None:
    for device in range(20):
        for one, other in pairwise(of_history(factory, device)):
            assert celsius(one, one.seconds) == pytest.approx(celsius(other, 0.0), abs=1e-6)
        for segment in of_history(factory, device):
            if segment.seconds > 1800 and segment.terms.watts_swing == 0:
                rest = segment.terms.rest_celsius
                assert celsius(segment, segment.seconds) == pytest.approx(rest, abs=0.1)
                assert 20 < rest < 90


def test_a_warm_rack_runs_hotter_slower_and_with_less_power(factory: Schedule) -> None:
    spell = next(s for s in factory.faults.spells if s.end_ms < factory.shape.present_ms)
    rack = [n for n in range(5) if factory.shape.rack_of(n) == spell.rack]
    during: list[Segment] = []
    before: list[Segment] = []
    for node in rack:
        for device in factory.devices_of(node):
            for segment, start_ms, _ in factory.life(device).within(
                spell.start_ms - 3_600_000, spell.end_ms
            ):
                if segment.state is State.WORKING:
                    (during if start_ms >= spell.start_ms else before).append(segment)
    assert during
    assert all(0.2 <= segment.terms.thermal <= 0.7 for segment in during)
    assert all(segment.terms.thermal == 0 for segment in before)
    assert all(segment.slowed_share > 0 for segment in during)
    assert all(segment.terms.hertz < H200.working_hertz for segment in during)


def test_a_device_that_comes_back_counts_from_nought(factory: Schedule) -> None:
    outage = next(
        o
        for o in factory.faults.outages
        if o.device is not None and o.end_ms < factory.shape.present_ms
    )
    assert outage.device is not None
    life = factory.life(outage.device)
    back = life.at(outage.end_ms + MINUTE_MS)
    assert back.terms.counter_joules == 0.0
    assert back.terms.power_cap_seconds == 0.0
    assert back.terms.joules > 0
    assert life.at(outage.start_ms).terms.counter_joules > 0
