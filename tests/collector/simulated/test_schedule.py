from __future__ import annotations

from itertools import groupby, pairwise

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.simulated.faults import Fault
from wattline_collector.simulated.jobs import Job
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.segments import State
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS, Shape
from wattline_collector.simulated.truth import truth

PRESENT_MS = 1_795_000_000_000 // MINUTE_MS * MINUTE_MS


def shape(nodes: int = 32, days: int = 4, seed: int = 7, devices: int = 8) -> Shape:
    return Shape.living(
        nodes=nodes,
        devices=devices,
        seed=seed,
        present_ms=PRESENT_MS,
        history_ms=days * DAY_MS,
    )


@pytest.fixture(scope="module")
def factory() -> Schedule:
    return plan(shape())


def running(factory: Schedule, at_ms: int) -> list[Job]:
    return [job for job in factory.jobs if job.start_ms <= at_ms < job.end_ms]


def test_the_same_shape_gives_the_same_factory() -> None:
    one, other = plan(shape(nodes=6)), plan(shape(nodes=6))
    assert one.jobs == other.jobs
    assert one.faults == other.faults
    assert all(one.life(device) == other.life(device) for device in range(48))


def test_another_seed_gives_another_factory() -> None:
    assert plan(shape(nodes=6)).jobs != plan(shape(nodes=6, seed=8)).jobs


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 9, 32])
@pytest.mark.parametrize("devices", [1, 4, 8])
def test_a_device_lives_one_segment_at_a_time_from_beginning_to_end(
    nodes: int, devices: int
) -> None:
    made = plan(shape(nodes=nodes, devices=devices, days=2))
    for device in range(nodes * devices):
        segments = made.life(device).segments
        assert segments[0].start_ms == made.shape.origin_ms
        assert segments[-1].end_ms == made.shape.end_ms
        assert all(one.end_ms == other.start_ms for one, other in pairwise(segments))
        assert all(one.start_ms < one.end_ms for one in segments)
        # Samples at whole minutes never straddle two segments.
        assert all(one.start_ms % MINUTE_MS == 0 for one in segments)


def test_a_job_is_on_all_of_its_devices_for_all_of_its_time(factory: Schedule) -> None:
    for job in factory.jobs:
        assert all(one.end_ms == other.start_ms for one, other in pairwise(job.stages))
        for device in (job.devices[0], job.devices[-1]):
            parts = factory.life(device).within(job.start_ms, job.end_ms)
            assert all(segment.job is job for segment, _, _ in parts)


def test_sizes_go_from_one_device_to_many_nodes(factory: Schedule) -> None:
    sizes = {len(job.devices) for job in factory.jobs if job.kind == "training"}
    assert {1, 8, 16, 32} <= sizes
    assert max(sizes) >= 128


def test_the_factory_is_well_used_and_not_full(factory: Schedule) -> None:
    shape = factory.shape
    found = truth(factory, shape.start_ms + DAY_MS, shape.present_ms).duration_ms
    whole = sum(found.values())
    assert 0.80 < sum(found[a] for a in ("busy", "slowed", "held")) / whole < 0.95
    assert found["held"] / whole > 0.01
    assert found["slowed"] / whole > 0.005
    assert found["free"] / whole > 0.04


def test_working_devices_are_half_to_four_fifths_active(factory: Schedule) -> None:
    active = working = 0.0
    for device in range(256):
        for segment in factory.life(device).segments:
            if segment.state is State.WORKING:
                active += segment.terms.activity * segment.seconds
                working += segment.seconds
    assert 0.5 < active / working < 0.8


def test_every_fault_is_planted_in_the_history_and_at_the_present(factory: Schedule) -> None:
    present_ms = factory.shape.present_ms
    for fault in (Fault.SILENT, Fault.LOST):
        outages = [o for o in factory.faults.outages if o.fault is fault]
        assert any(o.end_ms < present_ms for o in outages)
        assert any(o.start_ms < present_ms < o.end_ms for o in outages)
    spells = factory.faults.spells
    assert any(s.end_ms < present_ms for s in spells)
    assert any(s.start_ms < present_ms < s.end_ms for s in spells)


def test_there_is_always_something_of_everything_to_see(factory: Schedule) -> None:
    now_ms = factory.shape.present_ms
    states = [factory.life(device).at(now_ms).state for device in range(256)]
    assert {State.FREE, State.HELD, State.WORKING, State.LOST} <= set(states)
    assert states.count(State.HELD) >= 8
    assert states.count(State.FREE) >= 8
    kinds = {job.kind for job in running(factory, now_ms)}
    assert {"training", "inference"} <= kinds


def test_a_lost_device_ends_its_job_and_is_nobodys_until_it_is_back(factory: Schedule) -> None:
    for outage in factory.faults.outages:
        if outage.fault is not Fault.LOST or outage.device is None:
            continue
        jobs = factory.jobs_of(outage.device)
        assert not any(outage.overlaps(job.start_ms, job.end_ms) for job in jobs)
        failed = [job for job in jobs if job.end_ms == outage.start_ms]
        assert all(job.outcome == "failed" for job in failed)
        parts = factory.life(outage.device).within(outage.start_ms, outage.end_ms)
        assert all(segment.state is State.LOST for segment, _, _ in parts)


def test_what_ran_on_a_silent_node_has_ended_before_it_speaks_again(factory: Schedule) -> None:
    for outage in factory.faults.outages:
        if outage.fault is not Fault.SILENT:
            continue
        for device in factory.devices_of(outage.node):
            for job in factory.jobs_of(device):
                assert not job.start_ms < outage.end_ms <= job.end_ms


def test_jobs_that_make_tokens_are_reported_by_a_node_that_speaks(factory: Schedule) -> None:
    for job in factory.jobs:
        silences = factory.faults.silences(job.reporter)
        if job.columns:
            assert not any(silence.overlaps(job.start_ms, job.end_ms) for silence in silences)


def test_a_device_is_held_clearly_longer_than_the_grace_time_or_not_at_all(
    factory: Schedule,
) -> None:
    for job in factory.jobs:
        for works, run in groupby(job.stages, lambda stage: stage.works):
            stretch = list(run)
            if not works and stretch[-1].end_ms < factory.shape.end_ms:
                assert stretch[-1].end_ms - stretch[0].start_ms >= 20 * MINUTE_MS
        # Nothing near the limit either, where a reading's noise could tip it.
        assert all(not 0.02 < stage.activity < 0.065 for stage in job.stages)


def test_a_job_makes_what_its_stages_say(factory: Schedule) -> None:
    job = max(factory.jobs, key=lambda job: len(job.stages))
    for column in job.columns:
        total = sum(
            stage.rates.get(column, 0.0) * (stage.end_ms - stage.start_ms) / 1000
            for stage in job.stages
        )
        assert job.made(job.end_ms)[column] == pytest.approx(total)
        made = [
            job.made(at_ms).get(column, 0.0)
            for at_ms in range(job.start_ms, job.end_ms + HOUR_MS, 7 * MINUTE_MS)
        ]
        assert all(one <= other for one, other in pairwise(made))


def test_names_say_that_nothing_is_real(factory: Schedule) -> None:
    assert factory.shape.node_name(0) == "sim-r1-n01"
    assert factory.shape.node_name(31) == "sim-r4-n08"
    assert all(name.startswith("SIM-") for name in factory.device_names)
    assert len(set(factory.device_names)) == 256


@pytest.mark.parametrize(("nodes", "devices"), [(0, 8), (2000, 8), (4, 0), (4, 17)])
def test_a_factory_of_no_size_or_of_a_monstrous_one_is_refused(nodes: int, devices: int) -> None:
    with pytest.raises(UsageError, match="not from 1 to"):
        shape(nodes=nodes, devices=devices)
